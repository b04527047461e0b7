"""``sig.session.*``: becoming ready, staying alive, and ending."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from components.base import PodComponent
from sigrouter.protocol import messages, uris
from sigrouter.services.connections import Connection


class SessionComponent(PodComponent):
    """Also listens for connections that end."""

    def procedures(self) -> Mapping[str, Callable[..., Awaitable[Any]]]:
        """The session's own calls."""
        return {
            uris.SESSION_READY: self.for_session(self._ready, ready=False),
            uris.SESSION_HEARTBEAT: self.for_session(self._heartbeat),
            uris.SESSION_INFO: self.for_session(self._info),
            uris.SESSION_END: self.for_session(self._end),
        }

    async def joined(self) -> None:
        """Crossbar tells of every WAMP session that is over."""
        await self.subscribe(self.pod.sessions.connection_closed, "wamp.session.on_leave")

    async def _ready(self, connection: Connection, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        return await self.pod.sessions.ready(connection, messages.ready_position(arguments))

    async def _heartbeat(self, connection: Connection, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        return await self.pod.sessions.heartbeat(connection, messages.mailbox_position(arguments))

    async def _info(self, connection: Connection, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        messages.nothing(arguments)
        return await self.pod.sessions.info(connection)

    async def _end(self, connection: Connection, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        messages.nothing(arguments)
        return {"ended": await self.pod.sessions.leave(connection)}
