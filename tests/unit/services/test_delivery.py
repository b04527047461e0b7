"""Whatever notifications do, a connection gets its mailbox in order and once."""

from collections.abc import Coroutine
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sigrouter.machines.bucket import Bucket
from sigrouter.protocol import uris
from sigrouter.protocol.errors import NotFound, Unavailable
from sigrouter.protocol.messages import Position
from sigrouter.services.connections import Connection, Connections
from sigrouter.services.delivery import Delivery
from sigrouter.stores.records import Backlog, Entry

CHANNEL = "session:ann"


class FakeOutlet:
    """Remembers what went out."""

    def __init__(self) -> None:
        self.events: list[tuple[int, str, dict[str, Any]]] = []

    def publish(self, connection_id: int, topic: str, event: Any) -> None:
        self.events.append((connection_id, topic, dict(event)))

    def close(self, connection_id: int, reason: str) -> None:
        raise AssertionError((connection_id, reason))

    def unsent_bytes(self, connection_id: int) -> int:
        raise AssertionError(connection_id)

    @property
    def seqs(self) -> list[int]:
        return [event["seq"] for _, _, event in self.events]


class FakeLog:
    """A channel that can be away."""

    def __init__(self) -> None:
        self.epoch = "e1"
        self.entries: list[Entry] = []
        self.first = 1
        self.away = False
        self.unknown = False

    def append(self, kind: str = "message", payload: Any = None) -> tuple[Position, Entry]:
        entry = Entry(self.first + len(self.entries), kind, "bob", "p", 1000, payload)
        self.entries.append(entry)
        return Position(self.epoch, entry.seq), entry

    async def read(self, channel: str, after: Position | None, limit: int) -> Backlog | NotFound:
        assert channel == CHANNEL
        assert after is not None
        if self.away:
            raise Unavailable
        if self.unknown:
            return NotFound()
        head = self.first + len(self.entries) - 1
        reset = after.epoch != self.epoch or not self.first - 1 <= after.seq <= head
        found = [entry for entry in self.entries if reset or entry.seq > after.seq]
        page = tuple(found[:limit])
        return Backlog(Position(self.epoch, head), page, reset, more=len(page) < len(found))


class World:
    """One connection, its log, and a delivery between them; background work waits until ``run``."""

    def __init__(self, page: int = 2) -> None:
        self.log = FakeLog()
        self.outlet = FakeOutlet()
        self.connections = Connections()
        self.work: list[Coroutine[Any, Any, None]] = []
        self.delivery = Delivery(self.connections, self.log, page, self.work.append)  # type: ignore[arg-type]  # only read is used
        self.delivery.outlet = self.outlet
        bucket = Bucket.full(1, 1, 0)
        self.connection = Connection(7, "ann", "user", "client", 1, 0.0, bucket, bucket, epoch="e1")
        self.connections.add(self.connection)
        self.connections.confirm(self.connection)

    def hear(self, position: Position, entry: Entry) -> None:
        self.delivery.on_entry(CHANNEL, position, entry)

    def run(self) -> None:
        while self.work:
            work = self.work.pop(0)
            with pytest.raises(StopIteration):
                work.send(None)


def test_an_entry_goes_to_the_confirmed_connection_under_its_topic() -> None:
    world = World()
    world.hear(*world.log.append(payload={"a": 1}))
    ((connection_id, topic, event),) = world.outlet.events
    assert (connection_id, topic) == (7, uris.EVENT_MESSAGE)
    assert event == {
        "channel": "mailbox", "epoch": "e1", "seq": 1, "kind": "message",
        "sender": "bob", "pair_id": "p", "at": 1000, "payload": {"a": 1},
    }  # fmt: skip


def test_a_lost_notification_is_read_from_the_log_before_what_follows() -> None:
    world = World()
    for _ in range(5):
        world.log.append()
    world.hear(*world.log.append())
    assert world.outlet.seqs == []
    world.hear(*world.log.append())
    world.run()
    assert world.outlet.seqs == [1, 2, 3, 4, 5, 6, 7]


def test_a_repeated_notification_is_dropped() -> None:
    world = World()
    first = world.log.append()
    world.hear(*first)
    world.hear(*first)
    assert world.outlet.seqs == [1]


def test_what_comes_while_the_ready_answer_is_under_way_follows_it() -> None:
    world = World()
    world.delivery.hold(world.connection)
    backlog = world.log.append()
    world.hear(*backlog)
    world.hear(*world.log.append())
    world.connection.seq = 1  # The backlog in the answer held the first one.
    assert world.outlet.seqs == []
    world.delivery.release(world.connection)
    assert world.outlet.seqs == [2]


def test_a_store_that_is_away_delays_and_loses_nothing() -> None:
    world = World()
    world.log.append()
    world.log.away = True
    world.hear(*world.log.append())
    world.run()
    assert world.outlet.seqs == []
    world.log.away = False
    world.delivery.catch_up_all()
    world.run()
    assert world.outlet.seqs == [1, 2]


def test_a_new_epoch_goes_on_from_what_the_log_has() -> None:
    world = World()
    world.hear(*world.log.append())
    world.log.epoch, world.log.entries, world.log.first = "e2", [], 1
    world.hear(*world.log.append())
    world.run()
    assert [(event["epoch"], event["seq"]) for _, _, event in world.outlet.events] == [("e1", 1), ("e2", 1)]


def test_a_channel_that_is_gone_ends_the_catch_up() -> None:
    world = World()
    world.log.unknown = True
    world.delivery.catch_up(world.connection)
    world.run()
    assert world.connection.held is None


def test_a_closed_connection_gets_nothing() -> None:
    world = World()
    world.connections.remove(7)
    world.hear(*world.log.append())
    world.delivery.notice("ann", "queue", {"position": 1})
    world.delivery.catch_up(world.connection)
    world.run()
    assert world.outlet.events == []


def test_pairs_are_remembered_and_forgotten_with_the_events_that_tell_of_them() -> None:
    world = World()
    world.hear(*world.log.append("pair", {"state": "paired", "pair_id": "p", "peer_session_id": "bob"}))
    assert world.connection.pairs == {"p": "bob"}
    world.hear(*world.log.append("pair", {"state": "lost", "pair_id": "p", "peer_session_id": "bob"}))
    assert world.connection.pairs == {}


@given(st.lists(st.sampled_from(["append", "lose", "repeat", "away", "back", "hold", "release", "run"]), max_size=60))
def test_any_history_of_notifications_ends_with_the_whole_log_in_order(history: list[str]) -> None:
    world = World()
    last: tuple[Position, Entry] | None = None
    holding = False
    for happening in history:
        match happening:
            case "append":
                last = world.log.append()
                world.hear(*last)
            case "lose":
                world.log.append()
            case "repeat" if last is not None:
                world.hear(*last)
            case "away" | "back":
                world.log.away = happening == "away"
            case "hold" if world.connection.held is None:
                world.delivery.hold(world.connection)
                holding = True
            case "release" if holding:
                world.delivery.release(world.connection)
                holding = False
            case "run":
                world.run()
        assert world.outlet.seqs == list(range(1, len(world.outlet.seqs) + 1))
    if holding:
        world.delivery.release(world.connection)
    world.log.away = False
    world.run()
    world.delivery.catch_up_all()
    world.run()
    assert world.outlet.seqs == list(range(1, len(world.log.entries) + 1))
