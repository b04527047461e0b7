"""Workers, their clients and the queue, in memory."""

from sigrouter.protocol.errors import SigrouterError
from sigrouter.stores.memory.backend import MemoryBackend, Waiting
from sigrouter.stores.memory.bonds import BondPart
from sigrouter.stores.memory.session import Offer, Session
from sigrouter.stores.records import Paired, PairView, Queued, WorkerView


class PairsPart(BondPart):
    """:class:`~sigrouter.stores.interface.Pairs`."""

    async def announce(
        self, session_id: str, generation: int, abilities: frozenset[str], capacity: int
    ) -> WorkerView | SigrouterError:
        backend = self._reach()
        session = self._fenced(session_id, generation)
        if isinstance(session, SigrouterError):
            return session
        if session.offer is None:
            session.offer = Offer(abilities, capacity, load=0, turn=backend.next_turn())
        else:
            # A repeat keeps the turn: a worker that reconnects does not lose its place.
            session.offer.abilities = abilities
            session.offer.capacity = capacity
        backend.workers[session_id] = session
        return _view(session, session.offer)

    async def worker(self, session_id: str) -> WorkerView | None:
        session = self._reach().workers.get(session_id)
        return _view(session, session.offer) if session and session.offer else None

    async def request(
        self, session_id: str, generation: int, abilities: frozenset[str], deadline_s: float
    ) -> Paired | Queued | SigrouterError:
        backend = self._reach()
        session = self._fenced(session_id, generation)
        if isinstance(session, SigrouterError):
            return session
        if session_id not in backend.queue and not session.pairs:
            now = self._clock()
            backend.queue[session_id] = Waiting(session, abilities, now + deadline_s)
            # Through the queue, so that a newcomer does not take the slot of one who has waited for it.
            self._serve_queue(backend, now)
            backend.deliver()
        for pair in session.pairs.values():
            return Paired(pair.pair_id, pair.client.session_id, pair.worker.session_id)
        return _queued(backend, session_id)

    async def cancel(self, session_id: str) -> bool:
        return self._reach().queue.pop(session_id, None) is not None

    async def release(self, session_id: str, pair_id: str) -> bool:
        backend = self._reach()
        pair = backend.pairs.get(pair_id)
        session = backend.sessions.get(session_id)
        if pair is None or session is None or pair.other(session) is None:
            return False
        self._dissolve(backend, pair, session, "released", "")
        backend.deliver()
        return True

    async def match(self) -> tuple[Paired, ...]:
        backend = self._reach()
        paired = self._serve_queue(backend, self._clock())
        backend.deliver()
        return paired

    async def queue(self) -> tuple[str, ...]:
        return tuple(self._reach().queue)

    async def pairs_of(self, session_id: str) -> tuple[PairView, ...]:
        session = self._reach().sessions.get(session_id)
        return self._pair_views(session) if session else ()


def _view(session: Session, offer: Offer) -> WorkerView:
    return WorkerView(session.session_id, offer.abilities, offer.capacity, offer.load, session.state, session.here())


def _queued(backend: MemoryBackend, session_id: str) -> Queued:
    position = 1 + list(backend.queue).index(session_id)
    return Queued(position, backend.queue[session_id].deadline_at)
