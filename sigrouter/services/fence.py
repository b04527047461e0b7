"""Keeps a connection from acting for a session that a newer connection has, where the store itself does not look."""

from sigrouter.protocol.errors import Superseded
from sigrouter.services.connections import Connection
from sigrouter.stores.interface import Sessions


async def refuse_superseded(sessions: Sessions, connection: Connection) -> None:
    """Raise :class:`~sigrouter.protocol.errors.Superseded` if the session is confirmed with a younger generation.

    For the few calls that the store does not fence by generation: leaving the queue, a pair, or the session.
    """
    record = await sessions.session(connection.session_id)
    if record is not None and record.generation > connection.generation:
        raise Superseded
