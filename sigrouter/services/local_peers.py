"""This node's sessions as a drain sees them: who is here, how to send one away, how to close its connections."""

from collections.abc import Iterable, Mapping
from typing import Any

from attrs import define

from sigrouter.services.connections import Connection, Connections
from sigrouter.services.delivery import Delivery
from sigrouter.services.drain_interface import LocalSession


@define(eq=False)
class LocalPeers:
    """Fills in :class:`sigrouter.services.drain_interface.Connections`."""

    _connections: Connections
    _delivery: Delivery

    def sessions(self) -> Iterable[LocalSession]:
        """All that are confirmed here."""
        return [
            _local(connection)
            for connection in self._connections
            if self._connections.current(connection.session_id) is connection
        ]

    def session(self, session_id: str) -> LocalSession | None:
        """One, if it is confirmed here right now."""
        connection = self._connections.current(session_id)
        return None if connection is None else _local(connection)

    def send_goaway(self, session_id: str, payload: Mapping[str, Any]) -> None:
        """An unlogged event: it is about this connection and means nothing to the next one."""
        self._delivery.notice(session_id, "goaway", payload)

    def close(self, session_id: str, reason: str) -> None:
        """Every connection that the session has here."""
        for connection in self._connections.of_session(session_id):
            self._delivery.outlet.close(connection.connection_id, reason)


def _local(connection: Connection) -> LocalSession:
    return LocalSession(connection.session_id, connection.role, connection.generation, tuple(connection.pairs.values()))
