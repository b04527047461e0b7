"""The promises of a store: every state that two nodes may change is changed here, atomically, once.

A store answers "did I win?" with a value: a refusal is a :class:`~sigrouter.protocol.errors.SigrouterError` that is
*returned*, never raised. The one thing that is raised is :class:`~sigrouter.protocol.errors.Unavailable`, when the
store cannot be reached; the call then may or may not have happened, and repeating it is safe.

Times are seconds since the Unix epoch as ``float`` by the store's own clock (``at`` in an entry: integer milliseconds).
The invariants, tested by one contract suite on every implementation:

* A session has at most one confirmed connection: the one whose generation its record shows.
* A mailbox or room log gives its entries without hole or repetition from any position of the same epoch that it still
  reaches back to; otherwise it says so.
* An acknowledged entry of a mailbox stays until its reader acknowledged it (or the session ends). A full mailbox
  refuses.
* Numbered messages of one sender are appended once and in the order of their numbers.
* A notification reaches the node that the session is confirmed on, or the entry is in the backlog that ``confirm``
  reads.
"""

from collections.abc import Sequence
from typing import Any, Protocol

from sigrouter.protocol.errors import NotFound, Recovery, SigrouterError, Superseded
from sigrouter.stores.records import (
    Backlog,
    Claim,
    Claimed,
    Confirm,
    Confirmed,
    Entry,
    NewSession,
    NodeRecord,
    Paired,
    PairView,
    Position,
    Queued,
    Send,
    SendRefusal,
    Sent,
    SessionRecord,
    Step,
    WorkerView,
)


class Listener(Protocol):
    """What a node is told. Calls are made in the order in which the store did the changes, and must not raise."""

    def on_entry(self, channel: str, position: Position, entry: Entry) -> None:
        """An entry was appended to a local session's mailbox (``session:ID``) or to a watched room (``room:ID``)."""

    def on_notice(self, session_id: str, kind: str, payload: Any) -> None:
        """An unlogged event for a local session (``notify``)."""

    def on_superseded(self, session_id: str, generation: int, node_id: str) -> None:
        """The session was confirmed with ``generation`` on ``node_id``; older connections of it are over."""

    def on_peer_ready(self, session_id: str, peer_session_id: str, peer_node_id: str) -> None:
        """The peer of a local session was confirmed on ``peer_node_id``."""

    def on_ended(self, session_id: str, reason: str) -> None:
        """A local session has ended."""

    def on_nodes_changed(self) -> None:
        """A node appeared, left or changed its state: read ``nodes()`` if it matters."""

    def on_interrupted(self) -> None:
        """Notifications may have been missed and flow again from now on: read the local channels' backlogs."""


class Sessions(Protocol):
    """Sessions: one confirmed connection each, fenced by generation."""

    async def create(self, new: NewSession) -> SessionRecord:
        """Make the record (state ``new``, generation 0, claimed 1) and an empty mailbox with a new epoch.

        A session that is never confirmed ends by itself after the store's handshake time.
        """

    async def claim(self, claim: Claim) -> Claimed | Recovery:
        """Hand out the next generation if the token's is the confirmed or the newest claimed one.

        Refused as ``unknown``, ``revoked`` (ended), ``mismatch`` (user or role) or ``superseded``. The older holder
        keeps the session until ``confirm``, so a lost answer costs nothing: the same token may claim again.
        """

    async def confirm(self, confirm: Confirm) -> Confirmed | Superseded | Recovery:
        """Make the connection the session's one, if it holds the newest claim; read its backlog in the same step.

        Tells the node of the older connection (``on_superseded``) and the nodes of the peers (``on_peer_ready``).
        Repeating it with the same generation answers anew. The record's ``handover_id`` is cleared: the move is over
        (``previous`` still shows it).
        """

    async def keepalive(self, node_id: str, sessions: Sequence[tuple[str, int]]) -> tuple[str, ...]:
        """Push out the expiry of ``(session_id, generation)`` pairs; answers the ids that are this node's no more."""

    async def lost(self, session_id: str, generation: int) -> bool:
        """The connection of ``generation`` is gone. True if it was the session's: it is ``away`` now and expires."""

    async def end(self, session_id: str, reason: str) -> bool:
        """End the session, once: revoke its tokens, release its pairs (each peer gets a ``pair`` entry with state
        ``lost``), leave the queue, drop its mailbox, tell its node (``on_ended``). True for the call that did it.
        The record stays as a tombstone (state ``ended``) as long as a token could."""

    async def session(self, session_id: str) -> SessionRecord | None:
        """The record, a tombstone included."""

    async def sessions(self, session_ids: Sequence[str]) -> tuple[SessionRecord | None, ...]:
        """Many records at once, in the order asked for."""

    async def sessions_of(self, node_id: str) -> tuple[SessionRecord, ...]:
        """The sessions that are confirmed on a node, by session id."""

    async def pairs_of(self, session_id: str) -> tuple[PairView, ...]:
        """The pairs of a session."""

    async def expire(self) -> tuple[str, ...]:
        """End every session whose time is over, expire the queue's deadlines (the client gets a ``pair`` entry with
        state ``expired``), mark sessions of dead nodes ``away``. Any node may call it at any time; each session is
        ended by one call, which answers its id."""


class Channels(Protocol):
    """Ordered, exactly-once logs: ``session:ID`` (a mailbox) and ``room:ID``."""

    async def send(self, send: Send) -> "Sent | SendRefusal":
        """Check fence, pair and number, append, and notify: one atomic step, one round trip."""

    async def read(self, channel: str, after: Position | None, limit: int) -> Backlog | NotFound:
        """The entries after a position; ``None`` reads from the oldest. ``NotFound``: no such channel."""

    async def ack(self, session_id: str, generation: int, position: Position) -> bool:
        """The session has read its mailbox up to ``position``: what came before may go. False: fenced, other epoch."""

    async def notify(self, session_id: str, kind: str, payload: Any) -> bool:
        """An unlogged event to a session, wherever it is confirmed; False when it is nowhere."""

    async def watch_room(self, room_id: str) -> None:
        """From now on the listener hears the room's entries."""

    async def unwatch_room(self, room_id: str) -> None:
        """The listener has no local member left."""


class Pairs(Protocol):
    """Clients and workers bound one to one, least loaded worker first, across nodes."""

    async def announce(
        self, session_id: str, generation: int, abilities: frozenset[str], capacity: int
    ) -> WorkerView | SigrouterError:
        """A worker offers ``capacity`` slots (0: takes nobody new) and its abilities; a repeat replaces them."""

    async def worker(self, session_id: str) -> WorkerView | None:
        """The announcement and load of a worker."""

    async def request(
        self, session_id: str, generation: int, abilities: frozenset[str], deadline_s: float
    ) -> Paired | Queued | SigrouterError:
        """Bind a client to the least loaded connected worker that has all the abilities (ties: the one that has waited
        longest), else queue it. A client that is paired or queued gets that answer again."""

    async def cancel(self, session_id: str) -> bool:
        """Leave the queue. False: was not in it (perhaps just paired)."""

    async def release(self, session_id: str, pair_id: str) -> bool:
        """Dissolve a pair, once; the other end gets a ``pair`` entry with state ``released``. False: no such pair."""

    async def match(self) -> tuple[Paired, ...]:
        """Pair whoever can be paired from the queue, first come first served; any node may call it at any time."""

    async def queue(self) -> tuple[str, ...]:
        """The waiting clients, first first."""


class Nodes(Protocol):
    """Nodes hold a lease; their state is known to all."""

    async def lease(self, node: NodeRecord) -> None:
        """Renew (``lease_until`` is ignored, the store's own lease time counts); a change of state is told to all."""

    async def release_node(self, node_id: str) -> None:
        """The node has left; told to all."""

    async def nodes(self) -> tuple[NodeRecord, ...]:
        """The living nodes, by node id."""


class Handovers(Protocol):
    """What happened to every session in a handover, step by step."""

    async def mark(self, handover_id: str, session_ids: Sequence[str]) -> None:
        """Remember in the records that these sessions were sent away, so that their next node records its steps too."""

    async def record(self, handover_id: str, steps: Sequence[Step]) -> None:
        """Append steps; the order of the calls is kept."""

    async def handover(self, handover_id: str) -> tuple[Step, ...]:
        """All steps of a handover, oldest first; empty if unknown."""

    async def handovers(self) -> tuple[str, ...]:
        """The known handovers, newest first."""


class Store(Sessions, Channels, Pairs, Nodes, Handovers, Protocol):
    """Everything together, for one node."""

    @property
    def available(self) -> bool:
        """Whether the store can be reached right now, as far as the last call told."""

    async def open(self, node_id: str, listener: Listener) -> None:
        """Connect and listen to the notifications for ``node_id``. Waits until the store can be reached."""

    async def close(self) -> None:
        """Close the connections; later calls raise ``Unavailable``."""

    async def ping(self) -> None:
        """Raise ``Unavailable`` unless the store answers."""


class StoreTimes(Protocol):
    """The settings that a store needs, in seconds and counts (read only, so that frozen settings fit)."""

    @property
    def recovery_window_s(self) -> float:
        """How long a session that is away can be resumed."""

    @property
    def handshake_s(self) -> float:
        """How long a new session may wait for its first ``confirm``."""

    @property
    def record_ttl_s(self) -> float:
        """How long anything may stay that nobody touches, whatever else failed."""

    @property
    def tombstone_ttl_s(self) -> float:
        """How long the record of an ended session stays: as long as a token of it could live."""

    @property
    def node_lease_s(self) -> float:
        """How long a node lives without renewing its lease."""

    @property
    def mailbox_entries(self) -> int:
        """How many unread entries a mailbox holds."""

    @property
    def room_entries(self) -> int:
        """How many entries a room's log keeps."""

    @property
    def handover_ttl_s(self) -> float:
        """How long a handover's report stays after its last step."""
