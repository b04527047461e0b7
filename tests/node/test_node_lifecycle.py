"""A real node from its start to its end: both ways of starting, both signals, and everything that may go wrong."""

import json
import os
import signal
import socket
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from email.message import Message
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from autobahn.wamp.exception import ApplicationError
from autobahn.wamp.types import PublishOptions, SubscribeOptions
from twisted.internet import reactor, threads
from twisted.internet.task import deferLater

from sigrouter.demo.redis_process import free_port
from sigrouter.node.configuration import render
from sigrouter.protocol import uris
from sigrouter.settings.model import NodeSettings, Settings
from tests.node import probe
from tests.node.peer import Refused, connect
from tests.support.node_process import WAYS, NodeProcess, Way, wait_until

Start = Callable[..., NodeProcess]
SECRET_JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ1c2VyLWZyb20tdGVzdCJ9.c2lnbmF0dXJlLW9mLXRoZS10ZXN0LXRpY2tldA"
SECRET_RECOVERY = "eyJhbGciOiJIUzI1NiJ9.eyJzaWQiOiJzLWZyb20tdGVzdCJ9.c2lnbmF0dXJlLW9mLXRoZS1yZWNvdmVyeS10b2tlbg"
SECRET_HELLO = "eyJhbGciOiJIUzI1NiJ9.eyJzaWQiOiJvbGQtZnJvbS10ZXN0In0.c2lnbmF0dXJlLW9mLXRoZS1oZWxsby10b2tlbg"
SECRET_COOKIE = "plain-cookie-value-that-is-no-jwt-7c1f"


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts nodes that run the probe, waits until they are ready (unless told not to), and leaves none behind."""
    nodes: list[NodeProcess] = []

    def start_node(
        way: Way = "sigrouter", *, wait: bool = True, env: dict[str, str] | None = None, **named: Any
    ) -> NodeProcess:
        directory = tmp_path / f"node-{len(nodes)}"
        directory.mkdir()
        variables = {probe.TRACE_FILE: str(directory / "trace"), **(env or {})}
        node = NodeProcess(
            directory, way=way, config=named.pop("config", probe.configuration()), env=variables, **named
        )
        nodes.append(node)
        node.start()
        if wait:
            node.wait_ready()
        return node

    yield start_node
    for node in nodes:
        node.kill()


def traced(node: NodeProcess) -> list[str]:
    path = node.directory / "trace"
    return path.read_text().split("\n")[:-1] if path.exists() else []


def get(url: str) -> tuple[int, dict[str, Any], dict[str, str]]:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return response.status, json.load(response), lowered(response.headers)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error), lowered(error.headers)


def lowered(headers: Message) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


# ---- Starting and serving ----------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
@pytest_twisted.ensureDeferred
async def test_a_node_serves_clients_and_operators_in_both_ways_of_starting(way: Way, start: Start) -> None:
    node = start(way)
    client = await connect(node.url, ticket="t")
    told = await client.call(uris.SESSION_INFO)
    assert told["role"] == "client"
    assert told["no_delay"] is True
    assert told["unsent"] == 0
    assert told["live"] == [client.details.session]
    assert told["ours"] is (way == "sigrouter")
    assert told["directory"] == str(node.directory)
    operator = await connect(node.admin_url, ticket="t")
    assert operator.details.authrole == "admin"
    client.close()
    operator.close()


@pytest_twisted.ensureDeferred
async def test_a_client_may_call_nothing_but_what_its_role_lists(start: Start) -> None:
    node = start()
    client = await connect(node.url, ticket="t")
    for forbidden in (
        uris.AUTHENTICATE,
        uris.AUTHENTICATE_ADMIN,
        uris.ADMIN_KICK,
        uris.WORKER_ANNOUNCE,
        "wamp.session.list",
    ):
        with pytest.raises(ApplicationError) as refusal:
            await client.call(forbidden)
        assert refusal.value.error == ApplicationError.NOT_AUTHORIZED
    for match, topic in (
        ("exact", "wamp.session.on_join"),
        ("prefix", "sig."),
        ("wildcard", "..event"),
        ("prefix", ""),
    ):
        with pytest.raises(ApplicationError) as refusal:
            await client.session.subscribe(lambda: None, topic, options=SubscribeOptions(match=match))
        assert refusal.value.error == ApplicationError.NOT_AUTHORIZED
    with pytest.raises(ApplicationError) as refusal:
        await client.session.publish(uris.EVENT_MESSAGE, options=PublishOptions(acknowledge=True))
    assert refusal.value.error == ApplicationError.NOT_AUTHORIZED
    with pytest.raises(ApplicationError) as refusal:
        await client.session.register(lambda: None, uris.WORKER_ANNOUNCE)
    assert refusal.value.error == ApplicationError.NOT_AUTHORIZED
    assert await client.session.subscribe(lambda: None, uris.EVENT_PREFIX, options=SubscribeOptions(match="prefix"))
    assert await client.session.subscribe(lambda: None, uris.EVENT_GOAWAY)
    client.close()


@pytest_twisted.ensureDeferred
async def test_the_operators_transport_takes_no_anonymous_peer(start: Start) -> None:
    node = start()
    with pytest.raises(Refused):
        await connect(node.admin_url)


def test_health_is_always_ok_and_ready_gives_its_reasons(start: Start) -> None:
    node = start()
    status, body, headers = get(node.page("health"))
    assert (status, body) == (200, {"status": "ok", "nodeId": "probe"})
    assert headers["cache-control"] == "no-store"
    assert get(node.page("ready"))[:2] == (200, {"status": "ready"})
    (node.directory / "not-ready").write_text("draining")
    assert get(node.page("ready"))[:2] == (503, {"status": "not ready", "reasons": ["draining"]})
    assert get(node.page("health"))[0] == 200


def test_cpu_seconds_count_controller_and_worker(start: Start) -> None:
    node = start()
    assert node.cpu_seconds() > 0.5
    assert node.worker_pid != node.server.pid


# ---- Stopping ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("stop", ["terminate", "interrupt"])
def test_sigrouter_drains_and_exits_with_zero_on_both_signals(stop: str, start: Start) -> None:
    node = start()
    getattr(node, stop)()
    assert node.wait() == 0
    assert traced(node) == ["leave", "drain started", "drain finished"]


def test_plain_crossbar_drains_too_and_its_exit_code_tells_the_signals_apart(start: Start) -> None:
    interrupted, terminated = start("crossbar"), start("crossbar")
    interrupted.interrupt()
    terminated.terminate()
    assert interrupted.wait() == 0
    assert terminated.wait() == 1  # Crossbar's own answer to SIGTERM, even after a clean drain.
    for node in (interrupted, terminated):
        assert traced(node) == ["leave", "drain started", "drain finished"]


@pytest_twisted.ensureDeferred
async def test_clients_are_served_while_the_node_drains(start: Start) -> None:
    node = start(env={probe.DRAIN_S: "3"})
    client = await connect(node.url, ticket="t")
    node.terminate()
    await threads.deferToThread(wait_until, lambda: "drain started" in traced(node), 10, lambda: node.log)
    assert (await client.call(uris.SESSION_INFO))["drain_started"] is True
    newcomer = await connect(node.url, ticket="t")
    assert newcomer.details.session
    assert get(node.page("health"))[0] == 200
    client.close()
    newcomer.close()
    assert await threads.deferToThread(node.wait) == 0
    assert traced(node)[-1] == "drain finished"


@pytest.mark.timeout(90)
def test_a_drain_longer_than_crossbars_own_patience_runs_to_its_end(start: Start) -> None:
    node = start(env={probe.DRAIN_S: "23", "SIGROUTER_DRAIN_BUDGET_S": "30"})
    node.terminate()
    assert node.wait(60) == 0
    assert traced(node)[-1] == "drain finished"


def test_a_drain_beyond_its_budget_is_killed_and_that_is_no_clean_end(start: Start) -> None:
    env = {
        probe.DRAIN_S: "60",
        "SIGROUTER_DRAIN_BUDGET_S": "1",
        "SIGROUTER_DRAIN_SETTLE_S": "0",
        "SIGROUTER_DRAIN_PLAIN_BUDGET_S": "1",
    }
    node = start(env=env)
    node.terminate()
    assert node.wait(30) == 1
    assert "did not end within 6 s and was killed" in node.log
    assert traced(node) == ["leave", "drain started"]


def test_a_drain_that_raises_is_no_clean_end(start: Start) -> None:
    node = start(env={probe.FAILS: "drain"})
    node.terminate()
    assert node.wait() == 1
    assert "The drain failed" in node.log


def test_more_signals_do_not_cut_the_drain_short(start: Start) -> None:
    node = start(env={probe.DRAIN_S: "2"})
    node.terminate()
    node.wait_for_log("drains and stops")
    for again in (node.terminate, node.interrupt, node.terminate):
        again()
    os.kill(node.worker_pid, signal.SIGTERM)
    assert node.wait() == 0
    assert traced(node) == ["leave", "drain started", "drain finished"]


def test_a_signal_to_the_whole_process_group_drains_once(start: Start) -> None:
    node = start(env={probe.DRAIN_S: "1"})
    os.killpg(node.server.pid, signal.SIGTERM)
    assert node.wait() == 0
    assert traced(node) == ["leave", "drain started", "drain finished"]


def test_a_signal_during_the_boot_stops_the_node_cleanly_once_it_is_up(start: Start) -> None:
    node = start(wait=False)
    node.wait_for_log("Starting router-worker")
    node.terminate()
    assert node.wait() == 0
    assert traced(node)[-1] == "drain finished"


def test_a_worker_that_dies_takes_the_node_down_with_an_error(start: Start) -> None:
    node = start()
    os.kill(node.worker_pid, signal.SIGKILL)
    assert node.wait() == 1


def test_a_dead_controller_makes_its_worker_drain(start: Start) -> None:
    node = start()
    worker = node.worker_pid
    os.kill(node.server.pid, signal.SIGKILL)
    wait_until(lambda: "drain finished" in traced(node), 15, lambda: f"{traced(node)}\n{node.log[-3000:]}")
    wait_until(lambda: not Path(f"/proc/{worker}").exists(), 15, lambda: "the worker lives on")


def test_after_sigkill_the_stale_pid_file_does_not_hinder_the_next_start(start: Start) -> None:
    node = start()
    node.kill()
    assert (node.cbdir / "node.pid").exists()
    node.start()
    node.wait_ready()
    node.terminate()
    assert node.wait() == 0


# ---- Refusing ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("variable", ["HOST", "ADMIN_HOST"])
def test_sigrouter_in_development_mode_refuses_to_listen_beyond_this_machine(variable: str, start: Start) -> None:
    node = start(wait=False, rendered=False, env={variable: "0.0.0.0"})
    assert node.wait() == 2
    assert "as long as no JWT keys are given" in node.log


@pytest.mark.parametrize("transport", [0, 1])
def test_plain_crossbar_in_development_mode_refuses_to_listen_beyond_this_machine(transport: int, start: Start) -> None:
    ports = free_port(), free_port()
    config = render(probe.configuration(), Settings(NodeSettings(port=ports[0], admin_port=ports[1])))
    config["workers"][0]["transports"][transport]["endpoint"]["interface"] = "0.0.0.0"
    node = start("crossbar", wait=False, rendered=False, config=config, port=ports[0], admin_port=ports[1])
    assert node.wait() == 1
    assert f"would listen on 0.0.0.0:{ports[transport]} in development mode" in node.log
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", ports[transport]), 1)


def test_plain_crossbar_refuses_a_configuration_that_disagrees_with_the_settings(start: Start) -> None:
    node = start("crossbar", wait=False, rendered=False)
    assert node.wait() == 1
    assert f"is 127.0.0.1:4001 in config.json but 127.0.0.1:{node.port} in the settings (HOST, PORT)" in node.log


@pytest.mark.parametrize("way", WAYS)
def test_a_component_that_fails_ends_the_boot_instead_of_hanging_it(way: Way, start: Start) -> None:
    node = start(way, wait=False, env={probe.FAILS: "join"})
    assert node.wait() == 1
    assert "component Probe failed" in node.log


def test_wrong_settings_are_said_in_words(start: Start) -> None:
    node = start(wait=False, rendered=False, env={"SIGROUTER_DRAIN_BUDGET_S": "soon"})
    assert node.wait() == 2
    assert "drain.budget_s = 'soon'" in node.log


# ---- Sockets that say nothing, and logs that say too much ----------------------------------------------


@pytest_twisted.ensureDeferred
async def test_sockets_that_say_nothing_or_were_refused_are_dropped(start: Start) -> None:
    node = start(env={"SIGROUTER_SESSION_HANDSHAKE_S": "1"})
    silent = socket.create_connection(("127.0.0.1", node.port))
    mute = socket.create_connection(("127.0.0.1", node.port))
    mute.sendall(
        f"GET /ws HTTP/1.1\r\nHost: 127.0.0.1:{node.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: wamp.2.json\r\n\r\n".encode()
    )
    joined = await connect(node.url, ticket="t")
    with pytest.raises(Refused) as refusal:
        await connect(node.url, ticket="refuse-me")
    assert refusal.value.reason == uris.ERROR_AUTHENTICATION

    def end_of(one: socket.socket) -> bytes:
        one.settimeout(15)
        received = b""
        try:
            while more := one.recv(4096):
                received += more
        except ConnectionResetError:
            pass
        return received

    assert (await threads.deferToThread(end_of, mute)).startswith(b"HTTP/1.1 101")
    assert await threads.deferToThread(end_of, silent) == b""
    assert (await joined.call(uris.SESSION_INFO))["live"] == [joined.details.session]
    joined.close()


@pytest_twisted.ensureDeferred
async def test_a_goodbye_is_said_once_and_a_peer_that_lingers_loses_its_socket(start: Start) -> None:
    node = start()
    watcher, leaver = await connect(node.url, ticket="t"), await connect(node.url, ticket="t")
    told = await watcher.call(uris.SESSION_END, connection_id=leaver.details.session)
    assert told == [True, False]
    await leaver.lost
    assert (await watcher.call(uris.SESSION_INFO))["live"] == [watcher.details.session]
    assert await watcher.call(uris.SESSION_END, connection_id=leaver.details.session) == [False, False]
    watcher.close()


@pytest_twisted.ensureDeferred
async def test_the_unsent_bytes_of_a_reader_that_does_not_read_are_seen_and_its_socket_can_be_cut(start: Start) -> None:
    node = start()
    watcher, sleeper = await connect(node.url, ticket="t"), await connect(node.url, ticket="t")
    await sleeper.session.subscribe(lambda _: None, uris.EVENT_MESSAGE)
    sleeper.protocol.transport.pauseProducing()
    connection_id = sleeper.details.session
    await watcher.call(uris.PAIR_SEND, connection_id=connection_id, count=400)
    unsent = await watcher.call(uris.PAIR_REQUEST, connection_id=connection_id)
    assert 1_000_000 < unsent <= 400 * 61_000
    await watcher.call(uris.PAIR_RELEASE, connection_id=connection_id)
    sleeper.protocol.transport.resumeProducing()
    await sleeper.lost
    assert await watcher.call(uris.PAIR_REQUEST, connection_id=connection_id) is None
    watcher.close()


@pytest.mark.parametrize("loglevel", ["info", "debug"])
@pytest.mark.parametrize("way", WAYS)
@pytest_twisted.ensureDeferred
async def test_no_token_ever_lands_in_a_log(way: Way, loglevel: str, start: Start) -> None:
    node = start(way, loglevel=loglevel, env={probe.RECOVERY_TOKEN: SECRET_RECOVERY})
    ticket = await connect(node.url, ticket=SECRET_JWT, recovery_token=SECRET_HELLO)
    cookie = await connect(node.url, headers={"Cookie": f"access_token={SECRET_JWT}; other={SECRET_COOKIE}"})
    assert ticket.details.authextra["recovery_token"] == cookie.details.authextra["recovery_token"] == SECRET_RECOVERY
    ticket.close()
    cookie.close()
    await deferLater(reactor, 0, lambda: None)
    node.terminate()
    await threads.deferToThread(node.wait)
    log = node.log
    assert len(log) > 1000
    for secret in (SECRET_JWT, SECRET_RECOVERY, SECRET_HELLO, SECRET_COOKIE):
        assert secret not in log
        assert secret.encode().hex() not in log
        assert secret.rpartition(".")[2] not in log
    assert ('authid="someone"' in log) is (loglevel == "debug")
    assert ("[redacted]" in log) is (loglevel == "debug")


# ---- The configuration that is shipped, with everything in it ------------------------------------------


@pytest.mark.parametrize("loglevel", ["info", "debug"])
@pytest.mark.parametrize("way", WAYS)
@pytest_twisted.ensureDeferred
async def test_the_shipped_node_serves_drains_and_keeps_real_tokens_to_itself(
    way: Way, loglevel: str, start: Start
) -> None:
    node = start(way, loglevel=loglevel, config=None)
    secrets = [node.ticket(), node.ticket("operator", "admin")]
    status, body, _ = get(node.page("health"))
    assert (status, body["status"], body["nodeId"]) == (200, "ok", "node-1")
    first = await connect(node.url, ticket=secrets[0])
    secrets.append(first.details.authextra["recovery_token"])
    await first.call(uris.SESSION_READY, positions={"mailbox": None})
    secrets.append((await first.call(uris.SESSION_HEARTBEAT))["recovery_token"])
    first.close()
    second = await connect(
        node.url,
        headers={"Cookie": f"access_token={secrets[0]}"},
        recovery_token=first.details.authextra["recovery_token"],
    )
    assert second.details.authextra["resumed"] is True
    secrets.append(second.details.authextra["recovery_token"])
    with pytest.raises(Refused) as refusal:
        await connect(node.url, ticket=secrets[1])
    assert refusal.value.reason == uris.ERROR_FORBIDDEN
    operator = await connect(node.admin_url, ticket=secrets[1])
    assert (await operator.call(uris.ADMIN_NODES)) is not None
    with pytest.raises(Refused):
        await connect(node.admin_url, ticket=secrets[0])
    operator.close()
    second.close()
    node.terminate()
    assert await threads.deferToThread(node.wait, 45) == (0 if way == "sigrouter" else 1)
    for secret in secrets:
        assert secret not in node.log
        assert secret.rpartition(".")[2] not in node.log
