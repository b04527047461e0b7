"""The node's first process: it turns SIGTERM and SIGINT into a drain, and waits for it as the settings say."""

import signal
from contextlib import suppress
from types import FrameType
from typing import Any, Final

from attrs import define, field
from crossbar.node.controller import NodeController
from crossbar.node.worker import RouterWorkerProcess
from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessExitedAlready
from twisted.python.failure import Failure

from sigrouter.settings.model import DrainSettings

MARGIN_S: Final = 5.0
"""Seconds beyond the drain's own budget in which the worker closes Redis and ends its process."""


@define
class Outcome:
    """How the node ended: ``faults`` are the reasons, in words, why that was not a clean end."""

    faults: list[str] = field(factory=list)

    @property
    def exit_code(self) -> int:
        """0 for a clean end."""
        return 1 if self.faults else 0


class RouterWorker(RouterWorkerProcess):
    """What the controller knows of its router worker, and whether that one failed."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.failed = False
        # Crossbar's own callbacks, added later, swallow the difference between a clean end and a failure.
        self.exit.addErrback(self._note_failure)

    def _note_failure(self, failure: Failure) -> Failure:
        self.failed = True
        return failure


def grace_s(drain: DrainSettings) -> float:
    """Seconds that a worker gets between SIGTERM and SIGKILL."""
    return drain.budget_s + drain.settle_s + MARGIN_S


class Controller(NodeController):
    """Crossbar's controller but for three things: who may stop it, how long it waits, what it tells about the end."""

    def onJoin(self, details: Any) -> Deferred[None]:
        """Join as Crossbar does, then take both signals over from Crossbar and Twisted."""
        return Deferred.fromCoroutine(self._join(details))

    async def _join(self, details: Any) -> None:
        await super().onJoin(details)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - the parameter is Python's
        # A signal handler may run between any two instructions: hand over to the reactor, which this also wakes.
        self._reactor.callFromThread(self._stop, signal.Signals(number).name)

    def _stop(self, name: str) -> None:
        if self._shutdown_requested:
            self.log.warn("{name} again: the drain under way goes on", name=name)
            return
        self.log.warn("{name}: this node drains and stops", name=name)
        # A worker that is still starting is not yet in Crossbar's hands: let the boot end, then stop what it started.
        self._node.after_boot(self._shut_down)

    def _shut_down(self) -> None:
        self._shutdown_was_clean = True
        self.shutdown()

    def _cleanup_worker(self, reactor: Any, worker: Any) -> Deferred[None] | None:
        """Terminate a worker and wait for its drain; the Deferred holds the reactor's shutdown (overrides 21 s)."""
        ended: Deferred[None] = Deferred()
        try:
            worker.proto.transport.signalProcess("TERM")
        except ProcessExitedAlready:
            return None
        seconds = grace_s(self._node.settings.drain)
        outcome: Outcome = self._node.personality.outcome

        def kill() -> None:
            outcome.faults.append(f"worker {worker.id} did not end within {seconds:g} s and was killed")
            self.log.error("{fault}", fault=outcome.faults[-1])
            with suppress(ProcessExitedAlready):  # its exit is about to be reported
                worker.proto.transport.signalProcess("KILL")

        deadline = reactor.callLater(seconds, kill)

        def on_exit(result: Any) -> Any:
            if deadline.active():
                deadline.cancel()
                if worker.failed:
                    outcome.faults.append(f"worker {worker.id} ended with an error")
            ended.callback(None)
            return result

        worker.exit.addBoth(on_exit)
        return ended
