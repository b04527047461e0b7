"""The demo's balancer sends new connections to ready nodes only, and leaves the live ones alone."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from sigrouter.demo.balancer import Backend, Balancer
from tests.support.node_process import wait_until


class Node:
    """Greets with its name and echoes; answers ``/ready`` on another port."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_ready = True
        node = self

        class Ready(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200 if node.is_ready else 503)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Nothing on the terminal."""

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Ready)
        self.listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True).start()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                connection.sendall(self.name.encode() + b"\n")
                threading.Thread(target=self._echo, args=(connection,), daemon=True).start()

    @staticmethod
    def _echo(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            while data := connection.recv(100):
                connection.sendall(data)

    @property
    def backend(self) -> Backend:
        return Backend(
            self.name, self.listener.getsockname()[1], f"http://127.0.0.1:{self.http.server_address[1]}/ready"
        )

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


@pytest.fixture
def nodes() -> Iterator[list[Node]]:
    made = [Node("blue"), Node("green")]
    yield made
    for node in made:
        with suppress(OSError):
            node.close()


@pytest.fixture
def balancer(nodes: list[Node]) -> Iterator[Balancer]:
    with Balancer([node.backend for node in nodes]) as running:
        for node in nodes:
            wait_for(running, node.name, ready=True)
        yield running


def wait_for(balancer: Balancer, name: str, *, ready: bool) -> None:
    wait_until(lambda: balancer.ready(name) is ready, 10, lambda: f"{name} is not what it should be")


@contextmanager
def connected(balancer: Balancer) -> Iterator[tuple[str, socket.socket]]:
    with socket.create_connection(("127.0.0.1", balancer.port), 5) as connection:
        greeting = b""
        while not greeting.endswith(b"\n"):
            data = connection.recv(100)
            if not data:
                break
            greeting += data
        yield greeting.decode().strip(), connection


def test_the_node_with_the_fewest_connections_gets_the_next_one(balancer: Balancer) -> None:
    with connected(balancer) as (first, _), connected(balancer) as (second, _):
        assert {first, second} == {"blue", "green"}
        assert balancer.connections() == {"blue": 1, "green": 1}


def test_bytes_pass_both_ways_until_either_side_ends(balancer: Balancer) -> None:
    with connected(balancer) as (_, connection):
        connection.sendall(b"hello")
        assert connection.recv(100) == b"hello"
    wait_until(lambda: sum(balancer.connections().values()) == 0, 10, lambda: str(balancer.connections()))


def test_a_node_that_is_not_ready_gets_no_new_connection_and_keeps_the_live_ones(
    balancer: Balancer, nodes: list[Node]
) -> None:
    with connected(balancer) as (first, connection):
        leaving, staying = nodes if first == "blue" else reversed(nodes)
        leaving.is_ready = False
        wait_for(balancer, leaving.name, ready=False)
        with connected(balancer) as (second, _), connected(balancer) as (third, _):
            assert {second, third} == {staying.name}
        connection.sendall(b"still here")
        assert connection.recv(100) == b"still here"


def test_a_node_that_has_just_died_is_passed_over(balancer: Balancer, nodes: list[Node]) -> None:
    nodes[0].listener.shutdown(socket.SHUT_RDWR)
    nodes[0].listener.close()
    for _ in range(2):
        with connected(balancer) as (name, _):
            assert name == "green"


def test_without_a_ready_node_a_connection_is_closed_at_once(balancer: Balancer, nodes: list[Node]) -> None:
    for node in nodes:
        node.is_ready = False
        wait_for(balancer, node.name, ready=False)
    with connected(balancer) as (name, _):
        assert name == ""
