"""What a drain was not told it finds out by asking, and no answer of the store can hurt it."""

from collections.abc import Sequence
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from sigrouter.protocol.errors import Unavailable
from sigrouter.services.drain_peers import AT_ONCE, DrainPeers
from sigrouter.services.drain_targets import targets
from sigrouter.stores.records import NodeRecord, PairView, SessionRecord


def record(session_id: str, state: Any, node_id: str) -> SessionRecord:
    return SessionRecord(session_id, "u", "worker", state, 1, 1, node_id, "", "", 0.0, 0.0, "", "kicked")


@define
class Sessions:
    """Answers from its books, or fails; ``gate`` holds back the answers about pairs."""

    records: dict[str, SessionRecord] = field(factory=dict)
    failure: Exception | None = None
    gate: Deferred[None] | None = None
    asked: list[str] = field(factory=list)

    async def pairs_of(self, session_id: str) -> tuple[PairView, ...]:
        self.asked.append(session_id)
        if self.gate is not None:
            await self.gate
        if self.failure:
            raise self.failure
        return (PairView("p1", f"w of {session_id}", "u", "connected", "green"),)

    async def sessions(self, session_ids: Sequence[str]) -> tuple[SessionRecord | None, ...]:
        if self.failure:
            raise self.failure
        return tuple(map(self.records.get, session_ids))


class Asker:
    def __init__(self, store: Sessions) -> None:
        self.heard: list[tuple[Any, ...]] = []
        self.logged: list[Any] = []
        self.peers = DrainPeers(
            store,  # type: ignore[arg-type] # only what it asks
            "blue",
            Logger(observer=self.logged.append),
            learned=lambda *answer: self.heard.append(("learned", *answer)),
            moved=lambda *answer: self.heard.append(("moved", *answer)),
            over=lambda *answer: self.heard.append(("over", *answer)),
        )


def test_a_clients_workers_are_learnt_with_their_nodes() -> None:
    asker = Asker(Sessions())
    Deferred.fromCoroutine(asker.peers.learn(["c1", "c2"]))
    assert asker.heard == [("learned", "c1", {"w of c1": "green"}), ("learned", "c2", {"w of c2": "green"})]


def test_only_so_many_questions_are_under_way_and_none_twice() -> None:
    store = Sessions(gate=Deferred())
    asker = Asker(store)
    clients = [f"c{index}" for index in range(AT_ONCE + 10)]
    Deferred.fromCoroutine(asker.peers.learn(clients))
    Deferred.fromCoroutine(asker.peers.learn(clients[:5]))
    assert len(store.asked) == AT_ONCE
    gate, store.gate = store.gate, None
    assert gate is not None
    gate.callback(None)
    assert sorted(store.asked) == sorted(clients)
    assert len(asker.heard) == len(clients)


def test_a_store_that_is_away_teaches_nothing_quietly() -> None:
    asker = Asker(Sessions(failure=Unavailable()))
    Deferred.fromCoroutine(asker.peers.learn(["c1"]))
    Deferred.fromCoroutine(asker.peers.check(["c1"]))
    assert (asker.heard, asker.logged) == ([], [])


def test_a_bug_is_logged_and_does_not_come_out() -> None:
    asker = Asker(Sessions(failure=KeyError("bug")))
    Deferred.fromCoroutine(asker.peers.learn(["c1"]))
    Deferred.fromCoroutine(asker.peers.check(["c1"]))
    assert [event["log_level"].name for event in asker.logged] == ["critical", "critical"]


def test_a_check_tells_who_has_moved_and_who_is_over() -> None:
    records = {
        "moved": record("moved", "connected", "green"),
        "here": record("here", "connected", "blue"),
        "away": record("away", "away", "green"),
        "ended": record("ended", "ended", ""),
    }
    asker = Asker(Sessions(records))
    Deferred.fromCoroutine(asker.peers.check([*records, "nobody"]))
    assert asker.heard == [("moved", "moved", "green"), ("over", "ended", "kicked"), ("over", "nobody", "unknown")]


def node(node_id: str, stack: str, started_at: float = 1.0, state: Any = "ready") -> NodeRecord:
    return NodeRecord(node_id, stack, state, f"ws://{node_id}", 0, started_at, 99.0)


def preferred(*nodes: NodeRecord, stack: str = "blue") -> list[str]:
    return [one.node_id for one in targets(nodes, "own", stack) if one.preferred]


def test_targets_are_the_other_ready_nodes() -> None:
    found = targets(
        (
            node("own", "blue"),
            node("b", "x"),
            node("a", "x"),
            node("d", "x", state="draining"),
            node("s", "x", state="starting"),
        ),
        "own",
        "blue",
    )
    assert [one.node_id for one in found] == ["a", "b"]
    assert targets((), "own", "blue") == ()


def test_another_stack_goes_before_the_own_one_and_the_youngest_before_all() -> None:
    assert preferred(node("b1", "blue", 9.0), node("g1", "green", 2.0), node("g2", "green", 3.0)) == ["g1", "g2"]
    assert preferred(node("g1", "green", 2.0), node("r1", "red", 5.0)) == ["r1"]
    assert preferred(node("b1", "blue"), node("b2", "blue")) == ["b1", "b2"]
