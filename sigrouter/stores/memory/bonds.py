"""How pairs come and go in memory, and what both ends are told of it in their mailboxes."""

from typing import Any

from sigrouter.machines import pairing
from sigrouter.stores.memory.backend import MemoryBackend
from sigrouter.stores.memory.part import Part
from sigrouter.stores.memory.session import Pair, Session
from sigrouter.stores.records import Paired, PairView


class BondPart(Part):
    """The changes of pairs that sessions and the queue share."""

    def _bind(self, backend: MemoryBackend, client: Session, worker: Session, now: float) -> Paired:
        pair = Pair(self._new_id(), client, worker)
        backend.pairs[pair.pair_id] = pair
        client.pairs[pair.pair_id] = worker.pairs[pair.pair_id] = pair
        if worker.offer is not None:
            worker.offer.load += 1
            worker.offer.turn = backend.next_turn()
        # The worker first: it is to be there when the client hears of it.
        self._tell_pair(backend, worker, "paired", pair.pair_id, client, "", now)
        self._tell_pair(backend, client, "paired", pair.pair_id, worker, "", now)
        return Paired(pair.pair_id, client.session_id, worker.session_id)

    def _dissolve(self, backend: MemoryBackend, pair: Pair, leaver: Session, state: str, reason: str) -> None:
        """Undo the pair and tell the end that did not leave."""
        del backend.pairs[pair.pair_id]
        del pair.client.pairs[pair.pair_id]
        del pair.worker.pairs[pair.pair_id]
        if pair.worker.offer is not None:
            pair.worker.offer.load -= 1
        stays = pair.worker if leaver is pair.client else pair.client
        self._tell_pair(backend, stays, state, pair.pair_id, leaver, reason, self._clock())

    def _tell_pair(
        self,
        backend: MemoryBackend,
        reader: Session,
        state: str,
        pair_id: str,
        peer: Session | None,
        reason: str,
        now: float,
    ) -> None:
        payload: dict[str, Any] = {
            "state": state,
            "pair_id": pair_id,
            "peer_session_id": peer.session_id if peer else "",
            "peer_user_id": peer.user_id if peer else "",
            "reason": reason,
        }
        backend.append_for(reader, "pair", pair_id, now, payload, self._times.mailbox_entries)

    def _serve_queue(self, backend: MemoryBackend, now: float) -> tuple[Paired, ...]:
        wishes = [
            pairing.Wish(client_id, waiting.abilities)
            for client_id, waiting in backend.queue.items()
            if waiting.deadline_at > now
        ]
        if not wishes:
            return ()
        workers = [
            pairing.Worker(
                session_id=worker.session_id,
                abilities=worker.offer.abilities,
                capacity=worker.offer.capacity,
                load=worker.offer.load,
                connected=worker.state == "connected",
                turn=worker.offer.turn,
            )
            for worker in backend.workers.values()
            if worker.offer is not None
        ]
        return tuple(
            self._bind(backend, backend.queue.pop(match.client_id).client, backend.workers[match.worker_id], now)
            for match in pairing.match(wishes, workers)
        )

    def _pair_views(self, session: Session) -> tuple[PairView, ...]:
        return tuple(
            PairView(pair.pair_id, peer.session_id, peer.user_id, peer.state, peer.here())
            for pair in session.pairs.values()
            for peer in (pair.worker if session is pair.client else pair.client,)
        )
