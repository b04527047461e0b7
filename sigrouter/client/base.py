"""What both front ends have in common: the public API, and the performance of the core's effects."""

import random
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from inspect import isawaitable
from typing import Any, Protocol, Self, cast

from sigrouter.client.core import Core
from sigrouter.client.effects import (
    Call,
    Close,
    Connect,
    Deliver,
    Effect,
    FetchTicket,
    Finished,
    Reject,
    Resolve,
    SetTimer,
    Subscribe,
)
from sigrouter.client.events import Event, Pair, SavedSession, Sent
from sigrouter.client.options import DEFAULT, Options
from sigrouter.client.wire import SERIALIZERS, Wire
from sigrouter.protocol import uris

Ticket = Callable[[], str | Awaitable[str]]


class Timer(Protocol):
    """Something that is going to happen."""

    def cancel(self) -> None:
        """It is not."""


class BaseClient(ABC):
    """A session with the router. It resumes after every loss and follows handovers by itself.

    Args:
        url: ``ws://host:port/ws`` or ``wss://…``.
        ticket: called for a JWT whenever a connection needs one; may be a coroutine function.
        serializer: ``json``, ``cbor`` or ``msgpack``.
        resume_from: go on with the session that another process left (its ``saved``).
        options: times and limits.

    Read ``events()``: what is not read is not acknowledged, and after 1,000 unread messages the peer has to wait.
    """

    def __init__(
        self,
        url: str,
        ticket: Ticket,
        *,
        serializer: str = "json",
        resume_from: SavedSession | None = None,
        options: Options = DEFAULT,
        random_unit: Callable[[], float] = random.random,
    ) -> None:
        if serializer not in SERIALIZERS:
            raise ValueError(f"serializer is one of {', '.join(SERIALIZERS)}")
        self._core = Core(url, random_unit=random_unit, options=options, resume_from=resume_from)
        self._ticket = ticket
        self._serializer = serializer
        self._options = options
        self._wires: dict[int, Wire] = {}
        self._waiting: dict[int, Any] = {}
        self._last_command = 0
        self._todo: deque[Effect] = deque()
        self._performing = False
        self._timer: Timer | None = None
        self._unread: deque[Deliver] = deque()
        self._in_hand: Deliver | None = None
        self._reader: Any = None
        self._finished = False

    # ---- the public API ------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Connect and wait for the first ``ready``. Raises ``AuthenticationFailed``; else it tries until cancelled."""
        await self._command(self._core.start)

    async def send(self, payload: Any, pair_id: str | None = None) -> Sent:
        """Send to the peer and wait until the message cannot be lost any more.

        ``pair_id`` may be left out by a session with one pair. Sends may be under way at once; they arrive in order.
        Raises ``SessionGone``, ``NotPaired``, ``TooLarge``, ``Invalid``, ``Stopped``.
        """
        return cast(Sent, await self._command(self._core.send, payload, pair_id))

    async def call(self, procedure: str, /, **kwargs: Any) -> Any:
        """Call a procedure of the node. Raises its refusal, ``CallFailed``, or ``Interrupted`` if nobody can know."""
        return await self._command(self._core.call, procedure, kwargs)

    async def request_pair(self, abilities: Sequence[str] = (), deadline_s: float = 30.0) -> Pair:
        """Wait for a worker with all the abilities. Raises ``NoWorker`` after ``deadline_s`` seconds."""
        return cast(Pair, await self._command(self._core.request_pair, tuple(abilities), deadline_s))

    async def cancel_pair(self) -> bool:
        """Leave the queue; ``request_pair`` raises ``PairingCancelled``. False: was not in it, perhaps just paired."""
        return bool(await self._command(self._core.cancel_pair))

    async def release_pair(self, pair_id: str | None = None) -> bool:
        """Dissolve the pair. False: there is none (any more)."""
        kwargs = {} if pair_id is None else {"pair_id": pair_id}
        answer = await self._command(self._core.call, uris.PAIR_RELEASE, kwargs)
        return bool(answer.get("released"))

    async def stop(self, *, end: bool = True) -> None:
        """Close. ``end``: end the session too; else it stays resumable by ``resume_from`` for its recovery window."""
        identity, future = self._new_command()
        self._perform(self._core.stop(identity, self._now(), end=end))
        await future

    def events(self) -> AsyncIterator[Event]:
        """What happens, one after the other; ends when the client has stopped.

        An event counts as worked on when the next one is asked for.
        """
        return EventStream(self)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_exception: object) -> None:
        await self.stop()

    @property
    def session_id(self) -> str:
        """Empty before the first ``ready``."""
        return self._core.session.session_id

    @property
    def node_id(self) -> str:
        """The node of the active connection, or of the last one."""
        return self._core.session.node_id

    @property
    def stack(self) -> str:
        """The stack of that node."""
        return self._core.session.stack

    @property
    def generation(self) -> int:
        """How many connections the session has claimed."""
        return self._core.session.generation

    @property
    def connected(self) -> bool:
        """Whether a connection is ready right now."""
        return self._core.session.active is not None

    @property
    def connection_attempts(self) -> int:
        """How many connections were opened."""
        return self._core.session.dialer.connection_attempts

    @property
    def pairs(self) -> Mapping[str, Pair]:
        """The pairs by their ids."""
        return dict(self._core.session.pairing.pairs)

    @property
    def recovery_token(self) -> str:
        """The secret that resumes the session; empty: there is nothing to resume."""
        return self._core.session.tokens.current

    @property
    def saved(self) -> SavedSession | None:
        """For ``resume_from`` in a later process; take it after ``stop(end=False)``, or from time to time."""
        return self._core.saved()

    # ---- what the connections report -----------------------------------------------------------------------------

    def on_joined(self, handle: int, authextra: Mapping[str, Any]) -> None:
        """WELCOME."""
        self._perform(self._core.joined(handle, authextra, self._now()))

    def on_refused(self, handle: int, reason: str, details: Mapping[str, Any]) -> None:
        """ABORT."""
        self._perform(self._core.refused(handle, reason, details, self._now()))

    def on_event(self, handle: int, topic: str, kwargs: Mapping[str, Any]) -> None:
        """EVENT."""
        self._perform(self._core.event(handle, topic, kwargs, self._now()))

    def on_result(self, call_id: int, value: Any) -> None:
        """RESULT."""
        self._perform(self._core.result(call_id, value, self._now()))

    def on_error(self, call_id: int, uri: str, details: Mapping[str, Any]) -> None:
        """ERROR."""
        self._perform(self._core.error(call_id, uri, details, self._now()))

    def on_closed(self, handle: int, reason: str) -> None:
        """The socket is gone."""
        self._wires.pop(handle, None)
        self._perform(self._core.closed(handle, reason, self._now()))
        if self._finished:
            self._forget_timer()

    def on_timer(self) -> None:
        """The time has come."""
        self._timer = None
        self._perform(self._core.timer(self._now()))

    # ---- performing the effects ----------------------------------------------------------------------------------

    def _perform(self, effects: Iterable[Effect]) -> None:
        """In their order: what performing one of them brings about comes after all of them."""
        self._todo.extend(effects)
        if self._performing:
            return
        self._performing = True
        try:
            while self._todo:
                self._perform_one(self._todo.popleft())
        finally:
            self._performing = False

    def _perform_one(self, effect: Effect) -> None:
        match effect:
            case Call(handle, call_id, procedure, kwargs):
                if handle in self._wires:
                    self._wires[handle].call(call_id, procedure, kwargs)
            case Deliver():
                self._deliver(effect)
            case Resolve(command_id, value):
                if (future := self._waiting.pop(command_id, None)) is not None:
                    self._resolve(future, value)
            case Reject(command_id, error):
                if (future := self._waiting.pop(command_id, None)) is not None:
                    self._reject(future, error)
            case SetTimer(at):
                if self._timer is not None:
                    self._timer.cancel()
                self._timer = self._call_later(max(0.0, at - self._now()), self.on_timer)
            case Connect():
                wire = self._wires[effect.handle] = Wire(effect, self)
                self._open(wire)
            case Subscribe(handle, prefix):
                if handle in self._wires:
                    self._wires[handle].subscribe(prefix)
            case Close(handle):
                if handle in self._wires:
                    self._close(self._wires[handle])
            case FetchTicket(request_id):
                self._spawn(self._fetch_ticket(request_id))
            case Finished():
                self._finish()

    def _finish(self) -> None:
        self._finished = True
        self._forget_timer()
        self._wake()

    def _forget_timer(self) -> None:
        if self._timer is not None and not self._wires:
            self._timer.cancel()
            self._timer = None

    def _deliver(self, effect: Deliver) -> None:
        # The server bounds what is logged and unread; the rest is bounded here, for applications that never look.
        if effect.channel or len(self._unread) < self._options.unread_events:
            self._unread.append(effect)
            self._wake()

    def _wake(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None:
            self._resolve(reader, None)

    async def next_event(self) -> Event:
        """The next event; the one before it is done. Raises ``StopAsyncIteration`` at the end."""
        done, self._in_hand = self._in_hand, None
        if done is not None and done.channel:
            self._perform(self._core.consumed(done.channel, done.epoch, done.seq, self._now()))
        while not self._unread:
            if self._finished:
                raise StopAsyncIteration
            if self._reader is None:
                self._reader = self._new_future()
            else:
                raise RuntimeError("events() has one reader at a time")
            try:
                await self._reader
            finally:
                self._reader = None
        self._in_hand = self._unread.popleft()
        return self._in_hand.event

    async def _fetch_ticket(self, request_id: int) -> None:
        try:
            ticket = self._ticket()
            if isawaitable(ticket):
                ticket = await ticket
        except Exception as error:  # noqa: BLE001 - the application's code; its error goes back to it
            self._perform(self._core.ticket_failed(request_id, error, self._now()))
        else:
            self._perform(self._core.ticket_obtained(request_id, ticket, self._now()))

    def _new_command(self) -> tuple[int, Any]:
        self._last_command += 1
        future = self._waiting[self._last_command] = self._new_future()
        return self._last_command, future

    async def _command(self, command: Callable[..., list[Effect]], *arguments: Any) -> Any:
        identity, future = self._new_command()
        self._perform(command(identity, *arguments, self._now()))
        try:
            return await future
        finally:
            if self._waiting.pop(identity, None) is not None:
                self._perform(self._core.abandon(identity, self._now()))

    # ---- what differs --------------------------------------------------------------------------------------------

    @abstractmethod
    def _now(self) -> float:
        """Seconds by a clock that never goes back."""

    @abstractmethod
    def _call_later(self, delay_s: float, function: Callable[[], None]) -> Timer:
        """Call it later."""

    @abstractmethod
    def _new_future(self) -> Any:
        """Something to await once."""

    @abstractmethod
    def _resolve(self, future: Any, value: Any) -> None:
        """Give it its value, unless it was cancelled."""

    @abstractmethod
    def _reject(self, future: Any, error: Exception) -> None:
        """Give it its error, unless it was cancelled."""

    @abstractmethod
    def _spawn(self, coroutine: Any) -> None:
        """Run it in the background."""

    @abstractmethod
    def _open(self, wire: Wire) -> None:
        """Connect it."""

    @abstractmethod
    def _close(self, wire: Wire) -> None:
        """Close it, or give up connecting it."""


class WorkerCommands(BaseClient):
    """What workers can do beside."""

    async def announce(self, abilities: Sequence[str] = (), capacity: int = 1) -> Mapping[str, Any]:
        """Offer ``capacity`` slots (0: take nobody new); said again by itself when a fresh session begins."""
        answer = await self._command(self._core.announce, tuple(abilities), capacity)
        return cast(Mapping[str, Any], answer)


class EventStream(AsyncIterator[Event]):
    """The iteration over a client's events; leaving it and beginning another one loses nothing."""

    def __init__(self, client: BaseClient) -> None:
        self._client = client

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        return await self._client.next_event()
