"""A generator's end notices what a broken relay would do, so that a figure always stands for whole, ordered delivery."""

import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from sigrouter.bench import frames
from sigrouter.bench.peers import MARK, PAYLOAD_BYTES, BenchError, CrossbarPeer, Peer, SigrouterPeer


class Wire:
    """The server's side of a socket pair."""

    def __init__(self, server: socket.socket) -> None:
        self.server = server

    def event(self, frame: bytes) -> None:
        """Deliver what the other end's frame holds, as a router would."""
        arguments = json.loads(payload_of(frame))[5]
        fields = {"epoch": "e", "seq": 1, "payload": arguments["payload"]}
        self.send(json.dumps([36, 1, 2, {}, [], fields]).encode())

    def send(self, payload: bytes, opcode: int = frames.TEXT) -> None:
        frame = frames.encode(payload, opcode)
        head = len(frame) - len(payload) - 4
        self.server.sendall(bytes((frame[0], frame[1] & 0x7F)) + frame[2:head] + payload)


def payload_of(frame: bytes) -> bytes:
    """What a client's frame holds."""
    return frame[frame.index(b"\0\0\0\0") + 4 :]


@pytest.fixture
def wire() -> Iterator[Wire]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        wire = Wire(theirs)
        wire.client = ours  # type: ignore[attr-defined]  # only the fixtures below need it
        yield wire


def end(kind: type[Peer], wire: Wire) -> Peer:
    """An end after its handshake, which is tested over real servers."""
    peer = kind.__new__(kind)
    peer.socket = wire.client  # type: ignore[attr-defined]  # see the fixture
    peer.number = peer.answered = peer.received = peer._request = 0
    peer.latencies = []
    peer._decoder = frames.Decoder()
    if isinstance(peer, CrossbarPeer):
        peer._head = b'{"acknowledge":true},"bench.relay.0.worker",[],{"payload":{"text":"'
    if isinstance(peer, SigrouterPeer):
        peer._acknowledgements = set()
    return peer


@pytest.fixture(params=[CrossbarPeer, SigrouterPeer])
def peer(request: pytest.FixtureRequest, wire: Wire) -> Peer:
    return end(request.param, wire)


def test_both_kinds_send_the_same_300_bytes(peer: Peer) -> None:
    message: list[Any] = json.loads(payload_of(peer.message()))
    text = message[5]["payload"]["text"]
    assert len(text) == PAYLOAD_BYTES
    assert text.encode().startswith(MARK + b"00000001|")


def test_messages_in_order_are_counted_and_timed(peer: Peer, wire: Wire) -> None:
    for _ in range(3):
        wire.event(peer.message())
        peer.read()
    assert peer.received == 3
    assert len(peer.latencies) == 3
    assert all(0 < latency < 10e9 for latency in peer.latencies)


def test_a_doubled_message_voids_the_measurement(peer: Peer, wire: Wire) -> None:
    frame = peer.message()
    wire.event(frame)
    wire.event(frame)
    with pytest.raises(BenchError, match="message 1 came after message 1"):
        peer.read()


def test_a_missing_message_voids_the_measurement(peer: Peer, wire: Wire) -> None:
    peer.message()
    wire.event(peer.message())
    with pytest.raises(BenchError, match="message 2 came after message 0"):
        peer.read()


def test_a_refused_message_voids_the_measurement(peer: Peer, wire: Wire) -> None:
    wire.send(b'[8,48,1,{},"sig.error.rate_limited",[],{}]')
    with pytest.raises(BenchError, match="rate_limited"):
        peer.read()


def test_a_lost_connection_voids_the_measurement(peer: Peer, wire: Wire) -> None:
    wire.server.close()
    with pytest.raises(BenchError, match="closed"):
        peer.read()


def test_a_ping_is_answered(peer: Peer, wire: Wire) -> None:
    wire.send(b"alive?", frames.PING)
    assert peer.read() == frames.encode(b"alive?", frames.PONG)


def test_answers_are_counted_and_told_to_the_server(wire: Wire) -> None:
    peer = end(SigrouterPeer, wire)
    peer.message()
    wire.send(b"[50,1,{},[{}]]")
    peer.read()
    arguments = json.loads(payload_of(peer.message()))[5]
    assert (peer.answered, arguments["number"], arguments["acked"]) == (1, 2, 1)


def test_every_hundredth_message_is_acknowledged_and_that_answer_is_not_a_messages(wire: Wire) -> None:
    peer = end(SigrouterPeer, wire)
    back = b""
    for _ in range(100):
        wire.event(peer.message())
        back += peer.read()
    call = json.loads(payload_of(back))
    assert call[3:] == ["sig.channel.ack", [], {"positions": {"mailbox": {"epoch": "e", "seq": 1}}}]
    wire.send(f"[50,{call[1]},{{}},[{{}}]]".encode())
    peer.read()
    assert peer.answered == 0
