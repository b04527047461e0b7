"""Replies come out whole however the bytes were cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sigrouter.stores.redis.reader import DEPTH, BrokenReply, ErrorReply, Reader

REPLIES = st.recursive(
    st.none() | st.integers(-(2**63), 2**63 - 1) | st.binary(max_size=40),
    lambda children: st.lists(children, max_size=5),
    max_leaves=20,
)


def encoded(reply: object) -> bytes:
    match reply:
        case None:
            return b"$-1\r\n"
        case int():
            return b":%d\r\n" % reply
        case bytes():
            return b"$%d\r\n%b\r\n" % (len(reply), reply)
        case list():
            return b"*%d\r\n" % len(reply) + b"".join(encoded(one) for one in reply)
    raise TypeError(reply)


@given(st.lists(REPLIES, max_size=6), st.lists(st.integers(1, 30), min_size=1))
def test_replies_come_out_whole_and_in_order_however_they_are_cut(replies: list[object], cuts: list[int]) -> None:
    stream = b"".join(encoded(reply) for reply in replies)
    reader, heard, at = Reader(), [], 0
    while at < len(stream):
        size = cuts[at % len(cuts)]
        heard += reader.feed(stream[at : at + size])
        at += size
    assert heard == replies


def test_words_and_errors_are_told_apart() -> None:
    assert Reader().feed(b"+OK\r\n-NOSCRIPT No such\r\n") == [b"OK", ErrorReply("NOSCRIPT No such")]


def test_an_absent_list_is_none() -> None:
    assert Reader().feed(b"*-1\r\n*0\r\n") == [None, []]


def test_a_long_string_in_many_pieces_is_put_together_once() -> None:
    data = bytes(range(256)) * 4000
    stream = encoded(data) + encoded(1)
    reader = Reader()
    heard = [reply for at in range(0, len(stream), 1000) for reply in reader.feed(stream[at : at + 1000])]
    assert heard == [data, 1]


@pytest.mark.parametrize("nonsense", [b"HTTP/1.1 400 Bad Request\r\n", b"$x\r\n", b"*1.5\r\n", b":\r\n"])
def test_what_is_not_redis_breaks_the_connection(nonsense: bytes) -> None:
    with pytest.raises(BrokenReply):
        Reader().feed(nonsense)


def test_endless_nesting_breaks_the_connection_and_not_the_process() -> None:
    with pytest.raises(BrokenReply):
        Reader().feed(b"*1\r\n" * (DEPTH + 10))
