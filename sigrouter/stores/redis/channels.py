"""Mailboxes and rooms in Redis; ``send`` is the hot path: one script, one round trip."""

from typing import Any, Final

from sigrouter.protocol.errors import MailboxFull, NotFound, NotPaired, OutOfOrder
from sigrouter.stores.records import Backlog, Position, Send, SendRefusal, Sent
from sigrouter.stores.redis import keys
from sigrouter.stores.redis.codec import backlog, pack, pack_body
from sigrouter.stores.redis.notifications import Notifications
from sigrouter.stores.redis.part import Part, refusal

KINDS: Final = ("session", "room")


class ChannelsPart(Part):
    """:class:`~sigrouter.stores.interface.Channels`."""

    _notifications: Notifications

    async def send(self, send: Send) -> Sent | SendRefusal:
        room_id, number = send.room_id, send.number
        answer = await self._scripts.run(
            "send", send.session_id, send.generation, send.pair_id, room_id,
            pack_body(send.kind, send.session_id, send.pair_id, send.payload),
            "" if number is None else number, send.acked, self._new_id() if room_id else "",
        )  # fmt: skip
        if answer[0] == b"ok":
            _, channel, epoch, seq, at, duplicate = answer
            return Sent(channel.decode(), Position(epoch.decode(), seq), at, duplicate)
        return _send_refusal(answer)

    async def read(self, channel: str, after: Position | None, limit: int) -> Backlog | NotFound:
        kind, _, channel_id = channel.partition(":")
        if kind not in KINDS:
            return NotFound()
        position = after or Position("", 0)
        answer = await self._scripts.run("read", kind, channel_id, position.epoch, position.seq, limit)
        return backlog(answer[1]) if answer[0] == b"ok" else NotFound()

    async def ack(self, session_id: str, generation: int, position: Position) -> bool:
        return bool((await self._scripts.run("ack", session_id, generation, position.epoch, position.seq))[1])

    async def notify(self, session_id: str, kind: str, payload: Any) -> bool:
        return bool((await self._scripts.run("notify", session_id, kind, pack(payload)))[1])

    async def watch_room(self, room_id: str) -> None:
        await self._notifications.subscribe(_room_channel(room_id))

    async def unwatch_room(self, room_id: str) -> None:
        await self._notifications.unsubscribe(_room_channel(room_id))


def _room_channel(room_id: str) -> bytes:
    return f"{keys.ROOM_CHANNEL}{room_id}".encode()


def _send_refusal(answer: list[Any]) -> SendRefusal:
    match answer:
        case [b"out_of_order", expected]:
            return OutOfOrder(expected=expected)
        case [b"not_paired"]:
            return NotPaired()
        case [b"mailbox_full"]:
            return MailboxFull()
        case [outcome]:
            return refusal(outcome)
        case strange:
            raise TypeError(strange)
