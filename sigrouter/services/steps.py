"""Notes what a session does on its way through a handover, on the node that it comes to."""

from collections.abc import Callable, Mapping
from typing import Any

from attrs import define

from sigrouter.services.drain_journal import DrainJournal
from sigrouter.stores.records import Step


@define(eq=False)
class Steps:
    """``note`` is cheap and never raises; the journal writes behind it. ``now`` is seconds since the Unix epoch."""

    _journal: DrainJournal
    _node_id: str
    _now: Callable[[], float]

    def note(
        self, handover_id: str, session_id: str, role: str, step: str, detail: Mapping[str, Any] | None = None
    ) -> None:
        """One step, if the session is in a handover (its id is not empty)."""
        if handover_id:
            at = int(self._now() * 1000)
            self._journal.record(handover_id, Step(session_id, role, step, at, self._node_id, detail or {}))
            self._journal.flush()

    async def written(self, patience_s: float = 1.0) -> bool:
        """Wait until all is in the store, at most ``patience_s`` seconds; whether it is."""
        return await self._journal.written(patience_s)
