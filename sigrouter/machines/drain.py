"""How a node empties itself: every session moves to another node, paced, workers first, and nothing is lost.

::

                 settle_s over              a node is ready          all moved, or deadline
     serving ──▶ settling ──▶ waiting_target ──▶ moving ───────────────▶ closing ──▶ done
        ▲           │               │              │
        └───────────┴── undrain ────┴──────────────┘

What holds after every step, and is tested by a simulated world:

* **Somewhere to go.** Nobody is told to move while no other node is ready; those told before are left alone.
* **Worker first.** No client is told before its worker is confirmed on a ready node, unless its deadline is over or the
  final push has begun. Then GOAWAY says ``pending``.
* **No storm.** Until the final push at most ``window`` moves are under way (:mod:`~sigrouter.machines.pacing`).
* **It ends.** The drain is done by its deadline and a short grace for the closes, and each session is in exactly one
  terminal phase (:mod:`~sigrouter.machines.handover`).
* **Turning back harms nobody.** Undrain closes nothing; those already told may move or stay.

The final push: shortly before the deadline it is better to be told than to be cut, so everybody left is told, evenly
over the first half of the time that remains, with jitter over what remains then. ``peer`` may be ``pending``.

The state is to be used once: ``step`` may reuse its inside, and refuses one that has been stepped already (10,000
sessions forbid a copy for each event). Jitter comes from a hash of session and seed, so the same events give the same
effects.
"""

from hashlib import blake2b
from math import ceil, inf
from typing import Any, Literal, assert_never

from attrs import Factory, evolve, frozen

from sigrouter.machines import handover
from sigrouter.machines.drain_events import (
    AnnounceDraining,
    Budget,
    ConnectionLost,
    DrainEffect,
    DrainEvent,
    Finish,
    PeerReady,
    PeersLearned,
    Record,
    ResumeServing,
    SendGoaway,
    SessionArrived,
    SessionConfirmedElsewhere,
    SessionEnded,
    Start,
    Target,
    TargetsChanged,
    Tick,
    Undrain,
    WarnNoTarget,
)
from sigrouter.machines.drain_ledger import Effects, Ledger
from sigrouter.machines.pacing import Pacing

Phase = Literal["serving", "settling", "waiting_target", "moving", "closing", "done"]
NODE_ROLE = "node"

PUSH_SHARE = 0.2  # of the budget is kept for the final push,
PUSH_S = 4.0  # but not more than this;
PUSH_STEP_S = 0.05  # it tells the next ones this often.
NO_BUDGET = Budget()
SPREAD_PER_MOVE_S = 0.005  # What a ready target needs for one handshake, so a windowful is spread over that much each.


class StaleStateError(Exception):
    """A state was stepped twice. The caller has kept an old one, or two callers share one: a bug."""


def _no_ledger() -> Ledger:
    return Ledger(Pacing.opening(1, 1), pair_deadline_s=0.0, lost_grace_s=0.0)


@frozen
class Drain:
    """The node's drain; ``Drain()`` is a serving node. Times in seconds by the events' clock.

    ``deadline``: what is left is closed. ``settled_at``, ``warn_at``, ``push_at``, ``close_until``: the ends of
    settling, of patience without a target, of pacing, of the grace for closes. ``push_began``: infinite until the
    final push begins. ``pushed``: how many it has told.
    """

    phase: Phase = "serving"
    at: float = -inf
    node_id: str = ""
    handover_id: str = ""
    seed: str = ""
    budget: Budget = NO_BUDGET
    targets: tuple[Target, ...] = ()
    started_at: float = 0.0
    deadline: float = inf
    settled_at: float = inf
    warn_at: float = inf
    push_at: float = inf
    push_began: float = inf
    pushed: int = 0
    close_until: float = inf
    ledger: Ledger = Factory(_no_ledger)
    version: int = 0


def step(state: Drain, event: DrainEvent) -> tuple[Drain, tuple[DrainEffect, ...]]:
    """The drain after an event, and what is to be done now, in order.

    Events that come too late, or speak of unknown sessions, change nothing. Time never runs backwards: an ``at`` before
    the last one counts as that.

    Raises:
        StaleStateError: ``state`` was stepped before.
    """
    if state.version != state.ledger.version:
        raise StaleStateError(state.phase)
    state.ledger.version += 1
    out: Effects = []
    after = _advance(_heard(evolve(state, at=max(state.at, event.at)), event, out), out)
    return evolve(after, version=after.ledger.version), tuple(out)


def next_wakeup(state: Drain) -> float | None:
    """When the machine wants a :class:`Tick` if nothing else happens, in seconds; ``None``: never."""
    match state.phase:
        case "settling":
            return min(state.settled_at, state.ledger.next_due())
        case "waiting_target":
            return min(state.warn_at, state.deadline, state.ledger.next_due())
        case "moving":
            due = min(state.ledger.next_due(), state.deadline)
            if not state.targets:
                return due
            if state.push_began == inf:
                return min(due, state.push_at)
            return min(due, state.at + PUSH_STEP_S) if state.ledger.waiting else due
        case "closing":
            return state.close_until
        case "serving" | "done":
            return None
        case _:
            assert_never(state.phase)


def _heard(state: Drain, event: DrainEvent, out: Effects) -> Drain:
    """Take in what happened; what follows from it is for :func:`_advance`."""
    ledger, at = state.ledger, state.at
    if isinstance(event, Start):
        return _started(state, event, out) if state.phase == "serving" else state
    if state.phase in ("serving", "done"):
        return state
    match event:
        case Tick():
            pass
        case TargetsChanged(_, targets):
            ledger.retarget(_nodes(targets, state.node_id), at, out)
            return evolve(state, targets=targets)
        case SessionArrived(_, resident):
            ledger.arrive(resident, at, out)
            if state.phase == "closing":
                ledger.apply(resident.session_id, handover.Cut(), at, out)
        case PeersLearned(_, session_id, peers):
            if session_id in ledger.moves:
                ledger.learn(session_id, dict(peers), at, out)
        case PeerReady(_, session_id, worker_id, node_id):
            if session_id in ledger.workers_of and node_id != state.node_id:
                ledger.moved(worker_id, node_id, at, out)
                workers = {*(ledger.workers_of[session_id] or ()), worker_id}
                ledger.learn(session_id, dict.fromkeys(workers, ""), at, out)
        case SessionConfirmedElsewhere(_, session_id, node_id):
            if (session_id in ledger.moves or session_id in ledger.clients_of) and node_id != state.node_id:
                ledger.moved(session_id, node_id, at, out)
        case SessionEnded(_, session_id, reason):
            if session_id in ledger.moves:
                ledger.apply(session_id, handover.Ended(reason), at, out)
            ledger.forget(session_id, at, out)
        case ConnectionLost(_, session_id):
            if session_id in ledger.open:
                ledger.lost(session_id, at, out)
        case Undrain():
            return _turned_back(state, out) if state.phase != "closing" else state
        case _:
            assert_never(event)
    return state


def _started(state: Drain, start: Start, out: Effects) -> Drain:
    """The node drains: from now on it is not ready, and its sessions are in the book."""
    budget, at = start.budget, state.at
    deadline = at + budget.budget_s
    window = Pacing.opening(budget.window_initial, budget.window_max)
    ledger = Ledger(window, pair_deadline_s=budget.pair_deadline_s, lost_grace_s=budget.lost_grace_s)
    ledger.retarget(_nodes(start.targets, start.node_id), at, out)
    out.append(AnnounceDraining())
    detail = {"reason": start.reason, "budget_s": budget.budget_s, "sessions": len(start.residents)}
    out.append(Record("", NODE_ROLE, "drain_started", at, detail))
    for resident in start.residents:
        ledger.arrive(resident, at, out)
    settled_at = min(at + budget.settle_s, deadline)
    return Drain(
        phase="settling",
        at=at,
        node_id=start.node_id,
        handover_id=start.handover_id,
        seed=start.seed,
        budget=budget,
        targets=start.targets,
        started_at=at,
        deadline=deadline,
        settled_at=settled_at,
        warn_at=settled_at + budget.target_wait_s,
        push_at=deadline - min(PUSH_S, PUSH_SHARE * budget.budget_s),
        ledger=ledger,
    )


def _advance(state: Drain, out: Effects) -> Drain:
    """Go as far as time and the book allow: through phases, and in ``moving`` tell whoever may go."""
    at = state.at
    if state.phase == "settling" and at >= state.settled_at:
        state = evolve(state, phase="waiting_target")
    if state.phase in ("settling", "waiting_target", "moving"):
        state.ledger.expire(at, out)
    if state.phase in ("waiting_target", "moving") and (at >= state.deadline or not state.ledger.unmoved):
        state = _closing(state, out)
    if state.phase == "waiting_target" and state.targets:
        state.ledger.begin(at)
        state = evolve(state, phase="moving")
    if state.phase == "waiting_target" and at >= state.warn_at:
        out.append(WarnNoTarget(at - state.settled_at))
        state = evolve(state, warn_at=inf)
    if state.phase == "moving" and state.targets:
        state = _push(state, out) if at >= state.push_at else _tell_paced(state, out)
    if state.phase == "closing" and (at >= state.close_until or not state.ledger.open):
        return _finished(state, out)
    return state


def _tell_paced(state: Drain, out: Effects) -> Drain:
    """Tell as many as the window has room for."""
    ledger = state.ledger
    # Half of the time would do: nothing is known of the moves to come, and some of them wait for others.
    ledger.window = ledger.window.needed(ledger.unmoved, (state.push_at - state.at) / 2)
    while ledger.window.free:
        session_id = ledger.next_to_tell(state.at, force=False, out=out)
        if session_id is None:
            break
        spread_s = min(state.budget.move_timeout_s / 4, ledger.window.size * SPREAD_PER_MOVE_S)
        _tell(state, session_id, spread_s, paced=True, out=out)
    return state


def _push(state: Drain, out: Effects) -> Drain:
    """Tell those who are left, evenly over the first half of the time that remains."""
    if state.push_began == inf:
        state = evolve(state, push_began=state.at)
        state.ledger.push_all(state.at, out)
    half_s = (state.deadline - state.push_began) / 2
    share = min(1.0, (state.at - state.push_began) / half_s)
    quota = max(1, ceil(share * (state.pushed + state.ledger.waiting)))
    pushed = state.pushed
    while pushed < quota:
        session_id = state.ledger.next_to_tell(state.at, force=True, out=out)
        if session_id is None:
            break
        _tell(state, session_id, (state.deadline - state.at) / 2, paced=False, out=out)
        pushed += 1
    return evolve(state, pushed=pushed)


def _tell(state: Drain, session_id: str, spread_s: float, *, paced: bool, out: Effects) -> None:
    """Send a session its GOAWAY, with a delay of its own within ``spread_s`` seconds."""
    ledger, at = state.ledger, state.at
    delay, choice = _chances(session_id, state.seed, ledger.moves[session_id].tells)
    reconnect_after_ms = int(delay * spread_s * 1000)
    preferred = [target for target in state.targets if target.preferred] or state.targets
    target = preferred[int(choice * len(preferred))]
    peer = ledger.peer(session_id)
    ledger.apply(session_id, handover.Tell(at, peer, reconnect_after_ms, paced), at, out)
    ledger.told(session_id, at, at + reconnect_after_ms / 1000 + state.budget.move_timeout_s)
    deadline_ms = int((state.deadline - at) * 1000)
    out.append(SendGoaway(session_id, reconnect_after_ms, peer, deadline_ms, target.stack, target.url))


def _closing(state: Drain, out: Effects) -> Drain:
    """Close what is still here: the sessions that moved in order, the others so that they resume elsewhere."""
    for session_id in tuple(state.ledger.moves):
        state.ledger.apply(session_id, handover.Cut(), state.at, out)
    return evolve(state, phase="closing", close_until=state.at + state.budget.close_grace_s)


def _finished(state: Drain, out: Effects) -> Drain:
    ends = state.ledger.ends()
    out.append(_last_record(state, {"outcome": "done", **ends}))
    out.append(Finish(ends))
    return evolve(state, phase="done")


def _turned_back(state: Drain, out: Effects) -> Drain:
    """Serve again. The book is closed; whoever was told moves, or stays, as it likes."""
    for session_id in tuple(state.ledger.moves):
        state.ledger.apply(session_id, handover.Keep(), state.at, out)
    ends = state.ledger.ends()
    out.append(_last_record(state, {"outcome": "undrained", **ends}))
    out.append(ResumeServing(ends))
    return Drain(at=state.at)


def _last_record(state: Drain, detail: dict[str, Any]) -> Record:
    duration_ms = round((state.at - state.started_at) * 1000)
    return Record("", NODE_ROLE, "drain_finished", state.at, {**detail, "duration_ms": duration_ms})


def _nodes(targets: tuple[Target, ...], own: str) -> frozenset[str]:
    return frozenset(target.node_id for target in targets) - {own, ""}


def _chances(session_id: str, seed: str, tells: int) -> tuple[float, float]:
    """Two numbers in [0, 1) that look random and are always the same for the same session, seed and try."""
    digest = blake2b(f"{seed}\0{session_id}\0{tells}".encode(), digest_size=8).digest()
    return int.from_bytes(digest[:4]) / 2**32, int.from_bytes(digest[4:]) / 2**32
