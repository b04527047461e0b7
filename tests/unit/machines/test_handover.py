"""One session's move, told as conversations, and every event in every phase."""

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from sigrouter.machines.handover import (
    MOST_TELLS,
    TERMINAL,
    UNMOVED,
    Close,
    ConfirmedElsewhere,
    Cut,
    Disconnected,
    Ended,
    GiveUp,
    Hold,
    Keep,
    Move,
    MoveEffect,
    MoveEvent,
    Note,
    Release,
    SlotFreed,
    SlotTaken,
    Tell,
    TimedOut,
    step,
)
from sigrouter.protocol import uris

TELL = Tell(at=10.0, peer="ready", reconnect_after_ms=20)
DUE_AT = TELL.at + TELL.reconnect_after_ms / 1000
ARRIVE = ConfirmedElsewhere(at=10.5, node_id="green")


def after(*events: MoveEvent) -> Move:
    move = Move("s1", "client")
    for event in events:
        move, _ = step(move, event)
    return move


def last(*events: MoveEvent) -> tuple[MoveEffect, ...]:
    return step(after(*events[:-1]), events[-1])[1]


def test_a_client_stays_until_its_worker_is_ready_then_is_told_confirmed_and_gone() -> None:
    assert after().phase == "staying"
    assert last(Release("green")) == (Note("worker_ready", {"node_id": "green"}),)
    assert after(Release("green")).phase == "released"
    assert last(Release(), TELL) == (
        Note("goaway_sent", {"peer": "ready", "reconnect_after_ms": 20, "tells": 1}),
        SlotTaken(),
    )
    assert after(Release(), TELL).phase == "told"
    assert last(Release(), TELL, ARRIVE) == (
        Note("confirmed", {"to": "green", "gap_ms": 500}),
        SlotFreed("confirmed", 10.0, DUE_AT),
    )
    assert after(Release(), TELL, ARRIVE).phase == "confirmed"
    assert after(Release(), TELL, ARRIVE, Disconnected()).phase == "gone"


def test_a_release_without_a_worker_notes_none() -> None:
    assert last(Release()) == ()


def test_a_session_is_told_only_when_released() -> None:
    assert after(TELL).phase == "staying"


def test_a_released_client_is_held_again_when_its_workers_node_goes_away() -> None:
    assert after(Release(), Hold()).phase == "staying"
    assert after(Release(), TELL, Hold()).phase == "told"


def test_a_timeout_lets_the_goaway_be_repeated_once_and_then_leaves_the_session_told() -> None:
    assert last(Release(), TELL, TimedOut()) == (SlotFreed("timed_out", 10.0, DUE_AT),)
    assert after(Release(), TELL, TimedOut()).phase == "released"
    twice = after(Release(), TELL, TimedOut(), TELL, TimedOut())
    assert (twice.phase, twice.holds_slot, twice.tells) == ("told", False, MOST_TELLS)
    assert step(twice, TimedOut()) == (twice, ())
    assert after(TimedOut()).phase == "staying"


def test_a_late_confirmation_counts_without_a_slot() -> None:
    assert last(Release(), TELL, TimedOut(), ARRIVE) == (Note("confirmed", {"to": "green", "gap_ms": 500}),)


def test_the_gap_is_counted_from_the_first_goaway() -> None:
    again = evolve(TELL, at=15.0)
    assert last(Release(), TELL, TimedOut(), again, ConfirmedElsewhere(16.0, "green"))[0] == Note(
        "confirmed", {"to": "green", "gap_ms": 6000}
    )


def test_a_session_may_move_before_it_is_told() -> None:
    assert last(ARRIVE) == (Note("confirmed", {"to": "green"}),)
    assert after(ARRIVE).phase == "confirmed"


def test_a_told_session_whose_old_connection_closes_first_is_away_and_keeps_its_slot_until_it_is_confirmed() -> None:
    assert last(Release(), TELL, Disconnected()) == ()
    away = after(Release(), TELL, Disconnected())
    assert (away.phase, away.holds_slot) == ("away", True)
    assert last(Release(), TELL, Disconnected(), ARRIVE)[1] == SlotFreed("confirmed", 10.0, DUE_AT)
    assert after(Release(), TELL, Disconnected(), ARRIVE).phase == "gone"


def test_a_session_that_is_away_for_long_has_left_until_it_turns_up_elsewhere() -> None:
    assert last(Release(), TELL, Disconnected(), GiveUp()) == (
        Note("left", {"tells": 1}),
        SlotFreed("abandoned", 10.0, DUE_AT),
    )
    assert after(Disconnected(), GiveUp()).phase == "left"
    assert after(Disconnected(), GiveUp(), ARRIVE).phase == "gone"
    assert after(GiveUp()).phase == "staying"


def test_an_ended_session_has_left_for_good() -> None:
    assert last(Release(), TELL, Ended("kicked")) == (
        Note("ended", {"phase": "told", "reason": "kicked"}),
        SlotFreed("abandoned", 10.0, DUE_AT),
    )
    assert after(Ended("kicked"), ARRIVE).phase == "left"
    assert after(Disconnected(), GiveUp(), Ended("expired"), ARRIVE).phase == "left"
    assert after(ARRIVE, Ended("kicked")).phase == "confirmed"


def test_what_is_left_at_the_deadline_is_cut_and_stays_resumable() -> None:
    assert last(Release(), TELL, Cut()) == (
        Note("cut", {"phase": "told", "tells": 1}),
        SlotFreed("abandoned", 10.0, DUE_AT),
        Close(uris.CLOSE_GOAWAY),
    )
    assert after(Cut()).phase == "cut"


def test_the_old_connection_of_a_session_that_moved_is_closed_as_superseded() -> None:
    assert last(ARRIVE, Cut()) == (Close(uris.CLOSE_SUPERSEDED),)
    assert after(ARRIVE, Cut()).phase == "gone"


def test_a_session_that_is_away_at_the_deadline_has_left_and_there_is_nothing_to_close() -> None:
    assert last(Disconnected(), Cut()) == (Note("left", {"tells": 0}),)


def test_when_the_drain_is_turned_back_everybody_who_is_here_is_kept_and_nothing_is_closed() -> None:
    assert [after(*story, Keep()).phase for story in ((), (Release(),), (Release(), TELL))] == ["kept"] * 3
    assert last(Release(), TELL, Keep()) == (SlotFreed("abandoned", 10.0, DUE_AT),)
    assert after(ARRIVE, Keep()).phase == "gone"
    assert after(Disconnected(), Keep()).phase == "left"


def test_the_final_push_takes_no_slot_and_gives_the_old_one_back() -> None:
    push = Tell(at=20.0, peer="pending", reconnect_after_ms=5, paced=False)
    assert last(Release(), TELL, push)[1:] == (SlotFreed("abandoned", 10.0, DUE_AT),)
    assert not after(Release(), TELL, push).holds_slot


EVENTS: list[MoveEvent] = [
    Release(), Release("green"), Hold(), TELL, Tell(30.0, "none", 0, paced=False), TimedOut(), ARRIVE, Disconnected(), GiveUp(),
    Ended("x"), Cut(), Keep(),
]  # fmt: skip


@pytest.mark.parametrize("phase", sorted(TERMINAL))
@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_an_end_is_an_end(phase: str, event: MoveEvent) -> None:
    move = evolve(Move("s1", "client"), phase=phase)
    unchanged, effects = step(move, event)
    assert unchanged is move
    assert effects == ()


@given(st.lists(st.sampled_from(EVENTS), max_size=30))
def test_in_every_story_slots_balance_closes_happen_once_and_ends_are_one(story: list[MoveEvent]) -> None:
    move, taken, closes, ends = Move("s1", "client"), 0, 0, set()
    for event in story:
        before = move
        move, effects = step(move, event)
        assert (move is not before) or not effects
        for effect in effects:
            taken += isinstance(effect, SlotTaken) - isinstance(effect, SlotFreed)
            closes += isinstance(effect, Close)
        assert taken == move.holds_slot
        assert closes <= 1
        if not move.holds_slot:
            assert move.phase != "away" or not move.tells or before.phase in UNMOVED
        if move.phase in TERMINAL and not move.lost:
            ends.add(move.phase)
    assert len(ends) <= 1
