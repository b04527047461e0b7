"""Confirms: the connection takes the session over, the older one's node and the peers' nodes are told."""

import pytest
from pytest_twisted import ensureDeferred

from sigrouter.protocol.errors import Recovery, Superseded
from sigrouter.stores.records import Confirmed
from tests.contract.case import StoreCase
from tests.contract.recording import ToldPeerReady, ToldSuperseded
from tests.contract.scenes import (
    bind,
    claim_of,
    connect,
    fresh,
    message,
    messages,
    ready,
    resume,
    sent,
)


@ensureDeferred
async def test_the_first_confirm_makes_the_connection_the_sessions_one(case: StoreCase) -> None:
    store, listener = await case.node("a")
    confirmed = await connect(store, "one")
    record = confirmed.record
    assert (record.state, record.generation, record.claimed, record.node_id) == ("connected", 1, 1, "a")
    assert (record.stack, record.connection_id) == ("green", "one-on-a")
    assert record.expires_at == pytest.approx(case.now() + case.times.recovery_window_s, abs=1.0)
    assert (confirmed.previous.state, confirmed.previous.generation) == ("new", 0)
    assert (confirmed.pairs, confirmed.last_number, confirmed.backlog.entries) == ((), 0, ())
    assert await store.session("one") == record
    await case.settle()
    assert listener.of(ToldSuperseded) == []


@ensureDeferred
async def test_only_the_newest_claim_can_confirm_even_if_the_older_one_comes_first(case: StoreCase) -> None:
    store, _ = await case.node("a")
    await connect(store, "one")
    await store.claim(claim_of("one", 1))
    await store.claim(claim_of("one", 1))
    assert isinstance(await store.confirm(ready("one", 2, "b")), Superseded)
    assert isinstance(await store.confirm(ready("one", 3, "c")), Confirmed)


@ensureDeferred
async def test_a_confirm_of_a_generation_that_was_never_handed_out_is_superseded(case: StoreCase) -> None:
    store, _ = await case.node("a")
    await store.create(fresh("one"))
    assert isinstance(await store.confirm(ready("one", 0)), Superseded)
    assert isinstance(await store.confirm(ready("one", 2)), Superseded)


@ensureDeferred
async def test_a_confirm_of_no_session_or_an_ended_one_says_so(case: StoreCase) -> None:
    store, _ = await case.node("a")
    await connect(store, "over")
    await store.end("over", "kicked")
    unknown = await store.confirm(ready("nobody", 1))
    revoked = await store.confirm(ready("over", 1))
    assert isinstance(unknown, Recovery)
    assert isinstance(revoked, Recovery)
    assert (unknown.reason, revoked.reason) == ("unknown", "revoked")


@ensureDeferred
async def test_a_repeated_confirm_answers_anew(case: StoreCase) -> None:
    store, _ = await case.node("a")
    pair_id = await bind(store)
    await sent(store, message("worker", "hello", pair_id=pair_id, number=1))
    first = await resume(store, "client", 1)
    again = await store.confirm(ready("client", 2, "b"))
    assert isinstance(again, Confirmed)
    assert again.record.generation == first.record.generation == 2
    assert again.backlog == first.backlog
    assert messages(again.backlog) == ["hello"]
    assert again.pairs == first.pairs


@ensureDeferred
async def test_the_holder_may_repeat_its_confirm_while_a_newer_claim_is_on_its_way(case: StoreCase) -> None:
    store, _ = await case.node("a")
    await connect(store, "one")
    await store.claim(claim_of("one", 1))
    assert isinstance(await store.confirm(ready("one", 1)), Confirmed)
    newer = await store.confirm(ready("one", 2, "b"))
    assert isinstance(newer, Confirmed)


@ensureDeferred
async def test_a_confirm_tells_the_node_of_the_older_connection_once_it_counts(case: StoreCase) -> None:
    old, old_listener = await case.node("a")
    new, new_listener = await case.node("b")
    await connect(old, "one")
    await new.claim(claim_of("one", 1))
    await case.settle()
    assert old_listener.of(ToldSuperseded) == []
    await new.confirm(ready("one", 2, "b"))
    await case.settle()
    assert old_listener.of(ToldSuperseded) == [ToldSuperseded("one", 2, "b")]
    assert new_listener.of(ToldSuperseded) == []


@ensureDeferred
async def test_a_session_that_comes_back_on_the_same_node_supersedes_there(case: StoreCase) -> None:
    store, listener = await case.node("a")
    await connect(store, "one")
    await resume(store, "one", 1, "a")
    await case.settle()
    assert listener.of(ToldSuperseded) == [ToldSuperseded("one", 2, "a")]


@ensureDeferred
async def test_a_confirm_tells_the_peers_node_where_the_peer_is(case: StoreCase) -> None:
    store_a, listener_a = await case.node("a")
    store_b, listener_b = await case.node("b")
    pair_id = await bind(store_a)
    await case.settle()
    listener_a.clear()
    confirmed = await resume(store_b, "worker", 1, "b", "worker")
    await case.settle()
    assert listener_a.of(ToldPeerReady) == [ToldPeerReady("client", "worker", "b")]
    assert listener_b.of(ToldPeerReady) == []
    (view,) = confirmed.pairs
    assert (view.pair_id, view.peer_session_id, view.peer_user_id) == (pair_id, "client", "user-client")
    assert (view.peer_state, view.peer_node_id) == ("connected", "a")


@ensureDeferred
async def test_the_previous_record_shows_where_the_session_came_from(case: StoreCase) -> None:
    store, _ = await case.node("a")
    await connect(store, "one")
    confirmed = await resume(store, "one", 1)
    assert (confirmed.previous.node_id, confirmed.previous.generation) == ("a", 1)
    assert (confirmed.record.node_id, confirmed.record.generation) == ("b", 2)
