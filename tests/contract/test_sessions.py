"""Session records: made once, read one by one, many at once, and by node."""

import pytest
from pytest_twisted import ensureDeferred

from tests.contract.case import StoreCase
from tests.contract.scenes import (
    connect,
    fresh,
    log_of,
    resume,
)


@ensureDeferred
async def test_a_new_session_is_unconfirmed_with_an_empty_mailbox(case: StoreCase) -> None:
    store, _ = await case.node("a")
    before = case.now()
    record = await store.create(fresh("one"))
    assert (record.session_id, record.user_id, record.role) == ("one", "user-one", "client")
    assert (record.state, record.generation, record.claimed) == ("new", 0, 1)
    assert (record.node_id, record.stack, record.connection_id) == ("a", "blue", "one-on-a")
    assert (record.handover_id, record.ended_reason) == ("", "")
    assert before - 0.01 <= record.created_at <= case.now() + 0.01
    assert record.expires_at == pytest.approx(record.created_at + case.times.handshake_s, abs=0.01)
    backlog = await log_of(store, "session:one")
    assert (backlog.entries, backlog.head.seq, backlog.reset, backlog.more) == ((), 0, False, False)
    assert backlog.head.epoch


@ensureDeferred
async def test_every_mailbox_has_an_epoch_of_its_own(case: StoreCase) -> None:
    store, _ = await case.node("a")
    await store.create(fresh("one"))
    await store.create(fresh("two"))
    assert (await log_of(store, "session:one")).head.epoch != (await log_of(store, "session:two")).head.epoch


@ensureDeferred
async def test_a_repeated_create_changes_nothing(case: StoreCase) -> None:
    store, _ = await case.node("a")
    await connect(store, "one")
    confirmed = await store.session("one")
    await store.create(fresh("one"))
    assert await store.session("one") == confirmed


@ensureDeferred
async def test_many_records_come_in_the_order_asked_for(case: StoreCase) -> None:
    store, _ = await case.node("a")
    for session_id in ("one", "two"):
        await connect(store, session_id)
    answer = await store.sessions(["two", "nobody", "one", "two"])
    assert [record.session_id if record else None for record in answer] == ["two", None, "one", "two"]
    assert await store.sessions([]) == ()
    assert await store.session("nobody") is None


@ensureDeferred
async def test_the_sessions_of_a_node_are_those_confirmed_on_it_by_id(case: StoreCase) -> None:
    store, _ = await case.node("a")
    for session_id in ("two", "one", "three", "away"):
        await connect(store, session_id)
    await store.create(fresh("new"))
    await store.lost("away", 1)
    await resume(store, "three", 1, "b")
    assert [record.session_id for record in await store.sessions_of("a")] == ["one", "two"]
    assert [record.session_id for record in await store.sessions_of("b")] == ["three"]
    assert await store.sessions_of("c") == ()
