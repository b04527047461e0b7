"""The connections of this node: who is behind each WAMP session, and which connection a session's events go to.

This is the only state that a node has to itself. It can be lost at any moment: the store knows every session, and the
peers come back with their tokens.
"""

from collections import Counter
from collections.abc import Iterator
from math import inf

from attrs import Factory, define, field

from sigrouter.machines.bucket import Bucket
from sigrouter.protocol.messages import Position
from sigrouter.stores.records import Entry, Role


@define(eq=False)
class Connection:
    """One admitted WAMP session.

    ``asked``: it has called ready, so its generation may be confirmed even if no answer told so. ``ready``: it is
    confirmed. ``superseded``: a newer connection has the session. ``epoch`` and ``seq``: how far its mailbox was
    delivered to it. ``held``: the entries that came while an answer or a catch-up is under way, so that order is kept
    (``None``: nothing is). ``pairs``: pair id to peer session id, as far as this connection was told.
    ``limit_noted_at``: when the log last said that it calls too often.
    """

    connection_id: int
    session_id: str
    user_id: str
    role: Role
    generation: int
    joined_at: float
    calls: Bucket
    bytes: Bucket
    peer: str = ""
    handover_id: str = ""
    asked: bool = False
    ready: bool = False
    superseded: bool = False
    closed: bool = False
    epoch: str = ""
    seq: int = 0
    held: list[tuple[Position, Entry]] | None = None
    pairs: dict[str, str] = field(factory=dict)
    limit_noted_at: float = -inf


@define(eq=False)
class Connections:
    """All connections of this node, by connection and by session."""

    _by_id: dict[int, Connection] = Factory(dict)
    _by_session: dict[str, list[Connection]] = Factory(dict)
    _current: dict[str, Connection] = Factory(dict)
    _waiting: int = 0
    _waiting_of: Counter[str] = Factory(Counter)

    def __len__(self) -> int:
        """How many connections are admitted, ready or not."""
        return len(self._by_id)

    def __iter__(self) -> Iterator[Connection]:
        """All of them; the registry may change while the caller iterates."""
        return iter(tuple(self._by_id.values()))

    @property
    def handshakes(self) -> int:
        """Admitted connections that have not called ready yet."""
        return self._waiting

    def handshakes_of(self, user_id: str) -> int:
        """Those of one user."""
        return self._waiting_of[user_id]

    def add(self, connection: Connection) -> None:
        """An admitted connection."""
        self._by_id[connection.connection_id] = connection
        self._by_session.setdefault(connection.session_id, []).append(connection)
        self._waits(connection, 1)

    def get(self, connection_id: int) -> Connection | None:
        """The connection of a WAMP session id."""
        return self._by_id.get(connection_id)

    def current(self, session_id: str) -> Connection | None:
        """The connection that is confirmed for a session on this node."""
        return self._current.get(session_id)

    def of_session(self, session_id: str) -> tuple[Connection, ...]:
        """Every connection a session has here: while it moves, there can be two."""
        return tuple(self._by_session.get(session_id, ()))

    def confirm(self, connection: Connection) -> None:
        """The connection's generation is confirmed: the session's events go to it."""
        if not connection.ready:
            connection.ready = True
            self._waits(connection, -1)
        self._current[connection.session_id] = connection

    def remove(self, connection_id: int) -> Connection | None:
        """The WAMP session is over."""
        connection = self._by_id.pop(connection_id, None)
        if connection is None:
            return None
        connection.closed = True
        if not connection.ready:
            self._waits(connection, -1)
        siblings = self._by_session[connection.session_id]
        siblings.remove(connection)
        if not siblings:
            del self._by_session[connection.session_id]
        if self._current.get(connection.session_id) is connection:
            del self._current[connection.session_id]
        return connection

    def _waits(self, connection: Connection, change: int) -> None:
        self._waiting += change
        self._waiting_of[connection.user_id] += change
        if not self._waiting_of[connection.user_id]:
            del self._waiting_of[connection.user_id]
