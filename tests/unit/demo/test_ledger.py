"""The ledger must find every fault that it exists for, else no test that leans on it proves anything."""

from typing import Any

import pytest

from sigrouter.demo.ledger import Ledger, Spread, Way, spread


def ledger_with_pair() -> Ledger:
    ledger = Ledger()
    ledger.bind(1, client="client-1", worker="worker-1")
    ledger.bind(2, client="client-2", worker="worker-2")
    return ledger


def exchange(ledger: Ledger, pair: int, way: Way, at: float, *, deliver: bool = True) -> dict[str, Any]:
    """Offer a message, acknowledge it 10 ms later and deliver it 20 ms later."""
    message = ledger.offer(pair, way, at)
    ledger.acknowledge(message, at + 0.01)
    if deliver:
        ledger.deliver(f"{'worker' if way == 'client' else 'client'}-{pair}", message, at + 0.02)
    return message


def test_a_clean_exchange_is_faultless() -> None:
    ledger = ledger_with_pair()
    for step in range(10):
        exchange(ledger, 1, "client", step)
        exchange(ledger, 1, "worker", step + 0.5)
    report = ledger.report(final=True)
    assert report.faultless
    assert ledger.settled
    assert (report.offered, report.acknowledged, report.delivered) == (20, 20, 20)
    assert report.delay == Spread(20, 20.0, 20.0, 20.0)
    assert report.answer == Spread(20, 10.0, 10.0, 10.0)
    assert report.as_mapping()["faultless"] is True


def test_an_acknowledged_message_that_never_arrives_is_lost() -> None:
    ledger = ledger_with_pair()
    exchange(ledger, 1, "client", 1.0, deliver=False)
    report = ledger.report(final=True)
    assert (report.lost, report.faultless, ledger.settled) == (1, False, False)
    assert report.details == ("client message 1 of pair 1: lost",)


def test_what_may_still_be_on_its_way_is_not_lost_before_the_end() -> None:
    ledger = ledger_with_pair()
    exchange(ledger, 1, "client", 1.0, deliver=False)
    assert ledger.report(final=False).lost == 0


def test_a_message_that_a_later_one_overtook_counts_as_lost_at_once() -> None:
    ledger = ledger_with_pair()
    exchange(ledger, 1, "client", 1.0, deliver=False)
    exchange(ledger, 1, "client", 2.0)
    assert ledger.report(final=False).lost == 1


def test_a_message_without_an_answer_is_unanswered_and_not_lost() -> None:
    ledger = ledger_with_pair()
    ledger.offer(1, "client", 1.0)
    report = ledger.report(final=True)
    assert (report.lost, report.unanswered, report.faultless, ledger.settled) == (0, 1, False, False)


def test_a_delivery_without_an_acknowledgement_is_not_faultless() -> None:
    ledger = ledger_with_pair()
    ledger.deliver("worker-1", ledger.offer(1, "client", 1.0), 1.1)
    assert not ledger.report(final=True).faultless


def test_a_refused_message_is_settled_but_not_faultless() -> None:
    ledger = ledger_with_pair()
    ledger.refuse(ledger.offer(1, "client", 1.0), "sig.error.not_paired")
    report = ledger.report(final=True)
    assert (report.refused, report.unanswered, report.faultless, ledger.settled) == (1, 0, False, True)
    assert report.details == ("client message 1 of pair 1: refused: sig.error.not_paired",)


def test_a_second_delivery_is_doubled() -> None:
    ledger = ledger_with_pair()
    message = exchange(ledger, 1, "client", 1.0)
    ledger.deliver("worker-1", message, 1.5)
    report = ledger.report(final=True)
    assert (report.doubled, report.delivered, report.faultless) == (1, 1, False)
    assert report.details == ("client message 1 of pair 1: delivered 2 times",)


def test_a_message_after_a_later_one_is_out_of_order() -> None:
    ledger = ledger_with_pair()
    early = exchange(ledger, 1, "client", 1.0, deliver=False)
    exchange(ledger, 1, "client", 1.1)
    ledger.deliver("worker-1", early, 1.3)
    report = ledger.report(final=True)
    assert (report.disordered, report.lost, report.doubled, report.faultless) == (1, 0, 0, False)


def test_the_two_ways_of_a_pair_have_an_order_each() -> None:
    ledger = ledger_with_pair()
    exchange(ledger, 1, "client", 1.0)
    exchange(ledger, 1, "client", 2.0)
    exchange(ledger, 1, "worker", 3.0)
    assert ledger.report(final=True).faultless


@pytest.mark.parametrize("receiver", ["worker-2", "client-1", "nobody"])
def test_a_message_at_another_end_is_misdelivered_and_still_missing(receiver: str) -> None:
    ledger = ledger_with_pair()
    message = exchange(ledger, 1, "client", 1.0, deliver=False)
    ledger.deliver(receiver, message, 1.1)
    report = ledger.report(final=True)
    assert (report.misdelivered, report.lost, report.faultless) == (1, 1, False)


@pytest.mark.parametrize(
    "message",
    [
        None,
        "text",
        {},
        {"n": 1, "way": "client", "pair": 9},
        {"n": 7, "way": "client", "pair": 1},
        {"n": 1, "way": "sideways", "pair": 1},
    ],
)
def test_a_message_that_nobody_sent_is_invented(message: Any) -> None:
    ledger = ledger_with_pair()
    exchange(ledger, 1, "client", 1.0)
    ledger.deliver("worker-1", message, 2.0)
    report = ledger.report(final=True)
    assert (report.invented, report.faultless) == (1, False)


def test_the_gap_runs_between_two_deliveries_of_one_pair_whichever_way() -> None:
    ledger = ledger_with_pair()
    exchange(ledger, 1, "client", 1.0)
    exchange(ledger, 2, "client", 1.1)
    exchange(ledger, 1, "worker", 1.25)
    exchange(ledger, 2, "worker", 1.9)
    report = ledger.report(final=True)
    assert report.gap == Spread(2, 250.0, 800.0, 800.0)
    assert report.worst_gap == Spread(2, 250.0, 800.0, 800.0)


def test_one_bad_pair_shows_in_the_worst_gaps_however_many_good_gaps_there_are() -> None:
    ledger = ledger_with_pair()
    for step in range(400):
        exchange(ledger, 1, "client", step * 0.25)
    exchange(ledger, 2, "client", 0.0)
    exchange(ledger, 2, "client", 3.0)
    report = ledger.report(final=True)
    assert report.gap.p99 == 250.0
    assert report.worst_gap.p99 == 3000.0


def test_a_pair_that_falls_silent_before_the_stop_has_a_gap() -> None:
    ledger = ledger_with_pair()
    exchange(ledger, 1, "client", 1.0)
    ledger.stop(11.02)
    assert ledger.report(final=True).worst_gap.max == pytest.approx(10_000.0)


def test_a_delivery_after_the_stop_is_not_a_gap() -> None:
    ledger = ledger_with_pair()
    exchange(ledger, 1, "client", 1.0)
    late = exchange(ledger, 1, "client", 1.2, deliver=False)
    ledger.stop(1.3)
    ledger.deliver("worker-1", late, 5.0)
    report = ledger.report(final=True)
    assert report.gap.count == 0
    assert report.faultless


def test_a_mark_starts_the_judged_stretch_and_keeps_a_gap_that_is_open() -> None:
    ledger = ledger_with_pair()
    exchange(ledger, 1, "client", 0.0)
    exchange(ledger, 1, "client", 5.0)
    ledger.mark(5.5)
    exchange(ledger, 1, "client", 6.0)
    report = ledger.report(final=True)
    assert report.gap == Spread(1, 1000.0, 1000.0, 1000.0)
    assert report.delay.count == 1
    assert report.offered == 3


def test_a_pair_is_bound_once() -> None:
    ledger = ledger_with_pair()
    with pytest.raises(ValueError, match="pair 1 is bound already"):
        ledger.bind(1, client="client-3", worker="worker-3")


def test_a_spread_takes_the_nearest_rank() -> None:
    assert spread([]) == Spread(0, 0.0, 0.0, 0.0)
    assert spread([n / 1000 for n in range(1, 101)]) == Spread(100, 50.0, 99.0, 100.0)
