"""The nodes' leases: who is there, in which state, and that all hear of a change."""

import pytest
from attrs import evolve
from pytest_twisted import ensureDeferred

from tests.contract.case import StoreCase
from tests.contract.recording import ToldNodesChanged
from tests.contract.scenes import node


@ensureDeferred
async def test_a_node_with_a_lease_is_seen_by_all_by_id(case: StoreCase) -> None:
    store_b, _ = await case.node("b")
    store_a, _ = await case.node("a")
    assert await store_a.nodes() == ()
    await store_b.lease(node("b", sessions=7))
    await store_a.lease(node("a", "starting"))
    first, second = await store_b.nodes()
    assert evolve(first, lease_until=0.0) == node("a", "starting")
    assert evolve(second, lease_until=0.0) == node("b", sessions=7)


@ensureDeferred
async def test_the_lease_is_as_long_as_the_stores_own_time(case: StoreCase) -> None:
    store, _ = await case.node("a")
    await store.lease(evolve(node("a"), lease_until=case.now() + 1e9))
    (record,) = await store.nodes()
    assert record.lease_until == pytest.approx(case.now() + case.times.node_lease_s, abs=1.0)


@ensureDeferred
async def test_a_node_that_renews_lives_and_one_that_does_not_is_gone(case: StoreCase) -> None:
    store, _ = await case.node("a")
    await store.lease(node("a"))
    await store.lease(node("b"))
    await case.advance(case.times.node_lease_s - 5.0)
    await store.lease(node("a", sessions=3))
    await case.advance(6.0)
    (record,) = await store.nodes()
    assert (record.node_id, record.sessions) == ("a", 3)


@ensureDeferred
async def test_an_appearance_and_a_change_of_state_are_told_to_all(case: StoreCase) -> None:
    store_a, listener_a = await case.node("a")
    _store_b, listener_b = await case.node("b")
    for record in (node("a", "starting"), node("a", "ready"), node("a", "draining"), node("a", "ready")):
        await case.settle()
        listener_a.clear()
        listener_b.clear()
        await store_a.lease(record)
        await case.settle()
        assert listener_a.of(ToldNodesChanged)
        assert listener_b.of(ToldNodesChanged)


@ensureDeferred
async def test_a_renewal_without_a_change_of_state_is_told_to_nobody(case: StoreCase) -> None:
    store_a, listener_a = await case.node("a")
    _store_b, listener_b = await case.node("b")
    await store_a.lease(node("a"))
    await case.settle()
    listener_a.clear()
    listener_b.clear()
    await case.advance(5.0)
    await store_a.lease(node("a", sessions=5))
    await case.settle()
    assert (listener_a.told, listener_b.told) == ([], [])


@ensureDeferred
async def test_a_node_that_leaves_is_gone_and_told_to_all(case: StoreCase) -> None:
    store_a, listener_a = await case.node("a")
    _store_b, listener_b = await case.node("b")
    await store_a.lease(node("a"))
    await case.settle()
    listener_a.clear()
    listener_b.clear()
    await store_a.release_node("a")
    await case.settle()
    assert await store_a.nodes() == ()
    assert listener_a.of(ToldNodesChanged)
    assert listener_b.of(ToldNodesChanged)
    await store_a.release_node("a")
    await store_a.release_node("nobody")


@ensureDeferred
async def test_a_dead_nodes_end_is_told_to_all_by_expire(case: StoreCase) -> None:
    store_a, _ = await case.node("a")
    store_b, listener_b = await case.node("b")
    await store_a.lease(node("a"))
    await case.settle()
    listener_b.clear()
    await case.advance(case.times.node_lease_s + 1.0)
    await store_b.expire()
    await case.settle()
    assert listener_b.of(ToldNodesChanged)


@ensureDeferred
async def test_a_node_that_comes_back_after_its_lease_was_over_is_told_to_all(case: StoreCase) -> None:
    store_a, _ = await case.node("a")
    _store_b, listener_b = await case.node("b")
    await store_a.lease(node("a"))
    await case.advance(case.times.node_lease_s + 1.0)
    await case.settle()
    listener_b.clear()
    await store_a.lease(node("a"))
    await case.settle()
    assert listener_b.of(ToldNodesChanged)
