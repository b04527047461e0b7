"""How many bytes a peer's payload takes on the wire: what its limits count."""

from typing import Any

import msgpack
import orjson

from sigrouter.protocol import errors


def serialized_size(payload: object) -> int:
    """The bytes of a payload: as JSON, or as MessagePack where it holds binary data."""
    try:
        return len(orjson.dumps(payload))
    except TypeError:
        try:
            return len(msgpack.packb(payload, use_bin_type=True))
        except (TypeError, ValueError, OverflowError):
            raise errors.Invalid("payload cannot be serialized", field="payload") from None


def kept_size(event: dict[str, Any]) -> int:
    """The bytes of an event that the store has taken: whatever it holds, it was found serializable before."""
    try:
        return serialized_size(event)
    except errors.Invalid:
        return len(repr(event))
