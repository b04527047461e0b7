"""Clients and workers bound one to one: who gets whom, what both ends are told, and how it ends."""

from pytest_twisted import ensureDeferred

from sigrouter.protocol.errors import Recovery, Superseded
from sigrouter.stores.interface import Store
from sigrouter.stores.records import Paired, PairView, WorkerView
from tests.contract.case import StoreCase
from tests.contract.recording import ToldEntry
from tests.contract.scenes import bind, connect, log_of, pair_states, resume

ANY: frozenset[str] = frozenset()


async def worker(case: StoreCase, store: Store, session_id: str, capacity: int = 1, *abilities: str) -> None:
    """A connected, announced worker that has waited longer than the ones after it."""
    await connect(store, session_id, role="worker")
    assert isinstance(await store.announce(session_id, 1, frozenset(abilities), capacity), WorkerView)
    await case.advance(1.0)


async def chosen(store: Store, client: str, *abilities: str) -> str:
    """The worker that a new client gets."""
    await connect(store, client)
    answer = await store.request(client, 1, frozenset(abilities), 60.0)
    assert isinstance(answer, Paired), answer
    assert answer.client_id == client
    return answer.worker_id


@ensureDeferred
async def test_an_announcement_is_seen_with_its_load(case: StoreCase) -> None:
    store, _ = await case.node("a")
    await connect(store, "worker", role="worker")
    assert await store.worker("worker") is None
    assert await store.worker("nobody") is None
    view = await store.announce("worker", 1, frozenset({"text", "video"}), 3)
    assert view == WorkerView("worker", frozenset({"text", "video"}), 3, 0, "connected", "a")
    assert await store.worker("worker") == view
    await chosen(store, "client", "text")
    assert await store.worker("worker") == WorkerView("worker", frozenset({"text", "video"}), 3, 1, "connected", "a")


@ensureDeferred
async def test_a_repeated_announcement_replaces_the_first_and_keeps_the_load(case: StoreCase) -> None:
    store, _ = await case.node("a")
    await worker(case, store, "worker", 3, "text")
    await chosen(store, "client")
    view = await store.announce("worker", 1, frozenset({"video"}), 1)
    assert view == WorkerView("worker", frozenset({"video"}), 1, 1, "connected", "a")
    await connect(store, "late")
    assert not isinstance(await store.request("late", 1, ANY, 60.0), Paired)


@ensureDeferred
async def test_announcements_and_requests_are_fenced(case: StoreCase) -> None:
    store, _ = await case.node("a")
    for session_id in ("one", "over"):
        await connect(store, session_id)
    await resume(store, "one", 1)
    await store.end("over", "ended")
    for answer in (await store.announce("one", 1, ANY, 1), await store.request("one", 1, ANY, 60.0)):
        assert isinstance(answer, Superseded)
    for session_id, reason in [("over", "revoked"), ("nobody", "unknown")]:
        for refusal in (await store.announce(session_id, 1, ANY, 1), await store.request(session_id, 1, ANY, 60.0)):
            assert isinstance(refusal, Recovery)
            assert refusal.reason == reason
    assert await store.queue() == ()


@ensureDeferred
async def test_a_pair_is_seen_from_both_ends(case: StoreCase) -> None:
    store, _ = await case.node("a")
    pair_id = await bind(store, worker_node="b")
    assert await store.pairs_of("client") == (PairView(pair_id, "worker", "user-worker", "connected", "b"),)
    assert await store.pairs_of("worker") == (PairView(pair_id, "client", "user-client", "connected", "a"),)
    assert await store.pairs_of("nobody") == ()


@ensureDeferred
async def test_a_pair_outlives_the_connections_of_its_ends(case: StoreCase) -> None:
    store, _ = await case.node("a")
    pair_id = await bind(store)
    await store.lost("worker", 1)
    assert await store.pairs_of("client") == (PairView(pair_id, "worker", "user-worker", "away", ""),)
    confirmed = await resume(store, "worker", 1, "b", "worker")
    assert confirmed.pairs == (PairView(pair_id, "client", "user-client", "connected", "a"),)
    assert await store.pairs_of("client") == (PairView(pair_id, "worker", "user-worker", "connected", "b"),)


@ensureDeferred
async def test_both_ends_get_an_entry_when_they_are_paired_and_their_nodes_are_told(case: StoreCase) -> None:
    store_a, listener_a = await case.node("a")
    _store_b, listener_b = await case.node("b")
    pair_id = await bind(store_a, worker_node="b")
    await case.settle()
    for listener, reader, peer in ((listener_a, "client", "worker"), (listener_b, "worker", "client")):
        (told,) = listener.of(ToldEntry)
        assert (told.channel, told.position.seq) == (f"session:{reader}", 1)
        assert (told.entry.kind, told.entry.sender, told.entry.pair_id) == ("pair", "", pair_id)
        assert told.entry.payload == {
            "state": "paired",
            "pair_id": pair_id,
            "peer_session_id": peer,
            "peer_user_id": f"user-{peer}",
            "reason": "",
        }
        assert (await log_of(store_a, f"session:{reader}")).entries == (told.entry,)


@ensureDeferred
async def test_the_worker_with_the_least_load_for_its_capacity_is_chosen(case: StoreCase) -> None:
    store, _ = await case.node("a")
    await worker(case, store, "small", 2)
    await worker(case, store, "large", 4)
    served = [await chosen(store, f"client{n}") for n in range(6)]
    assert served == ["small", "large", "large", "small", "large", "large"]


@ensureDeferred
async def test_of_equally_loaded_workers_the_one_that_has_waited_longest_is_chosen(case: StoreCase) -> None:
    store, _ = await case.node("a")
    for session_id in ("zoe", "adam", "mia"):
        await worker(case, store, session_id, 2)
    served = []
    for n in range(6):
        served.append(await chosen(store, f"client{n}"))
        await case.advance(1.0)
    assert served == ["zoe", "adam", "mia", "zoe", "adam", "mia"]


@ensureDeferred
async def test_a_worker_that_was_just_released_has_waited_less_than_one_that_was_idle_all_along(
    case: StoreCase,
) -> None:
    store, _ = await case.node("a")
    await worker(case, store, "busy")
    await worker(case, store, "idle")
    assert await chosen(store, "first") == "busy"
    await case.advance(1.0)
    (view,) = await store.pairs_of("first")
    await store.release("first", view.pair_id)
    await case.advance(1.0)
    assert await chosen(store, "second") == "idle"


@ensureDeferred
async def test_a_worker_needs_all_the_abilities(case: StoreCase) -> None:
    store, _ = await case.node("a")
    await worker(case, store, "text", 5, "text")
    await worker(case, store, "both", 1, "text", "video")
    assert await chosen(store, "one", "video", "text") == "both"
    assert await chosen(store, "two", "text") == "text"
    await connect(store, "three")
    assert not isinstance(await store.request("three", 1, frozenset({"video"}), 60.0), Paired)


@ensureDeferred
async def test_a_worker_is_never_given_more_than_its_capacity(case: StoreCase) -> None:
    store, _ = await case.node("a")
    await worker(case, store, "worker", 2)
    await worker(case, store, "closed", 0)
    assert [await chosen(store, "one"), await chosen(store, "two")] == ["worker", "worker"]
    await connect(store, "three")
    assert not isinstance(await store.request("three", 1, ANY, 60.0), Paired)
    assert await store.match() == ()


@ensureDeferred
async def test_a_worker_that_is_away_gets_nobody_new(case: StoreCase) -> None:
    store, _ = await case.node("a")
    await worker(case, store, "worker", 2)
    await store.lost("worker", 1)
    view = await store.worker("worker")
    assert view is not None
    assert view.state == "away"
    await connect(store, "client")
    assert not isinstance(await store.request("client", 1, ANY, 60.0), Paired)
    assert await store.match() == ()
    await resume(store, "worker", 1, "b", "worker")
    (paired,) = await store.match()
    assert (paired.client_id, paired.worker_id) == ("client", "worker")


@ensureDeferred
async def test_a_client_that_is_paired_gets_that_answer_again(case: StoreCase) -> None:
    store_a, _ = await case.node("a")
    store_b, _ = await case.node("b")
    pair_id = await bind(store_a)
    await worker(case, store_a, "other", 5)
    answer = await store_b.request("client", 1, ANY, 60.0)
    assert answer == Paired(pair_id, "client", "worker")
    assert len(await store_a.pairs_of("client")) == 1
    assert pair_states(await log_of(store_a, "session:client")) == ["paired"]


@ensureDeferred
async def test_a_release_dissolves_the_pair_once_and_tells_the_other_end(case: StoreCase) -> None:
    store, listener = await case.node("a")
    pair_id = await bind(store)
    await case.settle()
    listener.clear()
    assert await store.release("client", pair_id) is True
    assert await store.release("client", pair_id) is False
    assert await store.release("worker", pair_id) is False
    await case.settle()
    (told,) = listener.of(ToldEntry)
    assert (told.channel, told.entry.kind, told.entry.pair_id) == ("session:worker", "pair", pair_id)
    payload = told.entry.payload
    assert (payload["state"], payload["pair_id"], payload["peer_session_id"]) == ("released", pair_id, "client")
    assert payload["peer_user_id"] == "user-client"
    assert pair_states(await log_of(store, "session:client")) == ["paired"]
    assert await store.pairs_of("client") == ()
    assert await store.pairs_of("worker") == ()


@ensureDeferred
async def test_a_release_gives_the_slot_back(case: StoreCase) -> None:
    store, _ = await case.node("a")
    pair_id = await bind(store)
    await store.release("worker", pair_id)
    view = await store.worker("worker")
    assert view is not None
    assert view.load == 0
    assert await chosen(store, "next") == "worker"


@ensureDeferred
async def test_only_an_end_of_a_pair_can_release_it(case: StoreCase) -> None:
    store, _ = await case.node("a")
    pair_id = await bind(store)
    await connect(store, "stranger")
    assert await store.release("stranger", pair_id) is False
    assert await store.release("nobody", pair_id) is False
    assert await store.release("client", "none") is False
    assert len(await store.pairs_of("client")) == 1


@ensureDeferred
async def test_two_nodes_that_pair_at_once_never_share_a_slot(case: StoreCase) -> None:
    stores = [(await case.node(node_id))[0] for node_id in ("a", "b", "c")]
    for n in range(3):
        await worker(case, stores[0], f"worker{n}", 2)
    for n in range(9):
        await connect(stores[n % 3], f"client{n}")
    answers = [await stores[n % 3].request(f"client{n}", 1, ANY, 60.0) for n in range(9)]
    paired = [answer for answer in answers if isinstance(answer, Paired)]
    assert sorted(pair.worker_id for pair in paired) == sorted(["worker0", "worker1", "worker2"] * 2)
    assert len({pair.client_id for pair in paired}) == 6
    assert await stores[1].queue() == ("client6", "client7", "client8")
