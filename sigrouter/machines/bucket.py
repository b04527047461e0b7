"""A token bucket: how often, or how much, one session may do something.

The bucket holds at most ``burst`` tokens and gains ``rate`` of them each second. It is mutable, the one exception to
the house's frozen states, because it is stepped for every call of every session.
"""

from attrs import define


@define
class Bucket:
    """``rate`` in tokens per second; ``at`` is the time in seconds up to which ``tokens`` is worked out."""

    rate: float
    burst: float
    tokens: float
    at: float

    @classmethod
    def full(cls, rate: float, burst: float, at: float) -> "Bucket":
        """A bucket that nothing was taken from yet."""
        return cls(rate, burst, burst, at)

    def take(self, amount: float, at: float) -> float:
        """Take ``amount`` tokens: 0.0 if they were there, else the seconds until they would be (and none is taken)."""
        # A clock that was set back must cost nobody the hour that it was set back by.
        tokens = min(self.burst, self.tokens + max(0.0, at - self.at) * self.rate)
        self.at = at
        if tokens >= amount:
            self.tokens = tokens - amount
            return 0.0
        self.tokens = tokens
        return (amount - tokens) / self.rate
