"""A drain that runs exactly once, whoever asks for it first.

Two things stop a node: Crossbar calls ``leave()`` on the embedded components (all at once, and waits for them), or the
reactor stops for another reason (the controller died, the worker was terminated before it was ready).
"""

import os
from collections.abc import Awaitable, Callable
from typing import Any

import txaio
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

FAILED_DRAIN_EXIT_CODE = 70
"""EX_SOFTWARE: the drain raised, so an operator must not take the end of this process for a clean one."""


class DrainOnce:
    """Runs ``drain`` on the first :meth:`wait` or before the reactor shuts down, and lets all wait for its one end.

    ``drain`` bounds its own time. If it raises, that is logged, the waiters go on all the same (a process that cannot
    stop helps nobody), and the process ends with ``FAILED_DRAIN_EXIT_CODE`` through ``end_process``.
    """

    log = txaio.make_logger()

    def __init__(
        self,
        reactor: Any,
        drain: Callable[[], Awaitable[Any]],
        end_process: Callable[[int], Any] = os._exit,
    ) -> None:
        self._reactor = reactor
        self._drain = drain
        self._end_process = end_process
        self._waiting: list[Deferred[None]] = []
        self.started = False
        self.finished = False
        reactor.addSystemEventTrigger("before", "shutdown", self.wait)

    def wait(self) -> Deferred[None]:
        """Start the drain unless it was; the Deferred fires when it has ended. It never fails."""
        ended: Deferred[None] = Deferred()
        if self.finished:
            ended.callback(None)
            return ended
        self._waiting.append(ended)
        if not self.started:
            self.started = True
            Deferred.fromCoroutine(self._run())
        return ended

    async def _run(self) -> None:
        try:
            await self._drain()
        except Exception:  # noqa: BLE001 - whatever went wrong, the process must be able to stop
            self.log.error("The drain failed: {traceback}", traceback=Failure().getTraceback())  # noqa: TRY400 - txaio's
            # Autobahn ends the worker from such a trigger, too; ours is registered first and so decides the code.
            self._reactor.addSystemEventTrigger("after", "shutdown", self._end_process, FAILED_DRAIN_EXIT_CODE)
        finally:
            self.finished = True
            waiting, self._waiting = self._waiting, []
            for ended in waiting:
                ended.callback(None)
