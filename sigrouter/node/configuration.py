"""Crossbar's configuration of this node: one file, to which the settings are applied or compared.

``sigrouter start`` renders the file with the settings. Plain ``crossbar start`` takes the file as it stands, so there
the node refuses to listen where the file and the settings disagree: what an operator set must never be ignored in
silence.
"""

import copy
import ipaddress
import json
from collections.abc import Mapping
from importlib.resources import files
from typing import Any, Final

from sigrouter.settings.model import Settings

PUBLIC: Final = "public"
ADMIN: Final = "admin"
SHORTEST_MS: Final = 1000
"""Crossbar takes a shorter time for a mistake in the unit."""
WEBSOCKET_PATHS: Final[Mapping[str, str]] = {PUBLIC: "ws", ADMIN: "admin"}
REFUSAL_MARGIN: Final = 2
"""The socket takes this many times ``limits.message_bytes``, so that a call above the limit is refused in words."""

_ADVICE: Final = 'start with "sigrouter start", which follows the settings, or make config.json agree'


def shipped_configuration() -> str:
    """The text of the configuration that comes with the package; ``.crossbar/config.json`` of a clone is the same."""
    return files("sigrouter.node").joinpath("config.json").read_text(encoding="utf-8")


def template() -> dict[str, Any]:
    """The shipped configuration, parsed afresh."""
    parsed: dict[str, Any] = json.loads(shipped_configuration())
    return parsed


def render(config: Mapping[str, Any], settings: Settings) -> dict[str, Any]:
    """A copy of ``config`` whose transports ``public`` and ``admin`` are what the settings say."""
    rendered: dict[str, Any] = copy.deepcopy(dict(config))
    for transport in _transports(rendered):
        if transport.get("id") in WEBSOCKET_PATHS:
            _apply(transport, transport["id"], settings)
    return rendered


def check_endpoints(settings: Settings, config: Mapping[str, Any]) -> tuple[str, ...]:
    """Where the settings and the configuration file disagree, and where development mode would listen: in words."""
    problems: list[str] = []
    for transport in _transports(config):
        problems += check_transport(settings, str(transport.get("id", "?")), transport)
    return tuple(problems)


def check_transport(settings: Settings, name: str, transport: Mapping[str, Any]) -> tuple[str, ...]:
    """The same for one listening transport; ``name`` is its id."""
    problems: list[str] = []
    if name in WEBSOCKET_PATHS:
        wanted: dict[str, Any] = copy.deepcopy(dict(transport))
        _apply(wanted, name, settings)
        problems += _differences(name, transport, wanted)
    if settings.development and not _is_local(transport.get("endpoint", {})):
        problems.append(
            f"the {name} transport would listen on {_address(transport.get('endpoint', {}))} in development mode: "
            "without JWT keys (JWT_KEYS or JWT_JWKS_FILE) anyone can get a token, so the node stays on 127.0.0.1"
        )
    return tuple(problems)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches ``host``, a name or an address; the empty host means all interfaces."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _apply(transport: dict[str, Any], name: str, settings: Settings) -> None:
    node = settings.node
    host, port = (node.host, node.port) if name == PUBLIC else (node.admin_host, node.admin_port)
    endpoint = {**transport.get("endpoint", {}), "type": "tcp", "interface": host, "port": port}
    endpoint.pop("version", None)
    if ":" in host:
        endpoint["version"] = 6
    transport["endpoint"] = endpoint
    websocket = transport.get("paths", {}).get(WEBSOCKET_PATHS[name])
    if websocket is None:
        return
    size = settings.limits.message_bytes * REFUSAL_MARGIN
    options = {
        **websocket.get("options", {}),
        "max_frame_size": size,
        "max_message_size": size,
        "auto_ping_interval": max(SHORTEST_MS, round(settings.session.keepalive_s * 1000)),
        "auto_ping_timeout": max(SHORTEST_MS, round(settings.session.keepalive_s * 500)),
    }
    if name == PUBLIC:
        options["allowed_origins"] = list(node.allowed_origins)
    websocket["options"] = options


def _differences(name: str, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    problems: list[str] = []
    here, there = _address(found["endpoint"]), _address(wanted["endpoint"])
    if here != there:
        variables = "HOST, PORT" if name == PUBLIC else "ADMIN_HOST, ADMIN_PORT"
        problems.append(
            f"the {name} transport is {here} in config.json but {there} in the settings ({variables}): {_ADVICE}"
        )
    path = WEBSOCKET_PATHS[name]
    options = found.get("paths", {}).get(path, {}).get("options", {})
    for key, value in wanted.get("paths", {}).get(path, {}).get("options", {}).items():
        if options.get(key) != value:
            problems.append(
                f"{key} of the {name} transport is {options.get(key)!r} in config.json "
                f"but {value!r} by the settings: {_ADVICE}"
            )
    return problems


def _transports(config: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [transport for worker in config.get("workers", []) for transport in worker.get("transports", [])]


def _address(endpoint: Mapping[str, Any]) -> str:
    if endpoint.get("type") != "tcp":
        return f"a {endpoint.get('type')} endpoint"
    host = str(endpoint.get("interface", "")).strip() or "all interfaces"
    return f"[{host}]:{endpoint.get('port')}" if ":" in host else f"{host}:{endpoint.get('port')}"


def _is_local(endpoint: Mapping[str, Any]) -> bool:
    if endpoint.get("type") == "unix":
        return True
    return endpoint.get("type") == "tcp" and is_loopback(str(endpoint.get("interface", "")).strip())
