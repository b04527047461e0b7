"""The contract suite's case for the store in Redis: real servers, real connections, and a clock of its own."""

import atexit
from collections.abc import Callable
from functools import cache
from typing import ClassVar
from uuid import uuid4

import pytest
from twisted.internet import reactor
from twisted.internet.task import deferLater

from sigrouter.demo.redis_process import RedisNotFound
from sigrouter.settings.model import StoreSettings
from sigrouter.stores.interface import Store, StoreTimes
from sigrouter.stores.redis import RedisStore
from tests.contract.case import StoreCase
from tests.contract.recording import RecordingListener, ToldInterrupted
from tests.support.redis_server import RedisServer

PATIENCE_S = 20.0


@cache
def shared_server() -> RedisServer:
    """One server for all tests of this process; it keeps its data over a restart."""
    server = RedisServer(aof=True)
    atexit.register(server.close)
    server.start()
    return server


async def until(condition: Callable[[], object]) -> None:
    """Return as soon as the condition holds.

    Raises:
        AssertionError: it does not hold within 20 s.
    """
    deadline = reactor.seconds() + PATIENCE_S
    while not condition():
        assert reactor.seconds() < deadline, "the condition did not come true"
        await deferLater(reactor, 0.005)


class RedisCase(StoreCase):
    """Several nodes on one Redis, which is emptied before each test."""

    supports_restart: ClassVar[bool] = True

    def __init__(self, times: StoreTimes) -> None:
        super().__init__(times)
        self._nodes: list[tuple[RedisStore, RecordingListener]] = []
        self._now = 1_700_000_000.0

    async def open(self) -> None:
        try:
            self.server = shared_server()
        except RedisNotFound as missing:
            pytest.skip(str(missing))
        store = self._store()
        await store.open("cleaner", RecordingListener())
        await store._scripts.command(b"FLUSHALL")
        await store.close()

    async def close(self) -> None:
        for store, _ in self._nodes:
            await store.close()

    async def node(self, node_id: str) -> tuple[Store, RecordingListener]:
        store, listener = self._store(), RecordingListener()
        await store.open(node_id, listener)
        self._nodes.append((store, listener))
        return store, listener

    async def advance(self, seconds: float) -> None:
        self._now += seconds

    def now(self) -> float:
        return self._now

    async def settle(self) -> None:
        # Redis answers on a connection in order: after the PONG, all that was published before has been heard.
        for store, _ in self._nodes:
            wire = store._notifications.link.wire
            if wire is not None:
                await wire.ask(b"PING")

    async def restart(self, *, keep_data: bool) -> None:
        heard = [len(listener.of(ToldInterrupted)) for _, listener in self._nodes]
        self.server.restart(keep_data=keep_data)
        for (_, listener), before in zip(self._nodes, heard, strict=True):
            await until(lambda told=listener, known=before: len(told.of(ToldInterrupted)) > known)

    def _store(self) -> RedisStore:
        settings = StoreSettings(kind="redis", redis_host="127.0.0.1", redis_port=self.server.port)
        return RedisStore(settings, self.times, reactor, self.now, lambda: uuid4().hex)
