"""``sig.channel.*``: reading what was missed, and acknowledging what was read."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from components.base import PodComponent
from sigrouter.protocol import messages, uris
from sigrouter.services.connections import Connection


class ChannelComponent(PodComponent):
    """Parses, calls the messaging service, and answers."""

    def procedures(self) -> Mapping[str, Callable[..., Awaitable[Any]]]:
        """For clients and workers."""
        return {
            uris.CHANNEL_RECOVER: self.for_session(self._recover),
            uris.CHANNEL_ACK: self.for_session(self._ack),
        }

    async def _recover(self, connection: Connection, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        channel, position = messages.recovery(arguments)
        return await self.pod.messaging.recover(connection, channel, position)

    async def _ack(self, connection: Connection, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        position = messages.mailbox_position(arguments)
        if position is not None:
            await self.pod.messaging.acknowledge(connection, position)
        return {}
