"""A wire on its last breath swallows what is sent: the core repeats it on the next connection."""

from collections.abc import Mapping
from typing import Any

import pytest
from autobahn.exception import Disconnected
from autobahn.wamp.exception import TransportLost

from sigrouter.client.effects import Connect
from sigrouter.client.wire import Wire


class Inputs:
    """Notes what the wire reports."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, int]] = []

    def on_joined(self, handle: int, authextra: Mapping[str, Any]) -> None:
        self.heard.append(("joined", handle))

    def on_refused(self, handle: int, reason: str, details: Mapping[str, Any]) -> None:
        self.heard.append(("refused", handle))

    def on_event(self, handle: int, topic: str, kwargs: Mapping[str, Any]) -> None:
        self.heard.append(("event", handle))

    def on_result(self, call_id: int, value: Any) -> None:
        self.heard.append(("result", call_id))

    def on_error(self, call_id: int, uri: str, details: Mapping[str, Any]) -> None:
        self.heard.append(("error", call_id))

    def on_closed(self, handle: int, reason: str) -> None:
        self.heard.append(("closed", handle))


class ClosingTransport:
    """A WebSocket whose closing handshake has begun."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def send(self, outgoing: object) -> None:
        if not type(outgoing).__name__.startswith("Hello"):
            raise self.error

    def isOpen(self) -> bool:
        return True

    def close(self) -> None:
        """Is on its way already."""


@pytest.mark.parametrize("error", [Disconnected("closed"), TransportLost()], ids=["closing", "lost"])
def test_a_call_on_a_closing_connection_is_neither_answered_nor_an_error(error: Exception) -> None:
    inputs = Inputs()
    wire = Wire(Connect(handle=1, url="ws://127.0.0.1:1/ws", ticket="", authextra={}), inputs)
    wire.onOpen(ClosingTransport(error))
    wire.call(7, "sig.pair.send", {"payload": "hello"})
    wire.call(8, "sig.pair.send", {"payload": "again"})
    assert inputs.heard == []
    wire.lost()
    assert inputs.heard == [("closed", 1)]
