"""What time ends in memory: sessions, waits, leases, tombstones, idle rooms and old handovers."""

from sigrouter.stores.memory.backend import MemoryBackend
from sigrouter.stores.memory.sessions import SessionsPart


class ExpiryPart(SessionsPart):
    """``expire`` of :class:`~sigrouter.stores.interface.Sessions`."""

    async def expire(self) -> tuple[str, ...]:
        backend = self._reach()
        now = self._clock()
        # Dead nodes first: their sessions get a full window to resume in, from the moment that the loss is known.
        self._bury_nodes(backend, now)
        ended = self._end_overdue(backend, now)
        self._expire_waits(backend, now)
        self._forget_old(backend, now)
        backend.deliver()
        return ended

    def _bury_nodes(self, backend: MemoryBackend, now: float) -> None:
        dead = {node.node_id for node in backend.nodes.values() if node.lease_until <= now}
        if dead:
            backend.bury(dead, now + self._times.recovery_window_s)

    def _end_overdue(self, backend: MemoryBackend, now: float) -> tuple[str, ...]:
        overdue = [one for one in backend.sessions.values() if one.expires_at <= now and one.state != "ended"]
        for session in overdue:
            self._end(backend, session, "expired")
        return tuple(session.session_id for session in overdue)

    def _expire_waits(self, backend: MemoryBackend, now: float) -> None:
        overdue = [waiting for waiting in backend.queue.values() if waiting.deadline_at <= now]
        for waiting in overdue:
            del backend.queue[waiting.client.session_id]
            self._tell_pair(backend, waiting.client, "expired", "", None, "deadline", now)

    def _forget_old(self, backend: MemoryBackend, now: float) -> None:
        for session in [one for one in backend.sessions.values() if one.state == "ended" and one.expires_at <= now]:
            del backend.sessions[session.session_id]
        room_limit = now - self._times.record_ttl_s
        for room_id in [room_id for room_id, log in backend.rooms.items() if log.touched_at <= room_limit]:
            if room_id not in backend.watchers:
                del backend.rooms[room_id]
        handover_limit = now - self._times.handover_ttl_s
        for key in [key for key, handover in backend.handovers.items() if handover.touched_at <= handover_limit]:
            del backend.handovers[key]
