"""``sig.worker.*``: what a worker can do, and how busy it is."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from components.base import PodComponent
from sigrouter.protocol import messages, uris
from sigrouter.services.connections import Connection


class WorkerComponent(PodComponent):
    """Parses, calls the pairing service, and answers."""

    def procedures(self) -> Mapping[str, Callable[..., Awaitable[Any]]]:
        """For workers."""
        return {
            uris.WORKER_ANNOUNCE: self.for_session(self._announce),
            uris.WORKER_STATUS: self.for_session(self._status),
        }

    async def _announce(self, connection: Connection, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        limits = self.pod.settings.pairing
        announcement = messages.announcement(arguments, limits.capacity_max, limits.abilities_max)
        return await self.pod.pairing.announce(connection, announcement)

    async def _status(self, connection: Connection, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        messages.nothing(arguments)
        return await self.pod.pairing.status(connection)
