"""How many moves may be under way at once: a congestion window, as TCP has one (slow start, AIMD, an ear for delay).

Nobody knows how many handshakes a second the new stack bears: it depends on its size, on the network, and on who else
moves at the moment. So the window asks it: a move that confirms makes room for the next one (a storm cannot arise, for
every move waits for an earlier one to be answered) and widens the window; moves that come late or not at all narrow it.

* **Slow start.** Until the first warning each confirmation adds 1, so the window doubles each round trip. Additive
  growth alone would be too slow: 10,000 sessions at 0.5 s for each reconnection would take minutes and the budget is
  seconds.
* **Additive increase.** Beyond ``threshold``, where moves began to be slow, W confirmations together add 1.
* **Delay is the first warning.** A target that is busy with handshakes answers late long before it fails, and the
  messages of those who have moved wait in the same line: that would be noticed. So a move that took far longer than the
  quickest one (``CROWDED_FACTOR`` times, and ``CROWDED_SLACK_S`` beside it) takes the window back by a quarter, as
  TCP Vegas does. A target that is merely far away is slow for all, and is left in peace.
* **Multiplicative decrease.** A timeout halves the window, never below 1.
* Either counts once for each burst: moves that were told before the last decrease are witnesses of the same congestion
  (TCP's NewReno rule), and one step for each of them would throw the window down to 1 whenever a target stalls.
* **The budget is the floor.** Slower than ``needed`` the window is never: a drain that misses its deadline cuts
  connections, and that is worse than a delay.
"""

from math import inf
from typing import Final

from attrs import evolve, frozen

CROWDED_FACTOR: Final = 2.0
CROWDED_SLACK_S: Final = 0.1
CROWDED_SHARE: Final = 0.75
TIMEOUT_SHARE: Final = 0.5
SMOOTHING: Final = 0.125
"""The weight of the newest move in ``usual_s``; TCP's for its round trip."""


@frozen
class Pacing:
    """The window. ``size``: moves allowed at once, as a float so that growth adds up; ``under_way``: slots that are
    held.

    ``maximum``: the window never grows beyond it. ``threshold``: slow start ends here. ``narrowed_at``: when it was
    last narrowed, in seconds. ``quickest_s`` and ``usual_s``: the least and the smoothed time of a move, in seconds.
    """

    size: float
    maximum: int
    under_way: int = 0
    threshold: float = inf
    narrowed_at: float = -inf
    quickest_s: float = inf
    usual_s: float = 0.0

    @classmethod
    def opening(cls, initial: int, maximum: int) -> "Pacing":
        """A window of ``initial`` moves, of which none is under way; at least 1, at most ``maximum``."""
        ceiling = max(1, maximum)
        return cls(size=float(min(max(1, initial), ceiling)), maximum=ceiling)

    @property
    def free(self) -> int:
        """How many more moves may start now."""
        return max(0, int(self.size) - self.under_way)

    def released(self) -> "Pacing":
        """A move starts and holds a slot."""
        return evolve(self, under_way=self.under_way + 1)

    def confirmed(self, told_at: float, took_s: float, at: float) -> "Pacing":
        """A move that held a slot since ``told_at`` has arrived at ``at``; its way took ``took_s`` seconds."""
        quickest_s = min(self.quickest_s, took_s)
        usual_s = took_s if self.quickest_s == inf else self.usual_s + (took_s - self.usual_s) * SMOOTHING
        freed = evolve(self, under_way=self.under_way - 1, quickest_s=quickest_s, usual_s=usual_s)
        if took_s > CROWDED_FACTOR * quickest_s + CROWDED_SLACK_S:
            return freed._narrowed(CROWDED_SHARE, told_at, at)  # noqa: SLF001 - of the same class
        growth = 1.0 if self.size < self.threshold else 1.0 / self.size
        return evolve(freed, size=min(float(self.maximum), self.size + growth))

    def timed_out(self, told_at: float, at: float) -> "Pacing":
        """A move that held a slot since ``told_at`` has not arrived by ``at`` (seconds): free the slot, slow down."""
        return self.abandoned()._narrowed(TIMEOUT_SHARE, told_at, at)  # noqa: SLF001 - of the same class

    def needed(self, moves: int, seconds: float) -> "Pacing":
        """At least as wide as it takes to do ``moves`` in ``seconds``, if each goes on taking what is usual."""
        width = self.maximum if seconds <= 0 else min(float(self.maximum), moves * self.usual_s / seconds)
        return evolve(self, size=width) if width > self.size else self

    def _narrowed(self, share: float, told_at: float, at: float) -> "Pacing":
        if told_at < self.narrowed_at:
            return self
        size = max(1.0, self.size * share)
        return evolve(self, size=size, threshold=size, narrowed_at=at)

    def abandoned(self) -> "Pacing":
        """A move that held a slot is over for a reason of its own (the session ended): the target did nothing wrong."""
        return evolve(self, under_way=self.under_way - 1)
