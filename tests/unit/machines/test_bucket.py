"""A bucket lets through its burst, then its rate, and never more."""

from hypothesis import given
from hypothesis import strategies as st

from sigrouter.machines.bucket import Bucket


def test_a_full_bucket_gives_its_burst_and_then_tells_how_long_to_wait() -> None:
    bucket = Bucket.full(rate=2.0, burst=3.0, at=10.0)
    assert [bucket.take(1, 10.0) for _ in range(4)] == [0.0, 0.0, 0.0, 0.5]
    assert bucket.take(1, 10.5) == 0.0


def test_it_never_holds_more_than_its_burst() -> None:
    bucket = Bucket.full(rate=1.0, burst=1.0, at=0.0)
    assert bucket.take(1, 1000.0) == 0.0
    assert bucket.take(1, 1000.0) == 1.0


@given(st.lists(st.tuples(st.floats(0, 5), st.floats(0, 3)), max_size=50))
def test_what_passes_is_at_most_burst_plus_rate_times_time(takes: list[tuple[float, float]]) -> None:
    bucket, at, passed = Bucket.full(rate=2.0, burst=4.0, at=0.0), 0.0, 0.0
    for wait, amount in takes:
        at += wait
        if bucket.take(amount, at) == 0.0:
            passed += amount
        assert passed <= 4.0 + 2.0 * at + 1e-6
        assert bucket.tokens >= 0


def test_a_clock_that_is_set_back_takes_no_tokens_away() -> None:
    bucket = Bucket.full(rate=10, burst=5, at=3600)
    assert bucket.take(1, at=0) == 0.0
    assert bucket.take(4, at=0) == 0.0
    assert bucket.take(1, at=0.1) == 0.0
