"""Messages between the two ends of a pair: the hot path, so it is short and looks nothing up twice."""

from collections.abc import Callable
from typing import Any

from attrs import define

from sigrouter.protocol import errors
from sigrouter.protocol.messages import MAILBOX, Message, Position
from sigrouter.services.backlog_page import backlog_on_wire
from sigrouter.services.connections import Connection
from sigrouter.services.payload_size import serialized_size
from sigrouter.settings.model import LimitSettings
from sigrouter.stores.interface import Channels
from sigrouter.stores.records import Send, mailbox


@define(eq=False)
class Messaging:
    """``now`` in seconds, for the byte limit."""

    _channels: Channels
    _limits: LimitSettings
    _now: Callable[[], float]

    async def send(self, connection: Connection, message: Message) -> dict[str, Any]:
        """Append to the peer's mailbox; the answer is the acknowledgement."""
        size = serialized_size(message.payload)
        if size > self._limits.message_bytes:
            raise errors.TooLarge(limit_bytes=self._limits.message_bytes)
        wait = connection.bytes.take(size, self._now())
        if wait:
            raise errors.RateLimited("Too many bytes", retry_after_s=round(wait, 3))
        pair_id = message.pair_id
        if not pair_id:
            if len(connection.pairs) != 1:
                raise (
                    errors.NotPaired()
                    if not connection.pairs
                    else errors.Invalid("pair_id is missing", field="pair_id")
                )
            (pair_id,) = connection.pairs
        sent = await self._channels.send(
            Send(
                connection.session_id,
                connection.generation,
                pair_id,
                "",
                "message",
                message.payload,
                message.number,
                message.acked,
            )
        )
        if isinstance(sent, errors.SigrouterError):
            raise sent
        return {
            "epoch": sent.position.epoch,
            "seq": sent.position.seq,
            "at": sent.at,
            "duplicate": sent.duplicate,
        }

    async def acknowledge(self, connection: Connection, position: Position) -> None:
        """What was read may be forgotten. A position of another epoch, or of an older connection, changes nothing."""
        await self._channels.ack(connection.session_id, connection.generation, position)

    async def recover(self, connection: Connection, channel: str, position: Position) -> dict[str, Any]:
        """The next page of a channel after a position."""
        if channel != MAILBOX:
            raise errors.NotFound("No such channel")
        backlog = await self._channels.read(mailbox(connection.session_id), position, self._limits.backlog_entries)
        if isinstance(backlog, errors.SigrouterError):
            raise backlog
        return backlog_on_wire(MAILBOX, backlog, self._limits.message_bytes)
