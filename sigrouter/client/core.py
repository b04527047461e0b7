"""The client that decides everything and does nothing: inputs go in with their time, effects come out.

It holds at most two connections: the ``active`` one, whose ``ready`` was answered, and the ``candidate``, which is on
its way there. In a handover both live, until the candidate is ready and becomes the active one.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from sigrouter.client.connecting import Connecting
from sigrouter.client.effects import Effect, Reject, Resolve, SetTimer
from sigrouter.client.errors import Stopped
from sigrouter.client.events import SavedSession
from sigrouter.client.link import Link
from sigrouter.client.options import DEFAULT, Options
from sigrouter.client.outbox import Item
from sigrouter.client.requests import Request
from sigrouter.protocol import uris


class Core:
    """Every method is one input and answers the effects, which must be performed in their order.

    ``at``: seconds by any clock that never goes back. ``random_unit``: numbers in [0, 1). Commands carry an id chosen
    by the caller, and are resolved or rejected with it, once.
    """

    def __init__(
        self,
        url: str,
        *,
        random_unit: Callable[[], float],
        options: Options = DEFAULT,
        resume_from: SavedSession | None = None,
    ) -> None:
        self._options = options
        self._out: list[Effect] = []
        self._timer: float | None = None
        self._session = Connecting(url, self._out, options, random_unit, resume_from)

    # ---- what the application reads ------------------------------------------------------------------------------

    @property
    def session(self) -> Connecting:
        """The session's present state, for reading."""
        return self._session

    def saved(self) -> SavedSession | None:
        """What a later process needs to go on; ``None`` before the session exists and after it ended."""
        token = self._session.tokens.current
        return SavedSession(token, self._session.positions.read()) if token else None

    # ---- commands of the application -----------------------------------------------------------------------------

    def start(self, command_id: int, at: float) -> list[Effect]:
        """Connect; resolved when the session is ready for the first time."""
        if not self._refuse(command_id):
            self._session.start(command_id, at)
        return self._effects(at)

    def send(self, command_id: int, payload: Any, pair_id: str | None, at: float) -> list[Effect]:
        """Send to the pair's other end; resolved with ``Sent`` when the message cannot be lost any more."""
        if not self._refuse(command_id):
            self._session.outbox.add(Item(command_id, payload, pair_id))
        return self._effects(at)

    def call(self, command_id: int, procedure: str, kwargs: Mapping[str, Any], at: float) -> list[Effect]:
        """Call a procedure; resolved with its result."""
        if not self._refuse(command_id):
            resolve = partial(self._resolve, command_id)
            self._session.requests.add(Request(command_id, procedure, kwargs, resolve))
        return self._effects(at)

    def request_pair(self, command_id: int, abilities: tuple[str, ...], deadline_s: float, at: float) -> list[Effect]:
        """Wait for a worker; resolved with the ``Pair``."""
        if not self._refuse(command_id):
            self._session.pairing.request(command_id, abilities, deadline_s, at)
        return self._effects(at)

    def cancel_pair(self, command_id: int, at: float) -> list[Effect]:
        """Leave the queue; resolved with whether the session was in it."""
        if not self._refuse(command_id):
            cancelled = partial(self._cancelled, command_id)
            self._session.requests.add(Request(command_id, uris.PAIR_CANCEL, {}, cancelled))
        return self._effects(at)

    def announce(self, command_id: int, abilities: tuple[str, ...], capacity: int, at: float) -> list[Effect]:
        """Offer a worker's slots, now and again whenever a fresh session begins."""
        if not self._refuse(command_id):
            self._session.announcement = {"abilities": list(abilities), "capacity": capacity}
            resolve = partial(self._resolve, command_id)
            request = Request(command_id, uris.WORKER_ANNOUNCE, self._session.announcement, resolve)
            self._session.requests.add(request)
        return self._effects(at)

    def abandon(self, command_id: int, at: float) -> list[Effect]:
        """Nobody waits for the command any more. A wait for a pair ends; what was sent stays sent."""
        if self._session.pairing.abandon(command_id) and self._session.running:
            self._session.requests.add(Request(self._session.new_id(), uris.PAIR_CANCEL, {}, self._ignore))
        return self._effects(at)

    def consumed(self, channel: str, epoch: str, seq: int, at: float) -> list[Effect]:
        """The application has worked on a delivered event."""
        self._session.positions.consumed(channel, epoch, seq)
        return self._effects(at)

    def stop(self, command_id: int, at: float, *, end: bool) -> list[Effect]:
        """Close; ``end``: end the session too, else it can be resumed. Resolved when the connections are closed."""
        self._session.stop(command_id, at, end=end)
        return self._effects(at)

    # ---- what happens to the connections -------------------------------------------------------------------------

    def ticket_obtained(self, request_id: int, ticket: str, at: float) -> list[Effect]:
        """The application gave a JWT."""
        self._session.ticket_obtained(request_id, ticket)
        return self._effects(at)

    def ticket_failed(self, request_id: int, error: Exception, at: float) -> list[Effect]:
        """The application could not give one."""
        self._session.ticket_failed(request_id, error, at)
        return self._effects(at)

    def joined(self, handle: int, authextra: Mapping[str, Any], at: float) -> list[Effect]:
        """WELCOME."""
        self._session.joined(handle, authextra, at)
        return self._effects(at)

    def refused(self, handle: int, reason: str, details: Mapping[str, Any], at: float) -> list[Effect]:
        """ABORT, with the JSON of its message."""
        self._session.refused(handle, reason, details, at)
        return self._effects(at)

    def closed(self, handle: int, reason: str, at: float) -> list[Effect]:
        """The connection is gone; ``reason``: that of the server's GOODBYE, or words."""
        self._session.closed(handle, reason, at)
        return self._effects(at)

    def event(self, handle: int, topic: str, kwargs: Mapping[str, Any], at: float) -> list[Effect]:
        """EVENT."""
        self._session.event(handle, topic, kwargs, at)
        return self._effects(at)

    def result(self, call_id: int, value: Any, at: float) -> list[Effect]:
        """RESULT of a call."""
        self._session.answered(call_id, value, None, at)
        return self._effects(at)

    def error(self, call_id: int, uri: str, details: Mapping[str, Any], at: float) -> list[Effect]:
        """ERROR of a call; ``details``: ``{message, retry_after_s?, …}``."""
        self._session.answered(call_id, None, (uri, details), at)
        return self._effects(at)

    def timer(self, at: float) -> list[Effect]:
        """The time that was asked for has come."""
        self._timer = None
        self._session.timer(at)
        return self._effects(at)

    # ---- the end of every input ----------------------------------------------------------------------------------

    def _effects(self, at: float) -> list[Effect]:
        self._session.pump(at)
        due = self._session.due
        # A timer that fires early costs nothing, one set anew for every message would: only an earlier one is set.
        if due is not None and (self._timer is None or due < self._timer):
            self._timer = due
            self._out.append(SetTimer(due))
        effects = list(self._out)
        self._out.clear()
        return effects

    def _refuse(self, command_id: int) -> bool:
        if self._session.running:
            return False
        self._out.append(Reject(command_id, self._session.stop_error or Stopped("The client was stopped")))
        return True

    def _resolve(self, command_id: int, result: Any, _at: float) -> None:
        self._out.append(Resolve(command_id, result))

    def _cancelled(self, command_id: int, result: Any, _at: float) -> None:
        withdrawn = bool(isinstance(result, Mapping) and result.get("cancelled"))
        if withdrawn:
            self._session.pairing.cancelled()
        self._out.append(Resolve(command_id, withdrawn))

    def _ignore(self, _result: Any, _at: float) -> None:
        """Nobody waits for this answer."""


__all__ = ["Core", "Link"]
