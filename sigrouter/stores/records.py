"""What goes into a store and comes out of it: sessions, entries, positions, pairs, nodes, steps. Frozen values only.

Times are seconds since the Unix epoch as ``float`` by the store's own clock; ``at`` in an entry or a step is integer
milliseconds.
"""

from collections.abc import Mapping
from typing import Any, Literal

from attrs import frozen

from sigrouter.protocol.errors import MailboxFull, NotPaired, OutOfOrder, Recovery, Superseded
from sigrouter.protocol.messages import Position as Position

Role = Literal["client", "worker", "service", "admin"]
SessionState = Literal["new", "connected", "away", "ended"]
NodeState = Literal["starting", "ready", "draining"]


@frozen
class Entry:
    """One message in a channel. ``kind`` is the last part of its topic; ``pair_id`` is empty outside pairs."""

    seq: int
    kind: str
    sender: str
    pair_id: str
    at: int
    payload: Any


@frozen
class Backlog:
    """What a reader missed. ``reset``: the log does not reach back to the position that was asked for.

    ``head`` is the newest position; ``more`` says that ``entries`` stops before it.
    After a reset, ``entries`` starts at the oldest entry that the log still has.
    """

    head: Position
    entries: tuple[Entry, ...]
    reset: bool
    more: bool


@frozen
class SessionRecord:
    """What the store knows of a session. ``generation`` is the confirmed one, ``claimed`` the newest handed out."""

    session_id: str
    user_id: str
    role: Role
    state: SessionState
    generation: int
    claimed: int
    node_id: str
    stack: str
    connection_id: str
    created_at: float
    expires_at: float
    handover_id: str
    ended_reason: str


@frozen
class NewSession:
    """A fresh session, whose first connection holds generation 1 but is not yet confirmed."""

    session_id: str
    user_id: str
    role: Role
    node_id: str
    stack: str
    connection_id: str


@frozen
class Claim:
    """A try to resume: ``generation`` is the recovery token's; the others are the new connection's."""

    session_id: str
    user_id: str
    role: Role
    generation: int
    node_id: str
    stack: str
    connection_id: str


@frozen
class Claimed:
    """The claim stands: the new connection holds ``generation`` and becomes the session's by ``confirm``."""

    record: SessionRecord
    generation: int


@frozen
class Confirm:
    """``sig.session.ready``: the connection with ``generation`` takes the session over.

    ``position``: what the client has of its mailbox; ``None``: it has nothing and does not acknowledge (then the log
    may be trimmed unread). ``limit`` bounds the entries that come back.
    """

    session_id: str
    generation: int
    node_id: str
    stack: str
    connection_id: str
    position: Position | None
    limit: int


@frozen
class PairView:
    """A pair as one of its ends sees it. ``peer_node_id`` is empty while the peer is away."""

    pair_id: str
    peer_session_id: str
    peer_user_id: str
    peer_state: SessionState
    peer_node_id: str


@frozen
class Confirmed:
    """The session is this connection's now. ``last_number`` is the highest number of its own that was appended."""

    record: SessionRecord
    previous: SessionRecord
    backlog: Backlog
    pairs: tuple[PairView, ...]
    last_number: int


@frozen
class Send:
    """A message from a session's connection (``generation`` fences) into a channel.

    Exactly one of ``pair_id`` (to the other end's mailbox) and ``room_id`` (to the room's log) is not empty.
    ``number`` counts the sender's own messages from 1; ``None``: the sender gives up order and exactly-once.
    ``acked``: every number up to it has been answered to the sender; a number is accepted when it follows the last
    appended one, or when all before it are acked. ``number <= acked + window`` is checked by the caller.
    """

    session_id: str
    generation: int
    pair_id: str
    room_id: str
    kind: str
    payload: Any
    number: int | None
    acked: int


@frozen
class Sent:
    """The message is in the log at ``position`` of ``channel``. A repeat gets the first answer, ``duplicate`` true.

    A repeat of a number the sender itself had acked has position ``("", 0)``: nobody waits for that answer.
    """

    channel: str
    position: Position
    at: int
    duplicate: bool


@frozen
class Paired:
    """``client_id`` and ``worker_id`` are bound; both got an entry of kind ``pair`` in their mailbox."""

    pair_id: str
    client_id: str
    worker_id: str


@frozen
class Queued:
    """No free worker has the abilities yet. ``position`` counts from 1; at ``deadline_at`` the wait ends."""

    position: int
    deadline_at: float


@frozen
class WorkerView:
    """A worker's announcement and load."""

    session_id: str
    abilities: frozenset[str]
    capacity: int
    load: int
    state: SessionState
    node_id: str


@frozen
class NodeRecord:
    """A node as the others see it; gone when ``lease_until`` passes without a renewal."""

    node_id: str
    stack: str
    state: NodeState
    url: str
    sessions: int
    started_at: float
    lease_until: float


@frozen
class Step:
    """One step of one session's move in a handover; ``at`` in milliseconds. ``detail`` is JSON-able."""

    session_id: str
    role: str
    step: str
    at: int
    node_id: str
    detail: Mapping[str, Any]


SendRefusal = Superseded | Recovery | NotPaired | OutOfOrder | MailboxFull


def mailbox(session_id: str) -> str:
    """The name of a session's own channel."""
    return f"session:{session_id}"


def room(room_id: str) -> str:
    """The name of a room's channel."""
    return f"room:{room_id}"
