"""How a session's connections end, move elsewhere in a handover, and stop for good."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from sigrouter.client.attempting import Attempting
from sigrouter.client.dialer import Hint
from sigrouter.client.effects import Close, Deliver, Effect, Finished, Reject, Resolve
from sigrouter.client.errors import Stopped
from sigrouter.client.events import Disconnected, Event, GoAwayReceived, SavedSession, SessionEnded, Superseded
from sigrouter.client.link import Link
from sigrouter.client.options import Options
from sigrouter.protocol import errors, uris


class Connecting(Attempting):
    """The whole session.

    ``retiring``: connections that were replaced and may still answer calls that must not be repeated.
    """

    def __init__(
        self,
        url: str,
        out: list[Effect],
        options: Options,
        random_unit: Callable[[], float],
        resume_from: SavedSession | None,
    ) -> None:
        super().__init__(url, out, options, random_unit, resume_from)
        self._retiring: dict[int, Link] = {}
        self._stoppers: list[int] = []

    # ---- commands ------------------------------------------------------------------------------------------------

    def start(self, command_id: int, at: float) -> None:
        """Connect, unless that was said before."""
        if self.active is not None:
            self._out.append(Resolve(command_id, None))
            return
        self._starters.append(command_id)
        self.dialer.begin(at)

    def stop(self, command_id: int, at: float, *, end: bool) -> None:
        """Close everything; ``end`` tells the server first."""
        self._stoppers.append(command_id)
        self._stop_at = at + self._options.stop_timeout_s
        if self.running and end and self.active is not None and not self.active.fenced:
            self.dialer.stop()
            self._call(self.active, uris.SESSION_END, {}, self._ended, at)
            self.active.fenced = True
        elif self.running:
            self._finish(None, Stopped("The client was stopped"))
        self._resolve_stop()

    # ---- failures ------------------------------------------------------------------------------------------------

    def closed(self, handle: int, reason: str, at: float) -> None:
        """A socket is gone, whoever closed it."""
        self._open.discard(handle)
        if self.candidate is not None and self.candidate.handle == handle:
            self._drop_candidate()
            if reason in OVER:
                self._finish(SessionEnded(reason), Stopped(reason))
            else:
                self._attempt_failed(reason, "", at)
        elif self.active is not None and self.active.handle == handle:
            self._lost(self.active, reason, at)
        elif handle in self._retiring:
            self._retired(handle)
        self._resolve_stop()

    def connection_refused(self, handle: int, error: Exception, at: float) -> None:
        """``Superseded`` while our own younger connection waits for its ``ready`` is only the answer coming late."""
        link = self.active
        if link is None or link.handle != handle:
            return
        if isinstance(error, errors.Superseded):
            link.fenced = True
            if not self._succession(link):
                self._broken(link, uris.CLOSE_SUPERSEDED, at)
        else:
            self._broken(link, str(error), at)

    def _succession(self, link: Link) -> bool:
        return link.contested and self.candidate is not None and self.candidate.ready_asked

    def _broken(self, link: Link, reason: str, at: float) -> None:
        self._out.append(Close(link.handle))
        self._lost(link, reason, at)

    def _lost(self, link: Link, reason: str, at: float) -> None:
        succession = self._succession(link)
        self.active = None
        self._lost_at = at
        self._calls.drop(link.handle)
        self.requests.interrupted(link.handle)
        if self._stop_at is not None:
            self._finish(None, Stopped("The client was stopped"))
        elif reason in OVER:
            self.tokens.clear()
            self._finish(SessionEnded(reason), Stopped(reason))
        elif reason == uris.CLOSE_SUPERSEDED and not link.contested:
            self.tokens.clear()
            self._finish(Superseded(), errors.Superseded())
        elif succession:
            self._unreported_loss = reason
        else:
            self._handover = False
            self._out.append(Deliver(Disconnected(reason)))
            self.dialer.hurry(at)
            self.dialer.begin_jittered(at, NOT_READY_PAUSE_S if reason == uris.CLOSE_NOT_READY else 0.0)

    # ---- handover ------------------------------------------------------------------------------------------------

    def event(self, handle: int, topic: str, kwargs: Mapping[str, Any], at: float) -> None:
        """Before the answer to ``ready`` an event has to wait for it."""
        if self.active is not None and self.active.handle == handle:
            self._event(topic, kwargs, at)
        elif self.candidate is not None and self.candidate.handle == handle:
            self.candidate.held.append((topic, kwargs))

    def _goaway(self, payload: Mapping[str, Any], at: float) -> None:
        goaway = GoAwayReceived(
            reason=str(payload.get("reason", "")),
            handover_id=str(payload.get("handover_id", "")),
            deadline_ms=int(payload.get("deadline_ms") or 0),
            reconnect_after_ms=int(payload.get("reconnect_after_ms") or 0),
            stack=str(payload.get("stack") or ""),
            peer=str(payload.get("peer") or "none"),
        )
        self._out.append(Deliver(goaway))
        if self.running and self._stop_at is None:
            self._handover = True
            self.dialer.follow(Hint(goaway.stack, str(payload.get("url") or "")))
            self.dialer.begin(at, goaway.reconnect_after_ms / 1000)

    def _retire(self, link: Link, at: float) -> None:
        self.requests.moving(link.handle)
        if self.requests.on(link.handle):
            link.retire_at = at + self._options.retire_s
            self._retiring[link.handle] = link
        else:
            self._calls.drop(link.handle)
            self._out.append(Close(link.handle))

    def _retired(self, handle: int) -> None:
        del self._retiring[handle]
        self._calls.drop(handle)
        self.requests.interrupted(handle)
        if handle in self._open:
            self._out.append(Close(handle))

    # ---- time ----------------------------------------------------------------------------------------------------

    def timer(self, at: float) -> None:
        """Whatever is due."""
        for handle in self._calls.overdue(at):
            if self.active is not None and self.active.handle == handle:
                self._broken(self.active, "No answer", at)
            elif self.candidate is not None and self.candidate.handle == handle:
                self._abort_attempt("No answer", at)
            else:
                self._calls.drop(handle)
        if self.candidate is not None and self._passed(self.candidate.ready_retry_at, at):
            self._ask_ready(self.candidate, at)
        if self.running and self.dialer.timer(at):
            self._abort_attempt("No connection in time", at)
        for link in [link for link in self._retiring.values() if self._passed(link.retire_at, at)]:
            self._retired(link.handle)
        if self.active is not None and at - self.active.ready_at >= self._options.stable_s:
            self.dialer.stable()
        self.pairing.timer(at)
        if self._passed(self._stop_at, at):
            if self.running:
                self._finish(None, Stopped("The client was stopped"))
            self._open.clear()
            self._resolve_stop()

    @property
    def due(self) -> float | None:
        """When ``timer`` or ``pump`` has something to do next."""
        return min((at for at in self._dues() if at is not None), default=None)

    def _dues(self) -> Iterator[float | None]:
        yield from (self.dialer.due, self.pairing.due, self._calls.due)
        yield self._stop_at if self._stoppers else None
        yield from (link.retire_at for link in self._retiring.values())
        if self.candidate is not None:
            yield self.candidate.ready_retry_at
        if self.active is not None and not self.active.fenced:
            yield from (self.active.heartbeat_at, self.outbox.due, self.requests.due, self.positions.due)

    @staticmethod
    def _passed(due: float | None, at: float) -> bool:
        return due is not None and due <= at

    # ---- the end -------------------------------------------------------------------------------------------------

    def _ended(self, _result: Any, _error: Exception | None, _at: float) -> None:
        self.tokens.clear()
        self._finish(None, Stopped("The client was stopped"))
        self._resolve_stop()

    def _finish(self, event: Event | None, error: Exception) -> None:
        self.running = False
        self.stop_error = error
        self.dialer.stop()
        if event is not None:
            self._out.append(Deliver(event))
        unanswered = (*self._starters, *self.outbox.clear(), *self.requests.clear(), *self.pairing.clear())
        self._out.extend(Reject(command_id, error) for command_id in unanswered)
        self._starters.clear()
        self._out.extend(Close(handle) for handle in sorted(self._open))
        for handle in self._open:
            self._calls.drop(handle)
        self.active = self.candidate = None
        self._retiring.clear()
        self._out.append(Finished())

    def _resolve_stop(self) -> None:
        if self._stoppers and not self.running and not self._open:
            self._out.extend(Resolve(command_id, None) for command_id in self._stoppers)
            self._stoppers.clear()
            self._stop_at = None


OVER = frozenset({uris.CLOSE_ENDED, uris.CLOSE_KICKED})
NOT_READY_PAUSE_S = 1.0
