"""What a drain hears (events) and what it wants done (effects); the machine itself is in ``drain.py``.

Every event carries ``at``, the time in seconds by any clock that all events of one drain share. Effects are never
performed by the machine; :class:`sigrouter.services.drain.DrainService` does that.
"""

from collections.abc import Mapping
from typing import Any

from attrs import field, frozen

from sigrouter.machines.handover import Peer

WORKER = "worker"
CLIENT = "client"


@frozen
class Budget:
    """The times of one drain, in seconds, and the sizes of its window, in moves.

    ``budget_s``: from the start until what is left is closed. ``settle_s``: from "not ready" to the first GOAWAY.
    ``pair_deadline_s``: a client waits no longer than that for a worker that was told. ``move_timeout_s``: a move that
    is not confirmed within it (after its own ``reconnect_after_ms``) counts against the window. ``target_wait_s``:
    without another node for that long, somebody should know. ``close_grace_s``: closed connections get that long to go
    in order.
    ``lost_grace_s``: a session whose connection is gone gets that long to be heard of elsewhere before it counts as
    left.
    """

    budget_s: float = 30.0
    settle_s: float = 1.0
    pair_deadline_s: float = 10.0
    move_timeout_s: float = 5.0
    target_wait_s: float = 20.0
    close_grace_s: float = 1.0
    lost_grace_s: float = 2.0
    window_initial: int = 16
    window_max: int = 256


@frozen
class Target:
    """Another node that is ready to take sessions. ``preferred``: sessions should go to this one's stack."""

    node_id: str
    stack: str = ""
    url: str = ""
    preferred: bool = True


@frozen
class Resident:
    """A session that is confirmed on the draining node.

    ``peers``: the sessions it is paired with and the nodes these are confirmed on (empty text: none or unknown).
    ``None`` says that nobody knows yet; a client then waits for :class:`PeersLearned` or its deadline.
    """

    session_id: str
    role: str
    peers: Mapping[str, str] | None = None


# ---- events --------------------------------------------------------------------------------------


@frozen
class Start:
    """Drain the node ``node_id``. The same ``seed`` gives the same jitter again; two drains should have two."""

    at: float
    node_id: str
    handover_id: str
    reason: str
    budget: Budget
    residents: tuple[Resident, ...] = ()
    targets: tuple[Target, ...] = ()
    seed: str = ""


@frozen
class TargetsChanged:
    """Which other nodes are ready now; those that drain or are gone are not among them."""

    at: float
    targets: tuple[Target, ...]


@frozen
class SessionArrived:
    """A session was confirmed here although the node drains: its handshake was under way when the drain began."""

    at: float
    resident: Resident


@frozen
class PeersLearned:
    """What the store answered about a client's pairs; replaces what was known."""

    at: float
    session_id: str
    peers: Mapping[str, str]


@frozen
class PeerReady:
    """The worker of a local client is confirmed on ``node_id``; whether that node stays is for the machine to see."""

    at: float
    session_id: str
    worker_id: str
    node_id: str


@frozen
class SessionConfirmedElsewhere:
    """A local session, or the worker of a local client, is confirmed on another node now."""

    at: float
    session_id: str
    node_id: str


@frozen
class SessionEnded:
    """A session is over: a local one, or the peer of one."""

    at: float
    session_id: str
    reason: str


@frozen
class ConnectionLost:
    """The session has no connection to this node any more."""

    at: float
    session_id: str


@frozen
class Tick:
    """Time has passed; :func:`~sigrouter.machines.drain.next_wakeup` asks for this."""

    at: float


@frozen
class Undrain:
    """Turn back, if it is not too late."""

    at: float


DrainEvent = (
    Start
    | TargetsChanged
    | SessionArrived
    | PeersLearned
    | PeerReady
    | SessionConfirmedElsewhere
    | SessionEnded
    | ConnectionLost
    | Tick
    | Undrain
)

# ---- effects -------------------------------------------------------------------------------------


@frozen
class AnnounceDraining:
    """Turn not ready, refuse new sessions, tell the other nodes."""


@frozen
class WarnNoTarget:
    """No other node has been ready for ``waited_s`` seconds; the drain goes on waiting until its deadline."""

    waited_s: float


@frozen
class SendGoaway:
    """Invite a session to move. ``deadline_ms``: milliseconds from now until its connection here is closed."""

    session_id: str
    reconnect_after_ms: int
    peer: Peer
    deadline_ms: int
    stack: str
    url: str


@frozen
class CloseConnection:
    """Close a session's connection here; the session itself stays."""

    session_id: str
    reason: str


@frozen
class Record:
    """One step for the handover's record; ``at`` in seconds. An empty ``session_id`` is the node itself."""

    session_id: str
    role: str
    step: str
    at: float
    detail: Mapping[str, Any] = field(factory=dict)


@frozen
class Finish:
    """The drain is over and the process may end. ``ends``: how many sessions ended up in which phase."""

    ends: Mapping[str, int]


@frozen
class ResumeServing:
    """The drain was turned back: be ready again. ``ends`` as in :class:`Finish`."""

    ends: Mapping[str, int]


DrainEffect = AnnounceDraining | WarnNoTarget | SendGoaway | CloseConnection | Record | Finish | ResumeServing
