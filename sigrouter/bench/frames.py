"""The little of WebSocket that a load generator needs: it must cost far less than the server that it measures."""

import base64
import os
from typing import Final

TEXT: Final = 0x1
CLOSE: Final = 0x8
PING: Final = 0x9
PONG: Final = 0xA

_FINAL: Final = 0x80
_MASKED: Final = 0x80
# A client must mask, but may choose the key: with zeros the payload stays as it is, and nothing has to be computed.
_KEY: Final = b"\0\0\0\0"
_SHORT: Final = 126
_LONG: Final = 127
_SHORT_LIMIT: Final = 1 << 16


class FrameError(Exception):
    """The server sent what this reader does not handle, or closed; the text says which."""


def encode(payload: bytes, opcode: int = TEXT) -> bytes:
    """One whole client frame."""
    size = len(payload)
    if size < _SHORT:
        return bytes((_FINAL | opcode, _MASKED | size)) + _KEY + payload
    if size < _SHORT_LIMIT:
        return bytes((_FINAL | opcode, _MASKED | _SHORT)) + size.to_bytes(2, "big") + _KEY + payload
    return bytes((_FINAL | opcode, _MASKED | _LONG)) + size.to_bytes(8, "big") + _KEY + payload


def upgrade_request(host: str, port: int, path: str) -> bytes:
    """The HTTP request that opens a WebSocket speaking WAMP in JSON."""
    key = base64.b64encode(os.urandom(16)).decode()
    return (
        f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: wamp.2.json\r\n\r\n"
    ).encode()


class Decoder:
    """Cuts the server's bytes into frames."""

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """The frames that are complete now, as ``(opcode, payload)``; a fragmented or masked one raises FrameError."""
        buffer = self._buffer + data if self._buffer else data
        frames: list[tuple[int, bytes]] = []
        start, available = 0, len(buffer)
        while available - start >= 2:
            first, second = buffer[start], buffer[start + 1]
            if not first & _FINAL or second & _MASKED:
                raise FrameError("the server sent a fragmented or masked frame")
            head, size = 2, second
            if size == _SHORT:
                head, size = 4, int.from_bytes(buffer[start + 2 : start + 4], "big")
            elif size == _LONG:
                head, size = 10, int.from_bytes(buffer[start + 2 : start + 10], "big")
            end = start + head + size
            if available - start < head or available < end:
                break
            frames.append((first & 0x0F, buffer[start + head : end]))
            start = end
        self._buffer = buffer[start:]
        return frames
