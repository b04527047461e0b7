"""One connection to Redis that is kept up: it comes back by itself, and a silent server counts as gone."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.protocol import Factory
from twisted.internet.task import deferLater
from twisted.logger import Logger

from sigrouter.machines.backoff import next_delay
from sigrouter.protocol.errors import Unavailable
from sigrouter.settings.model import StoreSettings
from sigrouter.stores.redis.wire import Wire

BASE_S: Final = 0.05
CAP_S: Final = 1.0
STEADY_S: Final = 2.0
"""A connection that lived this long is not a failed attempt."""


class Link:
    """``wire`` is the connection while it is up, greeted and of use, else ``None``.

    Args:
        name: what it is for, in the log.
        make_wire: a fresh connection.
        greet: what to say on each new connection before it is of use; if that fails, the connection is given up.
        random_unit: chance for the backoff, numbers in [0, 1).
        changed: called whenever ``well`` changes.
    """

    log = Logger()

    def __init__(
        self,
        name: str,
        settings: StoreSettings,
        reactor: Any,
        make_wire: Callable[[], Wire],
        greet: Callable[[Wire], Awaitable[None]],
        random_unit: Callable[[], float],
        changed: Callable[[], None],
    ) -> None:
        self.wire: Wire | None = None
        self._fresh: Wire | None = None
        self._name = name
        self._settings = settings
        self._reactor = reactor
        self._make_wire = make_wire
        self._greet = greet
        self._random_unit = random_unit
        self._changed = changed
        self._running: Deferred[None] | None = None
        self._waiting: list[Deferred[None]] = []
        self._told_up: bool | None = None

    def start(self) -> None:
        """Connect, and again whenever the connection is lost, until ``stop``."""
        self._running = Deferred.fromCoroutine(self._keep_up())
        self._running.addErrback(self._stopped)

    async def stop(self) -> None:
        """Give up the connection; whoever waits for an answer gets ``Unavailable``."""
        running, self._running = self._running, None
        wire, self.wire = self.wire, None
        if running is not None:
            running.cancel()
        for waiting in self._waiting:
            waiting.errback(Unavailable())
        self._waiting.clear()
        for last in (wire, self._fresh):
            if last is not None:
                await last.end()

    async def up(self) -> None:
        """Wait until the connection is of use.

        Raises:
            Unavailable: the link was stopped.
        """
        if self.wire is None:
            waiting: Deferred[None] = Deferred(self._waiting.remove)
            self._waiting.append(waiting)
            await waiting

    def note(self, *, up: bool, why: str = "") -> None:
        """Log a change of what can be reached, once."""
        if up == self._told_up:
            return
        self._told_up = up
        place = {"link": self._name, "host": self._settings.redis_host, "port": self._settings.redis_port}
        if up:
            self.log.info("Redis can be reached ({link}, {host}:{port})", **place)
        else:
            self.log.warn("Redis cannot be reached ({link}, {host}:{port}): {why}", why=why, **place)
        self._changed()

    @property
    def well(self) -> bool:
        """Whether it is up, and the last answer was not a refusal of Redis to serve."""
        return self.wire is not None and self._told_up is True

    async def _keep_up(self) -> None:
        failures = 0
        while True:
            try:
                wire = await self._connect()
            except CancelledError:
                raise
            except Exception as failure:  # noqa: BLE001 - whatever it was, the only way on is to try again
                self.note(up=False, why=_describe(failure))
                failures += 1
            else:
                since = self._reactor.seconds()
                self.wire = wire
                self.note(up=True)
                waiting, self._waiting = self._waiting, []
                for one in waiting:
                    one.callback(None)
                await wire.ended()
                self.wire = None
                self.note(up=False, why=wire.why)
                failures = 0 if self._reactor.seconds() - since >= STEADY_S else failures + 1
            await deferLater(self._reactor, next_delay(failures, self._random_unit(), BASE_S, CAP_S))

    async def _connect(self) -> Wire:
        settings = self._settings
        # Host names are looked up anew for each attempt: the service may have moved.
        endpoint = HostnameEndpoint(
            self._reactor, settings.redis_host, settings.redis_port, timeout=settings.redis_timeout_s
        )
        connecting: Deferred[Any] = endpoint.connect(_OneWire(self._make_wire))
        connecting.addTimeout(settings.redis_timeout_s * 2, self._reactor)
        wire: Wire = await connecting
        self._fresh = wire
        try:
            if settings.redis_password:
                await wire.ask(b"AUTH", settings.redis_password.encode())
            # A server that still loads its data answers this, like any command, with an error.
            await wire.ask(b"SELECT", str(settings.redis_db).encode())
            await self._greet(wire)
        except BaseException:
            wire.abort("it was not ready")
            raise
        self._fresh = None
        return wire

    def _stopped(self, failure: Any) -> None:
        if not (failure.check(CancelledError) and self._running is None):
            self.log.failure("The link to Redis gave up", failure=failure)


class _OneWire(Factory):
    noisy = False

    def __init__(self, make_wire: Callable[[], Wire]) -> None:
        self._make_wire = make_wire

    def buildProtocol(self, addr: Any) -> Wire:  # noqa: ARG002 - Twisted's name and argument
        wire = self._make_wire()
        wire.factory = self
        return wire


def _describe(failure: BaseException) -> str:
    """For the operator's log; Redis's own errors hold no secret (a wrong password is not repeated)."""
    return f"{type(failure).__name__}: {failure}"
