"""The report of a handover: every step of every session, in order, from all nodes."""

from pytest_twisted import ensureDeferred

from sigrouter.stores.records import Claimed, Step
from tests.contract.case import StoreCase
from tests.contract.scenes import claim_of, connect, fresh, ready, resume


def step(session_id: str, name: str, at: int = 1_700_000_000_000, **detail: object) -> Step:
    """One step."""
    return Step(session_id, "client", name, at, "a", detail)


@ensureDeferred
async def test_steps_are_read_in_the_order_in_which_they_were_recorded(case: StoreCase) -> None:
    store_a, _ = await case.node("a")
    store_b, _ = await case.node("b")
    steps = (
        step("one", "goaway_sent", 1_700_000_000_005, window=16, nested={"list": [], "map": {}, "none": None}),
        step("two", "goaway_sent", 1_700_000_000_002),
        step("one", "confirmed", 1_700_000_000_001, replayed=3),
    )
    await store_a.record("h1", steps[:2])
    await store_b.record("h1", steps[2:])
    for store in (store_a, store_b):
        assert await store.handover("h1") == steps


@ensureDeferred
async def test_a_long_report_is_read_whole(case: StoreCase) -> None:
    store, _ = await case.node("a")
    steps = tuple(step(f"session-{number}", "goaway_sent") for number in range(500))
    await store.record("h1", steps)
    assert await store.handover("h1") == steps


@ensureDeferred
async def test_an_unknown_handover_has_no_steps(case: StoreCase) -> None:
    store, _ = await case.node("a")
    assert await store.handover("none") == ()
    assert await store.handovers() == ()


@ensureDeferred
async def test_handovers_are_known_newest_first(case: StoreCase) -> None:
    store, _ = await case.node("a")
    for handover_id in ("h1", "h0", "h2"):
        await store.record(handover_id, [step("one", "drain_started")])
        await case.advance(1.0)
    await store.record("h1", [step("one", "drain_finished")])
    assert await store.handovers() == ("h2", "h0", "h1")


@ensureDeferred
async def test_a_report_is_kept_for_its_time(case: StoreCase) -> None:
    store, _ = await case.node("a")
    await store.record("h1", [step("one", "drain_started")])
    await case.advance(case.times.handover_ttl_s - 10.0)
    await store.expire()
    assert len(await store.handover("h1")) == 1
    assert await store.handovers() == ("h1",)


@ensureDeferred
async def test_marked_sessions_show_their_handover_to_the_node_that_they_come_to(case: StoreCase) -> None:
    store_a, _ = await case.node("a")
    store_b, _ = await case.node("b")
    await connect(store_a, "one")
    await connect(store_a, "stays")
    await store_a.mark("h1", ["one", "nobody"])
    claimed = await store_b.claim(claim_of("one", 1))
    assert isinstance(claimed, Claimed)
    assert claimed.record.handover_id == "h1"
    confirmed = await store_b.confirm(ready("one", 2, "b"))
    assert not isinstance(confirmed, Exception)
    assert confirmed.previous.handover_id == "h1"
    assert (await resume(store_b, "stays", 1)).previous.handover_id == ""
    assert await store_a.session("nobody") is None


@ensureDeferred
async def test_a_session_that_has_arrived_is_no_part_of_the_handover_any_more(case: StoreCase) -> None:
    store, _ = await case.node("a")
    await connect(store, "one")
    await store.mark("h1", ["one"])
    assert (await resume(store, "one", 1)).record.handover_id == ""
    assert (await resume(store, "one", 2, "c")).previous.handover_id == ""


@ensureDeferred
async def test_a_mark_survives_a_lost_connection_and_a_repeated_ready_of_the_old_one(case: StoreCase) -> None:
    store, _ = await case.node("a")
    await connect(store, "one")
    await store.mark("h1", ["one"])
    await store.confirm(ready("one", 1))
    await store.lost("one", 1)
    assert (await resume(store, "one", 1)).previous.handover_id == "h1"


@ensureDeferred
async def test_the_newest_mark_counts(case: StoreCase) -> None:
    store, _ = await case.node("a")
    await connect(store, "one")
    await store.create(fresh("new"))
    await store.mark("h1", ["one"])
    await store.mark("h2", ["one", "new"])
    await store.mark("h3", [])
    records = await store.sessions(["one", "new"])
    assert [record.handover_id if record else None for record in records] == ["h2", "h2"]
