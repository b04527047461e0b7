"""Runs the rounds, one server after the other in turn, and takes the medians."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from statistics import median
from types import TracebackType
from typing import Any, Final, Self

from attrs import asdict, frozen

from sigrouter.bench.peers import BenchError
from sigrouter.bench.servers import Target

BARE: Final = "crossbar"
PACE_PER_S: Final = 500.0
PACED_SHARE: Final = 4
"""One in so many messages is sent paced: the paced phase would take too long otherwise."""


@frozen
class Round:
    """What one round told of one server.

    ``per_second``: messages a second, every end sending as soon as the last message was answered. ``cpu_ms``:
    milliseconds of user and system time of all the server's processes for 1000 messages, in that phase.
    ``paced_cpu_ms``, ``p50_ms``, ``p99_ms``: the same cost, and the time from the sender to the receiver, at 500
    messages a second.
    """

    per_second: float
    cpu_ms: float
    paced_cpu_ms: float
    p50_ms: float
    p99_ms: float


@frozen
class Result:
    """All rounds of one server, their medians, and the medians of the rounds' ratios to bare Crossbar."""

    name: str
    messages: int
    rounds: tuple[Round, ...]
    ratio: float
    paced_ratio: float

    def middle(self, figure: str) -> float:
        """The median of one figure over the rounds."""
        return float(median(getattr(one, figure) for one in self.rounds))

    def as_mapping(self) -> dict[str, Any]:
        """JSON-able; the medians stand beside the rounds they come from."""
        figures = ("per_second", "cpu_ms", "paced_cpu_ms", "p50_ms", "p99_ms")
        medians = {figure: round(self.middle(figure), 3) for figure in figures}
        return {**asdict(self), "medians": medians}


class GeneratorProcess:
    """The load generator as seen from here: one order, one answer. Use it as a context manager."""

    def __init__(self, processors: frozenset[int]) -> None:
        self._processors = processors

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "sigrouter.bench.generator"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        if self._processors:
            os.sched_setaffinity(self._process.pid, self._processors)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()

    def obey(self, **order: Any) -> dict[str, Any]:
        """Raises :class:`BenchError` with the generator's words when it could not."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise BenchError("the load generator ended")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise BenchError(f"{order.get('target')}: {answer['error']}")
        return answer


def processors_for_both() -> tuple[frozenset[int], frozenset[int]]:
    """The processors for the servers and for the generator: one for the servers, the rest; empty with one only."""
    usable = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    return (frozenset(usable[:1]), frozenset(usable[1:])) if len(usable) > 1 else (frozenset(), frozenset())


def measure(
    targets: Sequence[Target],
    generator: GeneratorProcess,
    *,
    pairs: int,
    messages: int,
    rounds: int,
    on_round: Callable[[int, str, Round], None],
) -> tuple[Result, ...]:
    """All servers run all the time, one is measured at a time; who goes first changes with every round.

    ``messages`` for each server and round; a round before the first warms both up and does not count.
    """
    for target in targets:
        generator.obey(
            do="connect", target=target.name, kind=target.kind, url=target.url, pairs=pairs, tickets=target.tickets
        )
    for target in targets:
        _round(target, generator, pairs, max(messages // 4, 2 * pairs))
    taken: dict[str, list[Round]] = {target.name: [] for target in targets}
    for number in range(rounds):
        for target in targets if number % 2 == 0 else reversed(targets):
            one = _round(target, generator, pairs, messages)
            taken[target.name].append(one)
            on_round(number + 1, target.name, one)
    return tuple(_result(target.name, messages, taken) for target in targets)


def _round(target: Target, generator: GeneratorProcess, pairs: int, messages: int) -> Round:
    before = target.cpu_seconds()
    flood = generator.obey(do="flood", target=target.name, messages=messages)
    between = target.cpu_seconds()
    paced = max(messages // PACED_SHARE, pairs * 2)
    pace = generator.obey(do="pace", target=target.name, messages=paced, rate=PACE_PER_S)
    after = target.cpu_seconds()
    return Round(
        per_second=flood["messages"] / flood["seconds"],
        # Seconds for n messages are, times a million, milliseconds for a thousand.
        cpu_ms=(between - before) / flood["messages"] * 1e6,
        paced_cpu_ms=(after - between) / pace["messages"] * 1e6,
        p50_ms=pace["p50_ms"],
        p99_ms=pace["p99_ms"],
    )


def _result(name: str, messages: int, taken: Mapping[str, Sequence[Round]]) -> Result:
    bare = taken.get(BARE, ())
    return Result(
        name=name,
        messages=messages,
        rounds=tuple(taken[name]),
        ratio=_ratio([(ours.cpu_ms, theirs.cpu_ms) for ours, theirs in zip(taken[name], bare, strict=False)]),
        paced_ratio=_ratio([(o.paced_cpu_ms, t.paced_cpu_ms) for o, t in zip(taken[name], bare, strict=False)]),
    )


def _ratio(couples: Sequence[tuple[float, float]]) -> float:
    """The median of the rounds' ratios; 0 when the other side used too little time to be seen."""
    ratios = [ours / theirs for ours, theirs in couples if theirs]
    return round(float(median(ratios)), 3) if ratios else 0.0
