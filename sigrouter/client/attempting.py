"""How a session gets its next connection to the point of ``ready``, and what the server's refusals mean for it."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from sigrouter.client.dialer import Dialer
from sigrouter.client.effects import Close, Deliver, Effect, Reject, Resolve, Subscribe
from sigrouter.client.errors import AuthenticationFailed, SessionGone, refusal, retry_after_s
from sigrouter.client.events import (
    AttemptFailed,
    Disconnected,
    Event,
    Resumed,
    SavedSession,
    SessionEnded,
    SessionLost,
    SessionStarted,
)
from sigrouter.client.link import Link, Welcome
from sigrouter.client.options import Options
from sigrouter.client.positions import Caught, Positions
from sigrouter.client.requests import Request
from sigrouter.client.talking import Talking
from sigrouter.protocol import errors, uris


class Attempting(Talking):
    """The part of the session that brings its ``candidate`` to life.

    ``known``: the application was told of this session. ``unreported_loss``: the old connection went while our own
    younger one waited for its ``ready``; it is a loss only if that answer does not come.
    """

    def __init__(
        self,
        url: str,
        out: list[Effect],
        options: Options,
        random_unit: Callable[[], float],
        resume_from: SavedSession | None,
    ) -> None:
        super().__init__(out, options, random_unit, resume_from)
        self.running = True
        self.stop_error: Exception | None = None
        self.dialer = Dialer(url, out, self.tokens, options, random_unit)
        self._open: set[int] = set()
        self._starters: list[int] = []
        self._stop_at: float | None = None
        self._known = resume_from is not None
        self._handover = False
        self._lost_at: float | None = None
        self._unreported_loss = ""
        self._refused_tickets = 0
        self._failed_tickets = 0

    # ---- the next connection -------------------------------------------------------------------------------------

    def ticket_obtained(self, request_id: int, ticket: str) -> None:
        """Connect with it, unless it comes too late."""
        if self.dialer.ticket(request_id, ticket):
            self._failed_tickets = 0
            self.candidate = Link(request_id)
            self._open.add(request_id)

    def ticket_failed(self, request_id: int, error: Exception, at: float) -> None:
        """Try again later; a client that never was connected gives up after some tries."""
        if self.dialer.phase != "ticket" or request_id != self.dialer.handle:
            return
        self._failed_tickets += 1
        if not self._known and self._failed_tickets >= self._options.ticket_tries:
            failed = AuthenticationFailed("No ticket could be had")
            failed.__cause__ = error
            self._finish(None, failed)
        else:
            self._attempt_failed("ticket", type(error).__name__, at)

    def joined(self, handle: int, authextra: Mapping[str, Any], at: float) -> None:
        """Subscribe and say ``ready``, at once: what overtakes the subscription is a gap, and gaps are read."""
        link = self.candidate
        if link is None or link.handle != handle:
            return
        link.welcome = Welcome.parse(authextra, self._options.heartbeat_s)
        another = bool(self.session_id) and link.welcome.session_id != self.session_id
        if another and self.active is not None:
            self._abort_attempt("another session", at)
            return
        if another:
            self._session_lost("unknown")
        self._refused_tickets = 0
        self.tokens.welcomed(link.welcome.recovery_token)
        self._out.append(Subscribe(handle, uris.EVENT_PREFIX))
        self._ask_ready(link, at)

    def refused(self, handle: int, reason: str, details: Mapping[str, Any], at: float) -> None:
        """ABORT: some refusals are settled by another token or ticket, the others by time."""
        link = self.candidate
        if link is None or link.handle != handle:
            return
        self._drop_candidate()
        error = refusal(reason, details)
        if isinstance(error, errors.Recovery):
            self._recovery_refused(error.reason, at)
            return
        if isinstance(error, errors.Authentication):
            self._refused_tickets += 1
            if self.active is None and self._refused_tickets >= self._options.authentication_tries:
                self._finish(SessionEnded(reason), AuthenticationFailed(str(error)))
                return
        self._attempt_failed(reason, str(details.get("message", "")), at, retry_after_s(error))

    def _ask_ready(self, link: Link, at: float) -> None:
        link.ready_asked = True
        link.ready_retry_at = None
        if self.active is not None:
            self.active.contested = True
        positions = {"positions": self.positions.read()}
        self._call(link, uris.SESSION_READY, positions, partial(self._ready_answered, link), at)

    def _ready_answered(self, link: Link, result: Any, error: Exception | None, at: float) -> None:
        if link is not self.candidate:
            return
        if isinstance(error, errors.Recovery):
            self._drop_candidate()
            self._recovery_refused(error.reason, at)
        elif error is not None and (again_after_s := retry_after_s(error)) is not None:
            link.ready_retry_at = at + max(again_after_s, 0.1)
        elif error is not None:
            self._abort_attempt(str(error), at)
        else:
            self._take_over(link, result, at)

    def _take_over(self, link: Link, answer: Mapping[str, Any], at: float) -> None:
        assert link.welcome is not None
        previous, self.active, self.candidate = self.active, link, None
        if previous is not None:
            self._retire(previous, at)
        self.dialer.succeeded()
        link.ready_at = at
        link.heartbeat_at = at + link.welcome.heartbeat_s * (0.5 + 0.5 * self._random_unit())
        self.tokens.confirmed(str(answer.get("recovery_token") or link.welcome.recovery_token))
        self.session_id, self.generation = link.welcome.session_id, int(answer.get("generation", 0))
        self.node_id, self.stack = link.welcome.node_id, link.welcome.stack
        self.outbox.connected(int(answer.get("last_number", 0)))
        self.positions.interrupted()
        self.pairing.connected(answer.get("pairs") or (), at)
        caught = {
            channel: self.positions.caught_up(channel, part) for channel, part in (answer.get("channels") or {}).items()
        }
        self._report_ready(caught, at)
        for channel, part in caught.items():
            self._deliver_caught(channel, part, at)
        held, link.held = link.held, []
        for topic, kwargs in held:
            self._event(topic, kwargs, at)
        self._out.extend(Resolve(command_id, None) for command_id in self._starters)
        self._starters.clear()

    def _report_ready(self, caught: Mapping[str, Caught], at: float) -> None:
        if self._known:
            gap_s = 0.0 if self._lost_at is None else at - self._lost_at
            replayed = sum(len(part.events) for part in caught.values())
            self._out.append(Deliver(Resumed(gap_s, replayed, self.node_id, self._handover)))
        else:
            self._known = True
            self._out.append(Deliver(SessionStarted(self.session_id, self.node_id)))
            if self.announcement is not None:
                announce = Request(self.new_id(), uris.WORKER_ANNOUNCE, self.announcement, _unconcerned)
                self.requests.add(announce)
        self._handover = False
        self._lost_at = None
        self._unreported_loss = ""

    # ---- failures ------------------------------------------------------------------------------------------------

    def _abort_attempt(self, reason: str, at: float) -> None:
        self._drop_candidate()
        self._attempt_failed(reason, "", at)

    def _drop_candidate(self) -> None:
        if self.candidate is not None:
            self._calls.drop(self.candidate.handle)
            if self.candidate.handle in self._open:
                self._out.append(Close(self.candidate.handle))
            self.candidate = None

    def _attempt_failed(self, reason: str, message: str, at: float, again_after_s: float | None = None) -> None:
        delay_s = self.dialer.failed(at, again_after_s)
        self._out.append(Deliver(AttemptFailed(reason, message, delay_s)))
        self._report_loss(at)

    def _report_loss(self, at: float) -> None:
        """The succession failed: what it would have covered up is a loss after all."""
        if self._unreported_loss:
            self._handover = False
            self._out.append(Deliver(Disconnected(self._unreported_loss)))
            self._unreported_loss = ""
        if self.active is not None and self.active.fenced and self._stop_at is None:
            self._broken(self.active, uris.CLOSE_SUPERSEDED, at)

    def _recovery_refused(self, reason: str, at: float) -> None:
        if self.tokens.refused(reason):
            self.dialer.again(at)
        elif self.active is not None and not self.active.fenced:
            # The session lives: its heartbeat brings another token, and only then is it worth trying again.
            self.active.heartbeat_at = at
            self._attempt_failed(uris.ERROR_RECOVERY, reason, at)
        else:
            if self.active is not None:
                self._broken(self.active, reason, at)
            self._session_lost(reason)
            self.dialer.again(at)

    def _session_lost(self, reason: str) -> None:
        if self._known:
            self._out.append(Deliver(SessionLost(reason)))
            self._out.extend(Reject(command_id, SessionGone(reason)) for command_id in self.outbox.clear())
        self.positions = Positions({}, self._options.ack_every)
        self.pairing.pairs = {}
        self.tokens.clear()
        self.session_id = ""
        self._known = False
        self._unreported_loss = ""
        self._lost_at = None

    # ---- the other half of connections ---------------------------------------------------------------------------

    def _retire(self, link: Link, at: float) -> None:
        """Another connection has taken over."""
        raise NotImplementedError

    def _broken(self, link: Link, reason: str, at: float) -> None:
        """The active connection is of no use any more."""
        raise NotImplementedError

    def _finish(self, event: Event | None, error: Exception) -> None:
        """Nothing will ever happen again."""
        raise NotImplementedError


def _unconcerned(_result: Any, _at: float) -> None:
    """The announcement that the SDK repeats by itself needs no answer."""
