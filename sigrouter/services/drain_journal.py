"""Writes a drain's steps and marks into the store, in order and in batches, without ever holding up a move.

The store may be away for a part of a drain. Then what is to be written waits here, and is tried again with backoff: the
report of a handover is worth most when something went wrong during it.
"""

from collections import deque
from collections.abc import Callable
from itertools import islice, takewhile
from typing import Final, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from sigrouter.machines.backoff import next_delay
from sigrouter.protocol.errors import Unavailable
from sigrouter.stores.interface import Handovers
from sigrouter.stores.records import Step

BATCH: Final = 500
RETRY_BASE_S: Final = 0.1
RETRY_CAP_S: Final = 1.0

Item = TypeVar("Item")


class DrainJournal:
    """``mark`` and ``record`` are cheap and never raise; the writing happens behind them."""

    def __init__(self, store: Handovers, clock: IReactorTime, chance: Callable[[], float], log: Logger) -> None:
        self._store = store
        self._clock = clock
        self._chance = chance
        self._log = log
        self._marks: deque[tuple[str, str]] = deque()
        self._steps: deque[tuple[str, Step]] = deque()
        self._writing = False
        self._in_vain = 0
        self._retry: IDelayedCall | None = None
        self._waiting: list[Deferred[bool]] = []

    @property
    def unwritten(self) -> int:
        """How many marks and steps wait to be written."""
        return len(self._marks) + len(self._steps)

    def mark(self, handover_id: str, session_id: str) -> None:
        """The session is sent away: its next node shall record its steps too."""
        self._marks.append((handover_id, session_id))

    def record(self, handover_id: str, step: Step) -> None:
        """One step for the handover's report."""
        self._steps.append((handover_id, step))

    def flush(self) -> None:
        """Begin to write what was added; to be called once after a group of additions."""
        if self.unwritten and not self._writing and self._retry is None:
            self._writing = True
            Deferred.fromCoroutine(self._write())

    async def written(self, patience_s: float) -> bool:
        """Wait until all is written, at most ``patience_s`` seconds; whether it is."""
        self.flush()
        if not self.unwritten:
            return True
        waiting: Deferred[bool] = Deferred()
        self._waiting.append(waiting)
        timeout = self._clock.callLater(patience_s, self._answer, waiting, False)
        done = await waiting
        if timeout.active():
            timeout.cancel()
        if not done and self._retry is not None:
            self._retry.cancel()
            self._retry = None
        return done

    def _answer(self, waiting: "Deferred[bool]", done: bool) -> None:  # noqa: FBT001 - a Deferred's result
        self._waiting.remove(waiting)
        waiting.callback(done)

    async def _write(self) -> None:
        try:
            while self.unwritten:
                # Marks first: the next node of a session has to find its mark when the session arrives.
                if self._marks:
                    handover_id, marks = _head(self._marks)
                    await self._store.mark(handover_id, marks)
                    _drop(self._marks, len(marks))
                else:
                    handover_id, steps = _head(self._steps)
                    await self._store.record(handover_id, steps)
                    _drop(self._steps, len(steps))
                self._in_vain = 0
        except Unavailable:
            self._in_vain += 1
            delay = next_delay(self._in_vain - 1, 0.5 + self._chance() / 2, RETRY_BASE_S, RETRY_CAP_S)
            self._retry = self._clock.callLater(delay, self._again)
        except Exception:  # noqa: BLE001 - A bug must cost the rest of the report, not the drain; the log is the only place for it.
            self._log.failure("the handover's steps cannot be written; {count} are lost", count=self.unwritten)
            self._marks.clear()
            self._steps.clear()
        finally:
            self._writing = False
        if not self.unwritten:
            for waiting in tuple(self._waiting):
                self._answer(waiting, True)

    def _again(self) -> None:
        self._retry = None
        self.flush()


def _head(queue: deque[tuple[str, Item]]) -> tuple[str, list[Item]]:
    """The first items of the queue that are of one handover, a batch at most; they stay until they are written."""
    handover_id = queue[0][0]
    same = takewhile(lambda item: item[0] == handover_id, islice(queue, BATCH))
    return handover_id, [item for _, item in same]


def _drop(queue: deque[tuple[str, Item]], count: int) -> None:
    for _ in range(count):
        queue.popleft()
