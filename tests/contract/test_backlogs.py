"""The backlog that a confirm reads in the same step in which it takes the session over."""

from pytest_twisted import ensureDeferred

from sigrouter.stores.records import Confirmed, Position
from tests.contract.case import StoreCase
from tests.contract.recording import ToldEntry
from tests.contract.scenes import (
    NOTHING_YET,
    bind,
    claim_of,
    log_of,
    message,
    messages,
    ready,
    resume,
    sent,
)


@ensureDeferred
async def test_the_confirm_answers_the_highest_number_of_the_session_that_was_appended(case: StoreCase) -> None:
    store, _ = await case.node("a")
    pair_id = await bind(store)
    for number in (1, 2, 3):
        await sent(store, message("client", number, pair_id=pair_id, number=number))
    assert (await resume(store, "client", 1)).last_number == 3


@ensureDeferred
async def test_the_confirm_reads_the_backlog_in_the_same_step_and_the_rest_is_told(case: StoreCase) -> None:
    store_a, listener_a = await case.node("a")
    store_b, listener_b = await case.node("b")
    pair_id = await bind(store_a)
    await sent(store_a, message("worker", "before", pair_id=pair_id))
    confirmed = await resume(store_b, "client", 1, "b")
    await sent(store_a, message("worker", "after", pair_id=pair_id))
    await case.settle()
    assert messages(confirmed.backlog) == ["before"]
    assert [entry.payload for entry in listener_a.entries("session:client")][1:] == ["before"]
    assert [entry.payload for entry in listener_b.entries("session:client")] == ["after"]


@ensureDeferred
async def test_what_comes_while_a_session_is_away_is_told_to_nobody_and_is_in_the_backlog(case: StoreCase) -> None:
    store, listener = await case.node("a")
    pair_id = await bind(store)
    await store.lost("client", 1)
    await case.settle()
    listener.clear()
    await sent(store, message("worker", "missed", pair_id=pair_id))
    await case.settle()
    assert listener.of(ToldEntry) == []
    assert messages((await resume(store, "client", 1)).backlog) == ["missed"]


@ensureDeferred
async def test_the_backlog_starts_after_the_position_that_the_client_has(case: StoreCase) -> None:
    store, _ = await case.node("a")
    pair_id = await bind(store)
    positions = [(await sent(store, message("worker", n, pair_id=pair_id))).position for n in range(4)]
    backlog = (await resume(store, "client", 1, position=positions[1])).backlog
    assert messages(backlog) == [2, 3]
    assert (backlog.head, backlog.reset, backlog.more) == (positions[3], False, False)


@ensureDeferred
async def test_the_limit_bounds_the_backlog_and_says_that_there_is_more(case: StoreCase) -> None:
    store, _ = await case.node("a")
    pair_id = await bind(store)
    for n in range(4):
        last = await sent(store, message("worker", n, pair_id=pair_id))
    await store.claim(claim_of("client", 1))
    confirmed = await store.confirm(ready("client", 2, "b", NOTHING_YET, limit=3))
    assert isinstance(confirmed, Confirmed)
    backlog = confirmed.backlog
    assert [entry.seq for entry in backlog.entries] == [1, 2, 3]
    assert (backlog.more, backlog.head) == (True, last.position)
    rest = await log_of(store, "session:client", Position(backlog.head.epoch, 3), limit=3)
    assert messages(rest) == [2, 3]
    assert not rest.more
