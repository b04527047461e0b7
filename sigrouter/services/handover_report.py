"""What happened in a handover: from its recorded steps to one picture. Pure: steps in, report out."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

from attrs import frozen

from sigrouter.stores.records import Step

STAGES: Final = ("worker_ready", "goaway_sent", "connected", "token_ok", "resumed", "replayed", "confirmed")
"""The steps of a move in their order; the time between two that follow each other is a stage."""

ENDED: Final = "ended"


@frozen
class Spread:
    """How long something took for ``count`` sessions, in milliseconds; the percentiles are nearest-rank."""

    count: int
    p50_ms: int
    p99_ms: int
    max_ms: int


@frozen
class RoleTally:
    """The sessions of one role. ``kept``: confirmed on another node. ``stayed``: still here, for the drain was turned
    back.

    ``ended``: over by their own or an operator's will. ``lost``: none of these; they had to come back by themselves, or
    did not.
    """

    role: str
    sessions: int
    kept: int
    stayed: int
    ended: int
    lost: int


@frozen
class LostSession:
    """A session that did not arrive: its last step, its ``detail``, and the node that saw it."""

    session_id: str
    role: str
    step: str
    at: int
    node_id: str
    detail: Mapping[str, Any]


@frozen
class HandoverReport:
    """One handover. ``started_at``: milliseconds since the epoch, 0 if unknown; ``duration_ms`` 0 while it runs.

    ``outcome``: done, undrained, or running. ``stages``: the time from one step to the next, by ``"from -> to"``.
    ``gap``: from the first GOAWAY to the confirmation, read on the draining node's clock where that saw both.
    ``lost_at``: how many were lost after which step.
    """

    outcome: str
    reason: str
    started_at: int
    duration_ms: int
    roles: tuple[RoleTally, ...]
    lost_at: Mapping[str, int]
    lost: tuple[LostSession, ...]
    stages: Mapping[str, Spread]
    gap: Spread | None

    @property
    def kept_share(self) -> float:
        """The kept ones among those that wanted to be kept, 0 to 1; 1 when there were none."""
        wanted = sum(role.kept + role.lost for role in self.roles)
        return sum(role.kept for role in self.roles) / wanted if wanted else 1.0


def report(steps: Sequence[Step]) -> HandoverReport:
    """The report of one handover from its steps, in any order.

    Steps of one session come from two nodes, whose clocks may differ: stages between nodes carry that difference, and
    one that would be negative counts as 0.
    """
    ordered = sorted(steps, key=lambda step: step.at)
    of_session: dict[str, list[Step]] = defaultdict(list)
    for step in ordered:
        if step.session_id:
            of_session[step.session_id].append(step)
    started = next((step for step in ordered if step.step == "drain_started"), None)
    finished = next((step for step in reversed(ordered) if step.step == "drain_finished"), None)
    outcome = "running" if finished is None else str(finished.detail.get("outcome", "done"))
    ends = {session_id: _end(own, outcome) for session_id, own in of_session.items()}
    lost = tuple(_lost(own) for session_id, own in of_session.items() if ends[session_id] == "lost")
    return HandoverReport(
        outcome=outcome,
        reason="" if started is None else str(started.detail.get("reason", "")),
        started_at=started.at if started else 0,
        duration_ms=finished.at - started.at if started and finished else 0,
        roles=_tally(of_session, ends),
        lost_at=dict(Counter(one.step for one in lost).most_common()),
        lost=lost,
        stages=_stages(of_session.values()),
        gap=_spread(gap for own in of_session.values() if (gap := _gap(own)) is not None),
    )


def _end(steps: Iterable[Step], outcome: str) -> str:
    names = {step.step for step in steps}
    if "confirmed" in names:
        return "kept"
    if ENDED in names:
        return "ended"
    if outcome == "done" or names & {"left", "cut"}:
        return "lost"
    return "stayed"


def _lost(steps: Sequence[Step]) -> LostSession:
    last = steps[-1]
    return LostSession(last.session_id, last.role, last.step, last.at, last.node_id, dict(last.detail))


def _tally(of_session: Mapping[str, Sequence[Step]], ends: Mapping[str, str]) -> tuple[RoleTally, ...]:
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for session_id, steps in of_session.items():
        counts[steps[0].role][ends[session_id]] += 1
    return tuple(
        RoleTally(role, count.total(), count["kept"], count["stayed"], count["ended"], count["lost"])
        for role, count in sorted(counts.items())
    )


def _stages(sessions: Iterable[Sequence[Step]]) -> dict[str, Spread]:
    durations: dict[tuple[str, str], list[int]] = defaultdict(list)
    for steps in sessions:
        first: dict[str, int] = {}
        for step in steps:
            first.setdefault(step.step, step.at)
        for before, after in pairwise(name for name in STAGES if name in first):
            durations[before, after].append(max(0, first[after] - first[before]))
    known = sorted(durations, key=lambda names: (STAGES.index(names[0]), STAGES.index(names[1])))
    return {f"{before} -> {after}": _spread_of(durations[before, after]) for before, after in known}


def _gap(steps: Sequence[Step]) -> int | None:
    """From GOAWAY to confirmation in milliseconds, on one clock if the node that sent the one also saw the other."""
    told = next((step for step in steps if step.step == "goaway_sent"), None)
    arrivals = [step for step in steps if step.step == "confirmed"]
    if told is None or not arrivals:
        return None
    seen = next((step for step in arrivals if step.node_id == told.node_id), arrivals[0])
    return max(0, seen.at - told.at)


def _spread(values: Iterable[int]) -> Spread | None:
    known = list(values)
    return _spread_of(known) if known else None


def _spread_of(values: Iterable[int]) -> Spread:
    ranked = sorted(values)
    count = len(ranked)

    def percentile(percent: int) -> int:
        return ranked[max(0, -(-count * percent // 100) - 1)]

    return Spread(count, percentile(50), percentile(99), ranked[-1])
