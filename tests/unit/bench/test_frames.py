"""The generator's WebSocket: what it writes is valid, and what it reads is cut rightly wherever the network cuts it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sigrouter.bench.frames import PING, TEXT, Decoder, FrameError, encode, upgrade_request


def served(payload: bytes, opcode: int = TEXT) -> bytes:
    """A frame as a server sends it: unmasked."""
    frame = encode(payload, opcode)
    head = len(frame) - len(payload) - 4
    return bytes((frame[0], frame[1] & 0x7F)) + frame[2:head] + payload


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65535, 65536, 70000])
def test_a_frame_of_any_size_is_read_as_it_was_written(size: int) -> None:
    assert Decoder().feed(served(b"x" * size)) == [(TEXT, b"x" * size)]


@given(
    st.lists(st.tuples(st.sampled_from([TEXT, PING]), st.binary(max_size=300)), max_size=8),
    st.lists(st.integers(1, 50), min_size=1),
)
def test_frames_come_out_whole_however_the_bytes_arrive(frames: list[tuple[int, bytes]], cuts: list[int]) -> None:
    stream = b"".join(served(payload, opcode) for opcode, payload in frames)
    decoder = Decoder()
    read: list[tuple[int, bytes]] = []
    turn = 0
    while stream:
        size = cuts[turn % len(cuts)]
        read += decoder.feed(stream[:size])
        stream = stream[size:]
        turn += 1
    assert read == frames


def test_a_client_frame_is_masked_with_a_key_that_changes_nothing() -> None:
    assert encode(b"hi") == b"\x81\x82\0\0\0\0hi"


@pytest.mark.parametrize("frame", [b"\x01\x02hi", b"\x81\x82\0\0\0\0hi"], ids=["fragmented", "masked"])
def test_what_the_generator_does_not_handle_is_not_taken_for_something_else(frame: bytes) -> None:
    with pytest.raises(FrameError):
        Decoder().feed(frame)


def test_the_upgrade_asks_for_wamp_in_json() -> None:
    request = upgrade_request("127.0.0.1", 4001, "/ws").decode()
    assert request.startswith("GET /ws HTTP/1.1\r\nHost: 127.0.0.1:4001\r\n")
    assert "Sec-WebSocket-Protocol: wamp.2.json\r\n" in request
    assert request.endswith("\r\n\r\n")
