"""What an implementation brings along to run the contract suite: nodes on one backend, a clock, and a way to wait."""

from abc import ABC, abstractmethod
from collections.abc import Coroutine
from typing import Any, ClassVar, TypeVar

import pytest_twisted
from attrs import frozen
from twisted.internet.defer import ensureDeferred

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
        """Wait for a coroutine from synchronous code (the state machine of hypothesis, fixtures)."""
        answer: T = pytest_twisted.blockon(ensureDeferred(coroutine))
        return answer
