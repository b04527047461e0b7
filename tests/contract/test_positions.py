"""Reading a log from a position: pages without hole or repetition, or the word that it does not reach back."""

from pytest_twisted import ensureDeferred

from sigrouter.protocol.errors import NotFound
from sigrouter.stores.records import Position
from tests.contract.case import StoreCase
from tests.contract.scenes import (
    NOTHING_YET,
    bind,
    log_of,
    message,
    messages,
    sent,
)


@ensureDeferred
async def test_a_log_is_read_in_pages_without_hole_or_repetition(case: StoreCase) -> None:
    store, _ = await case.node("a")
    pair_id = await bind(store)
    for n in range(7):
        await sent(store, message("client", n, pair_id=pair_id))
    for limit in (1, 2, 3, 8, 9):
        seen: list[int] = []
        after: Position | None = None
        more = True
        while more:
            page = await log_of(store, "session:worker", after, limit)
            assert len(page.entries) <= limit
            assert not page.reset
            seen += [entry.seq for entry in page.entries]
            after = Position(page.head.epoch, seen[-1])
            more = page.more
        assert seen == [1, 2, 3, 4, 5, 6, 7, 8]


@ensureDeferred
async def test_a_reader_at_the_head_misses_nothing(case: StoreCase) -> None:
    store, _ = await case.node("a")
    await bind(store)
    head = (await log_of(store, "session:worker")).head
    backlog = await log_of(store, "session:worker", head)
    assert (backlog.head, backlog.entries, backlog.reset, backlog.more) == (head, (), False, False)


@ensureDeferred
async def test_a_position_that_the_log_does_not_reach_back_to_is_a_reset(case: StoreCase) -> None:
    store, _ = await case.node("a")
    pair_id = await bind(store)
    positions = [(await sent(store, message("client", n, pair_id=pair_id))).position for n in range(6)]
    await store.ack("worker", 1, positions[2])
    epoch = positions[0].epoch
    for position, reset, expected in [
        (None, False, [3, 4, 5]),
        (NOTHING_YET, False, [3, 4, 5]),
        (positions[1], True, [3, 4, 5]),
        (positions[2], False, [3, 4, 5]),
        (positions[3], False, [4, 5]),
        (positions[5], False, []),
        (Position(epoch, positions[5].seq + 1), True, [3, 4, 5]),
        (Position("other", positions[3].seq), True, [3, 4, 5]),
        (Position("other", 0), True, [3, 4, 5]),
        (Position(epoch, 0), True, [3, 4, 5]),
    ]:
        backlog = await log_of(store, "session:worker", position)
        assert (backlog.reset, messages(backlog)) == (reset, expected), position
        assert backlog.head == positions[5]


@ensureDeferred
async def test_an_emptied_log_still_knows_how_far_it_came(case: StoreCase) -> None:
    store, _ = await case.node("a")
    pair_id = await bind(store)
    first = (await sent(store, message("client", "a", pair_id=pair_id))).position
    last = (await sent(store, message("client", "b", pair_id=pair_id))).position
    await store.ack("worker", 1, last)
    assert (await log_of(store, "session:worker", last)).reset is False
    assert (await log_of(store, "session:worker", first)).reset is True
    assert (await sent(store, message("client", "c", pair_id=pair_id))).position == Position(last.epoch, last.seq + 1)


@ensureDeferred
async def test_a_channel_that_does_not_exist_is_not_found(case: StoreCase) -> None:
    store, _ = await case.node("a")
    for channel in ("session:nobody", "room:nowhere", "other:thing", ""):
        assert isinstance(await store.read(channel, None, 10), NotFound)
