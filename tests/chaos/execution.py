"""Does to a stage what a scenario says: the lanes side by side, each fault to its end before the lane's next one."""

import random
import signal
import time
from collections.abc import Callable, Iterator
from typing import Final, assert_never

from attrs import define, frozen

from sigrouter.bench.peers import BenchError
from sigrouter.protocol import uris
from tests.chaos import scenario as faults
from tests.chaos.stage import RUNNING, START_S, Stage
from tests.support.cluster import Operator
from tests.support.node_process import NodeProcess

TURN_S: Final = 0.03
END_S: Final = 120.0
"""For a node that was told to stop: four times its budget, since the machine may be busy."""


@frozen
class Until:
    """A fault waits for this before it goes on. After ``timeout_s`` the run has failed."""

    holds: Callable[[], bool]
    what: str
    timeout_s: float = START_S


Course = Iterator[Until]
"""What is done, one step after the other; each answer is what the next step has to wait for."""


def execute(stage: Stage, planned: faults.Scenario) -> None:
    """All faults; when this returns, everything has been repaired and all nodes run that should."""
    performers = [
        _Performer(_lane(stage, lane, random.Random(f"{planned.seed} {name} hits")))
        for name, lane in planned.lanes.items()
    ]
    while any([performer.step() for performer in performers]):  # noqa: C419 - all of them have to step
        time.sleep(TURN_S)


@define
class _Performer:
    """Drives one lane: goes on whenever what it waits for holds."""

    course: Course
    waiting_for: Until | None = None
    since: float = 0.0
    over: bool = False

    def step(self) -> bool:
        """Go on if possible; whether there is more to do."""
        if self.over:
            return False
        if self.waiting_for is not None and not self.waiting_for.holds():
            if time.monotonic() - self.since > self.waiting_for.timeout_s:
                raise AssertionError(f"not within {self.waiting_for.timeout_s:.0f} s: {self.waiting_for.what}")
            return True
        self.waiting_for = next(self.course, None)
        self.since = time.monotonic()
        self.over = self.waiting_for is None
        return not self.over


def _lane(stage: Stage, lane: tuple[faults.Planned, ...], chance: random.Random) -> Course:
    for planned in lane:
        yield _moment(stage.began + planned.at)
        stage.note(str(planned.fault))
        yield from _perform(stage, planned.fault, chance)


def _moment(at: float) -> Until:
    return Until(lambda: time.monotonic() >= at, "the time comes", timeout_s=float("inf"))


def _pause(seconds: float) -> Until:
    return _moment(time.monotonic() + seconds)


def _perform(stage: Stage, fault: faults.Fault, chance: random.Random) -> Course:
    match fault:
        case faults.Replace():
            yield from _replace(stage, fault)
        case faults.LoseTarget():
            yield from _lose_target(stage, fault)
        case faults.FreezeNode(seconds=seconds):
            node = _one_of(stage, fault.which)
            stage.signal_all(node, signal.SIGSTOP)
            yield _pause(seconds)
            stage.signal_all(node, signal.SIGCONT)
            yield Until(lambda: stage.is_up(node), f"{node.name} is ready after it was frozen")
        case faults.FreezeLeaver():
            yield from _freeze_leaver(stage, fault)
        case faults.TurnBack():
            yield from _turn_back(stage, fault)
        case faults.CrashRedis(seconds=seconds):
            stage.redis.kill()
            yield _pause(seconds)
            stage.redis.start()
        case faults.FreezeRedis(seconds=seconds):
            stage.redis.pause()
            yield _pause(seconds)
            stage.redis.resume()
        case faults.Isolate(seconds=seconds):
            node = _one_of(stage, fault.which)
            line = stage.slot_of(node).to_redis
            stage.note(f"{node.name} is cut off from Redis")
            line.swallow(1.0, chance, new_too=True)
            yield _pause(seconds)
            line.heal()
        case faults.CutRedis():
            node = _one_of(stage, fault.which)
            stage.note(f"{node.name} loses its connections to Redis")
            stage.slot_of(node).to_redis.cut(1.0, chance, "answer")
        case faults.Cut(share, where):
            stage.network.cut(share, chance, where)
        case faults.Swallow(share, new_too, seconds):
            stage.network.swallow(share, chance, new_too=new_too)
            yield _pause(seconds)
            stage.network.heal()
        case faults.Delay(by_s, seconds):
            stage.network.delay(by_s)
            yield _pause(seconds)
            stage.network.heal()
        case faults.RestartBalancer():
            stage.balancer.stop()
            stage.balancer.start()
        case _:
            assert_never(fault)


def _one_of(stage: Stage, which: int) -> NodeProcess:
    living = stage.living
    return living[which % len(living)]


def _next_stack(stage: Stage) -> str:
    return f"v{1 + max(int(node.stack[1:]) for node in stage.nodes)}"


def _start(stage: Stage, stack: str) -> Course:
    node = stage.launch(stack)
    yield Until(lambda: stage.is_up(node), f"{node.name} is ready")


def _replace(stage: Stage, fault: faults.Replace) -> Course:
    victim = _one_of(stage, fault.which)
    yield from _start(stage, _next_stack(stage) if fault.new_stack else victim.stack)
    if fault.crash:
        stage.note(f"SIGKILL to {victim.name}")
        victim.kill()
    else:
        yield from _stop(stage, victim)


def _stop(stage: Stage, node: NodeProcess) -> Course:
    stage.terminate(node)
    yield _ended(node)
    stage.note(f"{node.name} ended with {node.server.exit_code}")


def _ended(node: NodeProcess) -> Until:
    return Until(lambda: not node.server.running, f"{node.name} ends after its SIGTERM", END_S)


def _lose_target(stage: Stage, fault: faults.LoseTarget) -> Course:
    source = _one_of(stage, fault.which)
    yield from _start(stage, _next_stack(stage))
    target = stage.living[-1]
    stage.terminate(source)
    yield _pause(fault.after_s)
    stage.note(f"SIGKILL to {target.name}, where the sessions of {source.name} go")
    target.kill()
    yield _ended(source)
    stage.note(f"{source.name} ended with {source.server.exit_code}")
    while len(stage.living) < RUNNING:
        yield from _start(stage, stage.living[-1].stack)


def _freeze_leaver(stage: Stage, fault: faults.FreezeLeaver) -> Course:
    node = _one_of(stage, fault.which)
    yield from _start(stage, _next_stack(stage))
    stage.terminate(node)
    yield _pause(fault.after_s)
    if node.server.running:
        stage.signal_all(node, signal.SIGSTOP)
        yield _pause(fault.seconds)
        stage.signal_all(node, signal.SIGCONT)
    yield _ended(node)
    stage.note(f"{node.name} ended with {node.server.exit_code}")


def _turn_back(stage: Stage, fault: faults.TurnBack) -> Course:
    node = _one_of(stage, fault.which)
    begun: list[bool] = []
    yield Until(lambda: _ask(node, uris.ADMIN_DRAIN, begun, reason="chaos"), f"{node.name} begins to drain")
    stage.note(f"{node.name} drains")
    yield _pause(fault.after_s)
    undrained: list[bool] = []
    yield Until(lambda: _ask(node, uris.ADMIN_UNDRAIN, undrained), f"{node.name} answers to undrain")
    stage.note(f"{node.name} is asked to serve again: {undrained[0]}")
    if undrained[0]:
        yield Until(lambda: stage.is_up(node), f"{node.name} serves again")
    else:
        yield from _start(stage, _next_stack(stage))
        yield from _stop(stage, node)


def _ask(node: NodeProcess, procedure: str, answer: list[bool], **arguments: str) -> bool:
    """Whether an operator got an answer; it is put into ``answer``."""
    try:
        operator = Operator(node)
        result = operator.call(procedure, **arguments)
        operator.socket.close()
    except (OSError, BenchError):
        return False
    answer.append(bool(result.get("undrained", True)))
    return True
