"""A listener that remembers what it was told, in order."""

from typing import Any, TypeVar

from attrs import frozen

from sigrouter.stores.interface import Listener
from sigrouter.stores.records import Entry, Position


@frozen
class ToldEntry:
    """``on_entry``."""

    channel: str
    position: Position
    entry: Entry


@frozen
class ToldNotice:
    """``on_notice``."""

    session_id: str
    kind: str
    payload: Any


@frozen
class ToldSuperseded:
    """``on_superseded``."""

    session_id: str
    generation: int
    node_id: str


@frozen
class ToldPeerReady:
    """``on_peer_ready``."""

    session_id: str
    peer_session_id: str
    peer_node_id: str


@frozen
class ToldEnded:
    """``on_ended``."""

    session_id: str
    reason: str


@frozen
class ToldNodesChanged:
    """``on_nodes_changed``."""


@frozen
class ToldInterrupted:
    """``on_interrupted``."""


Told = ToldEntry | ToldNotice | ToldSuperseded | ToldPeerReady | ToldEnded | ToldNodesChanged | ToldInterrupted
T = TypeVar("T")


class RecordingListener:
    """Keeps every notification in ``told``; ``clear`` starts over."""

    def __init__(self) -> None:
        self.told: list[Told] = []

    def of(self, kind: type[T]) -> list[T]:
        """The notifications of one kind, in order."""
        return [told for told in self.told if isinstance(told, kind)]

    def entries(self, channel: str) -> list[Entry]:
        """The entries of one channel, in the order they were told."""
        return [told.entry for told in self.of(ToldEntry) if told.channel == channel]

    def clear(self) -> None:
        """Forget everything."""
        self.told.clear()

    def on_entry(self, channel: str, position: Position, entry: Entry) -> None:
        self.told.append(ToldEntry(channel, position, entry))

    def on_notice(self, session_id: str, kind: str, payload: Any) -> None:
        self.told.append(ToldNotice(session_id, kind, payload))

    def on_superseded(self, session_id: str, generation: int, node_id: str) -> None:
        self.told.append(ToldSuperseded(session_id, generation, node_id))

    def on_peer_ready(self, session_id: str, peer_session_id: str, peer_node_id: str) -> None:
        self.told.append(ToldPeerReady(session_id, peer_session_id, peer_node_id))

    def on_ended(self, session_id: str, reason: str) -> None:
        self.told.append(ToldEnded(session_id, reason))

    def on_nodes_changed(self) -> None:
        self.told.append(ToldNodesChanged())

    def on_interrupted(self) -> None:
        self.told.append(ToldInterrupted())


def _keeps_the_promise(listener: RecordingListener) -> Listener:
    return listener
