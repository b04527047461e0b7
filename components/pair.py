"""``sig.pair.*``: finding each other, and talking."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from components.base import PodComponent
from sigrouter.protocol import messages, uris
from sigrouter.services.connections import Connection


class PairComponent(PodComponent):
    """Parses, calls the pairing or messaging service, and answers."""

    def procedures(self) -> Mapping[str, Callable[..., Awaitable[Any]]]:
        """For clients and workers."""
        return {
            uris.PAIR_SEND: self.for_session(self._send),
            uris.PAIR_REQUEST: self.for_session(self._request),
            uris.PAIR_CANCEL: self.for_session(self._cancel),
            uris.PAIR_RELEASE: self.for_session(self._release),
        }

    async def _send(self, connection: Connection, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        return await self.pod.messaging.send(
            connection, messages.message(arguments, self.pod.settings.limits.send_window)
        )

    async def _request(self, connection: Connection, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        limits = self.pod.settings.pairing
        request = messages.pair_request(
            arguments, limits.queue_deadline_s, limits.queue_deadline_max_s, limits.abilities_max
        )
        return await self.pod.pairing.request(connection, request)

    async def _cancel(self, connection: Connection, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        messages.nothing(arguments)
        return {"cancelled": await self.pod.pairing.cancel(connection)}

    async def _release(self, connection: Connection, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        pair_id = messages.optional_id(arguments, "pair_id")
        return {"released": await self.pod.pairing.release(connection, pair_id)}
