"""One end of a pair as a careful client plays it, and what the test knows about it that the client does not."""

from typing import Any

from attrs import define, field

from sigrouter.stores.records import Backlog, Entry, Position, Role

Link = tuple[str, int]
"""A connection: the node's id and the generation it holds."""


@define
class Truth:
    """What the store must have done for one session, followed step by step beside it."""

    confirmed: int = 1
    claimed: int = 1
    connected: bool = True
    last_number: int = 0
    acked: int = 0
    taken: dict[int, int] = field(factory=dict)
    """The position of each number of this sender in the other end's log."""
    log: list[tuple[str, str, Any]] = field(factory=list)
    """The whole mailbox: kind, sender, and the payload (of pair entries the state)."""
    forgotten: int = 0
    """The reader acknowledged up to here."""


def gist(entry: Entry) -> tuple[str, str, Any]:
    """What the test compares of an entry."""
    return entry.kind, entry.sender, entry.payload["state"] if entry.kind == "pair" else entry.payload


@define
class Peer:
    """Tokens, positions and unanswered messages, kept as ``protocol/README.md`` tells a client to keep them."""

    session_id: str
    role: Role
    link: Link | None = None
    tokens: list[int] = field(factory=lambda: [1])
    """The generations of the tokens since the last answered ``ready``; the newest is not always the one that works."""
    claims: list[Link] = field(factory=list)
    """Connections with a WELCOME and without an answer to ``ready``."""
    older: list[Link] = field(factory=list)
    """Connections that another one has superseded."""
    cut: list[Link] = field(factory=list)
    """Connections that died before their node noticed."""
    position: Position = field(factory=lambda: Position("", 0))
    received: list[tuple[str, str, Any]] = field(factory=list)
    next_number: int = 1
    unanswered: dict[int, tuple[str, str]] = field(factory=dict)
    """Number to payload and pair id."""
    acknowledged: list[str] = field(factory=list)
    """The payloads whose sending was answered."""

    @property
    def acked(self) -> int:
        """The number up to which everything was answered."""
        return min(self.unanswered, default=self.next_number) - 1

    def write(self, pair_id: str) -> int:
        """A new message, not sent yet; answers its number."""
        number = self.next_number
        self.next_number += 1
        self.unanswered[number] = (f"{self.session_id} {number}", pair_id)
        return number

    def receive(self, epoch: str, entry: Entry) -> None:
        """A live or a missed entry: a repeated one is dropped, and there must not be a hole."""
        if entry.seq <= self.position.seq:
            return
        assert entry.seq == self.position.seq + 1, f"{self.session_id} has {self.position} and got {entry}"
        self.received.append(gist(entry))
        self.position = Position(epoch, entry.seq)

    def catch_up(self, backlog: Backlog) -> None:
        """One page of what was missed."""
        assert not backlog.reset
        for entry in backlog.entries:
            self.receive(backlog.head.epoch, entry)
