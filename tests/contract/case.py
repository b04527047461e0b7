"""What an implementation brings along to run the contract suite: nodes on one backend, a clock, and a way to wait."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from typing import Any, ClassVar, TypeVar

import pytest_twisted
from attrs import frozen
from greenlet import greenlet  # type: ignore[import-untyped]  # it has no stubs
from twisted.internet import reactor
from twisted.internet.defer import Deferred, ensureDeferred
from twisted.python.failure import Failure

from sigrouter.stores.interface import Store, StoreTimes
from tests.contract.recording import RecordingListener

T = TypeVar("T")


@frozen
class CaseTimes:
    """Small bounds, so that a test reaches them; the fields of ``StoreTimes``."""

    recovery_window_s: float = 120.0
    handshake_s: float = 15.0
    record_ttl_s: float = 3600.0
    tombstone_ttl_s: float = 900.0
    node_lease_s: float = 30.0
    mailbox_entries: int = 10
    room_entries: int = 10
    handover_ttl_s: float = 86400.0


class StoreCase(ABC):
    """A fresh, empty backend for one test. ``SomeCase(times)`` does no I/O; ``open`` does.

    ``open`` may call ``pytest.skip`` if the machine lacks what the implementation needs.
    """

    supports_restart: ClassVar[bool] = False
    """Whether ``restart`` works."""

    examples: ClassVar[int] = 15
    """How many conversations hypothesis plays on it."""

    restarts: ClassVar[int] = 1
    """How many times the backend may restart in one of them."""

    def __init__(self, times: StoreTimes) -> None:
        self.times = times

    @abstractmethod
    async def open(self) -> None:
        """Make the empty backend ready."""

    @abstractmethod
    async def close(self) -> None:
        """Close every node's store and drop the backend."""

    @abstractmethod
    async def node(self, node_id: str) -> tuple[Store, RecordingListener]:
        """One more opened store on the same backend, as another process would have it."""

    @abstractmethod
    async def advance(self, seconds: float) -> None:
        """Let the store's clock, on every node, go ahead; nothing waits in real time."""

    @abstractmethod
    def now(self) -> float:
        """The store's clock, seconds since the Unix epoch; between two ``advance`` it may pass by real time or stand."""

    @abstractmethod
    async def settle(self) -> None:
        """Return when all notifications that were made so far have reached the listeners."""

    async def restart(self, *, keep_data: bool) -> None:
        """Stop and start the backend under the open stores; return when they are usable again and heard of it."""
        raise NotImplementedError

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Wait for a coroutine from synchronous code: in fixtures, and in tests by way of ``beside_the_reactor``."""
        answer: T = pytest_twisted.blockon(ensureDeferred(coroutine))
        return answer


async def beside_the_reactor(play: Callable[[], None]) -> None:
    """Call synchronous code that waits with ``StoreCase.run``: hypothesis knows no coroutines.

    pytest-twisted runs tests in the reactor's own greenlet, which cannot wait for itself; so the code gets another one.
    It tells of its end by way of the reactor, so that it has ended when the test goes on.
    """
    finished: Deferred[None] = Deferred()

    def call() -> None:
        try:
            play()
        except BaseException:  # noqa: BLE001 - the test that awaits it gets whatever it was
            reactor.callLater(0, finished.errback, Failure())
        else:
            reactor.callLater(0, finished.callback, None)

    greenlet(call).switch()
    await finished
