"""The one configuration file, and what the settings make of it."""

import json
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from sigrouter.node.configuration import check_endpoints, is_loopback, render, shipped_configuration, template
from sigrouter.protocol import uris
from sigrouter.settings.model import LimitSettings, NodeSettings, SessionSettings, Settings

REPOSITORY = Path(__file__).parents[3]
ROLES = {"client", "worker", "service", "admin"}


def transport(config: dict[str, Any], name: str) -> dict[str, Any]:
    return next(one for one in config["workers"][0]["transports"] if one["id"] == name)


def permissions(role: str) -> list[dict[str, Any]]:
    roles = template()["workers"][0]["realms"][0]["roles"]
    return next(one for one in roles if one["name"] == role)["permissions"]


def callable_by(role: str) -> set[str]:
    return {one["uri"] for one in permissions(role) if one["allow"].get("call")}


def test_the_clone_and_the_package_hold_the_same_configuration():
    assert (REPOSITORY / ".crossbar" / "config.json").read_text(encoding="utf-8") == shipped_configuration()


def test_the_default_settings_agree_with_the_shipped_file():
    assert check_endpoints(Settings(), template()) == ()
    assert render(template(), Settings()) == template()


def test_rendering_follows_the_settings_and_leaves_its_input_alone():
    settings = Settings(
        node=NodeSettings(
            host="::1", port=5001, admin_host="127.0.0.2", admin_port=5002, allowed_origins=("https://a.example",)
        ),
        session=SessionSettings(keepalive_s=4.0),
        limits=LimitSettings(message_bytes=1000),
    )
    before = template()
    rendered = render(before, settings)
    assert before == template()
    public, admin = transport(rendered, "public"), transport(rendered, "admin")
    assert public["endpoint"] == {"type": "tcp", "interface": "::1", "port": 5001, "backlog": 4096, "version": 6}
    assert (admin["endpoint"]["interface"], admin["endpoint"]["port"]) == ("127.0.0.2", 5002)
    options = public["paths"]["ws"]["options"]
    assert options["allowed_origins"] == ["https://a.example"]
    assert (options["auto_ping_interval"], options["auto_ping_timeout"]) == (4000, 2000)
    assert (options["max_message_size"], options["max_frame_size"]) == (2000, 2000)
    assert admin["paths"]["admin"]["options"]["allowed_origins"] == []
    assert check_endpoints(settings, rendered) == ()


@pytest.mark.parametrize(
    ("node", "words"),
    [
        (
            NodeSettings(port=5001),
            "the public transport is 127.0.0.1:4001 in config.json but 127.0.0.1:5001 in the settings (HOST, PORT)",
        ),
        (
            NodeSettings(admin_port=5002),
            "the admin transport is 127.0.0.1:4002 in config.json but 127.0.0.1:5002 in the settings (ADMIN_HOST, ADMIN_PORT)",
        ),
        (NodeSettings(allowed_origins=("https://a.example",)), "allowed_origins of the public transport"),
    ],
)
def test_a_file_that_disagrees_with_the_settings_is_named_with_both_values(node: NodeSettings, words: str):
    (problem,) = check_endpoints(Settings(node=node), template())
    assert problem.startswith(words)
    assert "sigrouter start" in problem


@pytest.mark.parametrize("interface", ["0.0.0.0", "", "192.0.2.1", "::", None])
def test_development_mode_listens_on_this_machine_only(interface: str | None):
    config = template()
    endpoint = transport(config, "public")["endpoint"]
    if interface is None:
        del endpoint["interface"]
    else:
        endpoint["interface"] = interface
    settings = Settings(node=NodeSettings(host=interface or ""))
    assert any("development mode" in problem for problem in check_endpoints(settings, config))
    assert not any(
        "development mode" in problem for problem in check_endpoints(evolve(settings, development=False), config)
    )


def test_development_mode_watches_transports_that_are_not_ours_too():
    config = template()
    config["workers"][0]["transports"].append(
        {"id": "extra", "type": "websocket", "endpoint": {"type": "tcp", "port": 9000}}
    )
    (problem,) = check_endpoints(Settings(), config)
    assert "the extra transport would listen on all interfaces:9000 in development mode" in problem


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("localhost", True),
        ("", False),
        ("0.0.0.0", False),
        ("example.com", False),
    ],
)
def test_loopback_is_told_from_the_rest(host: str, local: bool):
    assert is_loopback(host) is local


def test_each_role_may_call_exactly_what_the_protocol_gives_it():
    session = {uris.SESSION_READY, uris.SESSION_HEARTBEAT, uris.SESSION_INFO, uris.SESSION_END}
    client = session | {
        uris.CHANNEL_RECOVER,
        uris.CHANNEL_ACK,
        uris.PAIR_REQUEST,
        uris.PAIR_CANCEL,
        uris.PAIR_RELEASE,
        uris.PAIR_SEND,
    }
    assert callable_by("client") == client
    assert callable_by("worker") == client | {uris.WORKER_ANNOUNCE, uris.WORKER_STATUS}
    assert callable_by("service") == session
    admin = {value for name, value in vars(uris).items() if name.startswith("ADMIN_")}
    assert callable_by("admin") == session | admin


@pytest.mark.parametrize("role", sorted(ROLES))
def test_nobody_publishes_registers_or_touches_what_is_not_sigs(role: str):
    for one in permissions(role):
        assert set(one["allow"]) <= {"call", "subscribe"}
        assert one["uri"].startswith(
            ("sig.session.", "sig.channel.", "sig.pair.", "sig.worker.", "sig.admin.", "sig.event.")
        )
        assert one["match"] == ("prefix" if one["uri"] == uris.EVENT_PREFIX else "exact")
        # Without it a procedure would not know who calls.
        assert "call" not in one["allow"] or one["disclose"] == {"caller": True}


def test_the_transports_ask_different_authenticators():
    public = transport(template(), "public")["paths"]["ws"]["auth"]
    admin = transport(template(), "admin")["paths"]["admin"]["auth"]
    assert {method: one["authenticator"] for method, one in public.items()} == {
        "ticket": uris.AUTHENTICATE,
        "anonymous": uris.AUTHENTICATE,
    }
    assert {method: one["authenticator"] for method, one in admin.items()} == {"ticket": uris.AUTHENTICATE_ADMIN}


def test_the_file_holds_no_business_values_beyond_what_settings_render():
    assert set(json.loads(shipped_configuration())) == {"version", "controller", "workers"}
