"""How many bytes a peer's payload takes on the wire, and whether every peer could read it at all."""

import json
from typing import Any, Final

import orjson

from sigrouter.protocol import errors

PLAIN: Final = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS
"""CBOR peers can send dates; no JSON peer could be given one."""
WITH_BINARY: Final = PLAIN | orjson.OPT_NON_STR_KEYS


def serialized_size(payload: object) -> int:
    """The bytes of a payload as JSON; binary data counts as it is.

    Raises:
        Invalid: it cannot be given to every peer, whatever its serializer: it is nested more than 250 deep, or holds a
            whole number beyond 64 bits, half of a surrogate pair, NaN or an infinity, or something that is no JSON. One
            such entry in a mailbox would break each connection that its reader makes to read it.
    """
    binary = 0

    def measure(value: object) -> None:
        nonlocal binary
        if not isinstance(value, bytes | bytearray | memoryview):
            raise TypeError(type(value))
        binary += len(value)

    try:
        text = orjson.dumps(payload, option=PLAIN)
    except TypeError:
        try:
            text = orjson.dumps(payload, measure, WITH_BINARY)
        except TypeError:
            raise errors.Invalid("payload cannot be serialized", field="payload") from None
    if b"null" in text:
        _refuse_what_is_no_number(payload)
    return len(text) + binary


def _refuse_what_is_no_number(payload: object) -> None:
    """Where orjson writes ``null``, Autobahn writes the ``NaN`` that it read, which no browser can parse."""
    try:
        json.dumps(payload, allow_nan=False, default=_nothing)
    except ValueError:
        raise errors.Invalid("payload holds NaN or an infinity", field="payload") from None


def _nothing(_: object) -> Any:
    return None
