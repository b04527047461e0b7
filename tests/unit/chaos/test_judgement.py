"""The judge of a chaos run overlooks nothing; a run in which nothing is wrong gets no complaint."""

from collections.abc import Mapping
from typing import Any

import pytest
from attrs import evolve

from tests.chaos.judgement import Evidence, complaints

LEDGER = {
    "offered": 10,
    "acknowledged": 10,
    "delivered": 10,
    "details": ["the detail"],
    **dict.fromkeys(("lost", "doubled", "disordered", "misdelivered", "invented", "refused", "unanswered"), 0),
}


def end(name: str, session_id: str) -> dict[str, Any]:
    return {"name": name, "pair_id": "p", "session_id": session_id, "sessions": [session_id]}


GOOD = Evidence(
    before=[end("worker-0", "w"), end("client-0", "c")],
    after=[end("worker-0", "w"), end("client-0", "c")],
    final={"ledger": LEDGER, "faults": []},
    pairs={"w": {"p": "c"}, "c": {"p": "w"}},
    exit_codes={"a1": 0},
    logs={"a1": "a node starts\nRedis cannot be reached\n", "the traffic": ""},
)


def ledger(**figures: int) -> Mapping[str, Any]:
    return {"ledger": {**LEDGER, **figures}, "faults": []}


def test_a_good_run_gets_no_complaint() -> None:
    assert complaints(GOOD) == []


@pytest.mark.parametrize(
    "fault", ["lost", "doubled", "disordered", "misdelivered", "invented", "refused", "unanswered"]
)
def test_one_message_that_fared_ill_is_enough(fault: str) -> None:
    (complaint,) = complaints(evolve(GOOD, final=ledger(**{fault: 1})))
    assert fault in complaint
    assert "the detail" in complaint


def test_a_run_in_which_nobody_spoke_proves_nothing() -> None:
    assert complaints(evolve(GOOD, final=ledger(offered=0, acknowledged=0, delivered=0)))


def test_every_message_was_delivered() -> None:
    assert complaints(evolve(GOOD, final=ledger(delivered=9)))


def test_a_session_that_was_lost_or_replaced_is_told() -> None:
    assert complaints(evolve(GOOD, final={"ledger": LEDGER, "faults": ["client-0: Reset"]})) == ["client-0: Reset"]
    replaced = {**end("client-0", "c2"), "sessions": ["c", "c2"]}
    assert "client-0" in complaints(evolve(GOOD, after=[GOOD.after[0], replaced]))[0]
    # It went and came back: the id alone does not show that.
    returned = {**end("client-0", "c"), "sessions": ["c", "c2", "c"]}
    assert "client-0" in complaints(evolve(GOOD, after=[GOOD.after[0], returned]))[0]


@pytest.mark.parametrize("pairs", [{}, {"q": "w"}, {"p": "another"}, {"p": "w", "q": "x"}], ids=str)
def test_a_pair_that_the_server_knows_otherwise_is_told(pairs: Mapping[str, str]) -> None:
    (complaint,) = complaints(evolve(GOOD, pairs={"w": {"p": "c"}, "c": pairs}))
    assert complaint.startswith("client-0")


@pytest.mark.parametrize("code", [1, -9, None])
def test_a_node_that_did_not_end_well_is_told(code: int | None) -> None:
    assert complaints(evolve(GOOD, exit_codes={"a1": 0, "b1": code})) == [f"b1 was told to stop and ended with {code}"]


@pytest.mark.parametrize("line", ["Traceback (most recent call last):", "Unhandled error in Deferred:"])
def test_a_bug_in_a_log_is_shown_with_what_stands_around_it(line: str) -> None:
    log = f"before\n{line}\nValueError: the reason\n"
    (complaint,) = complaints(evolve(GOOD, logs={"b1": log}))
    assert "b1" in complaint
    assert "before" in complaint
    assert "the reason" in complaint


def test_a_token_in_a_log_is_told_and_not_repeated() -> None:
    token = "eyJhbGciOiJIUzI1NiJ9.eyJzaWQiOiIxIn0.c2lnbmF0dXJl"
    (complaint,) = complaints(evolve(GOOD, logs={"b1": f"here: {token}"}))
    assert "b1" in complaint
    assert token not in complaint
