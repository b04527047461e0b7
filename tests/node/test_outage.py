"""Redis away at the start, lost under traffic, frozen, and back: it is said, waited for, and nothing acknowledged is lost."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import Deferred

from sigrouter.protocol import uris
from tests.node.test_cold_handover import bound, eventually, peer
from tests.node.test_handover import assert_faultless, listen_to_the_rhythm
from tests.support.cluster import running_cluster
from tests.support.node_process import NodeProcess, wait_until
from tests.support.raw_peer import RawPeer, Refused
from tests.support.redis_server import RedisServer


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with RedisServer(aof=True) as running:
        yield running


@pytest.fixture
def node(tmp_path: Path, redis: RedisServer) -> Iterator[NodeProcess]:
    env = {"SIGROUTER_STORE_REDIS_TIMEOUT_S": "1"}
    with NodeProcess(tmp_path, redis_port=redis.port, env=env, loglevel="warn") as running:
        yield running


def page(node: NodeProcess, path: str) -> tuple[int, dict[str, Any]]:
    """Status and JSON of a page of the admin transport."""
    try:
        with urllib.request.urlopen(node.page(path), timeout=5) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def is_alive(node: NodeProcess) -> bool:
    try:
        return page(node, "health")[0] == 200
    except OSError:
        return False


@pytest.mark.timeout(120)
@pytest_twisted.ensureDeferred
async def test_a_node_that_finds_no_redis_lives_says_so_and_waits_for_it(tmp_path: Path) -> None:
    with ExitStack() as running:
        redis = running.enter_context(RedisServer(aof=True))
        redis.stop()
        node = NodeProcess(tmp_path, redis_port=redis.port, loglevel="warn")
        running.callback(node.kill)
        node.start()
        wait_until(lambda: is_alive(node), 45, lambda: node.log)
        status, body = page(node, "ready")
        assert status == 503
        assert {"starting", "store unavailable"} <= set(body["reasons"])
        node.wait_for_log("Redis cannot be reached")
        with pytest.raises(Refused) as refused:
            await peer(node, "client", "cleo").connect()
        assert refused.value.reason == uris.ERROR_UNAVAILABLE
        assert refused.value.details["retry_after_s"] > 0

        redis.start()
        node.wait_ready()
        client, worker = await bound(node)
        await client.call(uris.PAIR_SEND, payload="at last")
        assert (await worker.event(uris.EVENT_MESSAGE))["payload"] == "at last"
        node.terminate()


async def send_until_taken(client: RawPeer, payload: object, number: int) -> int:
    """Send as an SDK does: repeat the same number while the store is away. How often it was refused."""
    refused = 0
    while True:
        try:
            await client.call(uris.PAIR_SEND, payload=payload, number=number, acked=number - 1)
        except Exception as error:  # noqa: BLE001 - anything but the one refusal fails below
            assert getattr(error, "error", error) == uris.ERROR_UNAVAILABLE
            assert error.kwargs["retry_after_s"] > 0  # type: ignore[attr-defined]  # an ApplicationError, by the line above
            refused += 1
            pause: Deferred[None] = Deferred()
            reactor.callLater(0.05, pause.callback, None)  # type: ignore[attr-defined]  # the reactor is a module
            await pause
        else:
            return refused


@pytest.mark.timeout(120)
@pytest_twisted.ensureDeferred
async def test_a_send_while_redis_is_away_is_refused_and_its_repeat_is_taken_once(
    node: NodeProcess, redis: RedisServer
) -> None:
    client, worker = await bound(node)
    assert await send_until_taken(client, 1, 1) == 0
    redis.kill()
    error = await client.refused(uris.PAIR_SEND, payload=2, number=2, acked=1)
    assert error.error == uris.ERROR_UNAVAILABLE
    await eventually(lambda: not node.is_ready, 10, lambda: "ready without a store")
    assert is_alive(node)
    redis.start()
    assert await send_until_taken(client, 2, 2) > 0
    for number in range(3, 11):
        await send_until_taken(client, number, number)
    await worker.event(uris.EVENT_MESSAGE, lambda event: event["payload"] == 10)
    assert [event["payload"] for topic, event in worker.events if topic == uris.EVENT_MESSAGE] == list(range(1, 11))
    await eventually(lambda: node.is_ready, 10, lambda: "not ready with a store")
    assert "Redis" in node.log


@pytest.mark.timeout(120)
@pytest_twisted.ensureDeferred
async def test_a_frozen_redis_is_noticed_and_a_peer_that_left_meanwhile_is_away(
    node: NodeProcess, redis: RedisServer
) -> None:
    client, worker = await bound(node)
    redis.pause()
    client._session.call(uris.SESSION_INFO).addErrback(lambda _: None)
    error = await worker.refused(uris.SESSION_INFO)
    assert error.error == uris.ERROR_UNAVAILABLE
    # Its call is under way when it goes: Crossbar interrupts the callee, which must not keep us from hearing of it.
    client._session.call(uris.SESSION_INFO).addErrback(lambda _: None)
    client.cut()
    redis.resume()
    operator = await RawPeer(node.admin_url, node.ticket("op", "admin")).connect()
    state = ""
    while state != "away":
        try:
            found = await operator.call(uris.ADMIN_SESSION, session_id=client.welcome["session_id"])
            state = found["session"]["state"]
        except Exception as error:  # noqa: BLE001 - anything but the one refusal fails below
            assert getattr(error, "error", error) == uris.ERROR_UNAVAILABLE
    assert "unhandled message" not in node.log


@pytest.mark.timeout(120)
@pytest_twisted.ensureDeferred
async def test_after_a_redis_that_lost_everything_peers_are_told_to_start_afresh(
    node: NodeProcess, redis: RedisServer
) -> None:
    client, _ = await bound(node)
    redis.restart(keep_data=False)
    await eventually(lambda: node.is_ready, 20, lambda: node.log)
    await client.until(lambda: client.is_closed)
    assert client.close_reason == uris.CLOSE_STALE
    with pytest.raises(Refused) as refused:
        await peer(node, "client", "cleo", client.welcome["recovery_token"]).connect()
    assert (refused.value.reason, refused.value.details["reason"]) == (uris.ERROR_RECOVERY, "unknown")
    fresh, worker = await bound(node)
    await fresh.call(uris.PAIR_SEND, payload="afresh")
    assert (await worker.event(uris.EVENT_MESSAGE))["payload"] == "afresh"


@pytest.mark.timeout(180)
def test_redis_killed_and_restarted_under_traffic_loses_and_doubles_nothing(tmp_path: Path) -> None:
    with running_cluster(tmp_path, aof=True) as cluster:
        before = cluster.talk(10, rate=5.0)
        for crash in (True, False):
            listen_to_the_rhythm(cluster)
            cluster.redis.restart(keep_data=True, crash=crash)
        cluster.redis.pause()
        wait_until(lambda: not cluster.blue.is_ready, 20, lambda: "blue has not noticed")
        cluster.redis.resume()
        listen_to_the_rhythm(cluster)
        after = cluster.traffic.ends()
        final = cluster.traffic.finish()
        cluster.traffic.leave()
    assert [end["sessions"] for end in after] == [[end["session_id"]] for end in before]
    assert_faultless(final)
