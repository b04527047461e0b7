"""The servers that are compared: a node of ours in memory or on Redis, and a bare Crossbar node."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from attrs import frozen

from sigrouter.bench.peers import BENCH_TOPIC
from sigrouter.demo.development_node import DevelopmentNode
from sigrouter.demo.redis_process import RedisProcess, free_port
from sigrouter.demo.server_process import ServerProcess, cpu_seconds_of
from sigrouter.protocol import uris

# The bench asks for more messages of each session than a peer may send by default; the limiter itself still runs.
UNLIMITED: Final = {
    "SIGROUTER_LIMITS_CALLS_PER_S": "100000",
    "SIGROUTER_LIMITS_CALLS_BURST": "100000",
    "SIGROUTER_LIMITS_BYTES_PER_S": "100000000",
    "SIGROUTER_LIMITS_BYTES_BURST": "100000000",
    "SIGROUTER_NODE_LOG_LEVEL": "warn",
}


@frozen
class Target:
    """One server under measurement. ``tickets``: worker 0, client 0, worker 1 … ; ``processes``: whose CPU counts."""

    name: str
    kind: str
    url: str
    tickets: tuple[str, ...]
    processes: tuple[int, ...]

    def cpu_seconds(self) -> float:
        """What all its processes have used so far."""
        return sum(cpu_seconds_of(pid) for pid in self.processes)


@contextmanager
def memory_node(directory: Path, pairs: int, processors: frozenset[int]) -> Iterator[Target]:
    """Our node with the store in its own memory."""
    with _our_node("sigrouter", directory, pairs, processors, {}, ()) as target:
        yield target


@contextmanager
def redis_node(directory: Path, pairs: int, processors: frozenset[int]) -> Iterator[Target]:
    """Our node with its state in a Redis of its own, on the same processors; Redis' time counts."""
    redis = RedisProcess(directory / "redis")
    ours = os.sched_getaffinity(0) if processors else frozenset[int]()
    if processors:
        os.sched_setaffinity(0, processors)
    try:
        redis.start()
    finally:
        if processors:
            os.sched_setaffinity(0, ours)
    variables = {"SIGROUTER_STORE_REDIS_HOST": "127.0.0.1", "SIGROUTER_STORE_REDIS_PORT": str(redis.port)}
    try:
        with _our_node("sigrouter-redis", directory, pairs, processors, variables, (redis.pid,)) as target:
            yield target
    finally:
        redis.stop()


@contextmanager
def _our_node(
    name: str,
    directory: Path,
    pairs: int,
    processors: frozenset[int],
    variables: dict[str, str],
    beside: tuple[int, ...],
) -> Iterator[Target]:
    node = DevelopmentNode(name, directory / name, variables={**UNLIMITED, **variables}, processors=processors)
    node.start()
    try:
        node.wait_until_ready()
        ends = [(f"{way}-{pair}", way) for pair in range(pairs) for way in ("worker", "client")]
        tickets = node.tickets(ends)
        yield Target(name, "sigrouter", node.url, tickets, (node.process.pid, *beside))
    finally:
        node.stop()


@contextmanager
def crossbar_node(directory: Path, processors: frozenset[int]) -> Iterator[Target]:
    """Bare Crossbar: static permissions, everybody anonymous, its own defaults for everything else."""
    home = directory / "crossbar"
    port = free_port()
    configuration = home / ".crossbar" / "config.json"
    configuration.parent.mkdir(parents=True)
    configuration.write_text(json.dumps(crossbar_configuration(port)), encoding="utf-8")
    program = "import crossbar, sys; sys.exit(crossbar.run())"
    command = [sys.executable, "-c", program, "start", "--cbdir", str(configuration.parent), "--loglevel", "warn"]
    process = ServerProcess("crossbar", command, home, processors=processors)
    process.start()
    try:
        process.wait_until_ready(f"http://127.0.0.1:{port}")
        yield Target("crossbar", "crossbar", f"ws://127.0.0.1:{port}/ws", (), (process.pid,))
    finally:
        process.stop()


def crossbar_configuration(port: int) -> dict[str, Any]:
    """A node that relays by topic and does nothing else."""
    rule = {"uri": BENCH_TOPIC, "match": "prefix", "allow": {"publish": True, "subscribe": True}, "cache": True}
    transport = {
        "type": "websocket",
        "endpoint": {"type": "tcp", "interface": "127.0.0.1", "port": port, "backlog": 1024},
        "url": f"ws://127.0.0.1:{port}/ws",
        "serializers": ["json"],
        "auth": {"anonymous": {"type": "static", "role": "bench"}},
    }
    realm = {"name": uris.REALM, "roles": [{"name": "bench", "permissions": [rule]}]}
    worker = {"type": "router", "id": "router", "realms": [realm], "transports": [transport]}
    return {"version": 2, "controller": {}, "workers": [worker]}
