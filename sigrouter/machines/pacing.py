"""How many moves may be under way at once: a congestion window, as TCP has one (slow start, then AIMD).

Nobody knows how many handshakes a second the new stack bears: it depends on its size, on the network, and on who else
moves at the moment. So the window asks it: a move that confirms makes room for the next one (a storm cannot arise, for
every move waits for an earlier one to be answered) and widens the window; a move that times out narrows it.

* **Slow start.** Until the first timeout each confirmation adds 1, so the window doubles each round trip. Additive
  growth alone would be too slow: 10,000 sessions at 0.5 s for each reconnection would take minutes and the budget is
  seconds.
* **Additive increase.** Beyond ``threshold``, where moves began to time out, W confirmations together add 1.
* **Multiplicative decrease.** A timeout halves the window, never below 1. It counts once for each burst: moves that
  were told before the last halving are witnesses of the same congestion (TCP's NewReno rule), and halving for each of
  them would throw the window down to 1 whenever a target stalls for a moment.
"""

from math import inf

from attrs import evolve, frozen


@frozen
class Pacing:
    """The window. ``size``: moves allowed at once, as a float so that growth adds up; ``under_way``: slots that are
    held.

    ``maximum``: the window never grows beyond it. ``threshold``: slow start ends here. ``halved_at``: when it was last
    halved, in seconds.
    """

    size: float
    maximum: int
    under_way: int = 0
    threshold: float = inf
    halved_at: float = -inf

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

    def confirmed(self) -> "Pacing":
        """A move that held a slot has arrived: the target bears this much, so a little more may be tried."""
        growth = 1.0 if self.size < self.threshold else 1.0 / self.size
        return evolve(self, under_way=self.under_way - 1, size=min(float(self.maximum), self.size + growth))

    def timed_out(self, told_at: float, at: float) -> "Pacing":
        """A move that held a slot since ``told_at`` has not arrived by ``at`` (seconds): free the slot, slow down."""
        if told_at < self.halved_at:
            return self.abandoned()
        half = max(1.0, self.size / 2)
        return evolve(self, under_way=self.under_way - 1, size=half, threshold=half, halved_at=at)

    def abandoned(self) -> "Pacing":
        """A move that held a slot is over for a reason of its own (the session ended): the target did nothing wrong."""
        return evolve(self, under_way=self.under_way - 1)
