"""What was acknowledged may go, what was not stays: the bound of a mailbox and how its readers make room."""

from pytest_twisted import ensureDeferred

from sigrouter.protocol.errors import MailboxFull
from sigrouter.stores.records import Position
from tests.contract.case import StoreCase
from tests.contract.scenes import (
    NOTHING_YET,
    bind,
    log_of,
    message,
    messages,
    resume,
    sent,
)


@ensureDeferred
async def test_a_full_mailbox_of_an_acknowledging_reader_refuses_and_keeps_everything(case: StoreCase) -> None:
    store, _ = await case.node("a")
    pair_id = await bind(store)
    bound = case.times.mailbox_entries
    for n in range(bound - 1):
        await sent(store, message("client", n, pair_id=pair_id))
    refusal = await store.send(message("client", "too much", pair_id=pair_id))
    assert isinstance(refusal, MailboxFull)
    assert refusal.retry_after_s
    backlog = await log_of(store, "session:worker")
    assert [entry.seq for entry in backlog.entries] == list(range(1, bound + 1))
    assert messages(backlog) == list(range(bound - 1))


@ensureDeferred
async def test_an_acknowledgement_makes_room_in_a_full_mailbox(case: StoreCase) -> None:
    store, _ = await case.node("a")
    pair_id = await bind(store)
    bound = case.times.mailbox_entries
    for n in range(bound - 1):
        last = await sent(store, message("client", n, pair_id=pair_id))
    assert await store.ack("worker", 1, Position(last.position.epoch, 2)) is True
    for n in range(2):
        await sent(store, message("client", n, pair_id=pair_id))
    assert isinstance(await store.send(message("client", "too much", pair_id=pair_id)), MailboxFull)


@ensureDeferred
async def test_a_position_at_a_confirm_acknowledges(case: StoreCase) -> None:
    store, _ = await case.node("a")
    pair_id = await bind(store)
    bound = case.times.mailbox_entries
    for n in range(bound - 1):
        last = await sent(store, message("client", n, pair_id=pair_id))
    await resume(store, "worker", 1, role="worker", position=last.position)
    for n in range(bound):
        await sent(store, message("client", n, pair_id=pair_id))
    assert isinstance(await store.send(message("client", "too much", pair_id=pair_id)), MailboxFull)


@ensureDeferred
async def test_a_refused_number_is_not_taken_and_can_be_repeated(case: StoreCase) -> None:
    store, _ = await case.node("a")
    pair_id = await bind(store)
    for number in range(1, case.times.mailbox_entries):
        last = await sent(store, message("client", number, pair_id=pair_id, number=number))
    repeated = message("client", "patient", pair_id=pair_id, number=case.times.mailbox_entries)
    assert isinstance(await store.send(repeated), MailboxFull)
    await store.ack("worker", 1, last.position)
    answer = await sent(store, repeated)
    assert not answer.duplicate
    assert messages(await log_of(store, "session:worker")) == ["patient"]


@ensureDeferred
async def test_the_mailbox_of_a_reader_that_does_not_acknowledge_is_trimmed_from_its_oldest_end(
    case: StoreCase,
) -> None:
    store, _ = await case.node("a")
    pair_id = await bind(store)
    await resume(store, "worker", 1, role="worker", position=None)
    bound = case.times.mailbox_entries
    for n in range(2 * bound):
        await sent(store, message("client", n, pair_id=pair_id))
    backlog = await log_of(store, "session:worker")
    assert messages(backlog) == list(range(bound, 2 * bound))
    assert not backlog.reset


@ensureDeferred
async def test_a_system_entry_enters_a_full_mailbox(case: StoreCase) -> None:
    store, _ = await case.node("a")
    pair_id = await bind(store)
    bound = case.times.mailbox_entries
    for n in range(bound - 1):
        await sent(store, message("client", n, pair_id=pair_id))
    await store.release("client", pair_id)
    backlog = await log_of(store, "session:worker")
    assert [entry.seq for entry in backlog.entries] == list(range(1, bound + 2))
    assert backlog.entries[-1].payload["state"] == "released"


@ensureDeferred
async def test_what_was_acknowledged_is_gone_and_what_was_not_stays(case: StoreCase) -> None:
    store, _ = await case.node("a")
    pair_id = await bind(store)
    positions = [(await sent(store, message("client", n, pair_id=pair_id))).position for n in range(5)]
    assert await store.ack("worker", 1, positions[2]) is True
    assert messages(await log_of(store, "session:worker")) == [3, 4]
    assert await store.ack("worker", 1, positions[0]) is True
    assert messages(await log_of(store, "session:worker")) == [3, 4]
    assert await store.ack("worker", 1, NOTHING_YET) is True
    assert messages(await log_of(store, "session:worker", positions[2])) == [3, 4]


@ensureDeferred
async def test_an_acknowledgement_that_is_fenced_or_of_another_epoch_forgets_nothing(case: StoreCase) -> None:
    store, _ = await case.node("a")
    pair_id = await bind(store)
    position = (await sent(store, message("client", "kept", pair_id=pair_id))).position
    assert await store.ack("worker", 1, Position("other", position.seq)) is False
    assert await store.ack("nobody", 1, position) is False
    await resume(store, "worker", 1, role="worker")
    assert await store.ack("worker", 1, position) is False
    assert messages(await log_of(store, "session:worker")) == ["kept"]
    assert await store.ack("worker", 2, position) is True
