"""Whole pods on one memory, one clock and fake ways out: what a session goes through, without a socket."""

from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any, TypeVar

import jwt
from attrs import define, evolve, field
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from sigrouter.protocol import messages
from sigrouter.protocol.messages import NOTHING_READ, Position
from sigrouter.services.admission import Admission
from sigrouter.services.connections import Connection
from sigrouter.services.development_keys import development_keys
from sigrouter.services.pod import Pod
from sigrouter.settings import Settings
from sigrouter.settings.model import DrainSettings, LimitSettings, NodeSettings, SessionSettings
from sigrouter.stores.memory import MemoryBackend, MemoryStore
from sigrouter.wiring import Times, build_pod

T = TypeVar("T")
START = 1_800_000_000.0
WINDOW = 256


class FakeOutlet:
    """Remembers what went out. ``polite``: a peer that is told goodbye leaves at once."""

    def __init__(self) -> None:
        self.events: list[tuple[int, str, dict[str, Any]]] = []
        self.closed: list[tuple[int, str]] = []
        self.unsent: dict[int, int] = {}
        self.polite = True
        self.gone: Callable[[int], None] = lambda _: None

    def publish(self, connection_id: int, topic: str, event: Mapping[str, Any]) -> None:
        self.events.append((connection_id, topic, dict(event)))

    def close(self, connection_id: int, reason: str) -> None:
        self.closed.append((connection_id, reason))
        if self.polite:
            self.gone(connection_id)

    def unsent_bytes(self, connection_id: int) -> int:
        return self.unsent.get(connection_id, 0)


class SlowStore:
    """The memory store behind a wire: calls whose names are in ``slow`` are done at once, their answers wait.

    ``answers_lost`` names the calls that are done, but whose answers are lost.
    """

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self.slow: set[str] = set()
        self.answers_lost: dict[str, Exception] = {}
        self.unsent: set[str] = set()
        self.calls: list[str] = []
        self._waiting: list[Deferred[None]] = []

    @property
    def available(self) -> bool:
        return self._store.available

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)

        async def call(*arguments: Any) -> Any:
            self.calls.append(name)
            if name in self.unsent:
                await self._answer()
            result = await method(*arguments)
            if name in self.answers_lost:
                raise self.answers_lost[name]
            if name in self.slow:
                await self._answer()
            return result

        return call

    async def close(self) -> None:
        await self._store.close()
        self.answer()

    def answer(self) -> None:
        """All answers arrive."""
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            one.callback(None)

    async def _answer(self) -> None:
        waiting: Deferred[None] = Deferred()
        self._waiting.append(waiting)
        await waiting


@define(eq=False)
class Node:
    """One pod with its way out."""

    pod: Pod
    outlet: FakeOutlet
    store: SlowStore

    def events(self, connection: Connection, kind: str) -> list[dict[str, Any]]:
        return [
            event for to, _, event in self.outlet.events if to == connection.connection_id and event["kind"] == kind
        ]

    def reasons(self, connection: Connection) -> list[str]:
        return [reason for to, reason in self.outlet.closed if to == connection.connection_id]


@define(eq=False)
class World:
    """Nodes that share a memory; time stands unless it is advanced."""

    directory: Path
    settings: Settings = field(factory=Settings)
    clock: Clock = field(factory=Clock)
    backend: MemoryBackend = field(factory=MemoryBackend)
    _ids: int = 0
    _connection_ids: int = 0

    def __attrs_post_init__(self) -> None:
        self.clock.advance(START)

    def node(self, name: str, *, start: bool = True, stack: str = "default", **sections: Any) -> Node:
        settings = evolve(
            self.settings,
            node=NodeSettings(node_id=name, stack=stack, url=f"ws://{name}", state_dir=str(self.directory)),
            **sections,
        )
        memory = MemoryStore(self.backend, Times.of(settings), self.clock.seconds, self.new_id)
        store = SlowStore(memory)
        pod = build_pod(settings, self.clock, store)
        outlet = FakeOutlet()
        outlet.gone = pod.sessions.connection_closed
        node = Node(pod, outlet, store)
        if start:
            pod.start(outlet, settings.drain.budget_s)
        return node

    def new_id(self) -> str:
        self._ids += 1
        return f"id{self._ids}"

    def advance(self, seconds: float, step: float = 0.25) -> None:
        """Let time pass in small steps."""
        for _ in range(round(seconds / step)):
            self.clock.advance(step)

    # ---- what peers do ---------------------------------------------------------------------------

    def jwt(self, user: str = "ann", role: str = "client", **claims: Any) -> str:
        keys = development_keys(str(self.directory))
        payload = {"sub": user, "role": role, "aud": "sigrouter", "exp": self.clock.seconds() + 3600, **claims}
        return jwt.encode(payload, keys.private_key, algorithm="RS256", headers={"kid": keys.kid})

    def admit(self, node: Node, user: str = "ann", role: str = "client", **authextra: Any) -> Admission:
        return now(self.admitting(node, user, role, **authextra))

    async def admitting(self, node: Node, user: str = "ann", role: str = "client", **authextra: Any) -> Admission:
        self._connection_ids += 1
        return await node.pod.admissions.admit(self.jwt(user, role), authextra, self._connection_ids, "peer")

    def connect(self, node: Node, user: str = "ann", role: str = "client", **authextra: Any) -> tuple[Connection, str]:
        """The admitted connection and its token."""
        token = self.admit(node, user, role, **authextra).extra["recovery_token"]
        connection = node.pod.connections.get(self._connection_ids)
        assert connection is not None
        return connection, token

    def join(
        self,
        node: Node,
        user: str = "ann",
        role: str = "client",
        position: Position | None = NOTHING_READ,
        **extra: Any,
    ) -> tuple[Connection, dict[str, Any]]:
        """A ready connection, and what ``ready`` answered."""
        connection, _ = self.connect(node, user, role, **extra)
        answer = now(node.pod.sessions.ready(connection, position))
        self.clock.advance(0)
        return connection, answer

    def pair(self, node: Node, other: Node | None = None) -> tuple[Connection, Connection]:
        """A client on ``node`` and a worker on ``other``, bound."""
        other = other or node
        worker, _ = self.join(other, "will", "worker")
        now(other.pod.pairing.announce(worker, messages.Announcement(frozenset(), 5)))
        client, _ = self.join(node)
        answer = now(node.pod.pairing.request(client, messages.PairRequest(frozenset(), 60.0)))
        assert answer["state"] == "paired"
        return client, worker

    def send(self, node: Node, connection: Connection, payload: Any, number: int | None = None) -> dict[str, Any]:
        acked = 0 if number is None else number - 1
        return now(node.pod.messaging.send(connection, messages.Message(payload, "", number, acked)))


def begin(coroutine: Coroutine[Any, Any, T]) -> "Deferred[T]":
    """Run until it waits."""
    return Deferred.fromCoroutine(coroutine)


def result(deferred: "Deferred[T]") -> T:
    """The result that is there by now; raises what was raised."""
    assert deferred.called, "it waits for something"
    results: list[Any] = []
    deferred.addBoth(results.append)
    if isinstance(results[0], Failure):
        results[0].raiseException()
    answer: T = results[0]
    return answer


def now(coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that has nothing to wait for."""
    return result(begin(coroutine))


BRIEF = DrainSettings(budget_s=10, settle_s=0.5, pair_deadline_s=4, move_timeout_s=2, target_wait_s=3)
FEW = LimitSettings(handshakes=2, sessions=4)
QUICK = SessionSettings()
