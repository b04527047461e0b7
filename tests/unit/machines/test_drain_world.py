"""A simulated world around the drain: sessions that move, fail, never move or come late, and targets that come and go.

The world keeps its own books, in the plainest way, and checks every effect of every step against them.
"""

from math import inf

from attrs import define, field
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from sigrouter.machines import drain
from sigrouter.machines.drain_events import (
    AnnounceDraining,
    Budget,
    CloseConnection,
    ConnectionLost,
    DrainEvent,
    Finish,
    PeerReady,
    PeersLearned,
    Resident,
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
)
from sigrouter.machines.handover import TERMINAL, UNMOVED
from sigrouter.protocol import uris

OWN = "n0"
OTHERS = ("n1", "n2", "n3")
BUDGETS = (
    Budget(
        budget_s=10, settle_s=0.5, pair_deadline_s=2, move_timeout_s=1, target_wait_s=3, window_initial=2, window_max=4
    ),
    Budget(
        budget_s=4, settle_s=0, pair_deadline_s=3, move_timeout_s=2, target_wait_s=9, window_initial=1, window_max=1
    ),
    Budget(
        budget_s=1, settle_s=2, pair_deadline_s=1, move_timeout_s=1, target_wait_s=1, window_initial=9, window_max=3
    ),
    Budget(budget_s=30, settle_s=1, pair_deadline_s=5, move_timeout_s=3, window_initial=1, window_max=64),
)


@define
class Somebody:
    """One session as the world knows it. ``peers``: worker ids of a client, ``None`` if the machine was not told."""

    session_id: str
    role: str
    peers: set[str] | None = None
    connected: bool = True
    here: bool = True
    ended: bool = False
    goaways: list[float] = field(factory=list)


class World(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.state = drain.Drain()
        self.at = 1000.0
        self.people: dict[str, Somebody] = {}
        self.place: dict[str, str] = {}  # worker -> node, as the machine was told
        self.clock_of: dict[str, float] = {}  # worker -> when its clients' deadline began to run
        self.ready: frozenset[str] = frozenset()
        self.began = inf
        self.finished = 0
        self.resumed = 0
        self.closed: set[str] = set()
        self.count = 0

    # ---- the world's side of a step ----

    def hear(self, event: DrainEvent) -> None:
        before = self.state
        self.state, effects = drain.step(self.state, event)
        if self.began == inf and self.state.phase == "moving":
            self.began = self.at
        for effect in effects:
            match effect:
                case SendGoaway():
                    self.check_goaway(effect)
                case CloseConnection(session_id, reason):
                    assert not isinstance(event, Undrain)
                    assert self.state.phase in ("closing", "done")
                    everybody_moved = before.ledger.unmoved == 0
                    assert self.at >= before.deadline or everybody_moved or before.phase == "closing"
                    assert reason == (uris.CLOSE_GOAWAY if self.people[session_id].here else uris.CLOSE_SUPERSEDED)
                    self.closed.add(session_id)
                case Finish(ends):
                    self.finished += 1
                    assert sum(ends.values()) == len(self.people)
                    assert set(ends) <= TERMINAL - {"kept"}
                    assert self.state.ledger.all_terminal
                case ResumeServing(ends):
                    self.resumed += 1
                    assert set(ends) <= TERMINAL - {"cut"}
                    assert sum(ends.values()) == len(self.people)
                case AnnounceDraining():
                    assert isinstance(event, Start)

    def check_goaway(self, goaway: SendGoaway) -> None:
        """The invariants of a single GOAWAY."""
        assert self.ready, "somewhere to go"
        somebody = self.people[goaway.session_id]
        assert somebody.here
        assert somebody.connected
        assert not somebody.ended
        assert 0 <= goaway.reconnect_after_ms <= goaway.deadline_ms
        assert goaway.stack == "green"
        pushing = self.at >= self.state.push_at
        somebody.goaways.append(self.at)
        assert len(somebody.goaways) <= (3 if pushing else 2)
        if somebody.role != "client":
            self.clock_of.setdefault(goaway.session_id, self.at)
            return
        waited_for = [w for w in somebody.peers or () if self.place.get(w) not in self.ready]
        if somebody.peers == set():
            assert goaway.peer == "none"
        elif somebody.peers is None or waited_for:
            assert goaway.peer == "pending"
        else:
            assert goaway.peer == "ready"
        if goaway.peer == "pending" and not pushing:
            limit = self.state.budget.pair_deadline_s
            clocks = [self.clock_of.get(w, inf if self.is_here(w) else self.began) for w in waited_for] or [self.began]
            assert self.at >= max(clocks) + limit, "worker first"

    def is_here(self, session_id: str) -> bool:
        return session_id in self.people and self.people[session_id].connected

    def those(self, role: str = "") -> list[Somebody]:
        """Sessions that live here with a connection."""
        return [
            one
            for one in self.people.values()
            if one.here
            and one.connected
            and not one.ended
            and role in ("", one.role)
            and one.session_id not in self.closed
        ]

    def targets(self) -> tuple[Target, ...]:
        return tuple(
            Target(node, "green" if index else "blue", preferred=bool(index) or len(self.ready) == 1)
            if len(self.ready) > 1
            else Target(node, "green")
            for index, node in enumerate(sorted(self.ready))
        )

    def new(self, role: str, peers: set[str] | None) -> Somebody:
        self.count += 1
        one = Somebody(f"{role[0]}{self.count}", role, peers)
        self.people[one.session_id] = one
        return one

    def resident(self, one: Somebody) -> Resident:
        peers = None
        if one.peers is not None:
            peers = {w: OWN if self.is_here(w) and w not in self.place else self.place.get(w, "") for w in one.peers}
        return Resident(one.session_id, one.role, peers)

    # ---- what can happen ----

    @initialize(
        budget=st.sampled_from(BUDGETS),
        workers=st.integers(0, 4),
        clients=st.lists(
            st.sampled_from(["none", "unknown", "local", "local", "local", "ready", "draining", "away", "two"]),
            max_size=12,
        ),
        ready=st.sets(st.sampled_from(OTHERS)),
        services=st.integers(0, 1),
    )
    def start(self, budget: Budget, workers: int, clients: list[str], ready: set[str], services: int) -> None:
        self.ready = frozenset(ready)
        here = [self.new("worker", None).session_id for _ in range(workers)]
        for _ in range(services):
            self.new("service", None)
        for index, kind in enumerate(clients):
            remote = f"remote{index}"
            peers: set[str] | None = set()
            if kind == "unknown":
                peers = None
            elif kind in ("ready", "draining", "away"):
                peers = {remote}
                if kind != "away":
                    self.place[remote] = "n1" if kind == "ready" else "n9"
            elif here and kind in ("local", "two"):
                peers = {here[index % len(here)]} | ({remote} if kind == "two" else set())
            self.new("client", peers)
        people = tuple(self.resident(one) for one in self.people.values())
        self.hear(Start(self.at, OWN, "h1", "test", budget, people, self.targets(), "seed"))
        assert self.state.phase != "serving"

    @rule(seconds=st.floats(0.001, 3.0))
    def time_passes(self, seconds: float) -> None:
        until = self.at + seconds
        for _ in range(5000):
            due = drain.next_wakeup(self.state)
            if due is None or due > until:
                break
            self.at = max(self.at, due)
            self.hear(Tick(self.at))
        else:
            raise AssertionError("the machine asks to be woken without end")
        self.at = until
        self.hear(Tick(self.at))

    @rule(data=st.data(), told_only=st.booleans())
    def somebody_is_confirmed_elsewhere(self, data: st.DataObject, told_only: bool) -> None:
        candidates = [one for one in self.those() if one.goaways or not told_only]
        if not candidates:
            return
        one = data.draw(st.sampled_from(candidates))
        node = data.draw(st.sampled_from(sorted(self.ready) or ["n9"]))
        one.here = False
        if one.role == "worker":
            self.place[one.session_id] = node
            self.clock_of.setdefault(one.session_id, self.at)
        self.hear(SessionConfirmedElsewhere(self.at, one.session_id, node))
        for client in self.those("client"):
            if one.session_id in (client.peers or ()):
                self.hear(PeerReady(self.at, client.session_id, one.session_id, node))

    @rule(data=st.data())
    def everybody_who_was_told_moves(self, data: st.DataObject) -> None:
        for _ in range(len([one for one in self.those() if one.goaways])):
            self.somebody_is_confirmed_elsewhere(data, told_only=True)

    @rule(data=st.data(), then_elsewhere=st.booleans())
    def a_connection_is_lost(self, data: st.DataObject, then_elsewhere: bool) -> None:
        candidates = [one for one in self.people.values() if one.connected and not one.ended]
        if not candidates:
            return
        one = data.draw(st.sampled_from(candidates))
        one.connected = False
        if one.role == "worker" and self.state.phase not in ("serving", "done"):
            self.clock_of.setdefault(one.session_id, self.at)
        self.hear(ConnectionLost(self.at, one.session_id))
        if then_elsewhere and one.here:
            one.here = False
            if one.role == "worker":
                self.place[one.session_id] = "n1"
            self.hear(SessionConfirmedElsewhere(self.at, one.session_id, "n1"))

    @rule(data=st.data())
    def a_session_ends(self, data: st.DataObject) -> None:
        candidates = self.those()
        if not candidates:
            return
        one = data.draw(st.sampled_from(candidates))
        one.ended = True
        for client in self.people.values():
            if client.peers:
                client.peers.discard(one.session_id)
        self.place.pop(one.session_id, None)
        self.hear(SessionEnded(self.at, one.session_id, "client"))

    @rule(data=st.data())
    def a_remote_worker_is_confirmed(self, data: st.DataObject) -> None:
        waiting = [(c.session_id, w) for c in self.those("client") for w in c.peers or () if w.startswith("remote")]
        if waiting:
            client_id, worker_id = data.draw(st.sampled_from(sorted(waiting)))
            node = data.draw(st.sampled_from(OTHERS))
            self.place[worker_id] = node
            self.clock_of.setdefault(worker_id, self.at)
            self.hear(PeerReady(self.at, client_id, worker_id, node))

    @rule(data=st.data(), kind=st.sampled_from(["none", "local", "remote"]))
    def peers_are_learned(self, data: st.DataObject, kind: str) -> None:
        unknown = [one for one in self.those("client") if one.peers is None]
        if unknown:
            one = data.draw(st.sampled_from(unknown))
            worker = next((w.session_id for w in self.those("worker")), "remote-l")
            one.peers = set() if kind == "none" else {worker if kind == "local" else "remote-l"}
            self.hear(PeersLearned(self.at, one.session_id, {w: self.place.get(w, "") for w in one.peers}))

    @rule(role=st.sampled_from(["worker", "client"]), unknown=st.booleans())
    def a_session_arrives_late(self, role: str, unknown: bool) -> None:
        if self.state.phase not in ("serving", "done") and len(self.people) < 30:
            one = self.new(role, None if unknown or role == "worker" else set())
            self.hear(SessionArrived(self.at, self.resident(one)))

    @rule(data=st.data())
    def a_lost_session_comes_back_here(self, data: st.DataObject) -> None:
        lost = [one for one in self.people.values() if not one.connected and one.here and not one.ended]
        if lost and self.state.phase not in ("serving", "done", "closing"):
            one = data.draw(st.sampled_from(lost))
            one.connected = True
            one.goaways = []
            self.place.pop(one.session_id, None)
            self.clock_of.pop(one.session_id, None)
            self.hear(SessionArrived(self.at, self.resident(one)))

    @rule(ready=st.sets(st.sampled_from(OTHERS)))
    def the_targets_change(self, ready: set[str]) -> None:
        self.ready = frozenset(ready)
        self.hear(TargetsChanged(self.at, self.targets()))

    @precondition(lambda self: self.at > 1003)
    @rule(sure=st.integers(0, 9))
    def it_is_turned_back(self, sure: int) -> None:
        if sure:
            return
        could = self.state.phase in ("settling", "waiting_target", "moving")
        was = self.state.phase
        self.hear(Undrain(self.at))
        assert self.state.phase == ("serving" if could else was)

    # ---- what holds ----

    @invariant()
    def the_books_agree(self) -> None:
        ledger = self.state.ledger
        moves = ledger.moves.values()
        assert ledger.unmoved == sum(move.phase in UNMOVED for move in moves)
        assert ledger.window.under_way == sum(move.holds_slot for move in moves)
        assert ledger.window.under_way >= 0
        assert 1 <= ledger.window.size <= ledger.window.maximum
        bonds = {(client, w) for client, workers in ledger.workers_of.items() for w in workers or ()}
        assert bonds == {(client, w) for w, clients in ledger.clients_of.items() for client in clients}

    @invariant()
    def the_window_is_never_exceeded(self) -> None:
        assert self.state.ledger.window.under_way <= self.state.ledger.window.maximum

    @invariant()
    def nobody_waits_for_nothing(self) -> None:
        state = self.state
        if state.phase == "moving" and state.targets and state.at < state.push_at and state.ledger.window.free:
            assert not [move for move in state.ledger.moves.values() if move.phase == "released"]
            ledger = state.ledger
            ready = [
                m for m in ledger.moves.values() if m.phase == "staying" and ledger.peer(m.session_id) != "pending"
            ]
            assert not ready
            late = [
                m for m in ledger.moves.values() if m.phase == "staying" and ledger.deadline(m.session_id) <= state.at
            ]
            assert not late

    @invariant()
    def it_ends_in_time(self) -> None:
        if self.state.phase not in ("serving", "done"):
            assert self.at <= self.state.deadline + self.state.budget.close_grace_s
        assert self.finished + self.resumed <= 1
        assert self.finished == (self.state.phase == "done")

    def teardown(self) -> None:
        """However the story went, the drain ends by itself."""
        if self.state.phase not in ("serving", "done"):
            deadline = self.state.deadline + self.state.budget.close_grace_s
            self.time_passes(max(0.001, deadline - self.at))
            assert self.finished == 1


TestWorld = World.TestCase
TestWorld.settings = settings(
    max_examples=150, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
