"""Messages to the other end of a pair: fenced, kept in its mailbox, told to its node in order."""

from typing import Any

import pytest
from pytest_twisted import ensureDeferred

from sigrouter.protocol.errors import NotFound, NotPaired, Recovery, Superseded
from sigrouter.stores.records import mailbox
from tests.contract.case import StoreCase
from tests.contract.recording import ToldEntry
from tests.contract.scenes import (
    bind,
    claim_of,
    connect,
    log_of,
    message,
    messages,
    resume,
    sent,
)


@ensureDeferred
async def test_a_message_goes_to_the_other_ends_mailbox_and_its_node_is_told(case: StoreCase) -> None:
    store_a, listener_a = await case.node("a")
    _store_b, listener_b = await case.node("b")
    pair_id = await bind(store_a, worker_node="b")
    await case.settle()
    listener_a.clear()
    listener_b.clear()
    answer = await sent(store_a, message("client", {"text": ["hello", 1, None]}, pair_id=pair_id))
    await case.settle()
    assert (answer.channel, answer.position.seq, answer.duplicate) == ("session:worker", 2, False)
    assert answer.at == pytest.approx(case.now() * 1000, abs=2000)
    (told,) = listener_b.told
    assert isinstance(told, ToldEntry)
    assert (told.channel, told.position) == ("session:worker", answer.position)
    entry = told.entry
    assert (entry.seq, entry.kind, entry.sender, entry.pair_id, entry.at) == (
        2,
        "message",
        "client",
        pair_id,
        answer.at,
    )
    assert entry.payload == {"text": ["hello", 1, None]}
    assert (await log_of(store_a, "session:worker")).entries[-1] == entry
    assert listener_a.told == []


@ensureDeferred
async def test_both_ends_of_a_pair_may_send(case: StoreCase) -> None:
    store, _ = await case.node("a")
    pair_id = await bind(store)
    await sent(store, message("client", "question", pair_id=pair_id))
    await sent(store, message("worker", "answer", pair_id=pair_id))
    assert messages(await log_of(store, "session:worker")) == ["question"]
    assert messages(await log_of(store, "session:client")) == ["answer"]


@ensureDeferred
async def test_a_payload_comes_back_as_it_was_sent(case: StoreCase) -> None:
    store, listener = await case.node("a")
    pair_id = await bind(store)
    payloads: list[Any] = [
        None,
        True,
        0,
        -1,
        2**53,
        1.5,
        "",
        "ü\u0000\U0001f600",
        [],
        {},
        {"a": {"b": [1, {}, []]}},
        [[[]]],
    ]
    for payload in payloads[:9]:
        await sent(store, message("client", payload, pair_id=pair_id))
    assert messages(await log_of(store, "session:worker")) == payloads[:9]
    await store.ack("worker", 1, (await log_of(store, "session:worker")).head)
    for payload in payloads[9:]:
        await sent(store, message("client", payload, pair_id=pair_id))
    await case.settle()
    assert [entry.payload for entry in listener.entries("session:worker")][1:] == payloads


@ensureDeferred
async def test_a_message_into_no_pair_or_anothers_is_refused(case: StoreCase) -> None:
    store, _ = await case.node("a")
    pair_id = await bind(store)
    await connect(store, "stranger")
    assert isinstance(await store.send(message("client", "x", pair_id="none")), NotPaired)
    assert isinstance(await store.send(message("stranger", "x", pair_id=pair_id)), NotPaired)
    assert messages(await log_of(store, "session:worker")) == []
    assert messages(await log_of(store, "session:client")) == []


@ensureDeferred
async def test_a_message_of_an_older_connection_is_fenced(case: StoreCase) -> None:
    store, _ = await case.node("a")
    pair_id = await bind(store)
    await resume(store, "client", 1)
    assert isinstance(await store.send(message("client", "late", pair_id=pair_id)), Superseded)
    assert isinstance(await store.send(message("client", "late", room_id="hall")), Superseded)
    assert isinstance(await store.send(message("client", "late", pair_id=pair_id, number=1)), Superseded)
    await sent(store, message("client", "new", pair_id=pair_id, generation=2, number=1))
    assert messages(await log_of(store, "session:worker")) == ["new"]
    assert isinstance(await store.read("room:hall", None, 10), NotFound)


@ensureDeferred
async def test_the_holder_may_send_while_a_newer_claim_is_not_confirmed(case: StoreCase) -> None:
    store, _ = await case.node("a")
    pair_id = await bind(store)
    await store.claim(claim_of("client", 1))
    await sent(store, message("client", "still here", pair_id=pair_id))


@ensureDeferred
async def test_a_message_of_no_session_or_an_ended_one_is_refused(case: StoreCase) -> None:
    store, _ = await case.node("a")
    pair_id = await bind(store)
    await store.end("client", "ended")
    ended = await store.send(message("client", "x", pair_id=pair_id))
    unknown = await store.send(message("nobody", "x", pair_id=pair_id))
    assert isinstance(ended, Recovery)
    assert isinstance(unknown, Recovery)
    assert (ended.reason, unknown.reason) == ("revoked", "unknown")


@ensureDeferred
async def test_notifications_come_in_the_order_of_the_log(case: StoreCase) -> None:
    store_a, listener = await case.node("a")
    store_b, _ = await case.node("b")
    pair_id = await bind(store_a)
    await store_b.watch_room("hall")
    for n in range(4):
        await sent(store_a if n % 2 else store_b, message("client", n, pair_id=pair_id))
        await sent(store_b, message("worker", n, pair_id=pair_id))
    await case.settle()
    for session_id in ("client", "worker"):
        assert [entry.seq for entry in listener.entries(mailbox(session_id))] == [1, 2, 3, 4, 5]
