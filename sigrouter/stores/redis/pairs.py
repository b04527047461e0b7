"""Workers, their clients and the queue, in Redis; the rules are those of :mod:`sigrouter.machines.pairing`."""

from sigrouter.protocol.errors import SigrouterError
from sigrouter.stores.records import Paired, Queued, WorkerView
from sigrouter.stores.redis import keys
from sigrouter.stores.redis.codec import pack, unpack
from sigrouter.stores.redis.part import Part, refusal, refused, texts


class PairsPart(Part):
    """:class:`~sigrouter.stores.interface.Pairs`."""

    async def announce(
        self, session_id: str, generation: int, abilities: frozenset[str], capacity: int
    ) -> WorkerView | SigrouterError:
        answer = await self._scripts.run("announce", session_id, generation, pack(sorted(abilities)), capacity)
        if answer[0] != b"ok":
            return refusal(answer[0])
        _, load, state, node_id = answer
        return WorkerView(session_id, abilities, capacity, load, state.decode(), node_id.decode())

    async def worker(self, session_id: str) -> WorkerView | None:
        _, found = await self._scripts.run("worker", session_id)
        if not found:
            return None
        abilities, capacity, load, state, node_id = found
        return WorkerView(session_id, frozenset(unpack(abilities)), capacity, load, state.decode(), node_id.decode())

    async def request(
        self, session_id: str, generation: int, abilities: frozenset[str], deadline_s: float
    ) -> Paired | Queued | SigrouterError:
        # Sorted: equal wishes are equal bytes, by which the script knows what nobody can serve.
        answer = await self._scripts.run(
            "request", session_id, generation, pack(sorted(abilities)), deadline_s, self._new_id()
        )
        match answer:
            case [b"ok", *pair]:
                return Paired(*texts(pair))
            case [b"queued", position, deadline_at]:
                return Queued(position, float(deadline_at))
        return refused(answer) or SigrouterError()

    async def cancel(self, session_id: str) -> bool:
        return bool((await self._scripts.run("cancel", session_id))[1])

    async def release(self, session_id: str, pair_id: str) -> bool:
        return bool((await self._scripts.run("release", session_id, pair_id))[1])

    async def match(self) -> tuple[Paired, ...]:
        _, pairs = await self._scripts.run("match", self._new_id())
        return tuple(Paired(*texts(pair)) for pair in pairs)

    async def queue(self) -> tuple[str, ...]:
        return texts(await self._scripts.command(b"ZRANGE", keys.QUEUE.encode(), b"0", b"-1"))
