"""A store is opened for a node, answers until it is closed, and then says that it cannot be reached."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from pytest_twisted import ensureDeferred

from sigrouter.protocol.errors import Unavailable
from sigrouter.stores.interface import Store
from sigrouter.stores.records import Position, Step
from tests.contract.case import StoreCase
from tests.contract.recording import ToldInterrupted
from tests.contract.scenes import bind, claim_of, connect, fresh, log_of, message, messages, node, ready, resume, sent

CALLS: list[Callable[[Store], Awaitable[Any]]] = [
    lambda store: store.ping(),
    lambda store: store.create(fresh("one")),
    lambda store: store.claim(claim_of("one", 1)),
    lambda store: store.confirm(ready("one", 1)),
    lambda store: store.keepalive("a", [("one", 1)]),
    lambda store: store.lost("one", 1),
    lambda store: store.end("one", "ended"),
    lambda store: store.session("one"),
    lambda store: store.sessions(["one"]),
    lambda store: store.sessions_of("a"),
    lambda store: store.pairs_of("one"),
    lambda store: store.expire(),
    lambda store: store.send(message("one", "x", room_id="hall")),
    lambda store: store.read("session:one", None, 10),
    lambda store: store.ack("one", 1, Position("", 0)),
    lambda store: store.notify("one", "queue", {}),
    lambda store: store.watch_room("hall"),
    lambda store: store.announce("one", 1, frozenset(), 1),
    lambda store: store.worker("one"),
    lambda store: store.request("one", 1, frozenset(), 1.0),
    lambda store: store.cancel("one"),
    lambda store: store.release("one", "pair"),
    lambda store: store.match(),
    lambda store: store.queue(),
    lambda store: store.lease(node("a")),
    lambda store: store.release_node("a"),
    lambda store: store.nodes(),
    lambda store: store.mark("h1", ["one"]),
    lambda store: store.record("h1", [Step("one", "client", "confirmed", 1, "a", {})]),
    lambda store: store.handover("h1"),
    lambda store: store.handovers(),
]


@ensureDeferred
async def test_an_open_store_answers(case: StoreCase) -> None:
    store, _ = await case.node("a")
    await store.ping()
    assert store.available is True


@ensureDeferred
async def test_a_closed_store_raises_unavailable_for_every_call(case: StoreCase) -> None:
    store, _ = await case.node("a")
    await connect(store, "one")
    await store.close()
    assert store.available is False
    for call in CALLS:
        with pytest.raises(Unavailable):
            await call(store)


@ensureDeferred
async def test_closing_twice_is_closing_once(case: StoreCase) -> None:
    store, _ = await case.node("a")
    await store.close()
    await store.close()


@ensureDeferred
async def test_a_closed_store_hears_nothing_more_and_the_others_go_on(case: StoreCase) -> None:
    store_a, listener_a = await case.node("a")
    store_b, listener_b = await case.node("b")
    pair_id = await bind(store_b)
    for store in (store_a, store_b):
        await store.watch_room("hall")
    await case.settle()
    await store_a.close()
    listener_a.clear()
    await sent(store_b, message("client", "kept", pair_id=pair_id))
    await sent(store_b, message("client", "room", room_id="hall"))
    await store_b.lease(node("b"))
    await case.settle()
    assert listener_a.told == []
    assert [entry.payload for entry in listener_b.entries("room:hall")] == ["room"]
    assert messages((await resume(store_b, "worker", 1, role="worker")).backlog) == ["kept"]


@ensureDeferred
async def test_after_a_restart_with_its_data_the_store_goes_on_in_the_same_epoch(case: StoreCase) -> None:
    if not case.supports_restart:
        pytest.skip("this backend does not restart")
    store, listener = await case.node("a")
    await store.watch_room("hall")
    pair_id = await bind(store)
    first = await sent(store, message("client", "one", pair_id=pair_id, number=1))
    await case.restart(keep_data=True)
    assert listener.of(ToldInterrupted)
    assert store.available is True
    again = await sent(store, message("client", "one", pair_id=pair_id, number=1))
    assert (again.duplicate, again.position) == (True, first.position)
    listener.clear()
    await sent(store, message("client", "two", pair_id=pair_id, number=2))
    await sent(store, message("client", "room", room_id="hall", number=3))
    await case.settle()
    assert [entry.payload for entry in listener.entries("session:worker")] == ["two"]
    assert [entry.payload for entry in listener.entries("room:hall")] == ["room"]
    assert messages(await log_of(store, "session:worker", first.position)) == ["two"]


@ensureDeferred
async def test_after_a_restart_without_its_data_the_epoch_tells(case: StoreCase) -> None:
    if not case.supports_restart:
        pytest.skip("this backend does not restart")
    store, listener = await case.node("a")
    pair_id = await bind(store)
    position = (await sent(store, message("client", "gone", pair_id=pair_id))).position
    await case.restart(keep_data=False)
    assert listener.of(ToldInterrupted)
    assert await store.session("worker") is None
    confirmed = await connect(store, "worker", role="worker", position=position)
    assert confirmed.backlog.reset is True
    assert confirmed.backlog.head.epoch != position.epoch
