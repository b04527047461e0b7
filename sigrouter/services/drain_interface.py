"""What the drain service needs from the node, and what it reports."""

from collections.abc import Iterable, Mapping
from typing import Any, Literal, Protocol

from attrs import frozen

from sigrouter.stores.records import Role

Outcome = Literal["drained", "undrained"]


@frozen
class LocalSession:
    """A session that is confirmed on this node. ``peers``: the sessions it is paired with, as far as is known here."""

    session_id: str
    role: Role
    generation: int
    peers: tuple[str, ...] = ()


class Connections(Protocol):
    """The confirmed connections of this node, as the drain needs them."""

    def sessions(self) -> Iterable[LocalSession]:
        """All of them."""

    def session(self, session_id: str) -> LocalSession | None:
        """One, if it is confirmed here right now."""

    def send_goaway(self, session_id: str, payload: Mapping[str, Any]) -> None:
        """Publish ``sig.event.goaway`` with ``payload`` to the session's connection; without one, do nothing."""

    def close(self, session_id: str, reason: str) -> None:
        """Close every connection of the session on this node with ``reason`` (a URI); without one, do nothing."""


@frozen
class DrainReport:
    """How a drain ended. ``ends``: sessions by terminal phase (gone, left, cut, kept); ``unwritten``: steps that
    could not be recorded."""

    handover_id: str
    reason: str
    outcome: Outcome
    ends: Mapping[str, int]
    duration_s: float
    unwritten: int = 0
