"""The faulty proxy does what it says, so that a chaos run breaks what it means to break."""

import random
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from time import monotonic

import pytest

from tests.support.faulty_proxy import FaultyProxy
from tests.support.node_process import wait_until

LONG_S = 10.0
SHORT_S = 0.2


@contextmanager
def echoing() -> Iterator[int]:
    """The port of a server that sends everything back."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve(connection: socket.socket) -> None:
            with connection:
                try:
                    while data := connection.recv(65536):
                        connection.sendall(data)
                except OSError:
                    pass

        def accept() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1]


@pytest.fixture
def proxy() -> Iterator[FaultyProxy]:
    with echoing() as port, FaultyProxy(lambda: port) as running:
        yield running


@pytest.fixture
def chance() -> random.Random:
    return random.Random(1)


def connect(proxy: FaultyProxy) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", proxy.port), LONG_S)
    assert exchange(connection, b"hello") == b"hello"
    return connection


def exchange(connection: socket.socket, data: bytes) -> bytes:
    connection.sendall(data)
    return receive(connection, len(data))


def receive(connection: socket.socket, size: int) -> bytes:
    connection.settimeout(LONG_S)
    received = b""
    while len(received) < size and (data := connection.recv(65536)):
        received += data
    return received


def is_silent(connection: socket.socket) -> bool:
    connection.settimeout(SHORT_S)
    try:
        connection.recv(1)
    except TimeoutError:
        return True
    return False


def test_it_passes_everything_on(proxy: FaultyProxy) -> None:
    data = random.Random(2).randbytes(3_000_000)
    with connect(proxy) as connection:
        sender = threading.Thread(target=connection.sendall, args=(data,))
        sender.start()
        assert receive(connection, len(data)) == data
        sender.join(LONG_S)


def test_the_end_of_one_side_is_the_end_of_the_other(proxy: FaultyProxy) -> None:
    with connect(proxy) as connection:
        connection.shutdown(socket.SHUT_WR)
        assert receive(connection, 1) == b""
    wait_until(lambda: proxy.connections == 0, LONG_S, lambda: "the connection is still there")


def test_a_cut_resets_its_share_of_the_connections(proxy: FaultyProxy, chance: random.Random) -> None:
    connections = [connect(proxy) for _ in range(4)]
    assert proxy.cut(0.5, chance) == 2
    wait_until(lambda: proxy.connections == 2, LONG_S, lambda: "not cut")
    alive = 0
    for connection in connections:
        with suppress(OSError):
            alive += exchange(connection, b"there?") == b"there?"
        connection.close()
    assert alive == 2


def test_a_cut_inside_a_request_lets_half_of_the_next_chunk_pass(proxy: FaultyProxy, chance: random.Random) -> None:
    with listening() as (port, heard), FaultyProxy(lambda: port) as other:
        with socket.create_connection(("127.0.0.1", other.port), LONG_S) as connection:
            wait_until(lambda: other.connections == 1, LONG_S, lambda: "not connected")
            assert other.cut(1.0, chance, "request") == 1
            assert other.connections == 1
            connection.sendall(b"12345678")
            with pytest.raises(ConnectionResetError):
                receive(connection, 1)
        wait_until(lambda: other.connections == 0, LONG_S, lambda: "not cut")
    assert b"".join(heard) == b"1234"


def test_a_cut_inside_an_answer_lets_the_request_pass_and_half_of_the_answer(
    proxy: FaultyProxy, chance: random.Random
) -> None:
    with connect(proxy) as connection:
        assert proxy.cut(1.0, chance, "answer") == 1
        connection.sendall(b"12345678")
        assert receive(connection, 8) == b"1234"
    wait_until(lambda: proxy.connections == 0, LONG_S, lambda: "not cut")


@contextmanager
def listening() -> Iterator[tuple[int, list[bytes]]]:
    """A server that only listens; what it heard."""
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            connection, _ = listener.accept()
            with connection:
                try:
                    while data := connection.recv(65536):
                        heard.append(data)
                except OSError:
                    pass

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield listener.getsockname()[1], heard
        thread.join(LONG_S)


def test_what_was_swallowed_comes_in_order_when_all_is_well_again(proxy: FaultyProxy, chance: random.Random) -> None:
    with connect(proxy) as connection:
        assert proxy.swallow(1.0, chance) == 1
        connection.sendall(b"one")
        assert is_silent(connection)
        connection.sendall(b"two")
        with connect(proxy) as unharmed:
            assert exchange(unharmed, b"new ones live") == b"new ones live"
        proxy.heal()
        assert receive(connection, 6) == b"onetwo"


def test_new_connections_can_be_swallowed_too(proxy: FaultyProxy, chance: random.Random) -> None:
    assert proxy.swallow(1.0, chance, new_too=True) == 0
    with socket.create_connection(("127.0.0.1", proxy.port), LONG_S) as connection:
        connection.sendall(b"anybody?")
        assert is_silent(connection)
        proxy.heal()
        assert receive(connection, 8) == b"anybody?"


def test_a_delay_is_a_delay(proxy: FaultyProxy) -> None:
    with connect(proxy) as connection:
        proxy.delay(0.1)
        began = monotonic()
        assert exchange(connection, b"slow") == b"slow"
        assert monotonic() - began >= 0.2
        proxy.heal()


def test_a_target_that_is_not_there_is_a_closed_connection() -> None:
    # Bound and not listening: a port that was only free a moment ago could become the proxy's own.
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        port = silent.getsockname()[1]
        with (
            FaultyProxy(lambda: port) as proxy,
            socket.create_connection(("127.0.0.1", proxy.port), LONG_S) as connection,
            suppress(ConnectionResetError),
        ):
            assert connection.recv(1) == b""
