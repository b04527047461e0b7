"""A channel's log in memory: numbered entries of one epoch, of which the oldest may be gone."""

from collections import deque
from itertools import islice
from typing import Any

from sigrouter.stores.records import Backlog, Entry, Position


class Log:
    """Entries ``head - len(entries) + 1`` to ``head``; ``touched_at`` is when the last one came, seconds."""

    __slots__ = ("channel", "entries", "epoch", "head", "touched_at")

    def __init__(self, channel: str, epoch: str, at: float) -> None:
        self.channel = channel
        self.epoch = epoch
        self.head = 0
        self.entries: deque[Entry] = deque()
        self.touched_at = at

    def append(self, kind: str, sender: str, pair_id: str, now: float, payload: Any) -> Entry:
        """The next entry; ``now`` in seconds."""
        self.head += 1
        entry = Entry(self.head, kind, sender, pair_id, int(now * 1000), payload)
        self.entries.append(entry)
        self.touched_at = now
        return entry

    def keep(self, count: int) -> None:
        """Drop the oldest entries beyond ``count``."""
        entries = self.entries
        while len(entries) > count:
            entries.popleft()

    def forget(self, position: Position) -> bool:
        """Drop what was read, up to ``position``. False if that is no position of this log."""
        if not position.epoch and not position.seq:
            return True
        if position.epoch != self.epoch or not 0 <= position.seq <= self.head:
            return False
        entries = self.entries
        while entries and entries[0].seq <= position.seq:
            entries.popleft()
        return True

    def read(self, after: Position | None, limit: int) -> Backlog:
        """Up to ``limit`` entries after a position; ``None`` and ``("", 0)``, nothing read, give the oldest ones."""
        entries = self.entries
        gone = self.head - len(entries)
        skip = 0
        reset = False
        if after is not None and (after.epoch or after.seq):
            reset = after.epoch != self.epoch or not gone <= after.seq <= self.head
            skip = 0 if reset else after.seq - gone
        page = tuple(islice(entries, skip, skip + limit))
        return Backlog(Position(self.epoch, self.head), page, reset, more=skip + len(page) < len(entries))
