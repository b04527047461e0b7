"""What the store in memory promises beyond the contract: nothing suspends, news come in order, nothing is kept for ever."""

from collections.abc import Coroutine
from itertools import count
from typing import Any

import pytest
from twisted.logger import globalLogPublisher

from sigrouter.protocol.errors import Unavailable
from sigrouter.stores.memory import MemoryBackend, MemoryStore
from sigrouter.stores.records import Confirm, Entry, NewSession, Paired, Position, Send, Sent, Step
from tests.contract.case import CaseTimes
from tests.contract.recording import RecordingListener, ToldInterrupted, ToldNodesChanged
from tests.contract.scenes import bind, connect, message, node, sent


def finish(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """The answer of a coroutine that must not suspend."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("suspended")


class Memory:
    """A backend with a clock that the test sets."""

    def __init__(self, times: CaseTimes | None = None) -> None:
        self.times = times or CaseTimes()
        self.backend = MemoryBackend()
        self.now = 1_000.0
        self.ids = count(1)

    def store(self, node_id: str, listener: Any = None) -> tuple[MemoryStore, Any]:
        """One more node."""
        store = MemoryStore(self.backend, self.times, lambda: self.now, lambda: f"id{next(self.ids)}")
        listener = listener or RecordingListener()
        finish(store.open(node_id, listener))
        return store, listener


@pytest.fixture
def memory() -> Memory:
    return Memory()


def test_a_message_is_sent_told_and_answered_without_ever_suspending(memory):
    store, listener = memory.store("a")
    pair_id = finish(bind(store))
    listener.clear()
    answer = finish(store.send(message("client", {"n": 1}, pair_id=pair_id, number=1)))
    assert answer == Sent("session:worker", Position(answer.position.epoch, 2), 1_000_000, duplicate=False)
    assert [entry.payload for entry in listener.entries("session:worker")] == [{"n": 1}]


def test_a_store_that_was_never_opened_is_not_available(memory):
    store = MemoryStore(memory.backend, memory.times, lambda: 0.0, str)
    assert store.available is False
    with pytest.raises(Unavailable):
        finish(store.ping())


def test_a_call_out_of_a_notification_is_done_at_once_and_its_news_come_after_those_under_way(memory):
    class Echo(RecordingListener):
        """Answers each message of the client on the spot."""

        def on_entry(self, channel: str, position: Position, entry: Entry) -> None:
            super().on_entry(channel, position, entry)
            if channel == "session:worker" and entry.kind == "message":
                answer = finish(store.send(message("worker", f"echo {entry.payload}", pair_id=pair_id)))
                assert isinstance(answer, Sent)
                self.order.append(f"sent echo {entry.payload}")
            self.order.append(f"{channel} {entry.payload}")

    listener = Echo()
    listener.order = []
    store, _ = memory.store("a", listener)
    pair_id = finish(bind(store))
    listener.order.clear()
    finish(sent(store, message("client", "hello", pair_id=pair_id)))
    assert listener.order == ["sent echo hello", "session:worker hello", "session:client echo hello"]


def test_a_listener_that_raises_keeps_no_news_from_the_others_nor_the_answer_from_the_caller(memory, request):
    class Broken(RecordingListener):
        def on_nodes_changed(self) -> None:
            raise ZeroDivisionError

    failures = []
    globalLogPublisher.addObserver(failures.append)
    request.addfinalizer(lambda: globalLogPublisher.removeObserver(failures.append))
    memory.store("a", Broken())
    store, healthy = memory.store("b")
    finish(store.lease(node("b")))
    assert healthy.of(ToldNodesChanged) == [ToldNodesChanged()]
    assert [event["log_failure"].type for event in failures] == [ZeroDivisionError]


def test_while_the_backend_is_stopped_every_store_is_unavailable_and_then_all_hear_of_the_interruption(memory):
    store_a, listener_a = memory.store("a")
    store_b, listener_b = memory.store("b")
    finish(connect(store_a, "one"))
    memory.backend.stop()
    for store in (store_a, store_b):
        assert store.available is False
        with pytest.raises(Unavailable):
            finish(store.session("one"))
        with pytest.raises(Unavailable):
            finish(store.send(message("one", "x", room_id="hall")))
    memory.backend.start(keep_data=True)
    assert store_a.available is True
    assert finish(store_b.session("one")).state == "connected"
    assert listener_a.of(ToldInterrupted) == listener_b.of(ToldInterrupted) == [ToldInterrupted()]


def test_a_new_process_of_the_same_name_keeps_its_place_when_the_old_one_closes(memory):
    old, old_listener = memory.store("a")
    finish(old.watch_room("hall"))
    new, new_listener = memory.store("a")
    finish(new.watch_room("hall"))
    finish(old.close())
    finish(connect(new, "one"))
    finish(sent(new, message("one", "x", room_id="hall")))
    assert [entry.payload for entry in new_listener.entries("room:hall")] == ["x"]
    assert old_listener.told == []
    assert finish(new.notify("one", "queue", {})) is True


def test_answers_are_kept_only_until_the_sender_has_them(memory):
    store, _ = memory.store("a")
    finish(connect(store, "one"))
    for number in range(1, 501):
        finish(sent(store, message("one", number, room_id="hall", number=number, acked=max(0, number - 3))))
    assert sorted(memory.backend.sessions["one"].answers) == [498, 499, 500]


def test_a_sender_that_claims_absurd_numbers_costs_nothing(memory):
    store, _ = memory.store("a")
    finish(connect(store, "one"))
    huge = 2**53
    finish(sent(store, message("one", "x", room_id="hall", number=huge, acked=huge - 1)))
    finish(sent(store, message("one", "x", room_id="hall", number=huge + 1, acked=2 * huge)))
    assert memory.backend.sessions["one"].answers == {}


def test_a_tombstone_is_gone_after_its_time(memory):
    store, _ = memory.store("a")
    finish(connect(store, "one"))
    finish(store.end("one", "ended"))
    memory.now += memory.times.tombstone_ttl_s
    assert finish(store.expire()) == ()
    assert finish(store.session("one")) is None
    assert memory.backend.sessions == {}


def test_an_idle_room_is_forgotten_unless_somebody_watches_it(memory):
    store, _ = memory.store("a")
    finish(connect(store, "one"))
    for room_id in ("watched", "idle", "busy"):
        finish(sent(store, message("one", "x", room_id=room_id)))
    finish(store.watch_room("watched"))
    memory.now += memory.times.record_ttl_s
    finish(store.keepalive("a", [("one", 1)]))
    finish(sent(store, message("one", "y", room_id="busy")))
    finish(store.expire())
    assert sorted(memory.backend.rooms) == ["busy", "watched"]


def test_an_old_handover_is_forgotten(memory):
    store, _ = memory.store("a")
    finish(store.record("h1", [Step("one", "client", "confirmed", 1, "a", {})]))
    finish(store.record("none", []))
    memory.now += memory.times.handover_ttl_s
    finish(store.record("h2", [Step("one", "client", "confirmed", 1, "a", {})]))
    finish(store.expire())
    assert finish(store.handovers()) == ("h2",)


def test_sessions_that_a_leaving_node_still_had_are_away(memory):
    store, _ = memory.store("a")
    finish(store.lease(node("a")))
    finish(connect(store, "one"))
    finish(store.release_node("a"))
    record = finish(store.session("one"))
    assert (record.state, record.expires_at) == ("away", memory.now + memory.times.recovery_window_s)


def test_a_reader_on_a_node_without_a_store_is_told_nothing_and_finds_its_entries_in_the_log(memory):
    store, listener = memory.store("a")
    finish(store.create(NewSession("one", "user", "client", "elsewhere", "blue", "x")))
    finish(store.confirm(Confirm("one", 1, "elsewhere", "blue", "x", None, 1)))
    finish(connect(store, "worker", role="worker"))
    finish(store.announce("worker", 1, frozenset(), 1))
    paired = finish(store.request("one", 1, frozenset(), 60.0))
    assert isinstance(paired, Paired)
    assert finish(store.notify("one", "queue", {})) is False
    assert isinstance(finish(store.send(Send("worker", 1, paired.pair_id, "", "message", "x", None, 0))), Sent)
    assert listener.entries("session:one") == []
    assert len(memory.backend.sessions["one"].log.entries) == 2
