"""Hands the store's entries to the connections: in order, once, and catching up where a notification was lost.

The log is the truth and a notification only a hint that carries its entry along. A connection remembers the position
up to which it was served; an entry that does not follow it is not delivered but makes the delivery read the log.
"""

from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final

from twisted.logger import Logger

from sigrouter.protocol import uris
from sigrouter.protocol.errors import SigrouterError
from sigrouter.protocol.messages import MAILBOX, Position
from sigrouter.services.connections import Connection, Connections
from sigrouter.services.outlet import NoOutlet, Outlet
from sigrouter.stores.interface import Channels
from sigrouter.stores.records import Entry, mailbox

MAILBOX_PREFIX: Final = mailbox("")
TOPICS: Final[Mapping[str, str]] = {
    "message": uris.EVENT_MESSAGE,
    "pair": uris.EVENT_PAIR,
    "queue": uris.EVENT_QUEUE,
    "goaway": uris.EVENT_GOAWAY,
}
PAIR_IS_OVER: Final = frozenset({"released", "lost"})


def event(channel: str, epoch: str, entry: Entry) -> dict[str, Any]:
    """An entry as it stands on the wire, live or missed."""
    return {
        "channel": channel,
        "epoch": epoch,
        "seq": entry.seq,
        "kind": entry.kind,
        "sender": entry.sender,
        "pair_id": entry.pair_id,
        "at": entry.at,
        "payload": entry.payload,
    }


class Delivery:
    """Entries in, events out. ``start`` runs a coroutine in the background (the reactor's business, not ours)."""

    log = Logger()

    def __init__(
        self,
        connections: Connections,
        channels: Channels,
        page: int,
        start: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        self.outlet: Outlet = NoOutlet()
        self.delivered = 0
        self._connections = connections
        self._channels = channels
        self._page = page
        self._start = start

    def on_entry(self, channel: str, position: Position, entry: Entry) -> None:
        """The store appended an entry for a session that is, or was a moment ago, on this node."""
        session_id = channel[len(MAILBOX_PREFIX) :]
        connection = self._connections.current(session_id)
        if connection is not None and connection.held is None:
            self._serve(connection, position, entry)
            return
        for waiting in self._connections.of_session(session_id):
            if waiting.held is not None:
                waiting.held.append((position, entry))

    def notice(self, session_id: str, kind: str, payload: Any) -> None:
        """An unlogged event; without a confirmed connection here it is gone."""
        connection = self._connections.current(session_id)
        if connection is not None:
            self.outlet.publish(connection.connection_id, TOPICS[kind], {"kind": kind, "payload": payload})

    def hold(self, connection: Connection) -> None:
        """Keep what comes for this connection until ``release`` (its ready answer must be out first)."""
        if connection.held is None:
            connection.held = []

    def release(self, connection: Connection) -> None:
        """Serve what was held, in order; repeats of the backlog fall out by their position.

        A connection that did not become ready has no events: it reads them when it does.
        """
        held, connection.held = connection.held, None
        if not connection.ready or connection.closed:
            return
        for index, (position, entry) in enumerate(held or ()):
            if connection.held is not None:  # A gap was found: the rest waits behind the catch-up.
                connection.held.extend((held or [])[index:])
                return
            self._serve(connection, position, entry)

    def catch_up_all(self) -> None:
        """Notifications may have been missed: read every local mailbox from where its connection stands."""
        for connection in self._connections:
            if connection.ready and connection.held is None:
                self.catch_up(connection)

    def catch_up(self, connection: Connection) -> None:
        """Read the connection's mailbox from where it stands, in the background."""
        if connection.held is None and not connection.closed:
            connection.held = []
            self._start(self._catch_up(connection))

    def _serve(self, connection: Connection, position: Position, entry: Entry) -> None:
        if position.epoch != connection.epoch or entry.seq > connection.seq + 1:
            self.catch_up(connection)
            if connection.held is not None:
                connection.held.append((position, entry))
            return
        if entry.seq > connection.seq:
            self._publish(connection, entry)

    def _publish(self, connection: Connection, entry: Entry) -> None:
        connection.seq = entry.seq
        if entry.kind == "pair":
            note_pair(connection, entry.payload)
        self.delivered += 1
        self.outlet.publish(connection.connection_id, TOPICS[entry.kind], event(MAILBOX, connection.epoch, entry))

    async def _catch_up(self, connection: Connection) -> None:
        try:
            more = True
            while more and not connection.closed:
                backlog = await self._channels.read(
                    mailbox(connection.session_id), Position(connection.epoch, connection.seq), self._page
                )
                if isinstance(backlog, SigrouterError):
                    break
                if backlog.reset:
                    # The peer sees the change of epoch, or the gap, in the next event or heartbeat, and recovers.
                    connection.epoch = backlog.head.epoch
                    connection.seq = backlog.entries[0].seq - 1 if backlog.entries else backlog.head.seq
                for entry in backlog.entries:
                    if entry.seq > connection.seq:
                        self._publish(connection, entry)
                more = backlog.more
        except SigrouterError:
            # The store is away. When it is back, `on_interrupted` starts the next catch-up; what is held is in the log.
            connection.held = None
            return
        except Exception:
            connection.held = None  # Else everything that comes would be held for ever.
            raise
        held, connection.held = connection.held or [], None
        for position, entry in held:
            if position.epoch == connection.epoch and entry.seq == connection.seq + 1:
                self._publish(connection, entry)


def note_pair(connection: Connection, payload: Mapping[str, Any]) -> None:
    """Keep the connection's knowledge of its pairs, so that a session with one pair need not name it."""
    if payload["state"] == "paired":
        connection.pairs[payload["pair_id"]] = payload["peer_session_id"]
    elif payload["state"] in PAIR_IS_OVER:
        connection.pairs.pop(payload["pair_id"], None)
