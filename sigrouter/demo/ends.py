"""One end of a pair as the traffic plays it: an SDK session, and what became of it."""

from collections.abc import Callable
from typing import Any, Literal

from attrs import Factory, define, field

from sigrouter.client.events import (
    AttemptFailed,
    Message,
    Reset,
    Resumed,
    SessionEnded,
    SessionLost,
    SessionStarted,
    Superseded,
)
from sigrouter.client.twisted import Client, Worker
from sigrouter.protocol.errors import SigrouterError

Way = Literal["client", "worker"]


@define(eq=False)
class End:
    """``name`` is ours, and the server never hears it; ``sessions`` are the ids in the order in which it had them;
    ``partner`` is the other end's first one.

    ``gaps_s``: for each resumption outside a handover, the seconds without a connection. ``faults``: whatever
    must not happen to a session: lost, ended, superseded, a log that no longer reached back. ``failures``: why
    connection attempts came to nothing.
    """

    name: str
    way: Way
    peer: Client | Worker = field(repr=False)
    pair_id: str = ""
    partner: str = ""
    node_id: str = ""
    sessions: list[str] = Factory(list)
    resumed: int = 0
    handovers: int = 0
    replayed: int = 0
    gaps_s: list[float] = Factory(list)
    faults: list[str] = Factory(list)
    failures: list[str] = Factory(list)
    attempts_before: int = 0

    async def listen(self, on_message: Callable[["End", Any], None]) -> None:
        """Take in everything that happens to the session until it is stopped."""
        async for event in self.peer.events():
            match event:
                case Message(payload=payload):
                    on_message(self, payload)
                case SessionStarted(session_id=session_id, node_id=node_id):
                    self.sessions.append(session_id)
                    self.node_id = node_id
                case Resumed():
                    self._resumed(event)
                case SessionLost(reason=reason) | SessionEnded(reason=reason):
                    self.faults.append(f"{type(event).__name__}: {reason}")
                case Reset() | Superseded():
                    self.faults.append(type(event).__name__)
                case AttemptFailed(reason=reason, message=message):
                    self.failures.append(f"{reason} {message}".strip())
                case _:
                    pass

    def _resumed(self, event: Resumed) -> None:
        self.resumed += 1
        self.handovers += event.handover
        self.replayed += event.replayed
        self.node_id = event.node_id
        if not event.handover:
            self.gaps_s.append(event.gap_s)

    def mark(self) -> None:
        """Count connection attempts and resumptions from now on."""
        self.attempts_before = self.peer.connection_attempts
        self.resumed = self.handovers = self.replayed = 0
        self.gaps_s.clear()
        self.failures.clear()

    @property
    def attempts(self) -> int:
        """Connections that were opened since the mark."""
        return self.peer.connection_attempts - self.attempts_before

    def as_mapping(self) -> dict[str, Any]:
        """JSON-able."""
        return {
            "name": self.name,
            "way": self.way,
            "pair_id": self.pair_id,
            "pairs": {pair_id: pair.peer_session_id for pair_id, pair in self.peer.pairs.items()},
            "node_id": self.node_id,
            "session_id": self.peer.session_id,
            "sessions": self.sessions,
            "attempts": self.attempts,
            "resumed": self.resumed,
            "handovers": self.handovers,
            "replayed": self.replayed,
            "gaps_s": self.gaps_s,
            "faults": self.faults,
            "failures": self.failures,
        }


def name_of(error: Exception) -> str:
    """A refusal by its URI, anything else by its class."""
    return error.uri if isinstance(error, SigrouterError) else type(error).__name__
