"""The drain runs once, whoever asks first, and nobody waits for ever."""

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred

from sigrouter.node.shutdown import FAILED_DRAIN_EXIT_CODE, DrainOnce


class FakeReactor:
    """Keeps its shutdown triggers for the test to fire."""

    def __init__(self) -> None:
        self.triggers: dict[str, list[tuple[Callable[..., Any], tuple[Any, ...]]]] = {"before": [], "after": []}

    def addSystemEventTrigger(self, phase: str, event: str, action: Callable[..., Any], *arguments: Any) -> None:
        assert event == "shutdown"
        self.triggers[phase].append((action, arguments))

    def fire(self, phase: str) -> list[Any]:
        return [action(*arguments) for action, arguments in self.triggers[phase]]


class Bench:
    """One DrainOnce with a drain that ends when the test says so."""

    def __init__(self) -> None:
        self.reactor = FakeReactor()
        self.drains: list[Deferred[None]] = []
        self.exit_codes: list[int] = []
        self.once = DrainOnce(self.reactor, self._drain, self.exit_codes.append)

    async def _drain(self) -> None:
        self.drains.append(Deferred())
        await self.drains[-1]


def test_leave_and_the_reactors_shutdown_wait_for_one_and_the_same_drain():
    bench = Bench()
    by_leave = bench.once.wait()
    (by_reactor,) = bench.reactor.fire("before")
    assert len(bench.drains) == 1
    assert not by_leave.called
    assert not by_reactor.called
    bench.drains[0].callback(None)
    assert by_leave.called
    assert by_reactor.called


def test_the_reactors_shutdown_alone_drains_too():
    bench = Bench()
    (ended,) = bench.reactor.fire("before")
    assert bench.once.started
    bench.drains[0].callback(None)
    assert ended.called
    assert bench.once.finished


def test_who_asks_after_the_end_is_answered_at_once():
    bench = Bench()
    bench.once.wait()
    bench.drains[0].callback(None)
    assert bench.once.wait().called
    assert len(bench.drains) == 1


def test_a_waiter_that_gives_up_does_not_end_the_drain_of_the_others():
    bench = Bench()
    impatient, patient = bench.once.wait(), bench.once.wait()
    impatient.addErrback(lambda _: None)
    impatient.cancel()
    assert not patient.called
    bench.drains[0].callback(None)
    assert patient.called


def test_a_clean_drain_leaves_the_exit_code_alone():
    bench = Bench()
    bench.once.wait()
    bench.drains[0].callback(None)
    bench.reactor.fire("after")
    assert bench.exit_codes == []


def test_a_drain_that_raises_lets_all_go_on_and_the_process_end_with_an_error():
    bench = Bench()
    ended = bench.once.wait()
    bench.drains[0].errback(RuntimeError("told to fail"))
    assert ended.called
    assert bench.once.finished
    bench.reactor.fire("after")
    assert bench.exit_codes == [FAILED_DRAIN_EXIT_CODE]
