"""Whatever a peer may send comes back the same, or is refused before it is kept."""

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sigrouter.protocol.errors import Invalid
from sigrouter.stores.redis.codec import backlog, entry, pack, pack_body, unpack

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
PAYLOADS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS | st.binary(max_size=20),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(TEXTS, children, max_size=4),
    max_leaves=20,
)


@given(PAYLOADS)
def test_every_payload_comes_back_the_same(payload: object) -> None:
    assert entry(7, 1234, pack_body("message", "ann", "p1", payload)).payload == payload


def test_an_entry_keeps_its_kind_sender_and_pair() -> None:
    one = entry(7, 1234, pack_body("message", "ann", "p1", {}))
    assert (one.seq, one.at, one.kind, one.sender, one.pair_id) == (7, 1234, "message", "ann", "p1")


def test_numbers_beyond_64_bits_are_kept() -> None:
    assert unpack(pack([2**200, -(2**200)])) == [2**200, -(2**200)]


def test_keys_that_are_no_text_are_kept() -> None:
    assert unpack(pack({1: "a"})) == {1: "a"}


@pytest.mark.parametrize("payload", ["\ud800", {1, 2}, object()])
def test_what_cannot_be_kept_is_refused(payload: object) -> None:
    with pytest.raises(Invalid) as refused:
        pack(payload)
    assert refused.value.fields == {"field": "payload"}


def test_endless_nesting_is_refused() -> None:
    payload: list[object] = []
    for _ in range(100_000):
        payload = [payload]
    with pytest.raises(Invalid):
        pack(payload)


@pytest.mark.parametrize("depth", [100, 400, 500, 600, 1000])
def test_what_was_taken_can_always_be_read(depth: int) -> None:
    payload: list[object] = []
    for _ in range(depth):
        payload = [payload]
    try:
        body = pack_body("message", "ann", "", payload)
    except Invalid:
        return
    # Compared as bytes: Python's == gives up on deep lists.
    assert pack(entry(1, 1, body).payload) == pack(payload)


def test_a_backlog_reads_what_lua_packed() -> None:
    body = pack_body("message", "ann", "p1", b"\xff\x00")
    missed = backlog(msgpack.unpackb(msgpack.packb(["e.1", 9, False, True, [[8, 5, body]]]), raw=True))
    assert (missed.head.epoch, missed.head.seq, missed.reset, missed.more) == ("e.1", 9, False, True)
    assert [one.payload for one in missed.entries] == [b"\xff\x00"]
