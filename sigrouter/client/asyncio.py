"""``Client`` and ``Worker`` for asyncio. Importing this makes Autobahn use asyncio in the whole process."""

import asyncio
import ssl
from collections.abc import Callable
from typing import Any

from autobahn.asyncio.websocket import WampWebSocketClientFactory, WampWebSocketClientProtocol

from sigrouter.client.base import BaseClient, Ticket, Timer, WorkerCommands
from sigrouter.client.wire import Limited, Wire, configure, serializers


class _Protocol(Limited, WampWebSocketClientProtocol):
    """Tells the wire of every end, also of one before the WebSocket handshake. asyncio sets TCP_NODELAY by itself."""

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        self.factory.wire.lost()


class Client(BaseClient):
    """See :class:`~sigrouter.client.base.BaseClient`; ``tls``: the context for ``wss`` (default: the system's)."""

    def __init__(self, url: str, ticket: Ticket, *, tls: ssl.SSLContext | None = None, **kwargs: Any) -> None:
        super().__init__(url, ticket, **kwargs)
        self._tls = tls
        self._tasks: set[asyncio.Task[None]] = set()
        self._connecting: dict[int, asyncio.Task[None]] = {}

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def _call_later(self, delay_s: float, function: Callable[[], None]) -> Timer:
        return asyncio.get_running_loop().call_later(delay_s, function)

    def _new_future(self) -> asyncio.Future[Any]:
        return asyncio.get_running_loop().create_future()

    def _resolve(self, future: asyncio.Future[Any], value: Any) -> None:
        if not future.done():
            future.set_result(value)

    def _reject(self, future: asyncio.Future[Any], error: Exception) -> None:
        if not future.done():
            future.set_exception(error)

    def _spawn(self, coroutine: Any) -> None:
        self._keep(asyncio.get_running_loop().create_task(coroutine))

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _open(self, wire: Wire) -> None:
        task = asyncio.get_running_loop().create_task(self._connect(wire))
        self._connecting[wire.connect.handle] = task
        self._keep(task)

    async def _connect(self, wire: Wire) -> None:
        loop = asyncio.get_running_loop()
        factory = WampWebSocketClientFactory(
            lambda: wire, url=wire.connect.url, serializers=serializers(self._serializer), loop=loop
        )
        factory.protocol = _Protocol
        factory.wire = wire
        configure(factory, self._options.message_bytes, self._options.attempt_timeout_s)
        tls = (self._tls or ssl.create_default_context()) if factory.isSecure else None
        try:
            await loop.create_connection(factory, factory.host, factory.port, ssl=tls)
        except OSError as error:
            wire.lost(type(error).__name__)
        finally:
            self._connecting.pop(wire.connect.handle, None)

    def _close(self, wire: Wire) -> None:
        wire.close()
        task = self._connecting.pop(wire.connect.handle, None)
        if task is not None:
            task.cancel()
            wire.lost("Given up")


class Worker(WorkerCommands, Client):
    """A client that announces itself and is paired with clients."""
