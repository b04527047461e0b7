"""Conversations about messages, calls and pairs on a connection that is ready."""

from typing import Any

import pytest

from sigrouter.client import effects
from sigrouter.client.errors import CallFailed, Interrupted, NoWorker, PairingCancelled
from sigrouter.client.events import Message, Notice, Pair, PairChanged, QueuePosition, Reset, Sent
from sigrouter.protocol import errors, uris
from tests.unit.client.conversation import Conversation, entry

SENT = {"epoch": "w", "seq": 1, "at": 5, "duplicate": False}


# ---- sending -----------------------------------------------------------------------------------------------------


def test_sends_are_numbered_and_a_window_of_them_is_under_way() -> None:
    talk = Conversation(send_window=2)
    handle = talk.connected()
    first = talk.command("send", "a", None)
    assert talk.numbers == [(1, 0)]
    talk.command("send", "b", "p")
    assert talk.one(effects.Call).kwargs["pair_id"] == "p"
    talk.command("send", "c", None)
    assert talk.numbers == [], "the window is full"
    talk.answer(handle, uris.PAIR_SEND, SENT)
    assert talk.done == {first: Sent("w", 1, 5, duplicate=False)}
    assert talk.numbers == [(3, 1)]


def test_acked_is_the_end_of_the_unbroken_row() -> None:
    talk = Conversation()
    handle = talk.connected()
    for payload in "abc":
        talk.command("send", payload, None)
    sends = talk.calls[handle, uris.PAIR_SEND]
    talk.tell("result", sends[1].call_id, SENT)
    talk.command("send", "d", None)
    assert talk.numbers == [(4, 0)]
    talk.tell("result", sends[0].call_id, SENT)
    talk.command("send", "e", None)
    assert talk.numbers == [(5, 2)]


def test_a_final_refusal_is_an_answer_and_the_rest_comes_again_with_a_fresh_acked() -> None:
    talk = Conversation()
    handle = talk.connected()
    refused = talk.command("send", "a", None)
    talk.command("send", "b", None)
    talk.refuse(handle, uris.PAIR_SEND, uris.ERROR_NOT_PAIRED, message="Not paired")
    assert isinstance(talk.done[refused], errors.NotPaired)
    talk.refuse(handle, uris.PAIR_SEND, uris.ERROR_OUT_OF_ORDER, expected=1)
    assert talk.numbers == [(2, 1)]


def test_a_pause_is_kept_and_everything_comes_again_in_order() -> None:
    talk = Conversation()
    handle = talk.connected()
    for payload in "abc":
        talk.command("send", payload, None)
    talk.refuse(handle, uris.PAIR_SEND, uris.ERROR_MAILBOX_FULL, retry_after_s=1.0)
    talk.command("send", "d", None)
    assert talk.numbers == [], "nothing overtakes"
    talk.refuse(handle, uris.PAIR_SEND, uris.ERROR_OUT_OF_ORDER, expected=1)
    talk.refuse(handle, uris.PAIR_SEND, uris.ERROR_OUT_OF_ORDER, expected=1)
    assert talk.numbers == []
    talk.wait(0.9)
    assert talk.numbers == []
    talk.wait(0.1)
    assert talk.numbers == [(1, 0), (2, 0), (3, 0), (4, 0)]


def test_a_repetition_waits_until_everything_under_way_is_answered() -> None:
    talk = Conversation()
    handle = talk.connected()
    talk.command("send", "a", None)
    talk.command("send", "b", None)
    talk.refuse(handle, uris.PAIR_SEND, uris.ERROR_UNAVAILABLE, retry_after_s=0.0)
    talk.wait(1)
    assert talk.numbers == [], "2 is still under way and would overtake 1 again"
    talk.refuse(handle, uris.PAIR_SEND, uris.ERROR_OUT_OF_ORDER, expected=1)
    assert talk.numbers == [(1, 0), (2, 0)]


def test_after_a_move_the_old_connections_refusals_count_no_more_but_its_results_do() -> None:
    talk = Conversation(call_timeout_s=100)
    old = talk.connected()
    talk.command("call", "com.example.charge", {})
    refused = talk.command("send", "a", None)
    taken = talk.command("send", "b", None)
    talk.goaway(old)
    new = talk.dial().handle
    talk.welcome(new)
    talk.ready(new)
    assert talk.numbers == [(1, 0), (2, 0)]
    talk.refuse(old, uris.PAIR_SEND, uris.ERROR_NOT_PAIRED)
    assert talk.done == {}
    talk.answer(old, uris.PAIR_SEND, SENT)
    assert list(talk.done) == [taken]
    talk.answer(new, uris.PAIR_SEND, SENT)
    assert list(talk.done) == [refused]


def test_a_server_that_always_says_out_of_order_is_not_flooded() -> None:
    talk = Conversation()
    handle = talk.connected()
    talk.command("send", "a", None)
    repetitions = 0
    for _ in range(100):
        if talk.numbers:
            repetitions += 1
            talk.refuse(handle, uris.PAIR_SEND, uris.ERROR_OUT_OF_ORDER, expected=1)
        else:
            talk.wait(0.1)
    assert repetitions < 15


def test_a_node_whose_procedures_are_gone_is_left_and_the_message_repeated_elsewhere() -> None:
    talk = Conversation()
    handle = talk.connected()
    send = talk.command("send", "a", None)
    talk.refuse(handle, uris.PAIR_SEND, "wamp.error.no_such_procedure")
    assert talk.one(effects.Close).handle == handle
    assert talk.done == {}
    again = talk.dial().handle
    talk.welcome(again)
    talk.ready(again)
    assert talk.numbers == [(1, 0)]
    talk.answer(again, uris.PAIR_SEND, SENT)
    assert send in talk.done


# ---- receiving ---------------------------------------------------------------------------------------------------


def seqs(talk: Conversation) -> list[int]:
    return [event.seq for event in talk.events if isinstance(event, Message)]


def test_a_repeated_event_is_dropped_and_a_gap_is_read_first() -> None:
    talk = Conversation()
    handle = talk.connected()
    talk.event(handle, 1)
    talk.event(handle, 1)
    assert talk.events == []
    talk.event(handle, 4)
    assert talk.events == []
    assert talk.one(effects.Call).kwargs == {"channel": "mailbox", "epoch": "e", "seq": 1}
    talk.event(handle, 5)
    assert talk.asked == []
    answer = {"epoch": "e", "seq": 4, "reset": False, "more": False, "missed": [entry(2), entry(3), entry(4)]}
    talk.answer(handle, uris.CHANNEL_RECOVER, answer)
    assert seqs(talk) == [2, 3, 4, 5]


def test_more_is_read_until_there_is_no_more() -> None:
    talk = Conversation()
    handle = talk.connected()
    talk.event(handle, 9)
    for seq in range(1, 9):
        missed = {"epoch": "e", "seq": 9, "reset": False, "more": True, "missed": [entry(seq)]}
        talk.answer(handle, uris.CHANNEL_RECOVER, missed)
        assert seqs(talk) == [seq]
        assert talk.one(effects.Call).kwargs["seq"] == seq
    talk.answer(handle, uris.CHANNEL_RECOVER, {"epoch": "e", "seq": 9, "more": False, "missed": [entry(9)]})
    assert seqs(talk) == [9]
    assert talk.all(effects.Call) == []


def test_a_question_that_the_old_connection_did_not_answer_is_asked_again_on_the_new_one() -> None:
    talk = Conversation(call_timeout_s=100)
    old = talk.connected()
    room = {**entry(1), "channel": "room:1"}
    talk.tell("event", old, uris.EVENT_MESSAGE, room)
    talk.tell("event", old, uris.EVENT_MESSAGE, {**room, "seq": 3})
    assert talk.one(effects.Call).kwargs["channel"] == "room:1"
    talk.goaway(old)
    new = talk.dial().handle
    talk.welcome(new)
    talk.ready(new)
    assert talk.call(new, uris.CHANNEL_RECOVER).kwargs == {"channel": "room:1", "epoch": "e", "seq": 1}


def test_another_epoch_is_a_reset_that_the_application_is_told() -> None:
    talk = Conversation()
    handle = talk.connected()
    talk.event(handle, 1)
    talk.event(handle, 7, epoch="f")
    missed = [entry(6, "f"), entry(7, "f")]
    answer = {"epoch": "f", "seq": 7, "reset": True, "more": False, "missed": missed}
    talk.answer(handle, uris.CHANNEL_RECOVER, answer)
    assert talk.events[0] == Reset("mailbox")
    assert seqs(talk) == [6, 7]
    talk.event(handle, 8, epoch="f")
    assert seqs(talk) == [8]


def test_a_log_that_lost_only_what_was_received_is_no_reset() -> None:
    talk = Conversation()
    handle = talk.connected()
    for seq in (1, 2, 3):
        talk.event(handle, seq)
    talk.tell("closed", handle, "lost")
    again = talk.dial().handle
    talk.welcome(again)
    mailbox = {"epoch": "e", "seq": 4, "reset": True, "more": False, "missed": [entry(3), entry(4)]}
    talk.ready(again, channels={"mailbox": mailbox})
    assert Reset("mailbox") not in talk.events
    assert seqs(talk) == [4]


def test_a_head_in_the_heartbeat_shows_a_lost_event() -> None:
    talk = Conversation()
    handle = talk.connected()
    talk.wait(1000)
    assert talk.one(effects.Call).kwargs == {"positions": {"mailbox": {"epoch": "e", "seq": 0}}}
    head = {"epoch": "e", "seq": 1}
    talk.answer(handle, uris.SESSION_HEARTBEAT, {"recovery_token": "token-2", "channels": {"mailbox": head}})
    assert talk.procedures(handle) == [uris.CHANNEL_RECOVER]
    assert talk.core.session.tokens.current == "token-2"


def test_what_was_read_is_acknowledged_every_64_events() -> None:
    talk = Conversation()
    handle = talk.connected()
    for seq in range(1, 65):
        talk.event(handle, seq)
        assert talk.procedures(handle) == [], "receiving is not reading"
    for seq in range(1, 64):
        talk.tell("consumed", "mailbox", "e", seq)
        assert talk.procedures(handle) == []
    talk.tell("consumed", "mailbox", "e", 64)
    assert talk.one(effects.Call).kwargs == {"positions": {"mailbox": {"epoch": "e", "seq": 64}}}


def test_events_without_a_log_are_told_as_they_come() -> None:
    talk = Conversation()
    handle = talk.connected()
    talk.tell("event", handle, uris.EVENT_QUEUE, {"kind": "queue", "payload": {"position": 3}})
    assert talk.events == [QueuePosition(3)]
    talk.tell("event", handle, "sig.event.new", {"payload": {"a": 1}})
    assert talk.events == [Notice("new", {"a": 1})]


# ---- calling -----------------------------------------------------------------------------------------------------


def test_a_lost_call_is_repeated_if_that_is_harmless_and_else_interrupted() -> None:
    talk = Conversation()
    handle = talk.connected()
    info = talk.command("call", uris.SESSION_INFO, {})
    other = talk.command("call", "com.example.charge", {})
    talk.tell("closed", handle, "lost")
    assert isinstance(talk.done[other], Interrupted)
    again = talk.dial().handle
    talk.welcome(again)
    talk.ready(again)
    talk.answer(again, uris.SESSION_INFO, {"session_id": "s1"})
    assert talk.done == {info: {"session_id": "s1"}}


def test_a_call_that_may_not_be_repeated_is_still_answered_by_the_old_connection_after_a_move() -> None:
    talk = Conversation()
    old = talk.connected()
    charge = talk.command("call", "com.example.charge", {})
    talk.goaway(old)
    new = talk.dial().handle
    talk.welcome(new)
    talk.ready(new)
    assert talk.all(effects.Close) == []
    talk.answer(old, "com.example.charge", "done")
    assert talk.done == {charge: "done"}
    talk.wait(2)
    assert talk.one(effects.Close).handle == old


@pytest.mark.parametrize(
    "refusal",
    [refusal for refusal in errors.ALL if refusal not in {errors.Superseded, errors.NotReady}],
    ids=lambda refusal: refusal.uri,
)
def test_every_refusal_comes_back_as_its_class(refusal: type[errors.SigrouterError]) -> None:
    talk = Conversation()
    handle = talk.connected()
    call = talk.command("call", "com.example.anything", {})
    details: dict[str, Any] = {"message": "no", "retry_after_s": 2.5, "reason": "expired"}
    talk.refuse(handle, "com.example.anything", refusal.uri, **details)
    error = talk.done[call]
    assert type(error) is refusal
    if refusal is not errors.Recovery:
        assert (error.message, error.retry_after_s, error.fields) == ("no", 2.5, {"reason": "expired"})


def test_an_error_of_somebody_else_keeps_its_uri() -> None:
    talk = Conversation()
    handle = talk.connected()
    call = talk.command("call", "com.example.charge", {})
    talk.refuse(handle, "com.example.charge", "com.example.no_money", message="none")
    assert isinstance(talk.done[call], CallFailed)
    assert talk.done[call].uri == "com.example.no_money"


# ---- pairing -----------------------------------------------------------------------------------------------------


def pair_event(talk: Conversation, handle: int, seq: int, state: str, pair_id: str = "p1") -> None:
    payload = {"state": state, "pair_id": pair_id, "peer_session_id": "w1", "peer_user_id": "w", "reason": ""}
    talk.tell("event", handle, uris.EVENT_PAIR, entry(seq, kind="pair", payload=payload))


def test_a_pair_comes_with_the_answer_or_later_with_the_event() -> None:
    talk = Conversation()
    handle = talk.connected()
    at_once = talk.command("request_pair", ("echo",), 30.0)
    assert talk.one(effects.Call).kwargs == {"abilities": ["echo"], "deadline_s": 30.0}
    talk.answer(handle, uris.PAIR_REQUEST, {"state": "paired", "pair_id": "p0", "peer_session_id": "w0"})
    assert talk.done == {at_once: Pair("p0", "w0")}
    later = talk.command("request_pair", (), 30.0)
    talk.answer(handle, uris.PAIR_REQUEST, {"state": "queued", "position": 1, "deadline_at": 0})
    assert talk.done == {}
    pair_event(talk, handle, 1, "paired")
    assert talk.done == {later: Pair("p1", "w1", "w")}
    assert talk.events == [PairChanged("paired", "p1", "w1", "w", "")]
    pair_event(talk, handle, 2, "released")
    assert list(talk.core.session.pairing.pairs) == ["p0"]


def test_a_wait_for_a_pair_survives_its_connection() -> None:
    talk = Conversation()
    handle = talk.connected()
    request = talk.command("request_pair", (), 60.0)
    talk.tell("closed", handle, "lost")
    again = talk.dial().handle
    talk.welcome(again)
    talk.ready(again)
    assert talk.call(again, uris.PAIR_REQUEST).kwargs["deadline_s"] == pytest.approx(40.0)
    talk.answer(again, uris.PAIR_REQUEST, {"state": "paired", "pair_id": "p1", "peer_session_id": "w1"})
    assert talk.done == {request: Pair("p1", "w1")}


def test_no_worker_before_the_deadline_is_an_error() -> None:
    for how in ("event", "silence"):
        talk = Conversation(pair_grace_s=2)
        handle = talk.connected()
        request = talk.command("request_pair", (), 5.0)
        talk.answer(handle, uris.PAIR_REQUEST, {"state": "queued"})
        talk.wait(5)
        if how == "event":
            pair_event(talk, handle, 1, "expired", "")
        else:
            talk.wait(2)
        assert isinstance(talk.done[request], NoWorker)


def test_an_expiry_of_an_older_request_does_not_end_the_new_one() -> None:
    talk = Conversation()
    handle = talk.connected()
    talk.command("request_pair", (), 50.0)
    talk.answer(handle, uris.PAIR_REQUEST, {"state": "queued"})
    pair_event(talk, handle, 1, "expired", "")
    assert talk.done == {}
    assert talk.procedures(handle) == [uris.PAIR_REQUEST]


def test_a_withdrawn_request_ends_both_commands() -> None:
    talk = Conversation()
    handle = talk.connected()
    request = talk.command("request_pair", (), 50.0)
    cancel = talk.command("cancel_pair")
    talk.answer(handle, uris.PAIR_CANCEL, {"cancelled": True})
    assert isinstance(talk.done[request], PairingCancelled)
    assert talk.done[cancel] is True


def test_an_abandoned_wait_leaves_the_queue() -> None:
    talk = Conversation()
    handle = talk.connected()
    request = talk.command("request_pair", (), 50.0)
    talk.tell("abandon", request)
    assert talk.procedures(handle) == [uris.PAIR_CANCEL]
