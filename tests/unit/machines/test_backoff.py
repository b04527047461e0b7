"""Backoff spreads those who come back, and never sooner than they were asked to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sigrouter.machines.backoff import next_delay

UNIT = st.floats(0, 1)
SECONDS = st.floats(0, 1000)


@given(st.integers(0, 10_000), UNIT, SECONDS, SECONDS)
def test_a_delay_is_between_zero_and_its_ceiling(attempt: int, unit: float, base: float, cap: float) -> None:
    assert 0 <= next_delay(attempt, unit, base, cap) <= min(cap, base * 2.0 ** min(attempt, 62))


def test_the_ceiling_doubles_until_the_cap() -> None:
    assert [next_delay(attempt, 1.0, 0.5, 3.0) for attempt in range(5)] == [0.5, 1.0, 2.0, 3.0, 3.0]


def test_chance_alone_decides_within_the_ceiling() -> None:
    assert [next_delay(2, unit, 1.0, 60.0) for unit in (0.0, 0.25, 0.5)] == [0.0, 1.0, 2.0]


@given(st.integers(0, 100), UNIT, st.floats(0, 60))
def test_what_the_server_asked_for_is_a_floor_with_the_jitter_on_top(attempt: int, unit: float, asked: float) -> None:
    assert next_delay(attempt, unit, 0.1, 5.0, asked) == asked + next_delay(attempt, unit, 0.1, 5.0)


def test_a_server_that_asks_for_no_pause_changes_nothing() -> None:
    assert next_delay(3, 0.5, 0.1, 5.0, 0.0) == next_delay(3, 0.5, 0.1, 5.0)
    assert next_delay(3, 0.5, 0.1, 5.0, -7.0) == next_delay(3, 0.5, 0.1, 5.0)


@pytest.mark.parametrize(
    "wrong", [(-1, 0.5, 1.0, 1.0), (0, -0.1, 1.0, 1.0), (0, 1.1, 1.0, 1.0), (0, 0.5, -1.0, 1.0), (0, 0.5, 1.0, -1.0)]
)
def test_nonsense_is_refused(wrong: tuple[int, float, float, float]) -> None:
    with pytest.raises(ValueError):
        next_delay(*wrong)
