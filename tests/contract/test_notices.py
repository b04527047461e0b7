"""Notices: events for a session that no log keeps."""

from pytest_twisted import ensureDeferred

from tests.contract.case import StoreCase
from tests.contract.recording import ToldNotice
from tests.contract.scenes import connect, fresh, log_of


@ensureDeferred
async def test_a_notice_reaches_the_sessions_node_and_no_log(case: StoreCase) -> None:
    store_a, listener_a = await case.node("a")
    store_b, listener_b = await case.node("b")
    await connect(store_a, "one")
    assert await store_b.notify("one", "queue", {"position": 3}) is True
    await case.settle()
    assert listener_a.of(ToldNotice) == [ToldNotice("one", "queue", {"position": 3})]
    assert listener_b.told == []
    assert (await log_of(store_a, "session:one")).entries == ()


@ensureDeferred
async def test_a_notice_for_a_session_that_is_nowhere_is_not_made(case: StoreCase) -> None:
    store, listener = await case.node("a")
    for session_id in ("away", "over"):
        await connect(store, session_id)
    await store.lost("away", 1)
    await store.end("over", "ended")
    await store.create(fresh("new"))
    await case.settle()
    listener.clear()
    for session_id in ("away", "over", "new", "nobody"):
        assert await store.notify(session_id, "queue", {}) is False
    await case.settle()
    assert listener.told == []
