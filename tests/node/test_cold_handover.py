"""Redeploys that do not go smoothly: peers that do not move, nowhere to go, busy nodes, drains in a row, Redis gone."""

import itertools
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from attrs import define
from twisted.internet.threads import deferToThread

from sigrouter.demo.traffic_process import TrafficProcess
from sigrouter.protocol import uris
from tests.node.test_handover import assert_faultless, listen_to_the_rhythm
from tests.support.cluster import Cluster, running_cluster
from tests.support.haproxy import Backend, HAProxy
from tests.support.node_process import NodeProcess, wait_until
from tests.support.raw_peer import RawPeer, Refused
from tests.support.redis_server import RedisServer

PATIENT = {"SIGROUTER_DRAIN_SETTLE_S": "0.2", "SIGROUTER_STORE_NODE_LEASE_S": "6"}


@define
class Stage:
    """Nodes over one Redis, without a balancer: a test connects where it wants."""

    directory: Path
    redis: RedisServer
    running: ExitStack

    async def node(self, name: str, stack: str = "", **env: str) -> NodeProcess:
        """A running node; its name is its stack unless another is given. Peers of this process live on meanwhile."""
        node = NodeProcess(
            self.directory / name,
            name=name,
            stack=stack or name,
            redis_port=self.redis.port,
            state_dir=self.directory / "state",
            env={**PATIENT, **env},
            loglevel="warn",
        )
        return await deferToThread(self.running.enter_context, node)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with ExitStack() as running:
        yield Stage(tmp_path, running.enter_context(RedisServer(aof=True)), running)


def peer(node: NodeProcess, role: str, name: str, token: str = "", at: NodeProcess | None = None) -> RawPeer:
    """A peer with a ticket of ``node``'s keys, which all nodes share, that connects to ``at``."""
    extra = {"recovery_token": token} if token else None
    return RawPeer((at or node).url, node.ticket(name, role), extra)


async def bound(node: NodeProcess) -> tuple[RawPeer, RawPeer]:
    """A client and its worker, both ready and paired on a node."""
    worker = await peer(node, "worker", "will").connect()
    await worker.ready()
    await worker.call(uris.WORKER_ANNOUNCE, abilities=[], capacity=1)
    client = await peer(node, "client", "cleo").connect()
    await client.ready()
    assert (await client.call(uris.PAIR_REQUEST))["state"] == "paired"
    await worker.event(uris.EVENT_PAIR)
    return client, worker


async def follow(one: RawPeer, role: str, name: str, old: NodeProcess, new: NodeProcess) -> RawPeer:
    """What an SDK does on GOAWAY: connect anew while the old connection lives, and become ready there."""
    await one.event(uris.EVENT_GOAWAY)
    moved = await peer(old, role, name, one.welcome["recovery_token"], new).connect()
    await moved.ready()
    return moved


def goaway(one: RawPeer) -> dict[str, Any] | None:
    """The payload of the GOAWAY that a peer got, if it got one."""
    return next((event["payload"] for topic, event in one.events if topic == uris.EVENT_GOAWAY), None)


async def eventually(condition: Callable[[], bool], timeout_s: float, complaint: Callable[[], str]) -> None:
    """Wait for a condition outside this process without holding up the peers in it."""
    await deferToThread(wait_until, condition, timeout_s, complaint)


async def exit_code(node: NodeProcess, timeout_s: float = 40.0) -> int:
    """Wait for a node's end without holding up the peers of this process."""
    return int(await deferToThread(node.wait, timeout_s))


@pytest.mark.timeout(120)
@pytest_twisted.ensureDeferred
async def test_a_client_that_never_leaves_is_closed_at_the_deadline_and_can_resume(stage: Stage) -> None:
    blue = await stage.node("blue", DRAIN_SECONDS="6")
    client, worker = await bound(blue)
    green = await stage.node("green")
    started = time.monotonic()
    blue.terminate()
    moved = await follow(worker, "worker", "will", blue, green)
    await client.event(uris.EVENT_GOAWAY)
    await moved.call(uris.PAIR_SEND, payload="while it stays")
    assert (await client.event(uris.EVENT_MESSAGE))["payload"] == "while it stays"
    await client.until(lambda: client.is_closed)
    assert client.close_reason == uris.CLOSE_GOAWAY
    assert await exit_code(blue) == 0
    assert time.monotonic() - started < 6 + 5

    await moved.call(uris.PAIR_SEND, payload="while it is away")
    back = await peer(blue, "client", "cleo", client.welcome["recovery_token"], green).connect()
    seen = next(event for topic, event in reversed(client.events) if topic == uris.EVENT_MESSAGE)
    answer = await back.ready(positions={"mailbox": {"epoch": seen["epoch"], "seq": seen["seq"]}})
    assert [event["payload"] for event in answer["channels"]["mailbox"]["missed"]] == ["while it is away"]


@pytest.mark.timeout(120)
@pytest_twisted.ensureDeferred
async def test_a_client_whose_worker_never_comes_is_told_so_at_its_deadline(stage: Stage) -> None:
    blue = await stage.node("blue", DRAIN_SECONDS="8", SIGROUTER_DRAIN_PAIR_DEADLINE_S="2")
    client, worker = await bound(blue)
    green = await stage.node("green")
    blue.terminate()
    await worker.event(uris.EVENT_GOAWAY)
    assert goaway(client) is None
    await client.event(uris.EVENT_GOAWAY)
    told = goaway(client)
    assert told is not None
    assert told["peer"] == "pending"
    moved = await follow(client, "client", "cleo", blue, green)
    pairs = (await moved.call(uris.SESSION_INFO))["pairs"]
    assert [one["peer_session_id"] for one in pairs] == [worker.welcome["session_id"]]
    assert await exit_code(blue) == 0


@pytest.mark.timeout(120)
@pytest_twisted.ensureDeferred
async def test_without_a_green_node_nobody_is_sent_away_before_the_deadline(stage: Stage) -> None:
    blue = await stage.node("blue", DRAIN_SECONDS="5")
    client, worker = await bound(blue)
    blue.terminate()
    await eventually(lambda: not blue.is_ready, 10, lambda: "blue is still ready")
    sent = 0
    while not client.is_closed:
        sent += 1
        try:
            await client.call(uris.PAIR_SEND, payload=sent, number=sent, acked=sent - 1)
        except Exception:  # noqa: BLE001 - the connection is closed in the middle of a call
            break
    await client.until(lambda: client.is_closed)
    await worker.until(lambda: worker.is_closed)
    assert (goaway(client), client.close_reason) == (None, uris.CLOSE_GOAWAY)
    assert sent > 100
    assert await exit_code(blue) == 0

    green = await stage.node("green")
    back = await peer(blue, "client", "cleo", client.welcome["recovery_token"], green).connect()
    assert (await back.ready())["session_id"] == client.welcome["session_id"]


@pytest.mark.timeout(120)
@pytest_twisted.ensureDeferred
async def test_a_green_node_that_comes_late_is_what_the_drain_waited_for(stage: Stage) -> None:
    blue = await stage.node("blue", DRAIN_SECONDS="30")
    client, worker = await bound(blue)
    blue.terminate()
    await eventually(lambda: not blue.is_ready, 10, lambda: "blue is still ready")
    newcomer = peer(blue, "client", "new")
    with pytest.raises(Refused) as refused:
        await newcomer.connect()
    assert (refused.value.reason, refused.value.details["retry_after_s"] > 0) == (uris.ERROR_DRAINING, True)
    assert goaway(worker) is None
    green = await stage.node("green")
    await follow(worker, "worker", "will", blue, green)
    await follow(client, "client", "cleo", blue, green)
    assert await exit_code(blue) == 0


@pytest.mark.timeout(120)
@pytest_twisted.ensureDeferred
async def test_undrain_turns_back_and_nobody_has_gone(stage: Stage) -> None:
    blue = await stage.node("blue")
    client, worker = await bound(blue)
    operator = await RawPeer(blue.admin_url, blue.ticket("op", "admin")).connect()
    assert (await operator.call(uris.ADMIN_DRAIN, reason="test"))["state"] != "serving"
    assert not blue.is_ready
    assert (await operator.call(uris.ADMIN_UNDRAIN))["undrained"] is True
    await eventually(lambda: blue.is_ready, 10, lambda: "blue does not serve again")
    await client.call(uris.PAIR_SEND, payload="still here")
    assert (await worker.event(uris.EVENT_MESSAGE))["payload"] == "still here"
    assert goaway(client) is None


@pytest.mark.timeout(120)
@pytest_twisted.ensureDeferred
async def test_both_sides_of_a_pair_move_at_the_same_moment(stage: Stage) -> None:
    one, other = await stage.node("one", "old"), await stage.node("other", "old")
    worker = await peer(one, "worker", "will").connect()
    await worker.ready()
    await worker.call(uris.WORKER_ANNOUNCE, abilities=[], capacity=1)
    client = await peer(one, "client", "cleo", at=other).connect()
    await client.ready()
    pair = await client.call(uris.PAIR_REQUEST)
    new = await stage.node("new")
    one.terminate()
    other.terminate()
    moved_worker = await follow(worker, "worker", "will", one, new)
    moved_client = await follow(client, "client", "cleo", one, new)
    told = goaway(client)
    assert told is not None
    assert (told["peer"], told["stack"]) == ("ready", "new")
    for number in range(1, 21):
        await moved_client.call(uris.PAIR_SEND, payload=number, number=number, acked=number - 1)
    await moved_worker.event(uris.EVENT_MESSAGE, lambda event: event["payload"] == 20)
    messages = [event for topic, event in moved_worker.events if topic == uris.EVENT_MESSAGE]
    assert [event["payload"] for event in messages] == list(range(1, 21))
    assert {event["pair_id"] for event in messages} == {pair["pair_id"]}
    assert [await exit_code(one), await exit_code(other)] == [0, 0]


@pytest.mark.timeout(120)
@pytest_twisted.ensureDeferred
async def test_a_peer_that_was_sent_to_green_and_lands_on_another_old_node_is_refused_there(stage: Stage) -> None:
    blue, old = await stage.node("blue", "v1"), await stage.node("old", "v1")
    await stage.node("green", "v2")
    await eventually(lambda: len(nodes_seen_by(old)) == 3, 10, lambda: "old has not seen green")
    stray = RawPeer(old.url, blue.ticket("cleo", "client"), {"stack": "v2"})
    with pytest.raises(Refused) as refused:
        await stray.connect()
    assert refused.value.reason == uris.ERROR_MISROUTED


def nodes_seen_by(node: NodeProcess) -> list[Mapping[str, Any]]:
    """What an operator sees."""
    from tests.support.cluster import Operator  # noqa: PLC0415 - beside its only use

    operator = Operator(node)
    nodes: list[Mapping[str, Any]] = operator.call(uris.ADMIN_NODES)["nodes"]
    operator.socket.close()
    return nodes


# ---- with live traffic, checked by the ledger ------------------------------------------------------


def all_at(cluster_traffic: TrafficProcess, name: str, ends: int, timeout_s: float = 60.0) -> None:
    """Wait until every end of the traffic is on one node."""
    wait_until(
        lambda: cluster_traffic.report()["nodes"] == {name: ends},
        timeout_s,
        lambda: f"not all are at {name}: {cluster_traffic.report()}",
    )


@pytest.mark.timeout(180)
def test_a_green_node_that_is_busy_is_filled_in_time(tmp_path: Path) -> None:
    with running_cluster(tmp_path, env={"SIGROUTER_LIMITS_HANDSHAKES": "3"}) as cluster:
        before = cluster.talk(15)
        cluster.start_green()
        listen_to_the_rhythm(cluster)
        cluster.blue.terminate()
        assert cluster.blue.wait(40) == 0, cluster.blue.log[-3000:]
        all_at(cluster.traffic, "green", 30)
        listen_to_the_rhythm(cluster)
        after = cluster.traffic.ends()
        final = cluster.traffic.finish()
        cluster.traffic.leave()
    assert [end["sessions"] for end in after] == [[end["session_id"]] for end in before]
    assert_faultless(final)


@pytest.mark.timeout(240)
def test_three_drains_in_a_row_lose_nothing(tmp_path: Path) -> None:
    with ExitStack() as running:
        redis = running.enter_context(RedisServer())
        names = ["first", "second", "third", "fourth"]
        nodes = {
            name: NodeProcess(
                tmp_path / name,
                name=name,
                stack=name,
                redis_port=redis.port,
                state_dir=tmp_path / "state",
                loglevel="warn",
            )
            for name in names
        }
        balancer = HAProxy([Backend(name, node.port, node.admin_port) for name, node in nodes.items()], tmp_path)
        running.enter_context(nodes["first"])
        running.enter_context(balancer)
        balancer.wait_for("first", "UP")
        traffic = running.enter_context(TrafficProcess(tmp_path / "traffic.log"))
        cluster = Cluster(redis, nodes["first"], nodes["second"], balancer, traffic, running)
        before = cluster.talk(10)
        for old, new in itertools.pairwise(names):
            running.enter_context(nodes[new])
            balancer.wait_for(new, "UP")
            nodes[old].terminate()
            assert nodes[old].wait(40) == 0, nodes[old].log[-3000:]
            all_at(traffic, new, 20)
            listen_to_the_rhythm(cluster)
        after = traffic.ends()
        final = traffic.finish()
        traffic.leave()
    assert [end["sessions"] for end in after] == [[end["session_id"]] for end in before]
    assert {end["handovers"] for end in after} == {3}
    assert_faultless(final)


@pytest.mark.timeout(180)
def test_redis_restarted_in_the_middle_of_a_handover_loses_nothing_that_it_kept(tmp_path: Path) -> None:
    with running_cluster(tmp_path, aof=True) as cluster:
        before = cluster.talk(20)
        cluster.start_green()
        listen_to_the_rhythm(cluster)
        cluster.blue.terminate()
        wait_until(
            lambda: cluster.traffic.report()["nodes"].get("green", 0) > 0, 30, lambda: str(cluster.traffic.report())
        )
        cluster.redis.restart(keep_data=True)
        assert cluster.blue.wait(45) == 0, cluster.blue.log[-3000:]
        all_at(cluster.traffic, "green", 40)
        listen_to_the_rhythm(cluster)
        after = cluster.traffic.ends()
        final = cluster.traffic.finish()
        cluster.traffic.leave()
    assert [end["sessions"] for end in after] == [[end["session_id"]] for end in before]
    assert [end["pairs"] for end in after] == [end["pairs"] for end in before]
    assert_faultless(final)
