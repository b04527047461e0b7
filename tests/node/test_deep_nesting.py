"""A frame of nothing but brackets costs its sender the connection, and nobody else anything."""

import os
import resource
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.support.node_process import WAYS, NodeProcess, Way

SMALL_STACK = 1 << 20
HANDSHAKE = (
    "GET /ws HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Protocol: wamp.2.json\r\n\r\n"
)


@contextmanager
def small_stack() -> Iterator[None]:
    """What is started meanwhile has as little stack as in a frugal container, so that an overflow shows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_STACK)
    resource.setrlimit(resource.RLIMIT_STACK, (SMALL_STACK, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_STACK, (soft, hard))


def text_frame(text: bytes) -> bytes:
    mask = os.urandom(4)
    length = bytes([0x80 | 126]) + len(text).to_bytes(2, "big")
    return b"\x81" + length + mask + bytes(byte ^ mask[index % 4] for index, byte in enumerate(text))


def send(port: int, text: bytes) -> None:
    """Send one frame and wait until the node has closed the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as stranger:
        stranger.sendall(HANDSHAKE.format(port=port).encode())
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += stranger.recv(4096)
        assert answer.startswith(b"HTTP/1.1 101")
        stranger.sendall(text_frame(text))
        with suppress(ConnectionResetError):
            while stranger.recv(4096):
                pass


@pytest.mark.parametrize("way", WAYS)
def test_deep_nesting_from_a_stranger_does_not_end_the_node(tmp_path: Path, way: Way) -> None:
    with small_stack(), NodeProcess(tmp_path, way=way) as node:
        for text in (b"[" * 60_000, b'{"a":' * 12_000, b'[1,"sigrouter",' + b'{"a":[' * 9_000):
            send(node.port, text)
        assert node.is_ready
