"""Conversations about connections: the first, the lost, the next, the last."""

import pytest

from sigrouter.client import effects
from sigrouter.client.errors import AuthenticationFailed, SessionGone, Stopped
from sigrouter.client.events import (
    AttemptFailed,
    Disconnected,
    GoAwayReceived,
    Resumed,
    SavedSession,
    SessionEnded,
    SessionLost,
    SessionStarted,
    Superseded,
)
from sigrouter.protocol import errors, uris
from tests.unit.client.conversation import URL, Conversation


def test_the_first_connection_asks_for_a_ticket_subscribes_and_says_ready() -> None:
    talk = Conversation()
    start = talk.command("start")
    talk.wait(0)
    talk.tell("ticket_obtained", talk.one(effects.FetchTicket).request_id, "jwt")
    connect = talk.one(effects.Connect)
    assert (connect.url, connect.ticket) == (URL, "jwt")
    assert "recovery_token" not in connect.authextra
    assert "jwt" not in repr(connect)
    talk.welcome(connect.handle)
    assert talk.one(effects.Subscribe).prefix == uris.EVENT_PREFIX
    assert talk.one(effects.Call).kwargs == {"positions": {"mailbox": None}}
    talk.ready(connect.handle)
    assert talk.done == {start: None}
    assert talk.events == [SessionStarted("s1", "")]


def test_a_lost_connection_resumes_with_the_token_and_what_was_read() -> None:
    talk = Conversation()
    handle = talk.connected()
    talk.event(handle, 1)
    talk.event(handle, 2)
    talk.tell("consumed", "mailbox", "e", 1)
    talk.tell("closed", handle, "Connection lost")
    assert talk.events == [Disconnected("Connection lost")]
    again = talk.dial()
    assert again.authextra["recovery_token"] == "token-1"
    talk.welcome(again.handle, "token-2")
    assert talk.one(effects.Call).kwargs == {"positions": {"mailbox": {"epoch": "e", "seq": 1}}}
    talk.ready(again.handle, after=1, missed=3)
    assert talk.events[0] == Resumed(gap_s=20.0, replayed=2, node_id="", handover=False)
    assert [event.seq for event in talk.events[1:]] == [3, 4]


def test_a_refusal_with_a_pause_is_followed_by_that_pause_and_some() -> None:
    talk = Conversation(base_s=0.2)
    talk.command("start")
    connect = talk.dial()
    talk.tell("refused", connect.handle, uris.ERROR_BUSY, {"message": "busy", "retry_after_s": 3.0})
    assert talk.events == [AttemptFailed(uris.ERROR_BUSY, "busy", pytest.approx(3.1))]
    assert talk.one(effects.Close).handle == connect.handle
    talk.wait(2.9)
    assert talk.all(effects.FetchTicket) == []
    talk.wait(0.3)
    assert talk.one(effects.FetchTicket)


def test_a_refused_jwt_is_replaced_and_given_up_after_three() -> None:
    talk = Conversation(authentication_tries=3)
    start = talk.command("start")
    for _ in range(3):
        talk.tell("refused", talk.dial().handle, uris.ERROR_AUTHENTICATION, {"message": "Authentication error"})
    assert isinstance(talk.done[start], AuthenticationFailed)
    assert talk.events == [SessionEnded(uris.ERROR_AUTHENTICATION)]
    assert talk.one(effects.Finished)
    talk.command("send", "x", None)
    assert isinstance(talk.done[talk.commands], AuthenticationFailed)


def test_a_ticket_that_is_not_to_be_had_at_first_is_given_up_and_later_is_not() -> None:
    fresh = Conversation(ticket_tries=2)
    start = fresh.command("start")
    for _ in range(2):
        fresh.wait(20)
        fresh.tell("ticket_failed", fresh.one(effects.FetchTicket).request_id, OSError("away"))
    assert isinstance(fresh.done[start], AuthenticationFailed)
    assert isinstance(fresh.done[start].__cause__, OSError)

    running = Conversation(ticket_tries=2)
    running.tell("closed", running.connected(), "lost")
    for _ in range(5):
        running.wait(20)
        running.tell("ticket_failed", running.one(effects.FetchTicket).request_id, OSError("away"))
    assert running.dial()


def test_a_session_that_cannot_be_resumed_is_lost_knowingly_and_a_worker_announces_itself_again() -> None:
    talk = Conversation()
    handle = talk.connected()
    announce = talk.command("announce", ("echo",), 2)
    talk.answer(handle, uris.WORKER_ANNOUNCE, {"capacity": 2})
    assert talk.done == {announce: {"capacity": 2}}
    send = talk.command("send", "x", None)
    talk.tell("closed", handle, "lost")
    connect = talk.dial()
    talk.tell("refused", connect.handle, uris.ERROR_RECOVERY, {"message": "no", "reason": "expired"})
    assert SessionLost("expired") in talk.events
    assert isinstance(talk.done[send], SessionGone)
    assert talk.done[send].reason == "expired"
    fresh = talk.dial()
    assert "recovery_token" not in fresh.authextra
    talk.welcome(fresh.handle, "token-9", "s2")
    assert talk.one(effects.Call).kwargs == {"positions": {"mailbox": None}}
    talk.ready(fresh.handle)
    assert SessionStarted("s2", "") in talk.events
    assert talk.call(fresh.handle, uris.WORKER_ANNOUNCE).kwargs == {"abilities": ["echo"], "capacity": 2}
    talk.command("send", "y", None)
    assert talk.numbers == [(1, 0)]


def test_the_older_token_is_tried_when_the_newer_was_fenced_by_a_lost_welcome() -> None:
    talk = Conversation()
    talk.tell("closed", talk.connected(), "lost")
    second = talk.dial()
    talk.welcome(second.handle, "token-2")
    talk.tell("closed", second.handle, "lost before the answer to ready")
    third = talk.dial()
    assert third.authextra["recovery_token"] == "token-2"
    talk.tell("closed", third.handle, "lost before WELCOME, which had claimed the session")
    fourth = talk.dial()
    talk.tell("refused", fourth.handle, uris.ERROR_RECOVERY, {"reason": "superseded"})
    assert talk.events == []
    assert talk.dial().authextra["recovery_token"] == "token-1"


def test_no_answer_to_a_call_is_a_broken_connection() -> None:
    talk = Conversation(call_timeout_s=10)
    handle = talk.connected()
    talk.command("send", "x", None)
    talk.wait(10)
    assert talk.one(effects.Close).handle == handle
    assert Disconnected("No answer") in talk.events


def test_a_try_that_takes_too_long_is_given_up() -> None:
    talk = Conversation(attempt_timeout_s=10)
    talk.command("start")
    handle = talk.dial().handle
    talk.wait(10)
    assert talk.one(effects.Close).handle == handle
    assert isinstance(talk.events[0], AttemptFailed)
    talk.welcome(handle)
    assert talk.asked == []


# ---- handover ----------------------------------------------------------------------------------------------------


def test_a_handover_makes_before_it_breaks() -> None:
    talk = Conversation()
    old = talk.connected()
    talk.goaway(old, reconnect_after_ms=1500, stack="green", url="ws://green/ws", reason="drain", peer="ready")
    assert talk.events == [GoAwayReceived("drain", "h", 0, 1500, "green", "ready")]
    talk.wait(1.4)
    assert talk.all(effects.FetchTicket) == []
    talk.wait(0.2)
    talk.tell("ticket_obtained", talk.one(effects.FetchTicket).request_id, "jwt")
    new = talk.one(effects.Connect)
    assert (new.url, new.authextra["stack"], new.authextra["recovery_token"]) == ("ws://green/ws", "green", "token-1")
    talk.welcome(new.handle, "token-2")
    send = talk.command("send", "x", None)
    assert talk.procedures(old) == [uris.PAIR_SEND], "the old connection works until the new one is ready"
    talk.event(new.handle, 1)
    assert talk.events == [], "an event before the answer to ready waits"
    talk.ready(new.handle)
    assert talk.events[0] == Resumed(0.0, 0, "", handover=True)
    assert [event.seq for event in talk.events[1:]] == [1]
    assert talk.one(effects.Close).handle == old
    assert talk.procedures(new.handle) == [uris.PAIR_SEND], "what was not answered is repeated"
    answer = {"epoch": "w", "seq": 4, "at": 5, "duplicate": True}
    talk.answer(new.handle, uris.PAIR_SEND, answer)
    assert talk.done[send].duplicate


def test_a_refused_move_keeps_the_old_connection_and_forgets_the_hint_after_three() -> None:
    talk = Conversation(hint_attempts=3)
    old = talk.connected()
    talk.goaway(old, stack="green", url="ws://green/ws")
    followed = []
    for _ in range(4):
        connect = talk.dial()
        followed.append((connect.url, connect.authextra.get("stack")))
        talk.tell("refused", connect.handle, uris.ERROR_MISROUTED, {"retry_after_s": 0.3})
        assert not [event for event in talk.events if isinstance(event, Disconnected)]
    assert followed == [("ws://green/ws", "green")] * 3 + [(URL, None)]
    talk.command("send", "x", None)
    assert talk.procedures(old) == [uris.PAIR_SEND]


def test_a_second_goaway_does_not_start_a_second_move() -> None:
    talk = Conversation()
    old = talk.connected()
    talk.goaway(old)
    connect = talk.dial()
    talk.goaway(old)
    talk.wait(1)
    assert talk.all(effects.FetchTicket) == []
    assert talk.core.session.candidate is not None
    assert talk.core.session.candidate.handle == connect.handle


def test_the_old_connection_being_superseded_by_our_own_new_one_is_no_loss() -> None:
    talk = Conversation()
    old = talk.connected()
    talk.goaway(old)
    new = talk.dial().handle
    talk.welcome(new, "token-2")
    talk.command("call", uris.SESSION_INFO, {})
    talk.refuse(old, uris.SESSION_INFO, uris.ERROR_SUPERSEDED)
    assert talk.events == []
    talk.tell("closed", old, uris.CLOSE_SUPERSEDED)
    assert talk.events == []
    talk.ready(new)
    assert isinstance(talk.events[0], Resumed)
    assert talk.events[0].handover
    assert talk.procedures(new) == [uris.SESSION_INFO], "it did not happen, so it is called again"


def test_if_our_new_one_dies_as_well_it_is_a_loss_after_all_but_nobody_elses_session() -> None:
    talk = Conversation()
    old = talk.connected()
    talk.goaway(old)
    new = talk.dial().handle
    talk.welcome(new, "token-2")
    talk.tell("closed", old, uris.CLOSE_SUPERSEDED)
    talk.tell("closed", new, "lost")
    assert Disconnected(uris.CLOSE_SUPERSEDED) in talk.events
    assert talk.dial().authextra["recovery_token"] == "token-2"


def test_a_recovery_refusal_during_a_move_never_costs_the_living_session() -> None:
    talk = Conversation()
    old = talk.connected()
    talk.goaway(old)
    talk.tell("refused", talk.dial().handle, uris.ERROR_RECOVERY, {"reason": "expired"})
    assert talk.procedures(old) == [uris.SESSION_HEARTBEAT], "the heartbeat brings another token"
    assert not [event for event in talk.events if isinstance(event, SessionLost)]
    talk.answer(old, uris.SESSION_HEARTBEAT, {"recovery_token": "token-1b", "channels": {}})
    assert talk.dial().authextra["recovery_token"] == "token-1b"


# ---- the end -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["closed", "refused call"])
def test_superseded_by_somebody_else_means_stop(how: str) -> None:
    talk = Conversation()
    handle = talk.connected()
    send = talk.command("send", "x", None)
    if how == "closed":
        talk.tell("closed", handle, uris.CLOSE_SUPERSEDED)
    else:
        talk.refuse(handle, uris.PAIR_SEND, uris.ERROR_SUPERSEDED)
    assert talk.events == [Superseded()]
    assert isinstance(talk.done[send], errors.Superseded)
    assert talk.one(effects.Finished)
    talk.wait(1000)
    assert talk.asked == []


@pytest.mark.parametrize("reason", [uris.CLOSE_ENDED, uris.CLOSE_KICKED])
def test_an_ended_session_stays_ended(reason: str) -> None:
    talk = Conversation()
    talk.tell("closed", talk.connected(), reason)
    assert talk.events == [SessionEnded(reason)]
    assert talk.core.saved() is None
    talk.wait(1000)
    assert talk.asked == []


@pytest.mark.parametrize("reason", [uris.CLOSE_GOAWAY, uris.CLOSE_SLOW_READER, uris.CLOSE_NOT_READY])
def test_every_other_close_is_followed_by_a_resumption(reason: str) -> None:
    talk = Conversation()
    talk.tell("closed", talk.connected(), reason)
    assert talk.events == [Disconnected(reason)]
    assert talk.dial().authextra["recovery_token"] == "token-1"


def test_stop_ends_the_session_and_waits_for_the_socket() -> None:
    talk = Conversation()
    handle = talk.connected()
    send = talk.command("send", "x", None)
    stop = talk.command("stop", end=True)
    assert talk.procedures(handle) == [uris.SESSION_END]
    talk.answer(handle, uris.SESSION_END, {"ended": True})
    assert talk.one(effects.Close).handle == handle
    assert isinstance(talk.done[send], Stopped)
    assert stop not in talk.done
    talk.tell("closed", handle, "by us")
    assert talk.done == {stop: None}


def test_stop_does_not_wait_for_ever() -> None:
    talk = Conversation(stop_timeout_s=2)
    talk.connected()
    stop = talk.command("stop", end=True)
    talk.wait(2)
    assert talk.one(effects.Close)
    assert talk.done == {stop: None}


def test_a_stop_without_end_leaves_a_session_for_the_next_process() -> None:
    talk = Conversation()
    handle = talk.connected()
    talk.event(handle, 1)
    talk.tell("consumed", "mailbox", "e", 1)
    talk.command("stop", end=False)
    saved = talk.core.saved()
    assert saved == SavedSession("token-1", {"mailbox": {"epoch": "e", "seq": 1}})

    heir = Conversation(resume_from=saved)
    heir.command("start")
    connect = heir.dial()
    assert connect.authextra["recovery_token"] == "token-1"
    heir.welcome(connect.handle, "token-2")
    assert heir.one(effects.Call).kwargs == {"positions": {"mailbox": {"epoch": "e", "seq": 1}}}
    heir.ready(connect.handle, after=1, last_number=7)
    assert isinstance(heir.events[0], Resumed)
    heir.command("send", "x", None)
    assert heir.numbers == [(8, 7)], "the numbers go on after the first process's"


def test_a_heartbeat_of_the_old_connection_does_not_cost_the_token_of_a_move_that_may_be_confirmed() -> None:
    talk = Conversation(call_timeout_s=5000.0, attempt_timeout_s=5000.0)
    old = talk.connected()
    talk.wait(1000.0)
    assert talk.procedures(old) == [uris.SESSION_HEARTBEAT]
    talk.goaway(old)
    new = talk.dial().handle
    talk.welcome(new, "token-2")
    talk.answer(old, uris.SESSION_HEARTBEAT, {"recovery_token": "token-1b", "channels": {}})
    talk.tell("closed", new, "lost")  # The answer to ready was lost with it.
    talk.tell("closed", old, uris.CLOSE_SUPERSEDED)
    again = talk.dial()
    assert again.authextra["recovery_token"] == "token-2"
    talk.tell("refused", again.handle, uris.ERROR_RECOVERY, {"reason": "superseded"})
    assert talk.dial().authextra["recovery_token"] == "token-1b", "it was not confirmed after all"


def test_an_expired_token_of_a_move_that_failed_long_ago_does_not_cost_the_session() -> None:
    talk = Conversation(call_timeout_s=5000.0, attempt_timeout_s=5000.0)
    old = talk.connected()
    talk.goaway(old)
    new = talk.dial().handle
    talk.welcome(new, "token-2")
    talk.tell("closed", new, "lost")
    talk.tell("closed", old, "lost")
    again = talk.dial()
    assert again.authextra["recovery_token"] == "token-2"
    talk.tell("refused", again.handle, uris.ERROR_RECOVERY, {"reason": "expired"})
    assert talk.dial().authextra["recovery_token"] == "token-1"
