"""Sessions in memory: who holds which generation, and how a session ends."""

from collections.abc import Sequence

from sigrouter.protocol.errors import Recovery, SigrouterError, Superseded
from sigrouter.stores.memory.backend import MemoryBackend
from sigrouter.stores.memory.bonds import BondPart
from sigrouter.stores.memory.session import Session
from sigrouter.stores.records import Claim, Claimed, Confirm, Confirmed, NewSession, SessionRecord


class SessionsPart(BondPart):
    """:class:`~sigrouter.stores.interface.Sessions` without ``expire``."""

    async def create(self, new: NewSession) -> SessionRecord:
        backend = self._reach()
        session = backend.sessions.get(new.session_id)
        if session is None:
            now = self._clock()
            session = Session.of(new, self._new_id(), now, now + self._times.handshake_s)
            backend.sessions[new.session_id] = session
        return session.record()

    async def claim(self, claim: Claim) -> Claimed | Recovery:
        session = self._reach().sessions.get(claim.session_id)
        if session is None:
            return Recovery("unknown")
        if session.state == "ended":
            return Recovery("revoked")
        if (claim.user_id, claim.role) != (session.user_id, session.role):
            return Recovery("mismatch")
        if claim.generation < 1 or claim.generation not in (session.generation, session.claimed):
            return Recovery("superseded")
        session.claimed += 1
        return Claimed(session.record(), session.claimed)

    async def confirm(self, confirm: Confirm) -> Confirmed | Superseded | Recovery:
        backend = self._reach()
        session = self._fenced(confirm.session_id, confirm.generation)
        if isinstance(session, SigrouterError):
            return session
        # The confirmed generation may repeat its call while a newer claim is on its way: it still has the session.
        if confirm.generation < 1 or confirm.generation not in (session.claimed, session.generation):
            return Superseded()
        previous = session.record()
        self._take_over(backend, session, confirm)
        session.acknowledges = confirm.position is not None
        if confirm.position is not None:
            session.log.forget(confirm.position)
        backlog = session.log.read(confirm.position, confirm.limit)
        pairs = self._pair_views(session)
        for pair in pairs:
            listener = backend.listeners.get(pair.peer_node_id)
            if listener is not None:
                backend.tell(listener.on_peer_ready, pair.peer_session_id, session.session_id, session.node_id)
        answer = Confirmed(session.record(), previous, backlog, pairs, session.last_number)
        backend.deliver()
        return answer

    async def keepalive(self, node_id: str, sessions: Sequence[tuple[str, int]]) -> tuple[str, ...]:
        known = self._reach().sessions
        expires_at = self._clock() + self._times.recovery_window_s
        strangers: list[str] = []
        for session_id, generation in sessions:
            session = known.get(session_id)
            if session is None or not _is_held(session, node_id, generation):
                strangers.append(session_id)
                continue
            # Its node was thought dead while the store was out of reach, and was not: the connection stands.
            session.state = "connected"
            session.expires_at = expires_at
        return tuple(strangers)

    async def lost(self, session_id: str, generation: int) -> bool:
        session = self._reach().sessions.get(session_id)
        if session is None or session.state != "connected" or session.generation != generation:
            return False
        session.leave(self._clock() + self._times.recovery_window_s)
        return True

    async def end(self, session_id: str, reason: str) -> bool:
        backend = self._reach()
        session = backend.sessions.get(session_id)
        if session is None or session.state == "ended":
            return False
        self._end(backend, session, reason)
        backend.deliver()
        return True

    async def session(self, session_id: str) -> SessionRecord | None:
        session = self._reach().sessions.get(session_id)
        return session.record() if session else None

    async def sessions(self, session_ids: Sequence[str]) -> tuple[SessionRecord | None, ...]:
        known = self._reach().sessions
        return tuple(session.record() if session else None for session in map(known.get, session_ids))

    async def sessions_of(self, node_id: str) -> tuple[SessionRecord, ...]:
        known = self._reach().sessions
        here = (session.record() for session in known.values() if session.here() == node_id)
        return tuple(sorted(here, key=lambda record: record.session_id))

    def _take_over(self, backend: MemoryBackend, session: Session, confirm: Confirm) -> None:
        if confirm.generation != session.generation:
            if confirm.generation > 1 and session.node_id in backend.listeners:
                older = backend.listeners[session.node_id]
                backend.tell(older.on_superseded, session.session_id, confirm.generation, confirm.node_id)
            # It has arrived: what befalls it from now on is no part of the handover that sent it here.
            session.handover_id = ""
        session.generation = confirm.generation
        session.state = "connected"
        session.node_id = confirm.node_id
        session.stack = confirm.stack
        session.connection_id = confirm.connection_id
        session.expires_at = self._clock() + self._times.recovery_window_s

    def _end(self, backend: MemoryBackend, session: Session, reason: str) -> None:
        node_id = "" if session.state == "away" else session.node_id
        session.state = "ended"
        session.ended_reason = reason
        session.expires_at = self._clock() + self._times.tombstone_ttl_s
        for pair in tuple(session.pairs.values()):
            self._dissolve(backend, pair, session, "lost", reason)
        backend.queue.pop(session.session_id, None)
        backend.workers.pop(session.session_id, None)
        session.offer = None
        session.answers.clear()
        session.log.entries.clear()
        listener = backend.listeners.get(node_id)
        if listener is not None:
            backend.tell(listener.on_ended, session.session_id, reason)


def _is_held(session: Session, node_id: str, generation: int) -> bool:
    return session.generation == generation and session.node_id == node_id and session.state in ("connected", "away")
