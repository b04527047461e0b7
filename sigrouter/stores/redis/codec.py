"""What is kept in Redis as msgpack: the bodies of entries, which Lua never looks into, and answers of scripts."""

from typing import Any, Final

import msgpack

from sigrouter.protocol.errors import Invalid
from sigrouter.stores.records import Backlog, Entry, Position

BIG_INTEGER: Final = 1
"""The msgpack extension for whole numbers beyond 64 bits, which JSON peers may send; its data are the digits."""


def pack(value: Any) -> bytes:
    """Whatever a peer may send, as bytes.

    Raises:
        Invalid: it is nested too deeply, or holds half of a surrogate pair or something that is no JSON.
    """
    try:
        packed: bytes = msgpack.packb(value, use_bin_type=True, default=_big_integer)
    except (ValueError, TypeError, OverflowError, RecursionError):
        raise Invalid("The payload cannot be kept", field="payload") from None
    return packed


def unpack(data: bytes) -> Any:
    """What was packed; tuples come back as lists."""
    return msgpack.unpackb(data, raw=False, strict_map_key=False, use_list=True, ext_hook=_extension)


def unpack_answer(data: bytes) -> Any:
    """A script's answer: every text is ``bytes``, since Lua does not tell text from data."""
    return msgpack.unpackb(data, raw=True, strict_map_key=False)


def pack_body(kind: str, sender: str, pair_id: str, payload: Any) -> bytes:
    """An entry without what the log adds: its number and time."""
    return pack((kind, sender, pair_id, payload))


def entry(seq: int, at: int, body: bytes) -> Entry:
    """The entry as it was sent."""
    kind, sender, pair_id, payload = unpack(body)
    return Entry(seq, kind, sender, pair_id, at, payload)


def backlog(answer: list[Any]) -> Backlog:
    """The answer of ``read_log`` in ``base.lua``."""
    epoch, head, reset, more, entries = answer
    return Backlog(Position(epoch.decode(), head), tuple(entry(*one) for one in entries), bool(reset), bool(more))


def _big_integer(value: Any) -> msgpack.ExtType:
    if isinstance(value, int):
        return msgpack.ExtType(BIG_INTEGER, str(value).encode())
    if isinstance(value, (frozenset, set)):
        raise TypeError(value)
    raise TypeError(type(value))


def _extension(code: int, data: bytes) -> Any:
    return int(data) if code == BIG_INTEGER else msgpack.ExtType(code, data)
