"""Steps and marks reach the store in order and in batches, however often it is away."""

from collections.abc import Sequence
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import Logger

from sigrouter.protocol.errors import Unavailable
from sigrouter.services.drain_journal import BATCH, DrainJournal
from sigrouter.stores.records import Step


@define
class Handovers:
    """Takes what it is given, unless it is told to fail."""

    fails: list[Exception] = field(factory=list)
    calls: list[tuple[str, str, list[Any]]] = field(factory=list)

    async def mark(self, handover_id: str, session_ids: Sequence[str]) -> None:
        self._take("mark", handover_id, session_ids)

    async def record(self, handover_id: str, steps: Sequence[Step]) -> None:
        self._take("record", handover_id, steps)

    def _take(self, what: str, handover_id: str, items: Sequence[Any]) -> None:
        if self.fails:
            raise self.fails.pop()
        self.calls.append((what, handover_id, list(items)))


def journal(store: Any, logged: list[Any] | None = None) -> tuple[DrainJournal, Clock]:
    clock = Clock()
    sink: list[Any] = [] if logged is None else logged
    return DrainJournal(store, clock, lambda: 0.5, Logger(observer=sink.append)), clock


def step(number: int) -> Step:
    return Step(f"s{number}", "client", "goaway_sent", number, "n0", {})


def test_marks_go_first_and_each_kind_goes_together() -> None:
    store = Handovers()
    book, _ = journal(store)
    for number in range(3):
        book.record("h1", step(number))
        book.mark("h1", f"s{number}")
    assert book.unwritten == 6
    book.flush()
    assert store.calls == [("mark", "h1", ["s0", "s1", "s2"]), ("record", "h1", [step(0), step(1), step(2)])]
    assert book.unwritten == 0


def test_a_long_list_goes_in_batches_and_two_handovers_apart() -> None:
    store = Handovers()
    book, _ = journal(store)
    for number in range(BATCH + 1):
        book.record("h1", step(number))
    book.record("h2", step(7))
    book.flush()
    assert [(handover_id, len(items)) for _, handover_id, items in store.calls] == [("h1", BATCH), ("h1", 1), ("h2", 1)]


def test_what_a_store_that_is_away_did_not_take_is_tried_again_in_order() -> None:
    store = Handovers(fails=[Unavailable(), Unavailable(), Unavailable()])
    book, clock = journal(store)
    book.record("h1", step(1))
    book.flush()
    book.record("h1", step(2))
    book.flush()
    assert store.calls == []
    for _ in range(20):
        clock.advance(0.1)
    assert store.calls == [("record", "h1", [step(1), step(2)])]
    assert clock.getDelayedCalls() == []


def test_waiting_for_the_end_answers_when_all_is_written() -> None:
    store = Handovers(fails=[Unavailable()])
    book, clock = journal(store)
    book.record("h1", step(1))
    answers: list[bool] = []
    Deferred.fromCoroutine(book.written(5.0)).addCallback(answers.append)
    assert answers == []
    clock.advance(0.2)
    assert answers == [True]
    assert clock.getDelayedCalls() == []
    Deferred.fromCoroutine(book.written(5.0)).addCallback(answers.append)
    assert answers == [True, True]


def test_waiting_for_the_end_has_an_end_and_leaves_no_timer_behind() -> None:
    store = Handovers(fails=[Unavailable()] * 99)
    book, clock = journal(store)
    book.record("h1", step(1))
    answers: list[bool] = []
    Deferred.fromCoroutine(book.written(2.0)).addCallback(answers.append)
    for _ in range(21):
        clock.advance(0.1)
    assert answers == [False]
    assert book.unwritten == 1
    assert clock.getDelayedCalls() == []


def test_a_bug_in_writing_is_logged_and_costs_the_report_only() -> None:
    logged: list[Any] = []
    store = Handovers(fails=[ValueError("bug")])
    book, clock = journal(store, logged)
    book.mark("h1", "s1")
    book.record("h1", step(1))
    book.flush()
    assert (book.unwritten, clock.getDelayedCalls()) == (0, [])
    assert logged[0]["log_level"].name == "critical"
    assert logged[0]["count"] == 2
