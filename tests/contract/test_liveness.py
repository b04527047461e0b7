"""How sessions live on: keep-alive, lost connections, dead nodes, and the time after which they end."""

import pytest
from pytest_twisted import ensureDeferred

from sigrouter.protocol.errors import Recovery
from sigrouter.stores.records import Claimed, Confirmed
from tests.contract.case import StoreCase
from tests.contract.scenes import (
    claim_of,
    connect,
    fresh,
    node,
    ready,
    resume,
)


async def state_of(case: StoreCase, session_id: str) -> str:
    """A session's state, asked through a node of its own."""
    store, _ = await case.node("observer")
    record = await store.session(session_id)
    return record.state if record else ""


@ensureDeferred
async def test_the_loss_of_the_sessions_connection_makes_it_away_with_a_full_window(case: StoreCase) -> None:
    store, _ = await case.node("a")
    await connect(store, "one")
    await case.advance(50.0)
    assert await store.lost("one", 1) is True
    record = await store.session("one")
    assert record is not None
    assert (record.state, record.generation) == ("away", 1)
    assert record.expires_at == pytest.approx(case.now() + case.times.recovery_window_s, abs=1.0)
    assert await store.sessions_of("a") == ()


@ensureDeferred
async def test_the_loss_of_an_older_connection_is_not_the_sessions(case: StoreCase) -> None:
    store, _ = await case.node("a")
    await connect(store, "one")
    await resume(store, "one", 1)
    assert await store.lost("one", 1) is False
    assert await state_of(case, "one") == "connected"


@ensureDeferred
async def test_the_loss_of_a_claimed_but_unconfirmed_connection_leaves_the_session_with_its_holder(
    case: StoreCase,
) -> None:
    store, _ = await case.node("a")
    await connect(store, "one")
    await store.claim(claim_of("one", 1))
    assert await store.lost("one", 2) is False
    assert await state_of(case, "one") == "connected"


@ensureDeferred
async def test_a_repeated_loss_or_one_of_no_session_is_nobodys(case: StoreCase) -> None:
    store, _ = await case.node("a")
    await connect(store, "one")
    assert await store.lost("one", 1) is True
    assert await store.lost("one", 1) is False
    assert await store.lost("nobody", 1) is False


@ensureDeferred
async def test_keepalive_pushes_out_the_expiry_of_this_nodes_sessions(case: StoreCase) -> None:
    store, _ = await case.node("a")
    await connect(store, "one")
    for _again in range(3):
        await case.advance(case.times.recovery_window_s - 10.0)
        assert await store.keepalive("a", [("one", 1)]) == ()
        assert await store.expire() == ()
    assert await state_of(case, "one") == "connected"


@ensureDeferred
async def test_keepalive_answers_the_sessions_that_are_not_this_nodes_any_more(case: StoreCase) -> None:
    store, _ = await case.node("a")
    for session_id in ("stays", "moved", "over", "stale"):
        await connect(store, session_id)
    await resume(store, "moved", 1, "b")
    await store.end("over", "ended")
    await resume(store, "stale", 1, "a")
    answer = await store.keepalive("a", [("stays", 1), ("moved", 1), ("over", 1), ("stale", 1), ("nobody", 1)])
    assert sorted(answer) == ["moved", "nobody", "over", "stale"]
    assert await store.keepalive("a", []) == ()


@ensureDeferred
async def test_a_session_that_nobody_keeps_alive_ends_after_the_window(case: StoreCase) -> None:
    store, _ = await case.node("a")
    await connect(store, "one")
    await store.lost("one", 1)
    await case.advance(case.times.recovery_window_s - 5.0)
    assert await store.expire() == ()
    await case.advance(6.0)
    assert await store.expire() == ("one",)
    assert await state_of(case, "one") == "ended"


@ensureDeferred
async def test_a_session_that_is_never_confirmed_ends_after_the_handshake_time(case: StoreCase) -> None:
    store, _ = await case.node("a")
    await store.create(fresh("one"))
    await case.advance(case.times.handshake_s - 2.0)
    assert await store.expire() == ()
    await case.advance(3.0)
    assert await store.expire() == ("one",)
    answer = await store.confirm(ready("one", 1))
    assert isinstance(answer, Recovery)
    assert answer.reason == "revoked"


@ensureDeferred
async def test_a_session_that_resumes_within_its_window_does_not_expire(case: StoreCase) -> None:
    store, _ = await case.node("a")
    await connect(store, "one")
    await store.lost("one", 1)
    await case.advance(case.times.recovery_window_s - 5.0)
    await resume(store, "one", 1)
    await case.advance(case.times.recovery_window_s - 5.0)
    assert await store.expire() == ()
    assert await state_of(case, "one") == "connected"


@ensureDeferred
async def test_each_session_is_ended_by_one_expire_call_of_whichever_node(case: StoreCase) -> None:
    first, _ = await case.node("a")
    second, _ = await case.node("b")
    for session_id in ("one", "two", "three"):
        await connect(first, session_id)
        await first.lost(session_id, 1)
    await case.advance(case.times.recovery_window_s + 1.0)
    ended = [*await first.expire(), *await second.expire(), *await first.expire()]
    assert sorted(ended) == ["one", "three", "two"]


@ensureDeferred
async def test_sessions_of_a_node_whose_lease_is_over_are_away_with_a_full_window(case: StoreCase) -> None:
    store, _ = await case.node("a")
    observer, _ = await case.node("b")
    await store.lease(node("a"))
    await connect(store, "one")
    await connect(observer, "other", "b")
    await case.advance(case.times.node_lease_s + 1.0)
    assert await observer.expire() == ()
    record = await observer.session("one")
    assert record is not None
    assert (record.state, record.generation) == ("away", 1)
    assert record.expires_at == pytest.approx(case.now() + case.times.recovery_window_s, abs=1.0)
    assert await state_of(case, "other") == "connected"
    assert (await resume(observer, "one", 1, "b")).record.state == "connected"


@ensureDeferred
async def test_a_dead_nodes_sessions_are_not_ended_at_the_moment_their_loss_is_known(case: StoreCase) -> None:
    store, _ = await case.node("a")
    await store.lease(node("a"))
    await connect(store, "one")
    await case.advance(case.times.recovery_window_s + 60.0)
    assert await store.expire() == ()
    assert await state_of(case, "one") == "away"


@ensureDeferred
async def test_a_node_that_was_thought_dead_and_was_not_keeps_its_sessions(case: StoreCase) -> None:
    store, _ = await case.node("a")
    await store.lease(node("a"))
    await connect(store, "one")
    await case.advance(case.times.node_lease_s + 1.0)
    await store.expire()
    assert await state_of(case, "one") == "away"
    await store.lease(node("a"))
    assert await store.keepalive("a", [("one", 1)]) == ()
    assert await state_of(case, "one") == "connected"


@ensureDeferred
async def test_a_session_that_expires_while_it_is_claimed_is_revoked_at_the_confirm(case: StoreCase) -> None:
    store, _ = await case.node("a")
    await connect(store, "one")
    await store.lost("one", 1)
    await case.advance(case.times.recovery_window_s - 1.0)
    assert isinstance(await store.claim(claim_of("one", 1)), Claimed)
    await case.advance(2.0)
    await store.expire()
    answer = await store.confirm(ready("one", 2, "b"))
    assert not isinstance(answer, Confirmed)
    assert isinstance(answer, Recovery)
    assert answer.reason == "revoked"
