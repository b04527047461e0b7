"""The state that the memory stores share, as nodes share one Redis, and the line of its notifications."""

from collections import deque
from collections.abc import Callable, Collection
from typing import Any

from attrs import define
from twisted.logger import Logger

from sigrouter.stores.interface import Listener
from sigrouter.stores.memory.log import Log
from sigrouter.stores.memory.session import Pair, Session
from sigrouter.stores.records import Entry, NodeRecord, Position, Step


@define
class Waiting:
    """A client in the queue; its wait ends at ``deadline_at``, seconds."""

    client: Session
    abilities: frozenset[str]
    deadline_at: float


@define
class Handover:
    """The steps of one handover; ``touched_at`` is when the last ones came, seconds."""

    steps: list[Step]
    touched_at: float


class MemoryBackend:
    """Everything there is. Only the parts of :class:`MemoryStore` change it, each call in one go.

    ``stop`` and ``start`` are what a restart of a database is to its clients: in between, every call raises
    ``Unavailable``, and afterwards every listener hears ``on_interrupted``.
    """

    log = Logger()

    def __init__(self) -> None:
        self.reachable = True
        self.listeners: dict[str, Listener] = {}
        self.watchers: dict[str, dict[str, Listener]] = {}
        self._outbox: deque[tuple[Callable[..., None], tuple[Any, ...]]] = deque()
        self._delivering = False
        self._forget_everything()

    def stop(self) -> None:
        """Be out of reach."""
        self.reachable = False

    def start(self, *, keep_data: bool) -> None:
        """Be within reach again; ``keep_data`` false: the memory is gone, as that of a database without a disk."""
        if not keep_data:
            self._forget_everything()
        self.reachable = True
        for listener in self.listeners.values():
            self.tell(listener.on_interrupted)
        self.deliver()

    def tell(self, call: Callable[..., None], *arguments: Any) -> None:
        """Put a notification in the line; ``deliver`` makes it once the change that it tells of is complete."""
        self._outbox.append((call, arguments))

    def deliver(self) -> None:
        """Make the notifications in the line. One that leads to new calls finds them done and their news at the end."""
        if self._delivering:
            return
        self._delivering = True
        outbox = self._outbox
        try:
            while outbox:
                call, arguments = outbox.popleft()
                try:
                    call(*arguments)
                except Exception:  # noqa: BLE001 - it must not raise; if it does, the others still get theirs
                    self.log.failure("A listener of the memory store raised")
        finally:
            self._delivering = False

    def append_for(self, reader: Session, kind: str, pair_id: str, now: float, payload: Any, bound: int) -> None:
        """An entry of the system in a mailbox. A full mailbox takes it too: the bound is there to slow down senders."""
        log = reader.log
        entry = log.append(kind, "", pair_id, now, payload)
        if not reader.acknowledges:
            log.keep(bound)
        self.tell_entry(reader, Position(log.epoch, log.head), entry)

    def tell_entry(self, reader: Session, position: Position, entry: Entry) -> None:
        """The reader's node is to hear of an entry, if the reader is connected; else its backlog has it."""
        if reader.state == "connected":
            listener = self.listeners.get(reader.node_id)
            if listener is not None:
                self._outbox.append((listener.on_entry, (reader.log.channel, position, entry)))

    def bury(self, node_ids: Collection[str], expires_at: float) -> None:
        """These nodes are gone: whoever was connected to them is ``away`` and may resume until ``expires_at``."""
        for node_id in node_ids:
            del self.nodes[node_id]
        for session in self.sessions.values():
            if session.here() in node_ids:
                session.leave(expires_at)
        for listener in self.listeners.values():
            self.tell(listener.on_nodes_changed)

    def next_turn(self) -> int:
        """A running number, for who has waited longest."""
        self._turn += 1
        return self._turn

    def _forget_everything(self) -> None:
        self.sessions: dict[str, Session] = {}
        self.rooms: dict[str, Log] = {}
        self.pairs: dict[str, Pair] = {}
        self.workers: dict[str, Session] = {}
        self.queue: dict[str, Waiting] = {}
        self.nodes: dict[str, NodeRecord] = {}
        self.handovers: dict[str, Handover] = {}
        self._turn = 0
