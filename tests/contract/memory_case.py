"""The contract suite's case for the store in memory."""

from collections.abc import Coroutine
from itertools import count
from typing import Any, ClassVar, TypeVar

from sigrouter.stores.interface import Store, StoreTimes
from sigrouter.stores.memory import MemoryBackend, MemoryStore
from tests.contract.case import StoreCase
from tests.contract.recording import RecordingListener

T = TypeVar("T")


class MemoryCase(StoreCase):
    """Several nodes on one ``MemoryBackend``; the clock stands unless it is advanced."""

    supports_restart: ClassVar[bool] = True
    examples: ClassVar[int] = 200
    restarts: ClassVar[int] = 40

    def __init__(self, times: StoreTimes) -> None:
        super().__init__(times)
        self.backend = MemoryBackend()
        self._stores: list[MemoryStore] = []
        self._now = 1_700_000_000.0
        self._ids = count(1)

    async def open(self) -> None:
        """There is nothing to start."""

    async def close(self) -> None:
        for store in self._stores:
            await store.close()

    async def node(self, node_id: str) -> tuple[Store, RecordingListener]:
        store = MemoryStore(self.backend, self.times, self.now, self._new_id)
        listener = RecordingListener()
        await store.open(node_id, listener)
        self._stores.append(store)
        return store, listener

    async def advance(self, seconds: float) -> None:
        self._now += seconds

    def now(self) -> float:
        return self._now

    async def settle(self) -> None:
        """Notifications are made before a call returns."""

    async def restart(self, *, keep_data: bool) -> None:
        self.backend.stop()
        self.backend.start(keep_data=keep_data)

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Without a reactor, which also shows that no coroutine of the memory store ever suspends."""
        try:
            coroutine.send(None)
        except StopIteration as stop:
            answer: T = stop.value
            return answer
        raise AssertionError("a coroutine of the memory store suspended")

    def _new_id(self) -> str:
        return f"id{next(self._ids)}"
