"""A seed is a whole run, and a long run has everything in it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.chaos.scenario import (
    NODE_LEASE_S,
    CrashRedis,
    Cut,
    CutRedis,
    Delay,
    FreezeLeaver,
    FreezeNode,
    FreezeRedis,
    Isolate,
    LoseTarget,
    Replace,
    RestartBalancer,
    Swallow,
    TurnBack,
    duration_s,
    scenario,
)
from tests.node.test_chaos_short import SECONDS, SEED

KINDS = {
    *(Replace, LoseTarget, FreezeNode, FreezeLeaver, TurnBack),
    *(CrashRedis, FreezeRedis, Isolate, CutRedis),
    *(Cut, Swallow, Delay, RestartBalancer),
}
SEEDS = st.integers(min_value=0, max_value=2**32)


@given(SEEDS)
def test_the_same_seed_is_the_same_run(seed: int) -> None:
    assert scenario(seed, 300.0) == scenario(seed, 300.0)


def test_another_seed_is_another_run() -> None:
    assert len({str(scenario(seed, 60.0).lanes) for seed in range(50)}) == 50


@given(SEEDS, st.floats(min_value=1.0, max_value=2000.0))
def test_faults_of_a_lane_begin_one_after_the_other_and_in_time(seed: int, seconds: float) -> None:
    for lane in scenario(seed, seconds).lanes.values():
        now = 0.0
        for planned in lane:
            assert now < planned.at < seconds
            now = planned.at + duration_s(planned.fault)


@given(SEEDS)
def test_a_longer_run_begins_like_the_shorter_one(seed: int) -> None:
    shorter, longer = scenario(seed, 100.0), scenario(seed, 200.0)
    for lane, planned in shorter.lanes.items():
        assert longer.lanes[lane][: len(planned)] == planned


@given(SEEDS)
def test_ten_minutes_hold_every_kind_of_fault(seed: int) -> None:
    faults = scenario(seed, 600.0).faults
    assert {type(fault) for fault in faults} == KINDS
    assert {fault.crash for fault in faults if isinstance(fault, Replace)} == {True, False}
    assert {fault.where for fault in faults if isinstance(fault, Cut)} == {"anywhere", "request", "answer"}
    frozen_s = [fault.seconds for fault in faults if isinstance(fault, FreezeNode)]
    assert min(frozen_s) < NODE_LEASE_S < max(frozen_s)


@given(SEEDS)
def test_nothing_lasts_so_long_that_a_session_may_be_given_up(seed: int) -> None:
    assert max(duration_s(fault) for fault in scenario(seed, 600.0).faults) <= 15.0


@pytest.mark.parametrize("kind", [Replace, CrashRedis, Cut], ids=lambda kind: kind.__name__)
def test_the_short_run_holds_what_matters_most(kind: type) -> None:
    assert any(isinstance(fault, kind) for fault in scenario(SEED, SECONDS).faults)


def test_the_short_run_replaces_a_node_by_a_handover_and_one_by_a_crash() -> None:
    replaced = [fault for fault in scenario(SEED, SECONDS).faults if isinstance(fault, Replace)]
    assert {fault.crash for fault in replaced} == {True, False}


def test_the_short_run_loses_answers_so_that_messages_are_repeated() -> None:
    cuts = [fault for fault in scenario(SEED, SECONDS).faults if isinstance(fault, Cut)]
    assert any(cut.where == "answer" for cut in cuts)
    assert any(isinstance(fault, CutRedis) for fault in scenario(SEED, SECONDS).faults)
