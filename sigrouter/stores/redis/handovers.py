"""The steps of the handovers, in Redis."""

from collections.abc import Sequence

from sigrouter.stores.records import Step
from sigrouter.stores.redis import keys
from sigrouter.stores.redis.codec import pack, unpack
from sigrouter.stores.redis.part import PAGE, Part, texts


class HandoversPart(Part):
    """:class:`~sigrouter.stores.interface.Handovers`."""

    async def mark(self, handover_id: str, session_ids: Sequence[str]) -> None:
        for start in range(0, len(session_ids), PAGE):
            await self._scripts.run("mark", handover_id, pack(list(session_ids[start : start + PAGE])))

    async def record(self, handover_id: str, steps: Sequence[Step]) -> None:
        for start in range(0, len(steps), PAGE):
            page = (
                pack((step.session_id, step.role, step.step, step.at, step.node_id, dict(step.detail)))
                for step in steps[start : start + PAGE]
            )
            await self._scripts.run("record", handover_id, *page)

    async def handover(self, handover_id: str) -> tuple[Step, ...]:
        rows = await self._scripts.command(b"LRANGE", f"{keys.HANDOVER}{handover_id}".encode(), b"0", b"-1")
        return tuple(Step(*unpack(row)) for row in rows)

    async def handovers(self) -> tuple[str, ...]:
        return texts((await self._scripts.run("handovers"))[1])
