"""The window grows while moves arrive, shrinks once for each burst of timeouts, and never leaves its bounds."""

from hypothesis import given
from hypothesis import strategies as st

from sigrouter.machines.pacing import Pacing


def confirm(window: Pacing, moves: int) -> Pacing:
    for _ in range(moves):
        window = window.released()
    for _ in range(moves):
        window = window.confirmed(told_at=9.0, took_s=0.02, at=9.1)
    return window


def test_a_window_opens_with_its_initial_size_and_all_of_it_free() -> None:
    assert Pacing.opening(16, 256).free == 16


def test_a_window_is_at_least_one_and_at_most_its_maximum() -> None:
    assert Pacing.opening(0, 256).free == 1
    assert Pacing.opening(99, 4).free == 4
    assert Pacing.opening(-5, -5).free == 1


def test_a_released_move_takes_a_slot_and_an_abandoned_one_gives_it_back_without_a_lesson() -> None:
    window = Pacing.opening(2, 9).released()
    assert window.free == 1
    assert window.released().free == 0
    assert window.abandoned() == Pacing.opening(2, 9)


def test_until_the_first_timeout_the_window_doubles_with_each_round() -> None:
    window = Pacing.opening(4, 256)
    assert [confirm(window, 4).free, confirm(confirm(window, 4), 8).free] == [8, 16]


def test_after_a_timeout_a_windowful_of_confirmations_adds_about_one() -> None:
    window = Pacing.opening(32, 256).released().timed_out(told_at=0.0, at=5.0)
    assert window.size == 16
    assert 16.9 < confirm(window, 16).size < 17.0


def test_growth_stops_at_the_maximum() -> None:
    assert confirm(Pacing.opening(8, 10), 8).size == 10


def test_a_timeout_halves_the_window_but_not_below_one() -> None:
    window = Pacing.opening(3, 9)
    for at in (1.0, 2.0, 3.0):
        window = window.released().timed_out(told_at=at, at=at)
    assert window.size == 1
    assert window.free == 1


def test_the_timeouts_of_one_burst_halve_the_window_once() -> None:
    window = Pacing.opening(16, 256)
    for _ in range(16):
        window = window.released()
    for _ in range(16):
        window = window.timed_out(told_at=0.0, at=5.0)
    assert (window.size, window.under_way) == (8, 0)


def test_a_move_told_after_the_narrowing_counts_as_a_new_burst() -> None:
    window = Pacing.opening(16, 256).released().timed_out(told_at=0.0, at=5.0)
    assert window.released().timed_out(told_at=5.0, at=10.0).size == 4


def test_a_window_that_shrank_below_what_is_under_way_has_nothing_free() -> None:
    window = Pacing.opening(4, 9).released().released().released().released().timed_out(0.0, 1.0)
    assert (window.size, window.under_way, window.free) == (2, 3, 0)


def test_a_move_that_was_far_slower_than_the_quickest_takes_a_quarter_off_once_for_each_burst() -> None:
    window = confirm(Pacing.opening(8, 99), 8)
    assert window.size == 16
    for _ in range(3):
        window = window.released().confirmed(told_at=9.0, took_s=0.5, at=9.6)
    assert (window.size, window.threshold, window.under_way) == (12, 12, 0)
    assert window.released().confirmed(told_at=9.7, took_s=0.5, at=10.2).size == 9


def test_a_target_that_is_slow_for_all_is_left_in_peace() -> None:
    window = Pacing.opening(2, 99)
    for _ in range(6):
        window = window.released().confirmed(told_at=0.0, took_s=1.5, at=1.5)
    assert window.size == 8


def test_the_window_is_never_narrower_than_the_budget_needs() -> None:
    window = Pacing.opening(1, 50).released().confirmed(told_at=0.0, took_s=0.5, at=0.5)
    assert window.needed(moves=100, seconds=10).size == 5
    assert window.needed(moves=1, seconds=10) is window
    assert window.needed(moves=10_000, seconds=1).size == 50
    assert window.needed(moves=1, seconds=0).size == 50


@given(st.integers(1, 40), st.integers(1, 40), st.lists(st.sampled_from("rctx"), max_size=200))
def test_whatever_happens_the_window_keeps_its_bounds(initial: int, maximum: int, story: list[str]) -> None:
    window = Pacing.opening(initial, maximum)
    for at, what in enumerate(story):
        if what == "r" and window.free:
            window = window.released()
        elif window.under_way and what == "c":
            window = window.confirmed(at - 1, (at % 7) / 10, at)
        elif window.under_way and what == "t":
            window = window.timed_out(at - 3, at)
        elif window.under_way and what == "x":
            window = window.abandoned()
        assert 1 <= window.size <= maximum
        assert 0 <= window.free <= maximum
        assert 0 <= window.under_way <= maximum
