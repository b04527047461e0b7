"""How a client gets its next connection: waits, fetches a ticket, connects; one try at a time."""

from collections.abc import Callable
from typing import Literal

from attrs import frozen

from sigrouter.client.effects import Connect, Effect, FetchTicket
from sigrouter.client.options import Options
from sigrouter.client.tokens import Tokens
from sigrouter.machines.backoff import next_delay


@frozen
class Hint:
    """Where a GOAWAY sent the session."""

    stack: str
    url: str


class Dialer:
    """``phase``: ``idle``, ``waiting`` for the next try, waiting for the ``ticket``, or ``connecting`` until ``ready``.

    The whole try has one deadline. ``connection_attempts`` counts the connections that were opened.
    """

    def __init__(
        self, url: str, out: list[Effect], tokens: Tokens, options: Options, random_unit: Callable[[], float]
    ) -> None:
        self.connection_attempts = 0
        self.phase: Literal["idle", "waiting", "ticket", "connecting"] = "idle"
        self.handle = 0
        self._url = url
        self._out = out
        self._tokens = tokens
        self._options = options
        self._random_unit = random_unit
        self._due_at = 0.0
        self._failures = 0
        self._hint: Hint | None = None
        self._hint_left = 0

    @property
    def due(self) -> float | None:
        """When ``timer`` has something to do."""
        return None if self.phase == "idle" else self._due_at

    def follow(self, hint: Hint) -> None:
        """The next few tries go where the GOAWAY said; afterwards the balancer knows better."""
        self._hint = hint
        self._hint_left = self._options.hint_attempts

    def begin(self, at: float, delay_s: float = 0.0) -> None:
        """Try after ``delay_s``, unless a try is on its way already."""
        if self.phase == "idle":
            self.phase = "waiting"
            self._due_at = at + delay_s

    def begin_jittered(self, at: float, floor_s: float = 0.0) -> None:
        """Try after a random delay that grows with the failures so far."""
        self.begin(at, self._delay_s(floor_s))

    def hurry(self, at: float) -> None:
        """The old connection is gone, so a wait that could afford to be long cannot any more."""
        if self.phase == "waiting":
            self._due_at = min(self._due_at, at + self._random_unit() * self._options.base_s)

    def failed(self, at: float, retry_after_s: float | None = None) -> float:
        """The try came to nothing. Seconds until the next one."""
        delay_s = self._delay_s(retry_after_s)
        self._failures += 1
        self.phase = "idle"
        self.begin(at, delay_s)
        return delay_s

    def again(self, at: float) -> None:
        """The try came to nothing, but for a reason that is settled: the next one need not wait."""
        self.phase = "idle"
        self.begin(at)

    def succeeded(self) -> None:
        """The connection is ready."""
        self.phase = "idle"
        self._hint = None

    def stable(self) -> None:
        """A connection lived for a while: the next failure is a new one."""
        self._failures = 0

    def stop(self) -> None:
        """No more tries."""
        self.phase = "idle"

    def timer(self, at: float) -> bool:
        """Go on if it is time. True: the try under way took too long."""
        if self.phase == "idle" or at < self._due_at:
            return False
        if self.phase != "waiting":
            return True
        self.phase = "ticket"
        self.handle += 1
        self._due_at = at + self._options.attempt_timeout_s
        self._out.append(FetchTicket(request_id=self.handle))
        return False

    def ticket(self, request_id: int, ticket: str) -> bool:
        """The application gave a ticket: connect. False: it came too late."""
        if self.phase != "ticket" or request_id != self.handle:
            return False
        self.phase = "connecting"
        self.connection_attempts += 1
        url, authextra = self._url, {"sdk": "sigrouter-python"}
        if self._tokens.current:
            authextra["recovery_token"] = self._tokens.current
        if self._hint and self._hint_left > 0:
            self._hint_left -= 1
            url = self._hint.url or url
            if self._hint.stack:
                authextra["stack"] = self._hint.stack
        self._out.append(Connect(handle=self.handle, url=url, ticket=ticket, authextra=authextra))
        return True

    def _delay_s(self, retry_after_s: float | None) -> float:
        return next_delay(self._failures, self._random_unit(), self._options.base_s, self._options.cap_s, retry_after_s)
