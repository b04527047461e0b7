"""The report of a handover says who was kept, who was lost and where, and how long it took."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from sigrouter.services.handover_report import STAGES, RoleTally, Spread, report
from sigrouter.stores.records import Step


def steps_of(session_id: str, *names: str, role: str = "client", start: int = 1000, every: int = 10) -> list[Step]:
    """Old node: what it sees itself; new node: the rest."""
    old = ("worker_ready", "goaway_sent", "left", "cut", "ended")
    return [
        Step(session_id, role, name, start + index * every, "blue" if name in old else "green", {"n": index})
        for index, name in enumerate(names)
    ]


def frame(outcome: str = "done", start: int = 0, end: int = 5000) -> list[Step]:
    return [
        Step("", "node", "drain_started", start, "blue", {"reason": "deploy"}),
        Step("", "node", "drain_finished", end, "blue", {"outcome": outcome}),
    ]


def test_a_perfect_handover_kept_everybody() -> None:
    made = report([*frame(), *steps_of("w1", *STAGES[1:], role="worker"), *steps_of("c1", *STAGES)])
    assert (made.outcome, made.reason, made.started_at, made.duration_ms) == ("done", "deploy", 0, 5000)
    assert made.roles == (RoleTally("client", 1, 1, 0, 0, 0), RoleTally("worker", 1, 1, 0, 0, 0))
    assert (made.lost, made.lost_at, made.kept_share) == ((), {}, 1.0)
    assert made.stages["goaway_sent -> connected"] == Spread(2, 10, 10, 10)
    assert list(made.stages) == [f"{a} -> {b}" for a, b in itertools.pairwise(STAGES)]
    assert made.gap == Spread(2, 50, 50, 50)


def test_a_lost_session_is_shown_with_its_last_step() -> None:
    made = report(
        [*frame(), *steps_of("c1", "goaway_sent", "connected", "token_ok"), *steps_of("c2", "goaway_sent", "cut")]
    )
    assert made.lost_at == {"token_ok": 1, "cut": 1}
    assert [(one.session_id, one.step, one.node_id) for one in made.lost] == [
        ("c1", "token_ok", "green"),
        ("c2", "cut", "blue"),
    ]
    assert made.kept_share == 0.0


def test_a_session_that_was_cut_and_came_back_was_kept() -> None:
    made = report([*frame(), *steps_of("c1", "goaway_sent", "cut", "connected", "resumed", "confirmed")])
    assert made.roles == (RoleTally("client", 1, 1, 0, 0, 0),)


def test_a_session_that_ended_was_neither_kept_nor_lost() -> None:
    made = report([*frame(), *steps_of("c1", "goaway_sent", "ended")])
    assert made.roles == (RoleTally("client", 1, 0, 0, 1, 0),)
    assert made.kept_share == 1.0


def test_after_undrain_who_did_not_move_has_stayed() -> None:
    made = report([*frame("undrained"), *steps_of("c1", "goaway_sent"), *steps_of("c2", "goaway_sent", "left")])
    assert made.roles == (RoleTally("client", 2, 0, 1, 0, 1),)


def test_a_handover_that_still_runs_has_no_duration() -> None:
    made = report([frame()[0], *steps_of("c1", "goaway_sent")])
    assert (made.outcome, made.duration_ms, made.gap) == ("running", 0, None)
    assert made.roles[0].stayed == 1


def test_nothing_is_known_of_an_unknown_handover() -> None:
    made = report([])
    assert (made.outcome, made.started_at, made.roles, made.kept_share) == ("running", 0, (), 1.0)


def test_the_gap_is_read_on_one_clock_where_the_old_node_saw_both_ends() -> None:
    steps = [
        Step("c1", "client", "goaway_sent", 1000, "blue", {}),
        Step("c1", "client", "confirmed", 900, "green", {}),
        Step("c1", "client", "confirmed", 1070, "blue", {}),
    ]
    assert report(steps).gap == Spread(1, 70, 70, 70)
    assert report(steps[:2]).gap == Spread(1, 0, 0, 0)


def test_percentiles_are_nearest_rank() -> None:
    steps = [step for index in range(1, 101) for step in (
        Step(f"c{index}", "client", "goaway_sent", 0, "blue", {}), Step(f"c{index}", "client", "confirmed", index, "blue", {})
    )]  # fmt: skip
    assert report(steps).gap == Spread(100, 50, 99, 100)


@given(
    st.lists(
        st.tuples(st.integers(0, 5), st.sampled_from([*STAGES, "cut", "left", "ended", "refused"]), st.integers(0, 99))
    )
)
def test_whatever_was_recorded_in_whatever_order_every_session_is_counted_once(raw: list[tuple[int, str, int]]) -> None:
    steps = [Step(f"s{number}", "client", name, at, "n", {}) for number, name, at in raw]
    made = report(steps)
    assert sum(role.sessions for role in made.roles) == len({step.session_id for step in steps})
    assert all(role.sessions == role.kept + role.stayed + role.ended + role.lost for role in made.roles)
    assert len(made.lost) == sum(role.lost for role in made.roles) == sum(made.lost_at.values())
    assert report(steps[::-1]).roles == made.roles
    assert all(0 <= one.p50_ms <= one.p99_ms <= one.max_ms for one in made.stages.values())
