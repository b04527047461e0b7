"""The drain service on the memory store and a clock of its own: nodes in one process, peers that move when told."""

from collections.abc import Mapping
from typing import Any

from attrs import define, evolve, field
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import Logger

from sigrouter.protocol import uris
from sigrouter.protocol.errors import Unavailable
from sigrouter.services.drain import DrainReport, DrainService, LocalSession
from sigrouter.settings.model import DrainSettings
from sigrouter.stores.memory import MemoryBackend, MemoryStore
from sigrouter.stores.records import Claim, Confirm, Confirmed, NewSession, NodeRecord, Paired, Role
from tests.contract.case import CaseTimes

SETTINGS = DrainSettings(
    settle_s=1, pair_deadline_s=5, move_timeout_s=2, target_wait_s=10, window_initial=4, window_max=64
)


def now_or_never(coroutine: Any) -> Any:
    """The result of a coroutine that has nothing to wait for."""
    deferred = Deferred.fromCoroutine(coroutine)
    assert deferred.called, "it waits for something"
    results: list[Any] = []
    deferred.addBoth(results.append)
    if hasattr(results[0], "raiseException"):
        results[0].raiseException()
    return results[0]


class Deaf:
    """A listener that hears nothing; the nodes that are only targets have it."""

    def __getattr__(self, name: str) -> Any:
        return lambda *_: None


class Node:
    """A node with its connections; it is the store's listener and passes on what it hears, as a pod does."""

    def __init__(self, cluster: "Cluster", node_id: str, stack: str, settings: DrainSettings) -> None:
        self.node_id, self.stack, self.cluster = node_id, stack, cluster
        self.store = MemoryStore(cluster.backend, CaseTimes(), cluster.clock.seconds, cluster.new_id)
        self.local: dict[str, LocalSession] = {}
        self.goaways: dict[str, list[Mapping[str, Any]]] = {}
        self.closes: dict[str, str] = {}
        self.obedient = True
        self.told_nodes: list[str] = []
        self.announce_fails = 0
        self.drain = DrainService(
            store=self.store,
            connections=self,
            settings=settings,
            node_id=node_id,
            clock=cluster.clock,
            new_id=cluster.new_id,
            stack=stack,
            log=Logger(observer=cluster.logged.append),
            announce=self.announce,
        )
        now_or_never(self.store.open(node_id, self))
        self.lease("ready")

    def lease(self, state: Any) -> None:
        record = NodeRecord(
            self.node_id, self.stack, state, f"ws://{self.node_id}", 0, self.cluster.clock.seconds(), 0.0
        )
        now_or_never(self.store.lease(record))

    async def announce(self) -> None:
        if self.announce_fails:
            self.announce_fails -= 1
            raise Unavailable
        self.told_nodes.append("draining" if self.drain.draining else "ready")
        self.lease(self.told_nodes[-1])

    # ---- Connections ----

    def sessions(self) -> list[LocalSession]:
        return list(self.local.values())

    def session(self, session_id: str) -> LocalSession | None:
        return self.local.get(session_id)

    def send_goaway(self, session_id: str, payload: Mapping[str, Any]) -> None:
        self.goaways.setdefault(session_id, []).append(payload)
        if self.obedient:
            self.cluster.clock.callLater(payload["reconnect_after_ms"] / 1000 + 0.02, self.cluster.move, session_id)

    def close(self, session_id: str, reason: str) -> None:
        self.closes.setdefault(session_id, reason)
        self.lose(session_id)

    def lose(self, session_id: str) -> None:
        session = self.local.pop(session_id, None)
        if session is not None:
            if self.cluster.backend.reachable:
                now_or_never(self.store.lost(session_id, session.generation))
            self.drain.on_connection_lost(session_id)

    # ---- Listener ----

    def __getattr__(self, name: str) -> Any:
        if name in ("on_entry", "on_notice"):
            return lambda *_: None
        raise AttributeError(name)

    def on_superseded(self, session_id: str, generation: int, node_id: str) -> None:
        self.drain.on_superseded(session_id, generation, node_id)
        self.cluster.clock.callLater(0.001, self.lose, session_id)

    def on_peer_ready(self, session_id: str, peer_session_id: str, peer_node_id: str) -> None:
        self.drain.on_peer_ready(session_id, peer_session_id, peer_node_id)

    def on_ended(self, session_id: str, reason: str) -> None:
        self.drain.on_ended(session_id, reason)

    def on_nodes_changed(self) -> None:
        self.drain.on_nodes_changed()

    def on_interrupted(self) -> None:
        self.drain.on_interrupted()


@define(eq=False)
class Cluster:
    """Some nodes on one memory store. Blue drains; sessions that are told move to ``destination``."""

    clock: Clock = field(factory=Clock)
    backend: MemoryBackend = field(factory=MemoryBackend)
    logged: list[Any] = field(factory=list)
    nodes: dict[str, Node] = field(factory=dict)
    destination: str = "green"
    count: int = 0
    faults_expected: bool = False

    def new_id(self) -> str:
        self.count += 1
        return f"id{self.count}"

    def node(self, node_id: str, stack: str = "", settings: DrainSettings = SETTINGS) -> Node:
        self.nodes[node_id] = Node(self, node_id, stack or node_id, settings)
        return self.nodes[node_id]

    def session(self, session_id: str, role: Role, node_id: str) -> None:
        """A session that is confirmed on a node."""
        node = self.nodes[node_id]
        now_or_never(node.store.create(NewSession(session_id, f"user {session_id}", role, node_id, node.stack, "1")))
        self._confirm(session_id, 1, node)

    def _confirm(self, session_id: str, generation: int, node: Node) -> None:
        confirm = Confirm(session_id, generation, node.node_id, node.stack, str(generation), None, 100)
        confirmed = now_or_never(node.store.confirm(confirm))
        assert isinstance(confirmed, Confirmed)
        peers = tuple(pair.peer_session_id for pair in confirmed.pairs)
        node.local[session_id] = LocalSession(session_id, confirmed.record.role, generation, peers)

    def pair(self, client_id: str, worker_id: str, node_id: str) -> None:
        """A client that is bound to this worker; nobody else has the ability of that name."""
        store = self.nodes[node_id].store
        now_or_never(store.announce(worker_id, 1, frozenset({worker_id}), 100))
        assert isinstance(now_or_never(store.request(client_id, 1, frozenset({worker_id}), 60.0)), Paired)

    def move(self, session_id: str) -> None:
        """The session resumes on the destination, while it still has its old connection."""
        if not self.backend.reachable:
            self.clock.callLater(0.2, self.move, session_id)
            return
        node = self.nodes[self.destination]
        record = now_or_never(node.store.session(session_id))
        if record is None or record.state == "ended" or record.node_id == node.node_id:
            return
        claim = Claim(session_id, record.user_id, record.role, record.claimed, node.node_id, node.stack, "2")
        self._confirm(session_id, now_or_never(node.store.claim(claim)).generation, node)

    def run(self, seconds: float, step: float = 0.01) -> None:
        for _ in range(round(seconds / step)):
            self.clock.advance(step)
            if self.backend.reachable and round(self.clock.seconds() / step) % 500 == 0:
                for node in self.nodes.values():
                    node.lease("draining" if node.drain.draining else "ready")
        assert self.faults_expected or not self.faults(), self.faults()

    def faults(self) -> list[Any]:
        return [event for event in self.logged if event["log_level"].name == "critical"]

    def steps(self, handover_id: str, session_id: str = "") -> list[str]:
        steps = now_or_never(self.nodes["blue"].store.handover(handover_id))
        return [step.step for step in steps if step.session_id == session_id]


def start(node: Node, budget_s: float = 30.0, reason: str = "deploy") -> list[DrainReport]:
    """Start a drain; its report is put in the list that is given back."""
    reports: list[DrainReport] = []
    Deferred.fromCoroutine(node.drain.drain(reason, budget_s)).addCallback(reports.append)
    return reports


def two_nodes(settings: DrainSettings = SETTINGS) -> tuple[Cluster, Node, Node]:
    cluster = Cluster()
    return cluster, cluster.node("blue", settings=settings), cluster.node("green", settings=settings)


def test_workers_move_first_then_their_clients_and_nobody_is_cut() -> None:
    cluster, blue, green = two_nodes()
    for name in ("w1", "w2"):
        cluster.session(name, "worker", "blue")
    for index in range(10):
        cluster.session(f"c{index}", "client", "blue")
        cluster.pair(f"c{index}", f"w{index % 2 + 1}", "blue")
    cluster.session("alone", "client", "blue")
    reports = start(blue)
    assert blue.drain.draining
    cluster.run(0.9)
    assert blue.goaways == {}
    cluster.run(5)
    assert reports[0].outcome == "drained"
    assert dict(reports[0].ends) == {"gone": 13}
    assert reports[0].unwritten == 0
    assert set(green.local) == {"w1", "w2", "alone", *(f"c{index}" for index in range(10))}
    assert all(len(goaways) == 1 for goaways in blue.goaways.values())
    assert [blue.goaways[f"c{index}"][0]["peer"] for index in range(10)] == ["ready"] * 10
    assert blue.goaways["alone"][0]["peer"] == "none"
    assert set(blue.closes.values()) <= {uris.CLOSE_SUPERSEDED}
    handover_id = reports[0].handover_id
    assert cluster.steps(handover_id, "c1") == ["worker_ready", "goaway_sent", "confirmed"]
    assert cluster.steps(handover_id) == ["drain_started", "drain_finished"]
    assert (blue.drain.phase, blue.drain.draining, blue.drain.handover_id) == ("done", True, handover_id)


def test_the_goaway_holds_all_that_the_protocol_names() -> None:
    cluster, blue, _ = two_nodes()
    cluster.session("c1", "client", "blue")
    start(blue, reason="rollout")
    cluster.run(1.5)
    (goaway,) = blue.goaways["c1"]
    assert set(goaway) == {"reason", "handover_id", "deadline_ms", "reconnect_after_ms", "stack", "url", "peer"}
    assert (goaway["reason"], goaway["stack"], goaway["url"]) == ("rollout", "green", "ws://green")
    assert goaway["handover_id"] == blue.drain.handover_id


def test_the_next_node_finds_the_mark_when_the_session_arrives() -> None:
    cluster, blue, green = two_nodes()
    cluster.session("c1", "client", "blue")
    start(blue)
    cluster.run(1.01)
    assert now_or_never(green.store.session("c1")).handover_id == blue.drain.handover_id


def test_calls_while_a_drain_runs_and_after_it_share_its_report() -> None:
    cluster, blue, _ = two_nodes()
    cluster.session("c1", "client", "blue")
    first = start(blue)
    second = start(blue, reason="again")
    cluster.run(3)
    assert first == second
    assert first[0].reason == "deploy"
    assert start(blue) == first


def test_an_empty_node_is_drained_when_it_has_settled() -> None:
    cluster, blue, _ = two_nodes()
    reports = start(blue)
    cluster.run(1.1)
    assert dict(reports[0].ends) == {}


def test_the_other_nodes_are_told_even_if_the_store_fails_at_first() -> None:
    cluster, blue, _ = two_nodes()
    blue.announce_fails = 3
    cluster.session("c1", "client", "blue")
    start(blue)
    assert blue.told_nodes == []
    cluster.run(1)
    assert blue.told_nodes == ["draining"]


def test_a_client_whose_worker_is_elsewhere_already_goes_at_once() -> None:
    cluster, blue, _ = two_nodes()
    cluster.session("w1", "worker", "green")
    cluster.session("c1", "client", "blue")
    cluster.pair("c1", "w1", "green")
    start(blue)
    cluster.run(1.1)
    assert blue.goaways["c1"][0]["peer"] == "ready"


def test_a_client_whose_worker_never_comes_is_told_at_its_deadline() -> None:
    cluster, blue, _ = two_nodes()
    cluster.session("w1", "worker", "blue")
    cluster.session("c1", "client", "blue")
    cluster.pair("c1", "w1", "blue")
    blue.obedient = False
    start(blue)
    cluster.run(5.9)
    assert set(blue.goaways) == {"w1"}
    cluster.run(0.2)
    assert blue.goaways["c1"][0]["peer"] == "pending"


def test_a_worker_that_breaks_before_it_makes_frees_its_client_when_it_is_back() -> None:
    cluster, blue, _ = two_nodes()
    cluster.session("w1", "worker", "blue")
    cluster.session("c1", "client", "blue")
    cluster.pair("c1", "w1", "blue")
    blue.obedient = False
    reports = start(blue)
    cluster.run(1.5)
    blue.lose("w1")
    cluster.run(0.5)
    cluster.move("w1")
    assert blue.goaways["c1"][0]["peer"] == "ready"
    cluster.move("c1")
    cluster.run(1)
    assert dict(reports[0].ends) == {"gone": 2}


def test_without_another_node_everybody_stays_until_one_comes() -> None:
    cluster = Cluster()
    blue = cluster.node("blue")
    cluster.session("c1", "client", "blue")
    reports = start(blue)
    cluster.run(12)
    assert blue.goaways == {}
    assert any("no other node" in event["log_format"] for event in cluster.logged)
    cluster.node("green")
    cluster.run(1)
    assert dict(reports[0].ends) == {"gone": 1}


def test_if_no_node_ever_comes_the_sessions_are_closed_at_the_deadline_and_stay_resumable() -> None:
    cluster = Cluster()
    blue = cluster.node("blue")
    cluster.session("c1", "client", "blue")
    reports = start(blue, budget_s=17)
    cluster.run(16.9)
    assert blue.closes == {}
    cluster.run(0.2)
    assert blue.closes == {"c1": uris.CLOSE_GOAWAY}
    assert dict(reports[0].ends) == {"cut": 1}
    assert now_or_never(blue.store.session("c1")).state == "away"
    assert cluster.steps(reports[0].handover_id, "c1") == ["cut"]


def test_turning_back_closes_nothing_answers_those_who_wait_and_allows_another_drain() -> None:
    cluster, blue, _ = two_nodes()
    blue.obedient = False
    cluster.session("c1", "client", "blue")
    assert not blue.drain.undrain()
    reports = start(blue)
    cluster.run(1.5)
    assert blue.drain.undrain()
    assert reports[0].outcome == "undrained"
    assert (blue.closes, blue.drain.draining, blue.drain.handover_id) == ({}, False, "")
    assert blue.told_nodes == ["draining", "ready"]
    cluster.run(60)
    assert blue.closes == {}
    blue.obedient = True
    again = start(blue)
    cluster.run(3)
    assert again[0].outcome == "drained"
    assert again[0].handover_id != reports[0].handover_id
    assert not blue.drain.undrain()


def test_a_session_that_arrives_late_goes_with_the_others() -> None:
    cluster, blue, _ = two_nodes()
    cluster.session("c1", "client", "blue")
    reports = start(blue)
    cluster.run(0.5)
    cluster.session("late", "client", "blue")
    blue.drain.on_arrived("late")
    blue.drain.on_arrived("nobody")
    cluster.run(2)
    assert dict(reports[0].ends) == {"gone": 2}


def test_a_new_connection_of_a_session_on_this_node_is_no_move_and_the_old_ones_loss_no_loss() -> None:
    cluster, blue, _ = two_nodes()
    blue.obedient = False
    cluster.session("c1", "client", "blue")
    start(blue)
    blue.local["c1"] = evolve(blue.local["c1"], generation=2)
    blue.drain.on_superseded("c1", 2, "blue")
    blue.drain.on_connection_lost("c1")
    cluster.run(1.5)
    assert set(blue.goaways) == {"c1"}


def test_a_session_that_ends_is_not_waited_for() -> None:
    cluster, blue, green = two_nodes()
    blue.obedient = False
    cluster.session("c1", "client", "blue")
    reports = start(blue)
    cluster.run(1.5)
    now_or_never(green.store.end("c1", "kicked"))
    blue.lose("c1")
    cluster.run(0.1)
    assert dict(reports[0].ends) == {"left": 1}
    assert cluster.steps(reports[0].handover_id, "c1") == ["goaway_sent", "ended"]


def test_a_store_that_is_away_during_the_whole_settling_costs_time_but_no_session_and_no_step() -> None:
    cluster, blue, green = two_nodes()
    cluster.session("w1", "worker", "blue")
    cluster.session("c1", "client", "blue")
    cluster.pair("c1", "w1", "blue")
    cluster.backend.stop()
    reports = start(blue)
    cluster.run(4)
    assert blue.goaways == {}
    cluster.backend.start(keep_data=True)
    cluster.run(4)
    assert dict(reports[0].ends) == {"gone": 2}
    assert set(green.local) == {"w1", "c1"}
    assert cluster.steps(reports[0].handover_id) == ["drain_started", "drain_finished"]
    assert cluster.steps(reports[0].handover_id, "c1") == ["worker_ready", "goaway_sent", "confirmed"]


def test_a_store_that_goes_away_amid_the_moves_loses_no_step() -> None:
    cluster, blue, _ = two_nodes()
    for index in range(20):
        cluster.session(f"c{index}", "client", "blue")
    reports = start(blue)
    cluster.run(1.01)
    cluster.backend.stop()
    cluster.run(3)
    cluster.backend.start(keep_data=True)
    cluster.run(10)
    assert dict(reports[0].ends) == {"gone": 20}
    assert reports[0].unwritten == 0
    for index in range(20):
        steps = cluster.steps(reports[0].handover_id, f"c{index}")
        assert (steps[0], steps[-1]) == ("goaway_sent", "confirmed")


def test_a_store_that_never_comes_back_cannot_hold_up_the_end() -> None:
    cluster, blue, _ = two_nodes()
    cluster.session("c1", "client", "blue")
    start_at = cluster.clock.seconds()
    cluster.backend.stop()
    reports = start(blue, budget_s=10)
    cluster.run(13.5)
    assert dict(reports[0].ends) == {"cut": 1}
    assert reports[0].unwritten > 0
    assert reports[0].duration_s <= 11.1
    assert cluster.clock.seconds() - start_at <= 14


def test_a_move_whose_notification_was_lost_is_found_by_asking() -> None:
    cluster, blue, _ = two_nodes()
    cluster.session("w1", "worker", "blue")
    cluster.session("c1", "client", "blue")
    cluster.pair("c1", "w1", "blue")
    blue.obedient = False
    reports = start(blue)
    cluster.run(1.5)
    cluster.backend.listeners["blue"] = Deaf()
    cluster.move("w1")
    assert "c1" not in blue.goaways
    cluster.run(2.5)
    assert blue.goaways["c1"][0]["peer"] == "ready"
    cluster.move("c1")
    cluster.run(2.5)
    assert dict(reports[0].ends) == {"gone": 2}


def test_one_session_that_cannot_be_told_keeps_nobody_else_back() -> None:
    cluster, blue, _ = two_nodes()
    for index in range(6):
        cluster.session(f"c{index}", "client", "blue")
    send = blue.send_goaway

    def send_or_fail(session_id: str, payload: Mapping[str, Any]) -> None:
        if session_id == "c0":
            raise RuntimeError("this connection is odd")
        send(session_id, payload)

    blue.send_goaway = send_or_fail  # type: ignore[method-assign] # a fault, put in on purpose
    cluster.faults_expected = True
    reports = start(blue, budget_s=12)
    cluster.run(13.5)
    assert dict(reports[0].ends) == {"gone": 5, "cut": 1}
    assert cluster.faults()


def test_a_thousand_sessions_move_within_seconds_and_never_more_than_the_window_at_once() -> None:
    cluster, blue, green = two_nodes()
    for index in range(20):
        cluster.session(f"w{index}", "worker", "blue")
    for index in range(1000):
        cluster.session(f"c{index}", "client", "blue")
        cluster.pair(f"c{index}", f"w{index % 20}", "blue")
    reports = start(blue)
    most = 0
    for _ in range(800):
        cluster.run(0.01)
        most = max(most, len(blue.goaways) - len(green.local))
    assert dict(reports[0].ends) == {"gone": 1020}
    assert 32 <= most <= 64
    assert all(len(goaways) == 1 for goaways in blue.goaways.values())


def test_a_late_session_that_nobody_announced_is_found_by_looking() -> None:
    cluster, blue, _ = two_nodes()
    blue.obedient = False
    cluster.session("c1", "client", "blue")
    start(blue)
    cluster.run(1.5)
    cluster.session("late", "client", "blue")
    cluster.run(2.5)
    assert set(blue.goaways) == {"c1", "late"}
