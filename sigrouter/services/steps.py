"""Writes down what happens to the sessions of a handover, in batches, without ever holding up the handover itself."""

from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final

from attrs import define, field, frozen
from twisted.logger import Logger

from sigrouter.protocol.errors import SigrouterError
from sigrouter.stores.interface import Handovers, Step

MOST_KEPT: Final = 200_000
"""Steps kept while the store is away; some 20 handovers of 1,000 sessions. Beyond it the oldest go, with a log line."""


@frozen
class _Noted:
    handover_id: str
    step: Step


@define(eq=False)
class StepRecorder:
    """``note`` is cheap and synchronous; ``flush`` writes, and keeps what could not be written for the next time."""

    log = Logger()

    _handovers: Handovers
    _node_id: str
    _now: Callable[[], float]
    _start: Callable[[Coroutine[Any, Any, None]], object]
    _waiting: deque[_Noted] = field(factory=deque)
    _flushing: bool = False

    def note(
        self, handover_id: str, session_id: str, role: str, step: str, detail: Mapping[str, Any] | None = None
    ) -> None:
        """Remember one step now; it is written with the next flush."""
        if not handover_id:
            return
        if len(self._waiting) >= MOST_KEPT:
            self._waiting.popleft()
            self.log.warn(
                "handover steps dropped: the store has been away for too long, nodeId={nodeId}", nodeId=self._node_id
            )
        at = int(self._now() * 1000)
        self._waiting.append(_Noted(handover_id, Step(session_id, role, step, at, self._node_id, detail or {})))
        if not self._flushing:
            self._flushing = True
            self._start(self.flush())

    async def flush(self) -> None:
        """Write what waits; on a store that is away, stop and leave it to the next call."""
        self._flushing = True
        try:
            while self._waiting:
                handover_id = self._waiting[0].handover_id
                batch = [noted.step for noted in self._waiting if noted.handover_id == handover_id]
                await self._handovers.record(handover_id, batch)
                written = set(map(id, batch))
                self._waiting = deque(noted for noted in self._waiting if id(noted.step) not in written)
        except SigrouterError:
            pass
        finally:
            self._flushing = False
