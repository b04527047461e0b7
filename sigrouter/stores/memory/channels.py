"""Mailboxes and rooms in memory; ``send`` is the hot path and stays plain and short."""

from typing import Any

from sigrouter.protocol.errors import (
    MailboxFull,
    NotFound,
    NotPaired,
    OutOfOrder,
    Recovery,
    SigrouterError,
    Superseded,
    Unavailable,
)
from sigrouter.stores.memory.log import Log
from sigrouter.stores.memory.part import Part
from sigrouter.stores.records import Backlog, Position, Send, SendRefusal, Sent, room

_MAILBOX = "session:"
_ROOM = "room:"
# The answer to a repeat that the sender had acknowledged: nobody waits for it, so nobody kept it.
_FORGOTTEN = Sent("", Position("", 0), 0, duplicate=True)


class ChannelsPart(Part):
    """:class:`~sigrouter.stores.interface.Channels`."""

    async def send(self, send: Send) -> Sent | SendRefusal:
        # In one piece on purpose: every message passes here, and a call in Python costs more than a look-up.
        backend = self._backend
        if not (self._open and backend.reachable):
            raise Unavailable
        sender = backend.sessions.get(send.session_id)
        if sender is None:
            return Recovery("unknown")
        if sender.state == "ended":
            return Recovery("revoked")
        if send.generation < sender.generation:
            return Superseded()

        number = send.number
        if number is not None:
            if send.acked > sender.acked:
                sender.settle(send.acked)
            # A repeat comes before the pair: its first answer holds, even if the pair is gone since.
            if number <= sender.last_number:
                first = sender.answers.get(number, _FORGOTTEN)
                return Sent(first.channel, first.position, first.at, duplicate=True)
            if number - 1 > sender.last_number and number - 1 > sender.acked:
                return OutOfOrder(expected=sender.last_number + 1)

        now = self._clock()
        if send.pair_id:
            pair = backend.pairs.get(send.pair_id)
            reader = pair.other(sender) if pair else None
            if reader is None:
                return NotPaired()
            log = reader.log
            if len(log.entries) >= self._times.mailbox_entries:
                if reader.acknowledges:
                    return MailboxFull()
                log.keep(self._times.mailbox_entries - 1)
            entry = log.append(send.kind, send.session_id, send.pair_id, now, send.payload)
            position = Position(log.epoch, entry.seq)
            backend.tell_entry(reader, position, entry)
        else:
            log = backend.rooms.get(send.room_id) or self._new_room(send.room_id, now)
            entry = log.append(send.kind, send.session_id, "", now, send.payload)
            log.keep(self._times.room_entries)
            position = Position(log.epoch, entry.seq)
            for listener in backend.watchers.get(send.room_id, {}).values():
                backend.tell(listener.on_entry, log.channel, position, entry)

        sent = Sent(log.channel, position, entry.at, duplicate=False)
        if number is not None:
            sender.last_number = number
            if number > sender.acked:
                sender.answers[number] = sent
        backend.deliver()
        return sent

    async def read(self, channel: str, after: Position | None, limit: int) -> Backlog | NotFound:
        log = self._log(channel)
        return NotFound() if log is None else log.read(after, limit)

    async def ack(self, session_id: str, generation: int, position: Position) -> bool:
        self._reach()
        session = self._fenced(session_id, generation)
        return not isinstance(session, SigrouterError) and session.log.forget(position)

    async def notify(self, session_id: str, kind: str, payload: Any) -> bool:
        backend = self._reach()
        session = backend.sessions.get(session_id)
        listener = backend.listeners.get(session.here()) if session else None
        if listener is None:
            return False
        backend.tell(listener.on_notice, session_id, kind, payload)
        backend.deliver()
        return True

    async def watch_room(self, room_id: str) -> None:
        backend = self._reach()
        backend.watchers.setdefault(room_id, {})[self._node_id] = backend.listeners[self._node_id]

    async def unwatch_room(self, room_id: str) -> None:
        backend = self._reach()
        watchers = backend.watchers.get(room_id)
        if watchers is not None:
            watchers.pop(self._node_id, None)
            if not watchers:
                del backend.watchers[room_id]

    def _new_room(self, room_id: str, now: float) -> Log:
        log = self._backend.rooms[room_id] = Log(room(room_id), self._new_id(), now)
        return log

    def _log(self, channel: str) -> Log | None:
        backend = self._reach()
        if channel.startswith(_ROOM):
            return backend.rooms.get(channel.removeprefix(_ROOM))
        if not channel.startswith(_MAILBOX):
            return None
        session = backend.sessions.get(channel.removeprefix(_MAILBOX))
        return None if session is None or session.state == "ended" else session.log
