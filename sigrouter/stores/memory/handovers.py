"""The steps of the handovers, in memory."""

from collections.abc import Sequence

from sigrouter.stores.memory.backend import Handover
from sigrouter.stores.memory.part import Part
from sigrouter.stores.records import Step


class HandoversPart(Part):
    """:class:`~sigrouter.stores.interface.Handovers`."""

    async def mark(self, handover_id: str, session_ids: Sequence[str]) -> None:
        known = self._reach().sessions
        for session_id in session_ids:
            session = known.get(session_id)
            if session is not None and session.state != "ended":
                session.handover_id = handover_id

    async def record(self, handover_id: str, steps: Sequence[Step]) -> None:
        backend = self._reach()
        if not steps:
            return
        now = self._clock()
        handover = backend.handovers.setdefault(handover_id, Handover([], now))
        handover.steps.extend(steps)
        handover.touched_at = now

    async def handover(self, handover_id: str) -> tuple[Step, ...]:
        handover = self._reach().handovers.get(handover_id)
        return tuple(handover.steps) if handover else ()

    async def handovers(self) -> tuple[str, ...]:
        return tuple(reversed(self._reach().handovers))
