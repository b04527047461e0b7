"""Hypothesis plays workers and clients on two nodes; every store must choose as ``machines/pairing.py`` does."""

from itertools import count

import pytest
from attrs import evolve
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from pytest_twisted import ensureDeferred

from sigrouter.machines import pairing
from sigrouter.stores.records import Claim, Claimed, Confirm, NewSession, Paired, Queued, Role, WorkerView
from tests.contract.case import CaseTimes, StoreCase, beside_the_reactor

WORKERS = st.sampled_from(["worker0", "worker1", "worker2", "worker3"])
CLIENTS = st.sampled_from([f"client{n}" for n in range(8)])
ABILITIES = st.frozensets(st.sampled_from(["text", "video"]))
STORES = st.integers(0, 1)


class Agency(RuleBasedStateMachine):
    """``workers``, ``wishes`` and ``pairs`` are the model; the pure functions decide in it."""

    def __init__(self, case: StoreCase) -> None:
        super().__init__()
        self.case = case
        self.run = case.run
        self.run(case.open())
        self.stores = [self.run(case.node(node_id))[0] for node_id in ("a", "b")]
        self.generations: dict[str, int] = {}
        self.workers: dict[str, pairing.Worker] = {}
        self.wishes: dict[str, frozenset[str]] = {}
        self.pairs: dict[str, tuple[str, str]] = {}
        self.turns = count(1)

    def teardown(self) -> None:
        self.run(self.case.close())

    def present(self, session_id: str, role: Role) -> int:
        """The session's generation; it comes into being when it is first needed."""
        if session_id not in self.generations:
            store = self.stores[0]
            self.run(store.create(NewSession(session_id, "user", role, "a", "blue", "x")))
            self.run(store.confirm(Confirm(session_id, 1, "a", "blue", "x", None, 1)))
            self.generations[session_id] = 1
        return self.generations[session_id]

    @rule(name=WORKERS, abilities=ABILITIES, capacity=st.integers(0, 3), store=STORES)
    def announce(self, name: str, abilities: frozenset[str], capacity: int, store: int) -> None:
        generation = self.present(name, "worker")
        view = self.run(self.stores[store].announce(name, generation, abilities, capacity))
        known = self.workers.get(name) or pairing.Worker(name, abilities, capacity, 0, True, next(self.turns))
        self.workers[name] = evolve(known, abilities=abilities, capacity=capacity)
        assert isinstance(view, WorkerView)
        assert (view.load, view.capacity, view.abilities) == (known.load, capacity, abilities)

    @rule(name=CLIENTS, abilities=ABILITIES, store=STORES)
    def request(self, name: str, abilities: frozenset[str], store: int) -> None:
        generation = self.present(name, "client")
        answer = self.run(self.stores[store].request(name, generation, abilities, 1e6))
        mine = [pair for pair in self.pairs.values() if pair[0] == name]
        if not mine and name not in self.wishes:
            self.wishes[name] = abilities
            mine = [(match.client_id, match.worker_id) for match in self.matched() if match.client_id == name]
        if mine:
            assert isinstance(answer, Paired)
            assert (answer.client_id, answer.worker_id) == mine[0]
        else:
            assert isinstance(answer, Queued)
            assert answer.position == 1 + list(self.wishes).index(name)
        self.learn()

    @rule(store=STORES)
    def match(self, store: int) -> None:
        paired = self.run(self.stores[store].match())
        expected = self.matched()
        assert [(pair.client_id, pair.worker_id) for pair in paired] == [(m.client_id, m.worker_id) for m in expected]
        self.learn()

    def matched(self) -> tuple[pairing.Match, ...]:
        """What the pure functions do with the queue."""
        matches = pairing.match(
            [pairing.Wish(client, abilities) for client, abilities in self.wishes.items()], self.workers.values()
        )
        for match in matches:
            del self.wishes[match.client_id]
            worker = self.workers[match.worker_id]
            self.workers[match.worker_id] = evolve(worker, load=worker.load + 1, turn=next(self.turns))
            self.pairs[f"? {match.client_id}"] = (match.client_id, match.worker_id)
        return matches

    def learn(self) -> None:
        """Put the store's ids to the pairs that the model made."""
        for made, (client, worker) in list(self.pairs.items()):
            if made.startswith("?"):
                (view,) = self.run(self.stores[0].pairs_of(client))
                assert view.peer_session_id == worker
                self.pairs[view.pair_id] = self.pairs.pop(made)

    @rule(data=st.data(), store=STORES, by_worker=st.booleans())
    def release(self, data: st.DataObject, store: int, by_worker: bool) -> None:
        if self.pairs:
            pair_id = data.draw(st.sampled_from(sorted(self.pairs)))
            client, worker = self.pairs.pop(pair_id)
            assert self.run(self.stores[store].release(worker if by_worker else client, pair_id)) is True
            self.workers[worker] = evolve(self.workers[worker], load=self.workers[worker].load - 1)

    @rule(name=CLIENTS)
    def cancel(self, name: str) -> None:
        assert self.run(self.stores[1].cancel(name)) is (self.wishes.pop(name, None) is not None)

    @rule(name=WORKERS)
    def a_worker_is_lost_or_comes_back(self, name: str) -> None:
        if name not in self.workers:
            return
        worker, generation = self.workers[name], self.generations[name]
        if worker.connected:
            assert self.run(self.stores[0].lost(name, generation)) is True
        else:
            claimed = self.run(self.stores[1].claim(Claim(name, "user", "worker", generation, "b", "green", "y")))
            assert isinstance(claimed, Claimed)
            self.run(self.stores[1].confirm(Confirm(name, claimed.generation, "b", "green", "y", None, 1)))
            self.generations[name] = claimed.generation
        self.workers[name] = evolve(worker, connected=not worker.connected)

    @rule(name=WORKERS)
    def a_worker_ends(self, name: str) -> None:
        if name in self.workers:
            assert self.run(self.stores[1].end(name, "ended")) is True
            del self.workers[name], self.generations[name]
            self.pairs = {pair_id: ends for pair_id, ends in self.pairs.items() if ends[1] != name}
            # Ids are not used twice; for the model's small alphabet, the tombstone makes room.
            self.run(self.case.advance(self.case.times.tombstone_ttl_s + 1.0))
            self.keep_alive()

    def keep_alive(self) -> None:
        """Nobody but the tombstones is to go by the time that passed."""
        for node_id, store in zip(("a", "b"), self.stores, strict=True):
            self.run(store.keepalive(node_id, list(self.generations.items())))
        for worker in [one for one in self.workers.values() if not one.connected]:
            self.workers[worker.session_id] = evolve(worker, connected=True)
        assert self.run(self.stores[0].expire()) == ()

    @invariant()
    def loads_and_queue_agree(self) -> None:
        assert self.run(self.stores[0].queue()) == tuple(self.wishes)
        for name, worker in self.workers.items():
            view = self.run(self.stores[1].worker(name))
            assert view is not None
            assert (view.load, view.state == "connected") == (worker.load, worker.connected)


@pytest.mark.timeout(240)
@ensureDeferred
async def test_random_histories_of_pairing_agree_with_the_pure_rules(case_type: type[StoreCase]) -> None:
    class OnThisStore(Agency):
        def __init__(self) -> None:
            super().__init__(case_type(CaseTimes()))

    def play() -> None:
        run_state_machine_as_test(
            OnThisStore,
            settings=settings(
                max_examples=case_type.examples,
                stateful_step_count=40,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )

    await beside_the_reactor(play)
