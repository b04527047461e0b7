"""Clients and workers on different nodes find each other, wait for each other, talk, and hear of each other's end."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import pytest_twisted
from attrs import frozen

from sigrouter.protocol import uris
from tests.support.node_process import NodeProcess
from tests.support.raw_peer import RawPeer
from tests.support.redis_server import RedisServer

IMPATIENT = {
    "SIGROUTER_RECOVERY_WINDOW_S": "4",
    "SIGROUTER_SESSION_KEEPALIVE_S": "1",
    "SIGROUTER_SESSION_SWEEP_S": "0.5",
    "SIGROUTER_STORE_NODE_LEASE_S": "3",
}


@frozen
class Two:
    """Two nodes over one Redis."""

    one: NodeProcess
    other: NodeProcess


@pytest.fixture
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Two]:
    directory = tmp_path_factory.mktemp("pairing")
    with ExitStack() as running:
        redis = running.enter_context(RedisServer())
        nodes = [
            NodeProcess(
                directory / name,
                name=name,
                redis_port=redis.port,
                state_dir=directory / "state",
                env=IMPATIENT,
                loglevel="warn",
            )
            for name in ("one", "other")
        ]
        yield Two(*(running.enter_context(node) for node in nodes))


async def client_of(node: NodeProcess, name: str) -> RawPeer:
    peer = await RawPeer(node.url, node.ticket(name, "client")).connect()
    await peer.ready()
    return peer


async def worker_of(node: NodeProcess, name: str, *abilities: str, capacity: int = 1) -> RawPeer:
    peer = await RawPeer(node.url, node.ticket(name, "worker")).connect()
    await peer.ready()
    await peer.call(uris.WORKER_ANNOUNCE, abilities=list(abilities), capacity=capacity)
    return peer


async def pair_event(peer: RawPeer, state: str) -> dict[str, Any]:
    """The payload of the first event that tells of that state."""
    found = await peer.event(uris.EVENT_PAIR, lambda event: event["payload"]["state"] == state)
    payload: dict[str, Any] = found["payload"]
    return payload


@pytest.mark.timeout(120)
@pytest_twisted.ensureDeferred
async def test_a_pair_across_nodes_talks_both_ways_until_it_is_released(two: Two) -> None:
    worker = await worker_of(two.one, "will", "en", "de")
    client = await client_of(two.other, "cleo")
    answer = await client.call(uris.PAIR_REQUEST, abilities=["de"])
    assert answer["peer_session_id"] == worker.welcome["session_id"]
    told = await pair_event(worker, "paired")
    assert (told["pair_id"], told["peer_user_id"]) == (answer["pair_id"], "cleo")
    await pair_event(client, "paired")

    for number in range(1, 31):
        await client.call(uris.PAIR_SEND, payload=["to", number], number=number, acked=number - 1)
        await worker.call(uris.PAIR_SEND, payload=["fro", number], number=number, acked=number - 1)
    for peer, way in ((worker, "to"), (client, "fro")):
        await peer.event(uris.EVENT_MESSAGE, lambda event: event["payload"][1] == 30)
        heard = [event["payload"] for topic, event in peer.events if topic == uris.EVENT_MESSAGE]
        assert heard == [[way, number] for number in range(1, 31)]

    assert (await worker.call(uris.WORKER_STATUS))["load"] == 1
    assert await client.call(uris.PAIR_RELEASE) == {"released": True}
    assert (await pair_event(worker, "released"))["pair_id"] == answer["pair_id"]
    assert (await worker.refused(uris.PAIR_SEND, payload=1)).error == uris.ERROR_NOT_PAIRED
    assert (await worker.call(uris.WORKER_STATUS))["load"] == 0


@pytest.mark.timeout(120)
@pytest_twisted.ensureDeferred
async def test_the_least_loaded_worker_of_all_nodes_is_taken(two: Two) -> None:
    big = await worker_of(two.one, "big", capacity=4)
    small = await worker_of(two.other, "small", capacity=2)
    taken = []
    for number in range(6):
        client = await client_of(two.one if number % 2 else two.other, f"client-{number}")
        taken.append((await client.call(uris.PAIR_REQUEST))["peer_session_id"])
    assert taken.count(big.welcome["session_id"]) == 4
    assert taken.count(small.welcome["session_id"]) == 2
    assert {taken[0], taken[1]} == {big.welcome["session_id"], small.welcome["session_id"]}


@pytest.mark.timeout(120)
@pytest_twisted.ensureDeferred
async def test_who_waits_is_told_its_place_and_is_served_in_order_or_told_that_time_is_up(two: Two) -> None:
    first, second, third = [await client_of(node, name) for node, name in
                            ((two.one, "first"), (two.other, "second"), (two.one, "third"))]  # fmt: skip
    places = [(await one.call(uris.PAIR_REQUEST, deadline_s=30))["position"] for one in (first, second)]
    assert places == [1, 2]
    assert (await third.call(uris.PAIR_REQUEST, deadline_s=1))["position"] == 3
    await second.event(uris.EVENT_QUEUE, lambda event: event["payload"]["position"] == 2)
    assert (await pair_event(third, "expired"))["pair_id"] == ""

    worker = await worker_of(two.other, "will")
    assert (await pair_event(first, "paired"))["peer_session_id"] == worker.welcome["session_id"]
    await second.event(uris.EVENT_QUEUE, lambda event: event["payload"]["position"] == 1)
    assert (await first.call(uris.SESSION_END)) == {"ended": True}
    assert (await pair_event(second, "paired"))["peer_session_id"] == worker.welcome["session_id"]
    assert await second.call(uris.PAIR_CANCEL) == {"cancelled": False}


@pytest.mark.timeout(120)
@pytest_twisted.ensureDeferred
async def test_a_worker_that_died_with_its_node_and_does_not_come_back_is_lost_to_its_client(two: Two) -> None:
    worker = await worker_of(two.one, "will")
    client = await client_of(two.other, "cleo")
    await client.call(uris.PAIR_REQUEST)
    two.one.kill()
    lost = await pair_event(client, "lost")
    assert (lost["peer_session_id"], lost["reason"]) == (worker.welcome["session_id"], "expired")
    assert (await client.refused(uris.PAIR_SEND, payload=1)).error == uris.ERROR_NOT_PAIRED
