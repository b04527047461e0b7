"""What happens to a session, as the application reads it from ``client.events()``."""

from collections.abc import Mapping
from typing import Any

from attrs import field, frozen


@frozen
class Pair:
    """The bond with one peer; it survives the connections of both."""

    pair_id: str
    peer_session_id: str
    peer_user_id: str = ""


@frozen
class Sent:
    """A message is in its receiver's log at ``(epoch, seq)`` since ``at`` (milliseconds); it will be delivered.

    ``duplicate``: the first answer was lost on the way and this is the answer to the repetition.
    """

    epoch: str
    seq: int
    at: int
    duplicate: bool


@frozen
class SavedSession:
    """What another process needs to go on with the session: keep it secret, the token is as good as the session."""

    recovery_token: str = field(repr=False)
    positions: Mapping[str, Mapping[str, Any] | None]


@frozen
class Message:
    """The peer sent ``payload``; ``at`` in milliseconds."""

    payload: Any
    sender: str
    pair_id: str
    at: int
    seq: int


@frozen
class PairChanged:
    """A pair began (``paired``) or is over (``released``, ``lost``), or the wait for one is (``expired``)."""

    state: str
    pair_id: str
    peer_session_id: str
    peer_user_id: str
    reason: str


@frozen
class QueuePosition:
    """The place in the queue for a worker, counted from 1."""

    position: int


@frozen
class Notice:
    """An event of a kind that this version of the SDK does not know."""

    kind: str
    payload: Any
    sender: str = ""
    pair_id: str = ""
    at: int = 0


@frozen
class SessionStarted:
    """A fresh session is ready: the first one, or the one after ``SessionLost``."""

    session_id: str
    node_id: str


@frozen
class Resumed:
    """The session goes on over a new connection.

    ``gap_s``: seconds without a usable connection (hardly any in a handover); ``replayed``: events caught up.
    """

    gap_s: float
    replayed: int
    node_id: str
    handover: bool


@frozen
class GoAwayReceived:
    """The node will stop; the client moves by itself while the old connection still works."""

    reason: str
    handover_id: str
    deadline_ms: int
    reconnect_after_ms: int
    stack: str
    peer: str


@frozen
class Reset:
    """The log of ``channel`` no longer reached back to what was read: something may be missing, reload your state."""

    channel: str


@frozen
class Disconnected:
    """No connection; the client is already on its way back. ``reason``: a ``sig.close`` URI, or words."""

    reason: str


@frozen
class AttemptFailed:
    """A try to connect failed; the next one follows in about ``retry_in_s`` seconds."""

    reason: str
    message: str
    retry_in_s: float


@frozen
class SessionLost:
    """The session cannot be resumed (``reason`` of ``sig.error.recovery``); a fresh one follows, knowingly."""

    reason: str


@frozen
class SessionEnded:
    """The session is over for good: ended, kicked, or the user is not accepted any more. Nothing follows."""

    reason: str


@frozen
class Superseded:
    """Another process took this session over. This one stops, because two that fight would both lose."""


Event = (
    Message
    | PairChanged
    | QueuePosition
    | Notice
    | SessionStarted
    | Resumed
    | GoAwayReceived
    | Reset
    | Disconnected
    | AttemptFailed
    | SessionLost
    | SessionEnded
    | Superseded
)
