"""The end of a session: once, told to its node and its peers, and remembered as a tombstone."""

from pytest_twisted import ensureDeferred

from sigrouter.protocol.errors import NotFound, NotPaired, Recovery
from sigrouter.stores.records import Queued
from tests.contract.case import StoreCase
from tests.contract.recording import ToldEnded, ToldEntry
from tests.contract.scenes import (
    bind,
    claim_of,
    connect,
    log_of,
    message,
    pair_states,
)


async def state_of(case: StoreCase, session_id: str) -> str:
    """A session's state, asked through a node of its own."""
    store, _ = await case.node("observer")
    record = await store.session(session_id)
    return record.state if record else ""


@ensureDeferred
async def test_the_end_happens_once(case: StoreCase) -> None:
    first, _ = await case.node("a")
    second, _ = await case.node("b")
    await connect(first, "one")
    assert [await first.end("one", "ended"), await second.end("one", "kicked"), await first.end("one", "ended")] == [
        True,
        False,
        False,
    ]
    assert await first.end("nobody", "ended") is False
    record = await second.session("one")
    assert record is not None
    assert (record.state, record.ended_reason) == ("ended", "ended")


@ensureDeferred
async def test_the_end_tells_the_sessions_node_and_only_that(case: StoreCase) -> None:
    store_a, listener_a = await case.node("a")
    store_b, listener_b = await case.node("b")
    await connect(store_a, "one")
    await store_b.end("one", "kicked")
    await case.settle()
    assert listener_a.of(ToldEnded) == [ToldEnded("one", "kicked")]
    assert listener_b.of(ToldEnded) == []


@ensureDeferred
async def test_the_end_releases_the_pairs_and_each_peer_gets_an_entry(case: StoreCase) -> None:
    store, listener = await case.node("a")
    pair_id = await bind(store)
    await case.settle()
    listener.clear()
    await store.end("worker", "kicked")
    await case.settle()
    assert await store.pairs_of("client") == ()
    (told,) = listener.of(ToldEntry)
    assert (told.channel, told.entry.kind, told.entry.sender, told.entry.pair_id) == (
        "session:client",
        "pair",
        "",
        pair_id,
    )
    assert told.entry.payload == {
        "state": "lost",
        "pair_id": pair_id,
        "peer_session_id": "worker",
        "peer_user_id": "user-worker",
        "reason": "kicked",
    }
    assert pair_states(await log_of(store, "session:client")) == ["paired", "lost"]
    assert isinstance(await store.send(message("client", "x", pair_id=pair_id)), NotPaired)


@ensureDeferred
async def test_an_expired_sessions_peer_learns_that_it_is_lost(case: StoreCase) -> None:
    store, _ = await case.node("a")
    await bind(store)
    await store.lost("client", 1)
    await case.advance(case.times.recovery_window_s - 1.0)
    await store.keepalive("a", [("worker", 1)])
    await case.advance(2.0)
    assert await store.expire() == ("client",)
    assert pair_states(await log_of(store, "session:worker")) == ["paired", "lost"]
    worker = await store.worker("worker")
    assert worker is not None
    assert worker.load == 0


@ensureDeferred
async def test_the_end_leaves_the_queue(case: StoreCase) -> None:
    store, _ = await case.node("a")
    await connect(store, "client")
    assert isinstance(await store.request("client", 1, frozenset(), 60.0), Queued)
    await store.end("client", "ended")
    assert await store.queue() == ()


@ensureDeferred
async def test_an_ended_worker_is_offered_to_nobody(case: StoreCase) -> None:
    store, _ = await case.node("a")
    await connect(store, "worker", role="worker")
    await store.announce("worker", 1, frozenset(), 5)
    await store.end("worker", "ended")
    assert await store.worker("worker") is None
    await connect(store, "client")
    assert isinstance(await store.request("client", 1, frozenset(), 60.0), Queued)
    assert await store.match() == ()


@ensureDeferred
async def test_the_end_drops_the_mailbox(case: StoreCase) -> None:
    store, _ = await case.node("a")
    await connect(store, "one")
    await store.end("one", "ended")
    assert isinstance(await store.read("session:one", None, 10), NotFound)


@ensureDeferred
async def test_the_end_revokes_the_tokens_as_long_as_one_could_live(case: StoreCase) -> None:
    store, _ = await case.node("a")
    await connect(store, "one")
    await store.claim(claim_of("one", 1))
    await store.end("one", "ended")
    await case.advance(case.times.tombstone_ttl_s - 10.0)
    await store.expire()
    assert await state_of(case, "one") == "ended"
    for generation in (1, 2):
        answer = await store.claim(claim_of("one", generation))
        assert isinstance(answer, Recovery)
        assert answer.reason == "revoked"


@ensureDeferred
async def test_a_tombstone_does_not_expire_a_second_time(case: StoreCase) -> None:
    store, _ = await case.node("a")
    await connect(store, "one")
    await store.end("one", "kicked")
    await case.advance(case.times.recovery_window_s + 1.0)
    assert await store.expire() == ()
    record = await store.session("one")
    assert record is not None
    assert record.ended_reason == "kicked"
