"""One connection as the core sees it, and the calls that wait for an answer on it."""

from collections.abc import Callable, Mapping
from typing import Any

from attrs import define, field, frozen

from sigrouter.client.errors import seconds

OnAnswer = Callable[[Any, Exception | None, float], None]
"""Called with a result or an error, and the time."""


@frozen
class Welcome:
    """WELCOME's authextra, as far as it matters here."""

    session_id: str
    recovery_token: str = field(repr=False)
    generation: int
    node_id: str
    stack: str
    heartbeat_s: float

    @classmethod
    def parse(cls, authextra: Mapping[str, Any], heartbeat_s: float) -> "Welcome":
        """``heartbeat_s`` is for a server that does not say."""
        return cls(
            session_id=str(authextra.get("session_id", "")),
            recovery_token=str(authextra.get("recovery_token", "")),
            generation=int(authextra.get("generation", 0)),
            node_id=str(authextra.get("node_id", "")),
            stack=str(authextra.get("stack", "")),
            heartbeat_s=seconds(authextra.get("heartbeat_s")) or heartbeat_s,
        )


@define(eq=False)
class Link:
    """``ready_asked``: its ``ready`` may be confirmed. ``contested``: a younger link of ours asked for ``ready``.

    ``fenced``: the server takes nothing from it any more. ``held``: events that came before the answer to ``ready``.
    """

    handle: int
    welcome: Welcome | None = None
    ready_asked: bool = False
    ready_retry_at: float | None = None
    ready_at: float = 0.0
    contested: bool = False
    fenced: bool = False
    held: list[tuple[str, Mapping[str, Any]]] = field(factory=list)
    heartbeat_at: float | None = None
    heartbeat_flying: bool = False
    retire_at: float | None = None


@frozen
class _Pending:
    handle: int
    procedure: str
    on_answer: OnAnswer
    deadline: float | None


class Calls:
    """The calls under way on all connections."""

    def __init__(self) -> None:
        self._pending: dict[int, _Pending] = {}
        self._next_id = 0

    def begin(self, handle: int, procedure: str, on_answer: OnAnswer, deadline: float | None) -> int:
        """The id under which the answer will come."""
        self._next_id += 1
        self._pending[self._next_id] = _Pending(handle, procedure, on_answer, deadline)
        return self._next_id

    def answered(self, call_id: int) -> _Pending | None:
        """The call; ``None``: nobody waits for it any more."""
        return self._pending.pop(call_id, None)

    def drop(self, handle: int) -> None:
        """The connection is gone; whoever waits must have been told."""
        for call_id in [call_id for call_id, pending in self._pending.items() if pending.handle == handle]:
            del self._pending[call_id]

    def waiting(self, handle: int) -> bool:
        """Whether an answer may still come over this connection."""
        return any(pending.handle == handle for pending in self._pending.values())

    @property
    def due(self) -> float | None:
        """When the first call's patience is over (the patience is the same for all, so the oldest is the first)."""
        return next((pending.deadline for pending in self._pending.values() if pending.deadline is not None), None)

    def overdue(self, at: float) -> set[int]:
        """The connections on which an answer is overdue."""
        return {
            pending.handle
            for pending in self._pending.values()
            if pending.deadline is not None and pending.deadline <= at
        }
