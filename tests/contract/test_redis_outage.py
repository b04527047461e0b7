"""Redis killed, restarted with and without its data, frozen and refusing: what the nodes and their peers see of it."""

import itertools
from collections.abc import AsyncIterator

import pytest
import pytest_twisted
from attrs import evolve
from twisted.internet import reactor
from twisted.internet.defer import Deferred, DeferredList

from sigrouter.protocol.errors import NotPaired, Recovery, SigrouterError, Unavailable
from sigrouter.settings.model import StoreSettings
from sigrouter.stores.records import Confirm, NewSession, Paired, Position, Send, Sent, mailbox
from sigrouter.stores.redis import RedisStore
from tests.contract.case import CaseTimes
from tests.contract.recording import RecordingListener, ToldInterrupted
from tests.contract.redis_case import until
from tests.support.redis_server import RedisServer

TIMEOUT_S = 0.5
TIMES = CaseTimes(mailbox_entries=100_000)


class Scene:
    """A server that keeps its data, two nodes, and a client on the first paired with a worker on the second."""

    def __init__(self) -> None:
        self.server = RedisServer(aof=True)
        self.stores: list[RedisStore] = []
        self.listeners: list[RecordingListener] = []
        self._ids = itertools.count(1)

    async def open(self) -> None:
        self.server.start()
        for node_id in ("north", "south"):
            await self.node(node_id)
        await self.pair()

    async def close(self) -> None:
        for store in self.stores:
            await store.close()
        self.server.close()

    async def node(self, node_id: str) -> RedisStore:
        listener = RecordingListener()
        store = self.unopened()
        self.stores.append(store)
        self.listeners.append(listener)
        await store.open(node_id, listener)
        return store

    def unopened(self) -> RedisStore:
        settings = StoreSettings(
            kind="redis", redis_host="127.0.0.1", redis_port=self.server.port, redis_timeout_s=TIMEOUT_S
        )
        return RedisStore(settings, TIMES, reactor, None, lambda: f"id{next(self._ids)}")

    async def pair(self) -> None:
        north, south = self.stores[:2]
        await arrive(north, "client", "north")
        await arrive(south, "worker", "south")
        await south.announce("worker", 1, frozenset({"talk"}), 1)
        paired = await north.request("client", 1, frozenset({"talk"}), 60.0)
        assert isinstance(paired, Paired)
        self.message = Send("client", 1, paired.pair_id, "", "message", None, None, 0)

    async def send(self, number: int, acked: int) -> Sent | SigrouterError:
        return await self.stores[0].send(evolve(self.message, payload={"n": number}, number=number, acked=acked))

    async def send_until_answered(self, number: int, acked: int) -> Sent | SigrouterError:
        """As a peer does: repeat what was not answered."""
        deadline = reactor.seconds() + 20
        while True:
            try:
                return await self.send(number, acked)
            except Unavailable:
                assert reactor.seconds() < deadline
                await pause()

    def interruptions(self) -> list[int]:
        return [len(listener.of(ToldInterrupted)) for listener in self.listeners]


async def arrive(store: RedisStore, session_id: str, node_id: str) -> None:
    role = "worker" if session_id == "worker" else "client"
    await store.create(NewSession(session_id, f"user-{session_id}", role, node_id, "blue", f"c-{session_id}"))
    await store.confirm(Confirm(session_id, 1, node_id, "blue", f"c-{session_id}", Position("", 0), 100))


async def pause() -> None:
    """One turn of the reactor and a little; the conditions around it are polled."""
    waited: Deferred[None] = Deferred()
    reactor.callLater(0.01, waited.callback, None)
    await waited


@pytest_twisted.async_yield_fixture(name="scene")
async def fixture_scene() -> AsyncIterator[Scene]:
    scene = Scene()
    try:
        await scene.open()
        yield scene
    finally:
        await scene.close()


@pytest_twisted.ensureDeferred
async def test_a_killed_redis_makes_calls_raise_unavailable_at_once(scene: Scene) -> None:
    scene.server.kill()
    started = reactor.seconds()
    with pytest.raises(Unavailable) as raised:
        await scene.send(1, 0)
    assert reactor.seconds() - started < 1.0
    assert raised.value.__suppress_context__ or raised.value.__context__ is None
    assert not scene.stores[0].available
    with pytest.raises(Unavailable):
        await scene.stores[0].ping()


@pytest_twisted.ensureDeferred
async def test_after_a_restart_with_its_data_everything_goes_on(scene: Scene) -> None:
    assert isinstance(await scene.send(1, 0), Sent)
    scene.server.restart(keep_data=True)
    second = await scene.send_until_answered(2, 1)
    assert isinstance(second, Sent)
    await until(lambda: all(scene.interruptions()))
    assert scene.stores[0].available
    # The listener hears new entries again, and the log has those of before.
    listener = scene.listeners[1]
    third = await scene.send(3, 2)
    assert isinstance(third, Sent)
    await until(lambda: {"n": 3} in [entry.payload for entry in listener.entries(mailbox("worker"))])
    backlog = await scene.stores[1].read(mailbox("worker"), None, 10)
    assert [entry.payload for entry in backlog.entries if entry.kind == "message"] == [{"n": 1}, {"n": 2}, {"n": 3}]


@pytest_twisted.ensureDeferred
async def test_crashes_under_load_lose_and_double_nothing_that_was_acknowledged(scene: Scene) -> None:
    total = 400
    answered: list[Sent] = []
    for number in range(1, total + 1):
        if number in (100, 200, 300):
            # A crash with calls on their way: some were done, some were not, nobody knows.
            under_way = [Deferred.fromCoroutine(scene.send(later, number - 1)) for later in range(number, number + 20)]
            outcomes = DeferredList(under_way, consumeErrors=True)
            scene.server.kill()
            await outcomes
            scene.server.start()
        answer = await scene.send_until_answered(number, number - 1)
        assert isinstance(answer, Sent), answer
        answered.append(answer)
    backlog = await scene.stores[0].read(mailbox("worker"), None, 10_000)
    numbers = [entry.payload["n"] for entry in backlog.entries if entry.kind == "message"]
    assert numbers == list(range(1, total + 1))
    places = {entry.payload["n"]: entry.seq for entry in backlog.entries if entry.kind == "message"}
    assert [answer.position.seq for answer in answered] == [places[number] for number in range(1, total + 1)]


@pytest_twisted.ensureDeferred
async def test_a_frozen_redis_is_noticed_within_its_timeout_and_taken_back_when_it_thaws(scene: Scene) -> None:
    scene.server.pause()
    try:
        started = reactor.seconds()
        with pytest.raises(Unavailable):
            await scene.send(1, 0)
        assert reactor.seconds() - started < TIMEOUT_S * 3
        started = reactor.seconds()
        with pytest.raises(Unavailable):
            await scene.send(1, 0)
        assert reactor.seconds() - started < 0.1, "the second call must not wait again"
    finally:
        scene.server.resume()
    # Whether the frozen call was done after all or not: once.
    assert isinstance(await scene.send_until_answered(1, 0), Sent)
    backlog = await scene.stores[0].read(mailbox("worker"), None, 10)
    assert [entry.payload for entry in backlog.entries if entry.kind == "message"] == [{"n": 1}]


@pytest_twisted.ensureDeferred
async def test_a_node_that_only_listens_notices_a_frozen_redis(scene: Scene) -> None:
    scene.server.pause()
    try:
        await until(lambda: scene.stores[1]._notifications.link.wire is None)
    finally:
        scene.server.resume()
    await until(lambda: scene.interruptions()[1])


@pytest_twisted.ensureDeferred
async def test_without_its_data_redis_gives_typed_answers(scene: Scene) -> None:
    before = await scene.stores[1].read(mailbox("worker"), None, 10)
    scene.server.restart(keep_data=False)
    answer = await scene.send_until_answered(1, 0)
    assert isinstance(answer, Recovery)
    assert answer.reason == "unknown"
    confirm = Confirm("client", 1, "north", "blue", "c", Position("", 0), 10)
    assert isinstance(await scene.stores[0].confirm(confirm), Recovery)
    await until(lambda: all(scene.interruptions()))
    # A session of the same id is another one, and its mailbox says so to whoever has a position of the old.
    await scene.pair()
    after = await scene.stores[1].read(mailbox("worker"), before.head, 10)
    assert after.reset
    assert after.head.epoch != before.head.epoch


@pytest_twisted.ensureDeferred
async def test_a_redis_that_may_have_lost_a_second_says_so_by_new_epochs(scene: Scene) -> None:
    await scene.stores[0]._scripts.command(b"CONFIG", b"SET", b"appendfsync", b"everysec")
    scene.server.options = ("--appendfsync", "everysec")
    before = await scene.send(1, 0)
    assert isinstance(before, Sent)
    scene.server.restart(keep_data=True, crash=False)
    await until(lambda: all(scene.interruptions()))
    after = await scene.send_until_answered(2, 1)
    assert isinstance(after, Sent)
    assert after.position.epoch != before.position.epoch
    assert (await scene.stores[1].read(mailbox("worker"), before.position, 10)).reset
    # A lost connection alone is no loss of data.
    scene.stores[0]._commands.wire.abort("test")  # type: ignore[union-attr] - it is up
    await until(lambda: scene.interruptions()[0] == 2)
    again = await scene.send(3, 2)
    assert isinstance(again, Sent)
    assert again.position.epoch == after.position.epoch


@pytest_twisted.ensureDeferred
async def test_a_redis_that_loses_nothing_keeps_its_epochs(scene: Scene) -> None:
    before = await scene.send(1, 0)
    scene.server.restart(keep_data=True)
    after = await scene.send_until_answered(2, 1)
    assert isinstance(before, Sent)
    assert isinstance(after, Sent)
    assert after.position == Position(before.position.epoch, before.position.seq + 1)


@pytest_twisted.ensureDeferred
async def test_an_old_pair_is_not_paired_after_the_data_are_gone(scene: Scene) -> None:
    old = scene.message
    scene.server.restart(keep_data=False)
    await until(lambda: all(scene.interruptions()))
    await scene.pair()
    assert isinstance(await scene.stores[0].send(evolve(old, pair_id="gone")), NotPaired)


@pytest_twisted.ensureDeferred
async def test_interruption_is_told_once_for_an_outage_and_only_when_reading_works_again(scene: Scene) -> None:
    worked: list[object] = []
    store, listener = scene.stores[1], scene.listeners[1]

    def read_at_once() -> None:
        RecordingListener.on_interrupted(listener)
        Deferred.fromCoroutine(store.read(mailbox("worker"), None, 10)).addBoth(worked.append)

    listener.on_interrupted = read_at_once  # type: ignore[method-assign] - this listener also reads
    scene.server.restart(keep_data=True)
    await until(lambda: worked)
    assert not isinstance(worked[0], Exception), worked
    assert [entry.kind for entry in worked[0].entries] == ["pair"]  # type: ignore[attr-defined] - checked above
    await pause()
    assert len(listener.of(ToldInterrupted)) == 1


@pytest_twisted.ensureDeferred
async def test_losing_only_the_commands_connection_also_asks_for_catching_up(scene: Scene) -> None:
    scene.stores[0]._commands.wire.abort("test")  # type: ignore[union-attr] - the scene opened it
    await until(lambda: scene.interruptions()[0] == 1)
    assert isinstance(await scene.send(1, 0), Sent)


@pytest_twisted.ensureDeferred
async def test_watched_rooms_are_heard_again_after_an_outage(scene: Scene) -> None:
    north, south = scene.stores
    await south.watch_room("hall")
    scene.server.restart(keep_data=True)
    await until(lambda: all(scene.interruptions()))
    to_room = Send("client", 1, "", "hall", "message", {"hello": "again"}, None, 0)
    assert isinstance(await north.send(to_room), Sent)
    await until(lambda: scene.listeners[1].entries("room:hall"))


@pytest_twisted.ensureDeferred
async def test_open_waits_until_redis_is_there(scene: Scene) -> None:
    scene.server.kill()
    store, listener = scene.unopened(), RecordingListener()
    opening = Deferred.fromCoroutine(store.open("east", listener))
    await pause()
    assert not opening.called
    scene.server.start()
    await opening
    await store.ping()
    assert store.available
    assert not listener.of(ToldInterrupted)
    await store.close()


@pytest_twisted.ensureDeferred
async def test_close_ends_an_open_that_still_waits(scene: Scene) -> None:
    scene.server.kill()
    store = scene.unopened()
    opening = Deferred.fromCoroutine(store.open("east", RecordingListener()))
    await pause()
    await store.close()
    with pytest.raises(Unavailable):
        await opening


@pytest.mark.parametrize("state", ["up", "killed", "frozen"])
@pytest_twisted.ensureDeferred
async def test_close_leaves_no_timer_and_no_connection(scene: Scene, state: str) -> None:
    for other in scene.stores:
        await other.close()
    store = await scene.node("east")
    if state == "killed":
        scene.server.kill()
    elif state == "frozen":
        scene.server.pause()
    waiting = Deferred.fromCoroutine(store.session("client"))
    waiting.addErrback(lambda failure: failure.trap(Unavailable))
    await store.close()
    await waiting
    with pytest.raises(Unavailable):
        await store.session("client")
    await pause()
    assert not [call for call in reactor.getDelayedCalls() if "stores.redis" in str(call) or "Wire" in str(call)]
    # Twisted's HostnameEndpoint itself leaves one for 0.3 s after each success.
    await until(lambda: not [call for call in reactor.getDelayedCalls() if "LoopingCall" in str(call)])
    assert not [one for one in reactor.getReaders() if "Wire" in str(one)]


@pytest_twisted.ensureDeferred
async def test_a_redis_without_memory_refuses_and_nothing_is_half_done(scene: Scene) -> None:
    north = scene.stores[0]
    await north._scripts.command(b"CONFIG", b"SET", b"maxmemory", b"1")
    with pytest.raises(Unavailable):
        await scene.send(1, 0)
    assert not north.available
    await north._scripts.command(b"CONFIG", b"SET", b"maxmemory", b"0")
    assert isinstance(await scene.send(1, 0), Sent)
    assert north.available
    backlog = await north.read(mailbox("worker"), None, 10)
    assert [entry.kind for entry in backlog.entries] == ["pair", "message"]


@pytest_twisted.ensureDeferred
async def test_a_replica_that_only_reads_counts_as_unavailable(scene: Scene) -> None:
    north = scene.stores[0]
    before = north._commands.wire
    await north._scripts.command(b"REPLICAOF", b"127.0.0.1", b"1")
    with pytest.raises(Unavailable):
        await scene.send(1, 0)
    # Perhaps the name leads to the new master by now: it connects anew.
    await until(lambda: north._commands.wire not in (None, before))
    await north._scripts.command(b"REPLICAOF", b"NO", b"ONE")
    assert isinstance(await scene.send_until_answered(1, 0), Sent)


@pytest_twisted.ensureDeferred
async def test_forgotten_scripts_are_sent_again(scene: Scene) -> None:
    await scene.stores[0]._scripts.command(b"SCRIPT", b"FLUSH")
    assert isinstance(await scene.send(1, 0), Sent)
    assert isinstance(await scene.send(2, 1), Sent)


@pytest_twisted.ensureDeferred
async def test_a_wrong_password_is_an_outage_and_not_in_the_error(scene: Scene) -> None:
    settings = StoreSettings(
        kind="redis", redis_host="127.0.0.1", redis_port=scene.server.port, redis_password="a-secret-of-ours"
    )
    store = RedisStore(settings, TIMES, reactor, None, lambda: "id")
    opening = Deferred.fromCoroutine(store.open("east", RecordingListener()))
    await until(lambda: store._commands._told_up is False)
    with pytest.raises(Unavailable) as raised:
        await store.session("client")
    assert "secret" not in str(raised.value.details())
    await store.close()
    with pytest.raises(Unavailable):
        await opening
