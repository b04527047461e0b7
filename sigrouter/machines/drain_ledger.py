"""The drain's book of all moves: who may go, who waits for whom, and which deadlines run.

This is the one mutable thing in a pure machine: with 10,000 sessions, a copy for each event would make a drain
quadratic. It belongs to exactly one :class:`~sigrouter.machines.drain.Drain` at a time; ``version`` proves it. Each
operation costs a constant or a logarithm, except where it says otherwise.
"""

from collections import Counter, deque
from heapq import heappop, heappush
from math import inf
from typing import assert_never

from attrs import Factory, define

from sigrouter.machines.drain_events import CLIENT, WORKER, CloseConnection, DrainEffect, Record, Resident
from sigrouter.machines.handover import (
    TERMINAL,
    UNMOVED,
    Close,
    ConfirmedElsewhere,
    Disconnected,
    GiveUp,
    Hold,
    Move,
    MoveEvent,
    Note,
    Peer,
    Release,
    SlotFreed,
    SlotTaken,
    TimedOut,
    step,
)
from sigrouter.machines.pacing import Pacing

Effects = list[DrainEffect]


@define(eq=False)
class Ledger:
    """See the module. ``began_at``: when moving began (seconds), the start of the deadlines of absent workers."""

    window: Pacing
    pair_deadline_s: float
    lost_grace_s: float
    version: int = 0
    unmoved: int = 0
    began_at: float = inf
    ready_nodes: frozenset[str] = frozenset()
    moves: dict[str, Move] = Factory(dict)
    open: set[str] = Factory(set)  # sessions with a connection here
    workers_of: dict[str, set[str] | None] = Factory(dict)  # None: not known yet
    clients_of: dict[str, set[str]] = Factory(dict)
    place: dict[str, str] = Factory(dict)  # worker -> the node that it is confirmed on
    worker_deadline: dict[str, float] = Factory(dict)  # until then its clients wait for it
    _workers: deque[str] = Factory(deque)
    _others: deque[str] = Factory(deque)
    _queued: set[str] = Factory(set)
    _timeouts: list[tuple[float, str, float]] = Factory(list)
    _missing: deque[tuple[float, str]] = Factory(deque)
    _deadlines: list[tuple[float, str]] = Factory(list)

    # ---- moves ----

    def apply(self, session_id: str, event: MoveEvent, at: float, out: Effects) -> bool:
        """Step one move and perform what it asks of the window; False when the event changed nothing."""
        before = self.moves[session_id]
        after, effects = step(before, event)
        if after is before:
            return False
        self.moves[session_id] = after
        self.unmoved += (after.phase in UNMOVED) - (before.phase in UNMOVED)
        for effect in effects:
            match effect:
                case Note(name, detail):
                    out.append(Record(session_id, before.role, name, at, detail))
                case SlotTaken():
                    self.window = self.window.released()
                case SlotFreed("confirmed", told_at, due_at):
                    self.window = self.window.confirmed(told_at, max(0.0, at - due_at), at)
                case SlotFreed("timed_out", told_at):
                    self.window = self.window.timed_out(told_at, at)
                case SlotFreed():
                    self.window = self.window.abandoned()
                case Close(reason):
                    out.append(CloseConnection(session_id, reason))
                case _:
                    assert_never(effect)
        return True

    def arrive(self, resident: Resident, at: float, out: Effects) -> None:
        """A session is here. One that came back starts anew; one that never left stays as far as it is."""
        session_id = resident.session_id
        self.open.add(session_id)
        if session_id in self.moves:  # it came back before it was missed
            self.apply(session_id, GiveUp(), at, out)
        if session_id not in self.moves or self.moves[session_id].phase not in UNMOVED:
            self.moves[session_id] = Move(session_id, resident.role)
            self.unmoved += 1
            self.place.pop(session_id, None)
            self.worker_deadline.pop(session_id, None)
        if resident.role != CLIENT:
            self._release(session_id, at, out)
        elif resident.peers is None:
            self.workers_of.setdefault(session_id, None)
            self._await(session_id)
        else:
            self.learn(session_id, dict(resident.peers), at, out)

    def ends(self) -> dict[str, int]:
        """How many sessions are in which phase. Walks through all moves."""
        return dict(Counter(move.phase for move in self.moves.values()))

    @property
    def all_terminal(self) -> bool:
        """Whether every session has come to an end. Walks through all moves; for tests and assertions."""
        return all(move.phase in TERMINAL for move in self.moves.values())

    # ---- who waits for whom ----

    def learn(self, session_id: str, peers: dict[str, str], at: float, out: Effects) -> None:
        """A client's workers and where they are, replacing what was known of them."""
        for worker_id in (self.workers_of.get(session_id) or set()) - peers.keys():
            self.clients_of[worker_id].discard(session_id)
        self.workers_of[session_id] = set(peers)
        for worker_id, node_id in peers.items():
            self.clients_of.setdefault(worker_id, set()).add(session_id)
            if node_id:  # the answer may be older than what was heard of a worker that is moving
                self.place.setdefault(worker_id, node_id)
        self.consider(session_id, at, out)

    def moved(self, session_id: str, node_id: str, at: float, out: Effects) -> None:
        """A session is confirmed on another node; it need not have been here."""
        if session_id in self.moves:
            self.apply(session_id, ConfirmedElsewhere(at, node_id), at, out)
            if self.moves[session_id].role == CLIENT:
                return
        self.place[session_id] = node_id
        self.limit(session_id, at)
        for client_id in sorted(self.clients_of.get(session_id, ())):
            self.consider(client_id, at, out)

    def lost(self, session_id: str, at: float, out: Effects) -> None:
        """A session has no connection here any more. It may have moved: that news takes another way, and longer."""
        self.open.discard(session_id)
        if self.apply(session_id, Disconnected(), at, out):
            self._missing.append((at + self.lost_grace_s, session_id))
        self.limit(session_id, at)

    def limit(self, worker_id: str, at: float) -> None:
        """A worker was told, or is here no more: its clients wait for it, but from now on not for ever."""
        if worker_id not in self.worker_deadline:
            self.worker_deadline[worker_id] = at + self.pair_deadline_s
            for client_id in self.clients_of.get(worker_id, ()):
                self._await(client_id)

    def forget(self, session_id: str, at: float, out: Effects) -> None:
        """A session has ended: whoever waited for it waits no more."""
        self.place.pop(session_id, None)
        for client_id in sorted(self.clients_of.pop(session_id, ())):
            (self.workers_of[client_id] or set()).discard(session_id)
            self.consider(client_id, at, out)

    def retarget(self, nodes: frozenset[str], at: float, out: Effects) -> None:
        """Other nodes are ready now. Walks through all known workers."""
        new, self.ready_nodes = nodes - self.ready_nodes, nodes
        for worker_id, node_id in self.place.items():
            if node_id in new:
                for client_id in sorted(self.clients_of.get(worker_id, ())):
                    self.consider(client_id, at, out)

    def peer(self, session_id: str) -> Peer:
        """What a GOAWAY says about the session's peer. A worker's clients come after it, so theirs are pending."""
        if self.moves[session_id].role != CLIENT:
            return "pending" if self.clients_of.get(session_id) else "none"
        workers = self.workers_of.get(session_id)
        if workers is None:
            return "pending"
        if not workers:
            return "none"
        return "ready" if all(self._ready(worker_id) for worker_id in workers) else "pending"

    def deadline(self, session_id: str) -> float:
        """Until when a client waits for its workers, in seconds; infinite while nothing is known of the end."""
        absent = self.began_at + self.pair_deadline_s
        workers = self.workers_of.get(session_id)
        if workers is None:
            return absent
        waited_for = (worker_id for worker_id in workers if not self._ready(worker_id))
        return max((self.worker_deadline.get(w, inf if w in self.open else absent) for w in waited_for), default=-inf)

    def consider(self, session_id: str, at: float, out: Effects) -> None:
        """Release a client if none of its workers is waited for any more."""
        if self.peer(session_id) != "pending":
            self._release(session_id, at, out)
        else:  # the last one that is waited for may have an earlier deadline than the one that just came
            self._await(session_id)

    def _ready(self, worker_id: str) -> bool:
        return self.place.get(worker_id, "") in self.ready_nodes

    def _await(self, session_id: str) -> None:
        """Have :meth:`expire` look at a client when its deadline is over, if that is known."""
        if self.moves[session_id].phase == "staying" and self.deadline(session_id) < inf:
            heappush(self._deadlines, (self.deadline(session_id), session_id))

    # ---- the queues ----

    def _release(self, session_id: str, at: float, out: Effects) -> None:
        workers = self.workers_of.get(session_id) or ()
        node_id = next((self.place[w] for w in sorted(workers) if self._ready(w)), "")
        if self.apply(session_id, Release(node_id), at, out):
            self._enqueue(session_id)

    def _enqueue(self, session_id: str) -> None:
        if session_id not in self._queued:
            self._queued.add(session_id)
            (self._workers if self.moves[session_id].role == WORKER else self._others).append(session_id)

    def begin(self, at: float) -> None:
        """Moving begins: from now on the deadlines of absent workers run. Walks through all moves."""
        self.began_at = at
        for session_id, move in self.moves.items():
            if move.role == CLIENT:
                self._await(session_id)

    def next_to_tell(self, at: float, *, force: bool, out: Effects) -> str | None:
        """Take the next one off the queue, workers first; ``None``: nobody may go.

        What released a client is checked again at the door: the node of its worker may have gone away meanwhile.
        ``force``: in the final push nobody is held back.
        """
        while self._workers or self._others:
            session_id = (self._workers or self._others).popleft()
            self._queued.discard(session_id)
            phase = self.moves[session_id].phase
            if phase not in ("released", "told") or (phase == "told" and not force):
                continue
            if force or self.peer(session_id) != "pending" or self.moves[session_id].role != CLIENT:
                return session_id
            if self.deadline(session_id) <= at:
                return session_id
            self.apply(session_id, Hold(), at, out)
            self._await(session_id)
        return None

    def told(self, session_id: str, at: float, timeout_at: float) -> None:
        """The session was told: watch over its move, and let its clients' deadline begin."""
        heappush(self._timeouts, (timeout_at, session_id, at))
        if self.moves[session_id].role != CLIENT:
            self.limit(session_id, at)

    def expire(self, at: float, out: Effects) -> None:
        """Moves that took too long, and clients that waited long enough for their worker."""
        while self._timeouts and self._timeouts[0][0] <= at:
            _, session_id, told_at = heappop(self._timeouts)
            if self.moves[session_id].told_at == told_at:  # else it was told again, and that try's time runs
                self.apply(session_id, TimedOut(), at, out)
                if self.moves[session_id].phase == "released":
                    self._enqueue(session_id)
        while self._missing and self._missing[0][0] <= at:
            _, session_id = self._missing.popleft()
            if session_id not in self.open:
                self.apply(session_id, GiveUp(), at, out)
        while self._deadlines and self._deadlines[0][0] <= at:
            _, session_id = heappop(self._deadlines)
            if self.deadline(session_id) <= at:
                self._release(session_id, at, out)
            else:
                self._await(session_id)

    def push_all(self, at: float, out: Effects) -> int:
        """The final push: everybody who has not moved is to be told (again); how many. Walks through all moves."""
        for session_id, move in self.moves.items():
            if move.phase == "staying":
                self._release(session_id, at, out)
            elif move.phase == "told" and not move.holds_slot:
                self._enqueue(session_id)
        return len(self._queued)

    def next_due(self) -> float:
        """When :meth:`expire` has something to do next, in seconds."""
        heads = [queue[0][0] for queue in (self._timeouts, self._deadlines, self._missing) if queue]
        return min(heads, default=inf)

    @property
    def waiting(self) -> int:
        """How many are queued for a slot."""
        return len(self._queued)
