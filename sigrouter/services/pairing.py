"""Clients ask for a worker, workers say what they can do; the store binds them."""

from typing import Any

from attrs import define
from twisted.logger import Logger

from sigrouter.protocol import errors
from sigrouter.protocol.messages import Announcement, PairRequest
from sigrouter.services.connections import Connection
from sigrouter.services.fence import refuse_superseded
from sigrouter.services.sessions import pairs_on_wire
from sigrouter.stores.interface import Store
from sigrouter.stores.records import Paired, WorkerView


def worker_on_wire(worker: WorkerView) -> dict[str, Any]:
    """A worker's announcement and load."""
    return {"abilities": sorted(worker.abilities), "capacity": worker.capacity, "load": worker.load}


@define(eq=False)
class Pairing:
    """One verb for each procedure of ``sig.pair`` and ``sig.worker`` but ``send``."""

    log = Logger()

    _store: Store
    _node_id: str

    async def announce(self, connection: Connection, announcement: Announcement) -> dict[str, Any]:
        """The worker's abilities and slots from now on; whoever waits for them is paired at once."""
        if connection.role != "worker":
            raise errors.Forbidden("Only workers announce abilities")
        worker = await self._store.announce(
            connection.session_id, connection.generation, announcement.abilities, announcement.capacity
        )
        if isinstance(worker, errors.SigrouterError):
            raise worker
        await self._store.match()
        return worker_on_wire(worker)

    async def status(self, connection: Connection) -> dict[str, Any]:
        """The worker's announcement, load and pairs."""
        worker = await self._store.worker(connection.session_id)
        if worker is None:
            raise errors.NotFound("This session has announced nothing")
        return {**worker_on_wire(worker), "pairs": pairs_on_wire(await self._store.pairs_of(connection.session_id))}

    async def request(self, connection: Connection, request: PairRequest) -> dict[str, Any]:
        """A worker now, or a place in the queue."""
        if connection.role != "client":
            raise errors.Forbidden("Only clients ask for a worker")
        answer = await self._store.request(
            connection.session_id, connection.generation, request.abilities, request.deadline_s
        )
        if isinstance(answer, errors.SigrouterError):
            raise answer
        if isinstance(answer, Paired):
            self.log.info(
                "paired: pairId={pairId} with {peer}, sessionId={sessionId} nodeId={nodeId}",
                pairId=answer.pair_id,
                sessionId=answer.client_id,
                peer=answer.worker_id,
                nodeId=self._node_id,
            )
            return {"state": "paired", "pair_id": answer.pair_id, "peer_session_id": answer.worker_id}
        return {"state": "queued", "position": answer.position, "deadline_at": int(answer.deadline_at * 1000)}

    async def cancel(self, connection: Connection) -> bool:
        """Leave the queue."""
        await refuse_superseded(self._store, connection)
        return await self._store.cancel(connection.session_id)

    async def release(self, connection: Connection, pair_id: str) -> bool:
        """Dissolve a pair; the worker's slot goes to the next in the queue."""
        if not pair_id:
            if len(connection.pairs) != 1:
                raise (
                    errors.NotPaired()
                    if not connection.pairs
                    else errors.Invalid("pair_id is missing", field="pair_id")
                )
            (pair_id,) = connection.pairs
        await refuse_superseded(self._store, connection)
        released = await self._store.release(connection.session_id, pair_id)
        connection.pairs.pop(pair_id, None)
        if released:
            await self._store.match()
        return released
