"""The messages that a session sends: numbered, at most a window of them under way, repeated until they are answered."""

from collections import deque
from typing import Any

from attrs import define

PATIENT_REWINDS = 2
LONGEST_PAUSE_S = 5.0


@define(eq=False)
class Item:
    """One message; it gets its ``number`` when it is sent for the first time."""

    command_id: int
    payload: Any
    pair_id: str | None
    number: int = 0


class Outbox:
    """Numbers 1, 2, 3 … in the order of ``add``; ``acked``: all numbers up to it have been answered.

    A refusal that asks for repetition rewinds: nothing more goes out until everything under way is answered, then all
    that is unanswered goes again, in order. Repeating one message at once while its followers are under way would let
    them overtake each other again and again.
    """

    def __init__(self, window: int) -> None:
        self.acked = 0
        self.resume_at: float | None = None
        self._window = window
        self._next_number = 1
        self._waiting: deque[Item] = deque()
        self._repeat: deque[Item] = deque()
        self._unanswered: dict[int, Item] = {}
        self._flying: set[int] = set()
        self._answered_early: set[int] = set()
        self._rewinds = 0
        self._numbering_known = False

    def add(self, item: Item) -> None:
        """Queue a message behind the others."""
        self._waiting.append(item)

    def connected(self, last_number: int) -> None:
        """A connection is ready: repeat what is unanswered. ``last_number``: the highest that the server took.

        A process that resumes another one's session goes on with the numbers after it.
        """
        if not self._numbering_known:
            self._numbering_known = True
            self._next_number = last_number + 1
            self.acked = last_number
        self._flying.clear()
        self._plan_repetition()

    def interrupted(self, number: int) -> None:
        """No answer will come for the number on this connection."""
        self._flying.discard(number)

    def take(self, at: float) -> list[Item]:
        """What is to be sent now, in order; it counts as under way from now on."""
        if self.resume_at is not None:
            if self._flying or at < self.resume_at:
                return []
            self._plan_repetition()
        taken: list[Item] = []
        while self._repeat:
            taken.append(self._repeat.popleft())
        while self._waiting and self._next_number <= self.acked + self._window:
            item = self._waiting.popleft()
            item.number = self._next_number
            self._next_number += 1
            self._unanswered[item.number] = item
            taken.append(item)
        self._flying.update(item.number for item in taken)
        return taken

    def answered(self, number: int) -> bool:
        """A result, or a final refusal, for the number. False: it had been answered before."""
        self._flying.discard(number)
        if self._unanswered.pop(number, None) is None:
            return False
        self._rewinds = 0
        self._answered_early.add(number)
        while self.acked + 1 in self._answered_early:
            self.acked += 1
            self._answered_early.discard(self.acked)
        return True

    def refused(self, number: int, retry_after_s: float, at: float) -> None:
        """The number may succeed after ``retry_after_s``: rewind to it then.

        Rewinds without any progress between them become slower, so that a confused server is not flooded.
        """
        self._flying.discard(number)
        if number not in self._unanswered:
            return
        pause_s = retry_after_s
        if self.resume_at is None:
            self._rewinds += 1
            if self._rewinds > PATIENT_REWINDS:
                pause_s = max(pause_s, min(LONGEST_PAUSE_S, 0.02 * 2.0 ** min(self._rewinds, 16)))
        self.resume_at = max(at + pause_s, self.resume_at or 0.0)

    def clear(self) -> list[int]:
        """The session is gone: forget everything, number from 1. The commands that will never be answered."""
        gone = [item.command_id for item in (*self._unanswered.values(), *self._waiting)]
        self.__init__(self._window)  # type: ignore[misc]  # a fresh session is a fresh outbox
        return gone

    @property
    def due(self) -> float | None:
        """When ``take`` may give something that it does not give now; ``None``: no time will change that."""
        return self.resume_at if self.resume_at is not None and not self._flying else None

    def _plan_repetition(self) -> None:
        self.resume_at = None
        self._repeat = deque(item for item in self._unanswered.values() if item.number not in self._flying)
