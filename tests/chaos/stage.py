"""What a chaos run breaks: nodes in slots behind HAProxy, each with its own line to one Redis, and pairs that talk."""

import json
import os
import signal
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

from attrs import define, field

from sigrouter.demo.traffic_process import TrafficProcess
from tests.chaos.scenario import NODE_LEASE_S
from tests.support.faulty_proxy import FaultyProxy
from tests.support.haproxy import Backend, HAProxy
from tests.support.node_process import NodeProcess, wait_until
from tests.support.redis_server import RedisServer

SLOTS: Final = ("a", "b", "c", "d")
RUNNING: Final = 2
"""Nodes that run between two faults. A third starts before one of them goes; the fourth place is for a slow end."""

ENVIRONMENT: Final[Mapping[str, str]] = {
    "SIGROUTER_STORE_NODE_LEASE_S": str(NODE_LEASE_S),
    # No fault lasts nearly as long. What a starving machine adds must not end a session.
    "SIGROUTER_RECOVERY_WINDOW_S": "300",
}
START_S: Final = 120.0


@define(eq=False)
class Slot:
    """A place behind the balancer, for one node after the other; ``to_redis`` is that node's line to Redis.

    The ports are reserved: nobody else gets them while no node is there.
    """

    name: str
    to_redis: FaultyProxy
    sockets: tuple[socket.socket, socket.socket] = field(factory=lambda: (_reserved(), _reserved()))
    node: NodeProcess | None = None
    nodes_so_far: int = 0

    @property
    def ports(self) -> tuple[int, int]:
        """Of the WebSocket and of the operators' transport."""
        public, admin = self.sockets
        return public.getsockname()[1], admin.getsockname()[1]


def _reserved() -> socket.socket:
    """Bound and not listening: the kernel gives the port to no outgoing connection, and a server may still bind it."""
    reserved = socket.socket()
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    reserved.bind(("127.0.0.1", 0))
    return reserved


@define(eq=False)
class Stage:
    """``nodes``: every node that ever ran, the oldest first; ``told_to_stop``: those that had a SIGTERM."""

    directory: Path
    redis: RedisServer
    slots: tuple[Slot, ...]
    balancer: HAProxy
    network: FaultyProxy
    traffic: TrafficProcess
    _running: ExitStack = field(repr=False)
    nodes: list[NodeProcess] = field(factory=list)
    told_to_stop: list[NodeProcess] = field(factory=list)
    journal: list[str] = field(factory=list)
    began: float = field(factory=time.monotonic)

    def note(self, what: str) -> None:
        """Write into the journal what is done to whom."""
        self.journal.append(f"{time.monotonic() - self.began:8.2f} s  {what}")

    # ---- nodes -----------------------------------------------------------------------------------

    @property
    def living(self) -> list[NodeProcess]:
        """The nodes that run and were not told to stop, the oldest first."""
        return [node for node in self.nodes if node.server.running and node not in self.told_to_stop]

    def launch(self, stack: str) -> NodeProcess:
        """Start a node in a free slot and answer at once."""
        slot = next(slot for slot in self.slots if slot.node is None or not slot.node.server.running)
        slot.nodes_so_far += 1
        name = f"{slot.name}{slot.nodes_so_far}"
        port, admin_port = slot.ports
        slot.node = node = NodeProcess(
            self.directory / name,
            name=name,
            stack=stack,
            redis_port=slot.to_redis.port,
            state_dir=self.directory / "keys",
            env=ENVIRONMENT,
            port=port,
            admin_port=admin_port,
        )
        self._running.callback(node.kill)
        node.start()
        self.nodes.append(node)
        self.note(f"{name} starts, stack {stack}")
        return node

    def slot_of(self, node: NodeProcess) -> Slot:
        """Where a node runs."""
        return next(slot for slot in self.slots if slot.node is node)

    def is_up(self, node: NodeProcess) -> bool:
        """Whether the balancer sends new connections to it. Raises if the node has ended."""
        if not node.server.running:
            raise AssertionError(f"{node.name} ended with {node.server.exit_code}: {node.log[-4000:]}")
        try:
            return node.is_ready and self.balancer.states()[self.slot_of(node).name].startswith("UP")
        except (OSError, KeyError):
            return False  # The balancer is just being restarted.

    def terminate(self, node: NodeProcess) -> None:
        """SIGTERM."""
        self.told_to_stop.append(node)
        node.terminate()
        self.note(f"SIGTERM to {node.name}")

    def signal_all(self, node: NodeProcess, number: signal.Signals) -> None:
        """A signal to the controller and its worker, which are a process group."""
        os.killpg(node.server.pid, number)
        self.note(f"{number.name} to {node.name}")

    # ---- traffic ---------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """Where the peers connect: the faulty network, then the balancer."""
        return f"ws://127.0.0.1:{self.network.port}/ws"

    def talk(self, pairs: int, rate: float, seconds: float) -> list[dict[str, Any]]:
        """Let that many pairs talk; ``seconds``: how long their JWTs are good for."""
        expires = int(time.time() + seconds)
        node = self.nodes[0]
        clients = [node.ticket(f"client-{number}", "client", exp=expires) for number in range(pairs)]
        workers = [node.ticket(f"worker-{number}", "worker", exp=expires) for number in range(pairs)]
        self.traffic.start(self.url, clients, workers, rate)
        return self.traffic.ends()

    def wait_for_answers(self, timeout_s: float) -> None:
        """Wait until everybody who talks is heard again: as many messages as all ends send in two rounds."""
        before = self.traffic.report()["ledger"]
        wanted = before["offered"] + 4 * before["pairs"]

        def heard() -> bool:
            now = self.traffic.report()["ledger"]
            return bool(now["delivered"] >= wanted)

        wait_until(heard, timeout_s, lambda: f"the traffic stands still: {json.dumps(self.traffic.report(), indent=1)}")


@contextmanager
def running_stage(directory: Path) -> Iterator[Stage]:
    """Start everything, with the nodes that run between two faults; all is ended with the block."""
    with ExitStack() as running:
        its_port = running.enter_context(_reserved()).getsockname()[1]
        redis = running.enter_context(RedisServer(aof=True, port=its_port))
        slots = tuple(Slot(name, running.enter_context(FaultyProxy(lambda: redis.port))) for name in SLOTS)
        for slot in slots:
            for reserved in slot.sockets:
                running.enter_context(reserved)
        balancer = running.enter_context(HAProxy([Backend(slot.name, *slot.ports) for slot in slots], directory))
        network = running.enter_context(FaultyProxy(lambda: balancer.port))
        traffic = running.enter_context(TrafficProcess(directory / "traffic.log"))
        stage = Stage(directory, redis, slots, balancer, network, traffic, running)
        for node in [stage.launch("v1") for _ in range(RUNNING)]:
            wait_until(lambda node=node: stage.is_up(node), START_S, lambda node=node: node.log[-4000:])
        yield stage
