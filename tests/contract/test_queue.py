"""The queue for workers: first come, first served, with a deadline, and fair to those who wait."""

import pytest
from pytest_twisted import ensureDeferred

from sigrouter.stores.interface import Store
from sigrouter.stores.records import Paired, Queued
from tests.contract.case import StoreCase
from tests.contract.recording import ToldEntry
from tests.contract.scenes import bind, connect, log_of, pair_states

ANY: frozenset[str] = frozenset()


async def wait(store: Store, client: str, *abilities: str, deadline_s: float = 60.0) -> Queued:
    """A new client that has to wait."""
    await connect(store, client)
    answer = await store.request(client, 1, frozenset(abilities), deadline_s)
    assert isinstance(answer, Queued), answer
    return answer


async def offer(store: Store, session_id: str, capacity: int, *abilities: str) -> None:
    """A new worker."""
    await connect(store, session_id, role="worker")
    await store.announce(session_id, 1, frozenset(abilities), capacity)


@ensureDeferred
async def test_a_client_that_nobody_can_serve_waits_with_its_position_and_deadline(case: StoreCase) -> None:
    store, _ = await case.node("a")
    first = await wait(store, "one", deadline_s=30.0)
    second = await wait(store, "two", deadline_s=50.0)
    assert (first.position, second.position) == (1, 2)
    assert first.deadline_at == pytest.approx(case.now() + 30.0, abs=1.0)
    assert second.deadline_at == pytest.approx(case.now() + 50.0, abs=1.0)
    assert await store.queue() == ("one", "two")


@ensureDeferred
async def test_a_client_that_waits_gets_that_answer_again(case: StoreCase) -> None:
    store, _ = await case.node("a")
    await wait(store, "one")
    first = await wait(store, "two")
    await case.advance(10.0)
    again = await store.request("two", 1, ANY, 60.0)
    assert isinstance(again, Queued)
    assert again.position == 2
    assert again.deadline_at == pytest.approx(first.deadline_at, abs=0.01)
    assert await store.queue() == ("one", "two")


@ensureDeferred
async def test_whoever_waits_is_paired_first_come_first_served(case: StoreCase) -> None:
    store, _ = await case.node("a")
    for client in ("one", "two", "three"):
        await wait(store, client)
    await offer(store, "worker", 2)
    paired = await store.match()
    assert [(pair.client_id, pair.worker_id) for pair in paired] == [("one", "worker"), ("two", "worker")]
    assert await store.queue() == ("three",)
    assert await store.match() == ()
    assert pair_states(await log_of(store, "session:one")) == ["paired"]
    again = await store.request("one", 1, ANY, 60.0)
    assert again == paired[0]


@ensureDeferred
async def test_a_client_that_cannot_be_served_does_not_hold_up_those_behind_it(case: StoreCase) -> None:
    store, _ = await case.node("a")
    await wait(store, "rare", "video")
    await wait(store, "plain", "text")
    await wait(store, "rare too", "video")
    await wait(store, "any")
    await offer(store, "worker", 2, "text")
    assert [pair.client_id for pair in await store.match()] == ["plain", "any"]
    assert await store.queue() == ("rare", "rare too")


@ensureDeferred
async def test_a_newcomer_does_not_take_the_slot_of_one_who_waits_for_it(case: StoreCase) -> None:
    store, _ = await case.node("a")
    await wait(store, "patient")
    await offer(store, "worker", 1)
    await connect(store, "newcomer")
    answer = await store.request("newcomer", 1, ANY, 60.0)
    assert not isinstance(answer, Paired)
    await store.match()
    assert isinstance(await store.request("patient", 1, ANY, 60.0), Paired)
    assert await store.queue() == ("newcomer",)


@ensureDeferred
async def test_a_newcomer_is_served_past_one_whose_abilities_nobody_has(case: StoreCase) -> None:
    store, _ = await case.node("a")
    await wait(store, "rare", "video")
    await offer(store, "worker", 1, "text")
    await connect(store, "newcomer")
    answer = await store.request("newcomer", 1, frozenset({"text"}), 60.0)
    assert isinstance(answer, Paired)
    assert await store.queue() == ("rare",)


@ensureDeferred
async def test_a_client_leaves_the_queue_once(case: StoreCase) -> None:
    store, _ = await case.node("a")
    await wait(store, "one")
    await wait(store, "two")
    assert await store.cancel("one") is True
    assert await store.cancel("one") is False
    assert await store.cancel("nobody") is False
    assert await store.queue() == ("two",)
    await offer(store, "worker", 2)
    assert [pair.client_id for pair in await store.match()] == ["two"]


@ensureDeferred
async def test_a_paired_client_is_not_in_the_queue(case: StoreCase) -> None:
    store, _ = await case.node("a")
    await bind(store)
    assert await store.cancel("client") is False
    assert await store.queue() == ()


@ensureDeferred
async def test_a_wait_ends_at_its_deadline_and_the_client_is_told_once(case: StoreCase) -> None:
    store, listener = await case.node("a")
    await wait(store, "short", deadline_s=10.0)
    await wait(store, "long", deadline_s=100.0)
    await case.advance(8.0)
    await store.expire()
    assert await store.queue() == ("short", "long")
    await case.advance(3.0)
    await case.settle()
    listener.clear()
    assert await store.expire() == ()
    assert await store.expire() == ()
    await case.settle()
    assert await store.queue() == ("long",)
    (told,) = listener.of(ToldEntry)
    assert (told.channel, told.entry.kind, told.entry.sender, told.entry.pair_id) == ("session:short", "pair", "", "")
    payload = told.entry.payload
    assert (payload["state"], payload["pair_id"], payload["peer_session_id"]) == ("expired", "", "")
    assert payload["peer_user_id"] == ""
    assert pair_states(await log_of(store, "session:short")) == ["expired"]


@ensureDeferred
async def test_a_client_whose_wait_ended_may_ask_again_and_is_last(case: StoreCase) -> None:
    store, _ = await case.node("a")
    await wait(store, "one", deadline_s=5.0)
    await wait(store, "two")
    await case.advance(6.0)
    await store.expire()
    answer = await store.request("one", 1, ANY, 60.0)
    assert isinstance(answer, Queued)
    assert answer.position == 2
    assert await store.queue() == ("two", "one")


@ensureDeferred
async def test_two_nodes_that_match_at_once_pair_each_client_once(case: StoreCase) -> None:
    first, _ = await case.node("a")
    second, _ = await case.node("b")
    for n in range(4):
        await wait(first, f"client{n}")
    await offer(first, "worker", 3)
    paired = [*await second.match(), *await first.match()]
    assert [pair.client_id for pair in paired] == ["client0", "client1", "client2"]
    assert len({pair.pair_id for pair in paired}) == 3
    view = await first.worker("worker")
    assert view is not None
    assert view.load == 3


@ensureDeferred
async def test_a_client_whose_deadline_is_over_is_paired_with_nobody_any_more(case: StoreCase) -> None:
    store, _ = await case.node("a")
    await wait(store, "late", deadline_s=5.0)
    await offer(store, "worker", 1)
    await case.advance(6.0)
    assert await store.match() == ()
    await connect(store, "newcomer")
    assert isinstance(await store.request("newcomer", 1, ANY, 60.0), Paired)
    await store.expire()
    assert pair_states(await log_of(store, "session:late")) == ["expired"]
