"""Numbered messages of one sender are appended once and in the order of their numbers, whatever is lost or repeated."""

from pytest_twisted import ensureDeferred

from sigrouter.protocol.errors import NotPaired, OutOfOrder, Superseded
from sigrouter.stores.records import Position
from tests.contract.case import StoreCase
from tests.contract.scenes import bind, connect, log_of, message, messages, resume, sent


@ensureDeferred
async def test_numbers_are_appended_in_their_order(case: StoreCase) -> None:
    store, _ = await case.node("a")
    pair_id = await bind(store)
    for number in (1, 2, 3):
        answer = await sent(store, message("client", number, pair_id=pair_id, number=number))
        assert not answer.duplicate
    assert messages(await log_of(store, "session:worker")) == [1, 2, 3]


@ensureDeferred
async def test_a_repeat_gets_the_first_answer_and_is_appended_and_told_once(case: StoreCase) -> None:
    store, listener = await case.node("a")
    pair_id = await bind(store)
    first = await sent(store, message("client", "one", pair_id=pair_id, number=1))
    await sent(store, message("client", "two", pair_id=pair_id, number=2))
    await case.advance(5.0)
    again = await sent(store, message("client", "one", pair_id=pair_id, number=1))
    assert again.duplicate
    assert (again.channel, again.position, again.at) == (first.channel, first.position, first.at)
    await case.settle()
    assert messages(await log_of(store, "session:worker")) == ["one", "two"]
    assert [entry.payload for entry in listener.entries("session:worker")][1:] == ["one", "two"]


@ensureDeferred
async def test_a_repeat_after_a_resume_on_another_node_is_recognised(case: StoreCase) -> None:
    store_a, _ = await case.node("a")
    store_b, _ = await case.node("b")
    pair_id = await bind(store_a)
    first = await sent(store_a, message("client", "one", pair_id=pair_id, number=1))
    assert (await resume(store_b, "client", 1)).last_number == 1
    again = await sent(store_b, message("client", "one", pair_id=pair_id, generation=2, number=1))
    assert (again.position, again.duplicate) == (first.position, True)
    assert messages(await log_of(store_b, "session:worker")) == ["one"]


@ensureDeferred
async def test_every_unacknowledged_answer_is_kept(case: StoreCase) -> None:
    store, _ = await case.node("a")
    await connect(store, "one")
    firsts = {n: await sent(store, message("one", n, room_id="hall", number=n)) for n in range(1, 30)}
    for n, first in firsts.items():
        again = await sent(store, message("one", n, room_id="hall", number=n))
        assert (again.position, again.at, again.duplicate) == (first.position, first.at, True)


@ensureDeferred
async def test_a_repeat_of_a_number_that_the_sender_had_acked_is_a_duplicate_without_a_position(
    case: StoreCase,
) -> None:
    store, _ = await case.node("a")
    pair_id = await bind(store)
    for number in (1, 2, 3):
        await sent(store, message("client", number, pair_id=pair_id, number=number, acked=number - 1))
    for acked in (0, 2):
        late = await sent(store, message("client", 2, pair_id=pair_id, number=2, acked=acked))
        assert (late.position, late.duplicate) == (Position("", 0), True)
    third = await sent(store, message("client", 3, pair_id=pair_id, number=3, acked=2))
    assert (third.position.seq, third.duplicate) == (4, True)
    assert messages(await log_of(store, "session:worker")) == [1, 2, 3]


@ensureDeferred
async def test_a_gap_is_refused_with_the_number_that_is_missing(case: StoreCase) -> None:
    store, _ = await case.node("a")
    pair_id = await bind(store)
    await sent(store, message("client", 1, pair_id=pair_id, number=1))
    for number, acked in [(3, 0), (3, 1), (10, 1)]:
        refusal = await store.send(message("client", number, pair_id=pair_id, number=number, acked=acked))
        assert isinstance(refusal, OutOfOrder)
        assert refusal.fields == {"expected": 2}
    first = await sent(store, message("client", 2, pair_id=pair_id, number=2))
    second = await sent(store, message("client", 3, pair_id=pair_id, number=3))
    assert not first.duplicate
    assert not second.duplicate
    assert messages(await log_of(store, "session:worker")) == [1, 2, 3]


@ensureDeferred
async def test_the_first_number_is_one(case: StoreCase) -> None:
    store, _ = await case.node("a")
    pair_id = await bind(store)
    refusal = await store.send(message("client", "x", pair_id=pair_id, number=2))
    assert isinstance(refusal, OutOfOrder)
    assert refusal.fields == {"expected": 1}


@ensureDeferred
async def test_a_number_whose_predecessors_were_all_answered_is_taken_even_if_some_were_refused(
    case: StoreCase,
) -> None:
    store, _ = await case.node("a")
    pair_id = await bind(store)
    await sent(store, message("client", 1, pair_id=pair_id, number=1))
    assert isinstance(await store.send(message("client", 2, pair_id="none", number=2)), NotPaired)
    answer = await sent(store, message("client", 3, pair_id=pair_id, number=3, acked=2))
    assert not answer.duplicate
    late = await sent(store, message("client", 2, pair_id=pair_id, number=2, acked=1))
    assert late.duplicate
    assert messages(await log_of(store, "session:worker")) == [1, 3]


@ensureDeferred
async def test_what_the_sender_acked_once_stays_acked(case: StoreCase) -> None:
    store, _ = await case.node("a")
    await connect(store, "one")
    await sent(store, message("one", 5, room_id="hall", number=5, acked=4))
    answer = await sent(store, message("one", 6, room_id="hall", number=6, acked=2))
    assert not answer.duplicate
    assert messages(await log_of(store, "room:hall")) == [5, 6]


@ensureDeferred
async def test_numbers_count_over_pair_and_room_alike_and_for_each_sender_alone(case: StoreCase) -> None:
    store, _ = await case.node("a")
    pair_id = await bind(store)
    await sent(store, message("client", "to the worker", pair_id=pair_id, number=1))
    await sent(store, message("client", "to the room", room_id="hall", number=2))
    await sent(store, message("worker", "to the client", pair_id=pair_id, number=1))
    refusal = await store.send(message("worker", "too early", room_id="hall", number=3))
    assert isinstance(refusal, OutOfOrder)
    assert messages(await log_of(store, "room:hall")) == ["to the room"]


@ensureDeferred
async def test_messages_without_a_number_neither_count_nor_are_recognised(case: StoreCase) -> None:
    store, _ = await case.node("a")
    pair_id = await bind(store)
    for _again in range(2):
        answer = await sent(store, message("client", "same", pair_id=pair_id))
        assert not answer.duplicate
    assert not (await sent(store, message("client", "first", pair_id=pair_id, number=1))).duplicate
    assert messages(await log_of(store, "session:worker")) == ["same", "same", "first"]


@ensureDeferred
async def test_a_repeat_gets_its_first_answer_even_if_the_pair_is_gone_since(case: StoreCase) -> None:
    store, _ = await case.node("a")
    pair_id = await bind(store)
    first = await sent(store, message("client", "one", pair_id=pair_id, number=1))
    await store.release("worker", pair_id)
    again = await sent(store, message("client", "one", pair_id=pair_id, number=1))
    assert (again.position, again.duplicate) == (first.position, True)
    assert isinstance(await store.send(message("client", "two", pair_id=pair_id, number=2)), NotPaired)


@ensureDeferred
async def test_a_fenced_message_does_not_take_its_number(case: StoreCase) -> None:
    store, _ = await case.node("a")
    pair_id = await bind(store)
    await resume(store, "client", 1)
    assert isinstance(await store.send(message("client", "old", pair_id=pair_id, number=1)), Superseded)
    answer = await sent(store, message("client", "new", pair_id=pair_id, generation=2, number=1))
    assert not answer.duplicate
    assert messages(await log_of(store, "session:worker")) == ["new"]


@ensureDeferred
async def test_two_connections_that_send_the_same_number_append_it_once(case: StoreCase) -> None:
    store_a, _ = await case.node("a")
    store_b, _ = await case.node("b")
    pair_id = await bind(store_a)
    old = await sent(store_a, message("client", "one", pair_id=pair_id, number=1))
    await resume(store_b, "client", 1)
    new = await sent(store_b, message("client", "one", pair_id=pair_id, generation=2, number=1))
    late = await store_a.send(message("client", "one", pair_id=pair_id, generation=1, number=1))
    assert (new.duplicate, new.position) == (True, old.position)
    assert isinstance(late, Superseded)
    assert messages(await log_of(store_a, "session:worker")) == ["one"]
