"""The balancer's configuration does what its comments promise, in a real HAProxy."""

import http.client
import shutil
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.support.haproxy import Backend, HAProxy

pytestmark = pytest.mark.skipif(
    shutil.which("haproxy", path="/usr/sbin:/usr/local/sbin:/usr/bin") is None, reason="haproxy is not installed"
)


class StubNode:
    """Answers its name to everything and ``/ready`` by a flag, as much of a node as a balancer sees."""

    def __init__(self, name: str) -> None:
        self.ready = True
        stub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                body = name.encode()
                self.send_response(200 if stub.ready or self.path != "/ready" else 503)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Nothing on the terminal."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = int(self.server.server_address[1])
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()


@pytest.fixture
def stubs() -> Iterator[dict[str, StubNode]]:
    nodes = {name: StubNode(name) for name in ("blue", "green")}
    yield nodes
    for node in nodes.values():
        node.server.shutdown()
        node.server.server_close()


@pytest.fixture
def balancer(stubs: dict[str, StubNode], tmp_path: Path) -> Iterator[HAProxy]:
    with HAProxy([Backend(name, node.port, node.port) for name, node in stubs.items()], tmp_path) as running:
        for name in stubs:
            running.wait_for(name, "UP")
        yield running


def whom(balancer: HAProxy) -> str:
    """Who answers a new connection."""
    connection = http.client.HTTPConnection("127.0.0.1", balancer.port, timeout=5)
    with ExitStack() as stack:
        stack.callback(connection.close)
        connection.request("GET", "/ws")
        return connection.getresponse().read().decode()


def test_a_node_that_is_not_ready_gets_no_new_connection_and_one_that_is_again_does(
    balancer: HAProxy, stubs: dict[str, StubNode]
) -> None:
    stubs["blue"].ready = False
    balancer.wait_for("blue", "DOWN")
    assert {whom(balancer) for _ in range(6)} == {"green"}
    stubs["blue"].ready = True
    balancer.wait_for("blue", "UP")
    assert {whom(balancer) for _ in range(6)} == {"blue", "green"}


def test_a_live_connection_stays_when_its_node_turns_not_ready(balancer: HAProxy, stubs: dict[str, StubNode]) -> None:
    balancer.set_state("green", "maint")
    connection = http.client.HTTPConnection("127.0.0.1", balancer.port, timeout=5)
    connection.request("GET", "/ws")
    assert connection.getresponse().read() == b"blue"
    socket_before = connection.sock
    balancer.set_state("green", "ready")
    balancer.wait_for("green", "UP")
    stubs["blue"].ready = False
    balancer.wait_for("blue", "DOWN")
    connection.request("GET", "/ws")
    assert connection.getresponse().status == 200
    assert connection.sock is socket_before
    connection.close()


def test_maint_takes_a_node_out_by_hand(balancer: HAProxy) -> None:
    balancer.set_state("blue", "maint")
    assert balancer.states()["blue"] == "MAINT"
    assert {whom(balancer) for _ in range(6)} == {"green"}


def test_a_node_that_has_just_died_is_passed_over_before_the_client_hears_of_it(
    balancer: HAProxy, stubs: dict[str, StubNode]
) -> None:
    stubs["blue"].server.shutdown()
    stubs["blue"].server.server_close()
    assert {whom(balancer) for _ in range(6)} == {"green"}


def test_an_unusable_configuration_is_reported_in_haproxys_words(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="broken"):
        HAProxy([Backend("blue 127.0.0.1:1 broken #", 1, 1)], tmp_path).start()


def test_an_unknown_backend_is_refused(balancer: HAProxy) -> None:
    with pytest.raises(RuntimeError, match="No such"):
        balancer.set_state("purple", "maint")
