"""Rooms: logs that come with their first message and are told to every node that watches."""

from pytest_twisted import ensureDeferred

from sigrouter.stores.records import Send, room
from tests.contract.case import StoreCase
from tests.contract.recording import ToldEntry
from tests.contract.scenes import connect, log_of, message, messages, sent


@ensureDeferred
async def test_a_room_comes_into_being_with_its_first_message(case: StoreCase) -> None:
    store, _ = await case.node("a")
    await connect(store, "one")
    answer = await sent(store, message("one", "first", room_id="hall"))
    assert (answer.channel, answer.position.seq) == (room("hall"), 1)
    backlog = await log_of(store, "room:hall")
    (entry,) = backlog.entries
    assert (entry.seq, entry.kind, entry.sender, entry.pair_id, entry.payload) == (1, "message", "one", "", "first")
    assert backlog.head == answer.position
    other = await sent(store, message("one", "first", room_id="cellar"))
    assert other.position.epoch != answer.position.epoch


@ensureDeferred
async def test_the_kind_of_a_message_is_the_senders(case: StoreCase) -> None:
    store, _ = await case.node("a")
    await connect(store, "one")
    await sent(store, Send("one", 1, "", "hall", "chat", "hi", None, 0))
    assert [entry.kind for entry in (await log_of(store, "room:hall")).entries] == ["chat"]


@ensureDeferred
async def test_a_rooms_log_keeps_its_newest_entries(case: StoreCase) -> None:
    store, _ = await case.node("a")
    await connect(store, "one")
    bound = case.times.room_entries
    positions = [(await sent(store, message("one", n, room_id="hall"))).position for n in range(bound + 3)]
    assert messages(await log_of(store, "room:hall")) == list(range(3, bound + 3))
    assert (await log_of(store, "room:hall", positions[1])).reset is True
    assert (await log_of(store, "room:hall", positions[2])).reset is False


@ensureDeferred
async def test_a_rooms_entries_are_told_to_every_node_that_watches_it(case: StoreCase) -> None:
    store_a, listener_a = await case.node("a")
    store_b, listener_b = await case.node("b")
    _store_c, listener_c = await case.node("c")
    await connect(store_a, "one")
    await store_a.watch_room("hall")
    await store_b.watch_room("hall")
    await store_b.watch_room("hall")
    await store_b.watch_room("cellar")
    for n in range(3):
        await sent(store_a, message("one", n, room_id="hall"))
    await case.settle()
    for listener in (listener_a, listener_b):
        assert [entry.payload for entry in listener.entries("room:hall")] == [0, 1, 2]
        assert [told.position.seq for told in listener.of(ToldEntry)] == [1, 2, 3]
    assert listener_c.told == []


@ensureDeferred
async def test_a_node_that_stopped_watching_hears_nothing_more(case: StoreCase) -> None:
    store_a, listener_a = await case.node("a")
    store_b, listener_b = await case.node("b")
    await connect(store_a, "one")
    for store in (store_a, store_b):
        await store.watch_room("hall")
    await sent(store_a, message("one", "both", room_id="hall"))
    await case.settle()
    await store_b.unwatch_room("hall")
    await store_b.unwatch_room("nowhere")
    await sent(store_a, message("one", "one", room_id="hall"))
    await case.settle()
    assert [entry.payload for entry in listener_a.entries("room:hall")] == ["both", "one"]
    assert [entry.payload for entry in listener_b.entries("room:hall")] == ["both"]
