"""What the memory holds of one session: its record in single fields, its mailbox, its pairs and its numbers."""

from attrs import define, field

from sigrouter.stores.memory.log import Log
from sigrouter.stores.records import NewSession, Role, Sent, SessionRecord, SessionState, mailbox


@define
class Offer:
    """A worker's announcement. ``turn``: see :class:`sigrouter.machines.pairing.Worker`."""

    abilities: frozenset[str]
    capacity: int
    load: int
    turn: int


@define(eq=False)
class Session:
    """The live state. ``acknowledges``: the reader acks, so its mailbox refuses when full and is not trimmed unread."""

    session_id: str
    user_id: str
    role: Role
    node_id: str
    stack: str
    connection_id: str
    created_at: float
    expires_at: float
    log: Log
    state: SessionState = "new"
    generation: int = 0
    claimed: int = 1
    handover_id: str = ""
    ended_reason: str = ""
    acknowledges: bool = True
    last_number: int = 0
    acked: int = 0
    answers: dict[int, Sent] = field(factory=dict)
    pairs: "dict[str, Pair]" = field(factory=dict)
    offer: Offer | None = None

    @classmethod
    def of(cls, new: NewSession, epoch: str, now: float, expires_at: float) -> "Session":
        """A session that waits for its first ``confirm``."""
        return cls(
            session_id=new.session_id,
            user_id=new.user_id,
            role=new.role,
            node_id=new.node_id,
            stack=new.stack,
            connection_id=new.connection_id,
            created_at=now,
            expires_at=expires_at,
            log=Log(mailbox(new.session_id), epoch, now),
        )

    def record(self) -> SessionRecord:
        """The record as it is at this moment."""
        return SessionRecord(
            self.session_id, self.user_id, self.role, self.state, self.generation, self.claimed, self.node_id,
            self.stack, self.connection_id, self.created_at, self.expires_at, self.handover_id, self.ended_reason,
        )  # fmt: skip

    def here(self) -> str:
        """The node that it is connected to, else empty."""
        return self.node_id if self.state == "connected" else ""

    def leave(self, expires_at: float) -> None:
        """Its connection is gone; it may be resumed until ``expires_at``."""
        self.state = "away"
        self.expires_at = expires_at

    def settle(self, acked: int) -> None:
        """The sender has the answers up to ``acked``: nobody will ask for them again."""
        for number in range(self.acked + 1, min(acked, self.last_number) + 1):
            self.answers.pop(number, None)
        self.acked = acked


@define(eq=False)
class Pair:
    """A client and the worker it is bound to."""

    pair_id: str
    client: Session
    worker: Session

    def other(self, session: Session) -> Session | None:
        """The other end, ``None`` if ``session`` is not an end of it."""
        if session is self.client:
            return self.worker
        return self.client if session is self.worker else None
