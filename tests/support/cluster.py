"""Two real nodes over a real Redis behind a real HAProxy, and clients and workers that talk through them."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from attrs import define, field

from sigrouter.bench.peers import AUTHENTICATE, CHALLENGE, HELLO, WELCOME, Peer
from sigrouter.demo.traffic_process import TrafficProcess
from sigrouter.protocol import uris
from tests.support.haproxy import Backend, HAProxy
from tests.support.node_process import NodeProcess, Way
from tests.support.redis_server import RedisServer


@define(eq=False)
class Cluster:
    """``blue`` runs from the start, ``green`` when it is told to; both stand behind ``balancer`` all the time."""

    redis: RedisServer
    blue: NodeProcess
    green: NodeProcess
    balancer: HAProxy
    traffic: TrafficProcess
    _running: ExitStack = field(repr=False)

    def talk(self, pairs: int, rate: float = 2.0) -> list[dict[str, Any]]:
        """Connect and pair that many clients and workers, who talk from now on; every end."""
        clients = [self.blue.ticket(f"client-{number}", "client") for number in range(pairs)]
        workers = [self.blue.ticket(f"worker-{number}", "worker") for number in range(pairs)]
        self.traffic.start(self.balancer.url, clients, workers, rate)
        return self.traffic.ends()

    def start_green(self) -> None:
        """Start the new stack and wait until the balancer sends new connections there too."""
        self._running.enter_context(self.green)
        self.balancer.wait_for("green", "UP")

    def steps(self, node: NodeProcess) -> list[dict[str, Any]]:
        """Every step of the newest handover, as an operator reads them from a node."""
        operator = Operator(node)
        newest = operator.call(uris.ADMIN_HANDOVERS)["handovers"][0]
        steps: list[dict[str, Any]] = []
        more = True
        while more:
            page = operator.call(uris.ADMIN_HANDOVER, handover_id=newest, after=len(steps))
            steps += page["steps"]
            more = page["more"]
        operator.socket.close()
        return steps


class Operator(Peer):
    """An operator's WAMP session; ``call`` blocks."""

    def __init__(self, node: NodeProcess) -> None:
        super().__init__(node.admin_url)
        roles: Mapping[str, Any] = {"caller": {}}
        self.say(HELLO, uris.REALM, {"roles": roles, "authmethods": ["ticket"], "authid": "operator"})
        self.hear(CHALLENGE)
        self.say(AUTHENTICATE, node.ticket("operator", "admin"), {})
        self.hear(WELCOME)


@contextmanager
def running_cluster(
    directory: Path, *, blue_way: Way = "sigrouter", env: Mapping[str, str] | None = None, aof: bool = False
) -> Iterator[Cluster]:
    """Start all but green; everything is ended with the block, whatever happened in it."""
    with ExitStack() as running:
        redis = running.enter_context(RedisServer(aof=aof))
        nodes = {
            name: NodeProcess(
                directory / name,
                way=way,
                name=name,
                stack=name,
                redis_port=redis.port,
                state_dir=directory / "state",
                env=env or {},
                loglevel="warn",
            )
            for name, way in (("blue", blue_way), ("green", "sigrouter"))
        }
        backends = [Backend(name, node.port, node.admin_port) for name, node in nodes.items()]
        running.enter_context(nodes["blue"])
        balancer = running.enter_context(HAProxy(backends, directory))
        balancer.wait_for("blue", "UP")
        traffic = running.enter_context(TrafficProcess(directory / "traffic.log"))
        yield Cluster(redis, nodes["blue"], nodes["green"], balancer, traffic, running)
