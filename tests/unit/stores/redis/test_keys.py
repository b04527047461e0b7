"""What really stands in Redis after a day's work: the names that operators know, an EXPIRE on all that has an id, no rest."""

from collections.abc import Iterator
from typing import Any

import pytest
import pytest_twisted

from sigrouter.stores.records import (
    Claim,
    Confirm,
    NewSession,
    NodeRecord,
    Paired,
    Position,
    Queued,
    Send,
    Sent,
    Step,
    mailbox,
)
from sigrouter.stores.redis import RedisStore, keys
from tests.contract.case import CaseTimes
from tests.contract.redis_case import RedisCase

INDEXES = {
    keys.DEADLINES, keys.WORKERS, keys.QUEUE, keys.QUEUE_DEADLINES, keys.TURN, keys.NODES, keys.HANDOVERS, keys.RUN_ID,
    keys.INCARNATION,
}  # fmt: skip


@pytest.fixture
def case() -> Iterator[RedisCase]:
    case = RedisCase(CaseTimes())
    case.run(case.open())
    yield case
    case.run(case.close())


async def ask(store: RedisStore, *command: bytes) -> Any:
    return await store._scripts.command(*command)


async def busy_store(case: RedisCase) -> RedisStore:
    """Two sessions, paired, with mail; a client in the queue; a room; a node; a handover."""
    store, _ = await case.node("north")
    assert isinstance(store, RedisStore)
    await store.lease(NodeRecord("north", "blue", "ready", "ws://north", 3, case.now(), 0.0))
    for session_id, role in (("client", "client"), ("worker", "worker"), ("waiting", "client")):
        await store.create(NewSession(session_id, f"user-{session_id}", role, "north", "blue", "c"))  # type: ignore[arg-type] - both are roles
        await store.confirm(Confirm(session_id, 1, "north", "blue", "c", Position("", 0), 10))
    await store.announce("worker", 1, frozenset({"talk"}), 1)
    paired = await store.request("client", 1, frozenset({"talk"}), 60.0)
    assert isinstance(paired, Paired)
    assert isinstance(await store.request("waiting", 1, frozenset({"talk"}), 60.0), Queued)
    for number in range(1, 4):
        assert isinstance(await store.send(Send("client", 1, paired.pair_id, "", "message", number, number, 0)), Sent)
    assert isinstance(await store.send(Send("client", 1, "", "hall", "message", "hello", None, 0)), Sent)
    await store.record("move", [Step("client", "client", "left", 1, "north", {})])
    await store.claim(Claim("client", "user-client", "client", 1, "south", "green", "c2"))
    return store


@pytest_twisted.ensureDeferred
async def test_everything_with_an_id_has_an_expire(case: RedisCase) -> None:
    store = await busy_store(case)
    for key in await ask(store, b"KEYS", b"*"):
        name = key.decode()
        if name not in INDEXES and not name.endswith(keys.NODE_SESSIONS_SUFFIX):
            assert await ask(store, b"TTL", key) > 0, name


@pytest_twisted.ensureDeferred
async def test_the_names_are_those_that_operators_know(case: RedisCase) -> None:
    store = await busy_store(case)
    names = {key.decode() for key in await ask(store, b"KEYS", b"*")}
    assert {
        "ws:session:client", "ws:messages:worker", "ws:sent:client", "room:hall:messages", "user:user-client:node",
        "node:north", "handover:move", "worker:worker",
    } <= names  # fmt: skip
    assert await ask(store, b"GET", b"user:user-client:node") == b"north"
    fields = await ask(store, b"HMGET", b"ws:session:client", b"user_id", b"connection_id", b"pod_id", b"created_at")
    assert fields == [b"user-client", b"c", b"north", b"1700000000"]


@pytest_twisted.ensureDeferred
async def test_when_all_sessions_have_ended_only_tombstones_and_logs_are_left(case: RedisCase) -> None:
    store = await busy_store(case)
    for session_id in ("client", "worker", "waiting"):
        assert await store.end(session_id, "done")
    await store.release_node("north")
    names = {key.decode() for key in await ask(store, b"KEYS", b"*")}
    assert names - INDEXES == {
        "ws:session:client", "ws:session:worker", "ws:session:waiting", "room:hall:log", "room:hall:messages",
        "handover:move",
    }  # fmt: skip
    assert not names & {keys.DEADLINES, keys.WORKERS, keys.QUEUE, keys.QUEUE_DEADLINES, keys.NODES}
    assert 0 < await ask(store, b"TTL", b"ws:session:client") <= CaseTimes().tombstone_ttl_s


@pytest_twisted.ensureDeferred
async def test_the_answers_to_numbers_that_were_acked_are_dropped_however_far_the_sender_jumps(case: RedisCase) -> None:
    store = await busy_store(case)
    pair_id = (await store.pairs_of("client"))[0].pair_id
    far = 2**53 - 1
    assert isinstance(await store.send(Send("client", 1, pair_id, "", "message", "far", far, far - 1)), Sent)
    kept = await ask(store, b"HKEYS", b"ws:sent:client")
    assert {name.decode() for name in kept} == {"last", "acked", str(far)}
    repeated = await store.send(Send("client", 1, pair_id, "", "message", "far", far, far - 1))
    assert isinstance(repeated, Sent)
    assert repeated.duplicate
    assert repeated.position.epoch


@pytest_twisted.ensureDeferred
async def test_an_expire_that_came_first_leaves_nothing_behind(case: RedisCase) -> None:
    store = await busy_store(case)
    # As if every node had been dead for an hour.
    for key in await ask(store, b"KEYS", b"*"):
        if key.decode() not in INDEXES:
            await ask(store, b"DEL", key)
    await case.advance(3600)
    assert set(await store.expire()) == {"client", "worker", "waiting"}
    assert await store.queue() == ()
    assert await store.match() == ()
    left = {key.decode() for key in await ask(store, b"KEYS", b"*")}
    assert left <= {keys.TURN, keys.RUN_ID, keys.INCARNATION, keys.HANDOVERS, keys.WORKERS}


@pytest_twisted.ensureDeferred
async def test_many_sessions_are_listed_kept_alive_and_expired_in_full(case: RedisCase) -> None:
    store, _ = await case.node("north")
    count = 450
    names = [f"s{number:04}" for number in range(count)]
    for name in names:
        await store.create(NewSession(name, "user", "client", "north", "blue", "c"))
        await store.confirm(Confirm(name, 1, "north", "blue", "c", None, 10))
    assert [one.session_id for one in await store.sessions_of("north")] == names
    assert await store.keepalive("north", [(name, 1) for name in names]) == ()
    assert await store.keepalive("south", [(name, 1) for name in names]) == tuple(names)
    await store.mark("move", names)
    assert {one.handover_id for one in await store.sessions(names) if one} == {"move"}
    steps = [Step(name, "client", "left", 1, "north", {"n": index}) for index, name in enumerate(names)]
    await store.record("move", steps)
    assert await store.handover("move") == tuple(steps)
    await case.advance(121)
    assert sorted(await store.expire()) == names


@pytest_twisted.ensureDeferred
async def test_the_sessions_of_a_dead_node_turn_away_even_if_they_are_many(case: RedisCase) -> None:
    north, _ = await case.node("north")
    south, _ = await case.node("south")
    await north.lease(NodeRecord("north", "blue", "ready", "", 0, case.now(), 0.0))
    names = [f"s{number:04}" for number in range(450)]
    for name in names:
        await north.create(NewSession(name, "user", "client", "north", "blue", "c"))
        await north.confirm(Confirm(name, 1, "north", "blue", "c", None, 10))
    await case.advance(31)
    assert await south.expire() == ()
    assert {one.state for one in await south.sessions(names) if one} == {"away"}
    assert await south.sessions_of("north") == ()
    assert await south.nodes() == ()
    await case.advance(119)
    assert await south.expire() == (), "they have a full window from then on"
    await case.advance(2)
    assert len(await south.expire()) == len(names)
    assert (await south.read(mailbox(names[0]), None, 1)).__class__.__name__ == "NotFound"
