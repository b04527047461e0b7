"""The play of the demo: Redis, a blue node, pairs that talk, a green node, and blue goes away."""

import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from attrs import define, field, frozen

from sigrouter.demo.balancer import Backend, Balancer
from sigrouter.demo.development_node import DevelopmentNode
from sigrouter.demo.redis_process import RedisProcess
from sigrouter.demo.scene import NodeView, Scene
from sigrouter.demo.server_process import ServerDidNotStart, answers
from sigrouter.demo.traffic_process import TrafficProcess

TURN_S: Final = 0.1
START_S: Final = 60.0
CONNECT_S: Final = 90.0
DRAIN_S: Final = 60.0
RATE_OVER_S: Final = 2.0


class DemoFailed(Exception):
    """The demo could not be played to its end; the text says where it stopped."""


@frozen
class Outcome:
    """``ledger``: the final report; ``sessions_at``: by node; ``drain_s``: from SIGTERM to blue's end."""

    ledger: Mapping[str, Any]
    faults: tuple[str, ...]
    sessions_at: Mapping[str, int]
    sessions: int
    moved: int
    blue_exit_code: int | None
    drain_s: float

    @property
    def success(self) -> bool:
        """Nothing lost, doubled, out of order or refused; every session at green; blue left cleanly."""
        return (
            bool(self.ledger["faultless"])
            and not self.faults
            and self.sessions_at.get("green", 0) == self.sessions
            and self.blue_exit_code == 0
        )


@define(eq=False)
class Redeployment:
    """One performance in ``directory``, where the logs are; ``show`` sees every scene. All ends with ``play``."""

    directory: Path
    pairs: int
    seconds: float
    show: Callable[[Scene], None]
    _nodes: dict[str, DevelopmentNode] = field(factory=dict, init=False)
    _traffic: TrafficProcess | None = field(default=None, init=False)
    _phase: str = field(default="", init=False)
    _began: float = field(factory=time.monotonic, init=False)
    _drain_began: float = field(default=0.0, init=False)
    _report: dict[str, Any] = field(factory=dict, init=False)
    _delivered: deque[tuple[float, int]] = field(factory=deque, init=False)

    def play(self) -> Outcome:
        """All acts. Raises :class:`DemoFailed` or what a part of it raised; ends every process in any case."""
        with ExitStack() as running:
            redis = RedisProcess(self.directory / "redis")
            running.callback(redis.stop)
            self._enter("Starting Redis")
            redis.start()
            for name in ("blue", "green"):
                self._nodes[name] = self._node(name, redis.port)
                running.callback(self._nodes[name].stop)
            backends = [Backend(name, node.port, node.ready_url) for name, node in self._nodes.items()]
            balancer = running.enter_context(Balancer(backends))
            self._start_node("blue", balancer, "Starting the blue node")
            self._traffic = running.enter_context(TrafficProcess(self.directory / "traffic.log"))
            self._connect(balancer.url)
            self._enter("Clients and workers talk through blue")
            self._watch(self.seconds)
            self._start_node("green", balancer, "A new version: starting the green node")
            return self._redeploy()

    def _redeploy(self) -> Outcome:
        assert self._traffic is not None
        blue = self._nodes["blue"]
        self._traffic.mark()
        self._enter("Blue got SIGTERM and hands its sessions over: workers first, then their clients")
        self._drain_began = time.monotonic()
        blue.drain()
        self._until(lambda: not blue.process.running, DRAIN_S, "blue did not end")
        drain_s = time.monotonic() - self._drain_began
        self._enter(f"Blue has left after {drain_s:.1f} s; the same pairs talk through green")
        self._watch(self.seconds)
        self._enter("Waiting for the last messages")
        self._report = self._traffic.finish()
        self._draw()
        ends = self._traffic.ends()
        self._traffic.leave()
        return Outcome(
            ledger=self._report["ledger"],
            faults=tuple(self._report["faults"]),
            sessions_at=self._report["nodes"],
            sessions=2 * self.pairs,
            moved=sum(bool(end["resumed"]) and len(end["sessions"]) == 1 for end in ends),
            blue_exit_code=blue.process.exit_code,
            drain_s=drain_s,
        )

    def _node(self, name: str, redis_port: int) -> DevelopmentNode:
        variables = {
            "SIGROUTER_STORE_REDIS_HOST": "127.0.0.1",
            "SIGROUTER_STORE_REDIS_PORT": str(redis_port),
            "SIGROUTER_NODE_LOG_LEVEL": "warn",
        }
        return DevelopmentNode(name, self.directory / name, name, self.directory / "keys", variables)

    def _start_node(self, name: str, balancer: Balancer, phase: str) -> None:
        self._enter(phase)
        node = self._nodes[name]
        node.start()
        self._until(lambda: balancer.ready(name) or not node.process.running, START_S, f"{name} did not become ready")
        if not node.process.running:
            raise ServerDidNotStart(f"{name} ended: {node.process.log_tail()}")

    def _connect(self, url: str) -> None:
        assert self._traffic is not None
        self._enter(f"{self.pairs} workers and {self.pairs} clients connect and are paired")
        blue, numbers = self._nodes["blue"], range(self.pairs)
        clients = blue.tickets([(f"client-{number}", "client") for number in numbers])
        workers = blue.tickets([(f"worker-{number}", "worker") for number in numbers])
        self._traffic.order("start", url=url, pairs=self.pairs, rate=2.0, clients=clients, workers=workers)
        deadline = time.monotonic() + CONNECT_S
        while self._traffic.answer(TURN_S) is None:
            self._draw()
            if time.monotonic() > deadline:
                raise DemoFailed("the clients and workers were not paired in time")

    def _watch(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._turn()

    def _until(self, holds: Callable[[], bool], seconds: float, complaint: str) -> None:
        deadline = time.monotonic() + seconds
        while not holds():
            if time.monotonic() > deadline:
                raise DemoFailed(f"{complaint} within {seconds:.0f} s")
            self._turn()

    def _turn(self) -> None:
        if self._traffic is not None:
            self._report = self._traffic.report()
        self._draw()
        time.sleep(TURN_S)

    def _enter(self, phase: str) -> None:
        self._phase = phase
        self._draw()

    def _draw(self) -> None:
        ledger = self._report.get("ledger", {})
        now = time.monotonic()
        self._delivered.append((now, ledger.get("delivered", 0)))
        while self._delivered[0][0] < now - RATE_OVER_S:
            self._delivered.popleft()
        (then, before), (_, after) = self._delivered[0], self._delivered[-1]
        self.show(
            Scene(
                phase=self._phase,
                nodes=tuple(self._view(name, node) for name, node in self._nodes.items()),
                ledger=ledger,
                per_second=(after - before) / (now - then) if now > then else 0.0,
                faults=tuple(self._report.get("faults", ())),
                seconds=now - self._began,
            )
        )

    def _view(self, name: str, node: DevelopmentNode) -> NodeView:
        return NodeView(name, self._state(name, node), int(self._report.get("nodes", {}).get(name, 0)))

    def _state(self, name: str, node: DevelopmentNode) -> str:
        if not node.started:
            return "not started"
        if not node.process.running:
            return f"ended with {node.process.exit_code}"
        if name == "blue" and self._drain_began:
            return "draining"
        return "ready" if answers(node.ready_url) else "starting"
