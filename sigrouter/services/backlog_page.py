"""What a reader missed, as it stands in an answer: a page that is bounded in entries and in bytes."""

from typing import Any, Final

from sigrouter.services.delivery import event
from sigrouter.services.payload_size import serialized_size
from sigrouter.stores.records import Backlog

ENVELOPE_BYTES: Final = 300
"""About what an event takes beside its payload."""


def backlog_on_wire(channel: str, backlog: Backlog, bytes_max: int) -> dict[str, Any]:
    """A backlog as ``ready`` and ``recover`` answer it: the first entry, and those after it within ``bytes_max``.

    A mailbox holds a thousand entries, and each may be as large as a message may be: together they are more than any
    peer takes in one WebSocket message. ``more`` tells the reader to ask for the rest.
    """
    missed: list[dict[str, Any]] = []
    left = bytes_max
    for entry in backlog.entries:
        one = event(channel, backlog.head.epoch, entry)
        left -= serialized_size(entry.payload) + ENVELOPE_BYTES
        if missed and left < 0:
            break
        missed.append(one)
    return {
        "epoch": backlog.head.epoch,
        "seq": backlog.head.seq,
        "reset": backlog.reset,
        "more": backlog.more or len(missed) < len(backlog.entries),
        "missed": missed,
    }
