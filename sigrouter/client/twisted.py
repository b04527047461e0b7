"""``Client`` and ``Worker`` for Twisted. Importing this makes Autobahn use Twisted in the whole process.

All methods are coroutines: ``await`` them in one, and start the outermost with ``Deferred.fromCoroutine``.
"""

from collections.abc import Callable
from typing import Any

from autobahn.twisted.websocket import WampWebSocketClientFactory, WampWebSocketClientProtocol
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.internet.ssl import optionsForClientTLS
from twisted.logger import Logger
from twisted.python.failure import Failure

from sigrouter.client.base import BaseClient, Ticket, Timer, WorkerCommands
from sigrouter.client.wire import Limited, Wire, configure, serializers


class _Protocol(Limited, WampWebSocketClientProtocol):
    """Tells the wire of every end, also of one before the WebSocket handshake."""

    def connectionLost(self, reason: Failure) -> None:
        super().connectionLost(reason)
        self.factory.wire.lost()


class Client(BaseClient):
    """See :class:`~sigrouter.client.base.BaseClient`; ``reactor``: default is Twisted's; ``tls``: for ``wss``."""

    log = Logger()

    def __init__(
        self,
        url: str,
        ticket: Ticket,
        *,
        reactor: Any = None,
        tls: IOpenSSLClientConnectionCreator | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(url, ticket, **kwargs)
        if reactor is None:
            from twisted.internet import reactor  # noqa: PLC0415 - importing it chooses the reactor
        self._reactor = reactor
        self._tls = tls
        self._connecting: dict[int, Deferred[Any]] = {}

    def _now(self) -> float:
        return float(self._reactor.seconds())

    def _call_later(self, delay_s: float, function: Callable[[], None]) -> Timer:
        call: Timer = self._reactor.callLater(delay_s, function)
        return call

    def _new_future(self) -> Deferred[Any]:
        return Deferred()

    def _resolve(self, future: Deferred[Any], value: Any) -> None:
        if not future.called:
            future.callback(value)

    def _reject(self, future: Deferred[Any], error: Exception) -> None:
        if not future.called:
            future.errback(error)

    def _spawn(self, coroutine: Any) -> None:
        Deferred.fromCoroutine(coroutine).addErrback(lambda failure: self.log.failure("A bug in the SDK", failure))

    def _open(self, wire: Wire) -> None:
        self._spawn(self._connect(wire))

    async def _connect(self, wire: Wire) -> None:
        factory = WampWebSocketClientFactory(
            lambda: wire, url=wire.connect.url, serializers=serializers(self._serializer)
        )
        factory.protocol = _Protocol
        factory.wire = wire
        factory.noisy = False
        configure(factory, self._options.message_bytes, self._options.attempt_timeout_s)
        endpoint: Any = HostnameEndpoint(self._reactor, factory.host, factory.port)
        if factory.isSecure:
            endpoint = wrapClientTLS(self._tls or optionsForClientTLS(factory.host), endpoint)
        connecting = self._connecting[wire.connect.handle] = endpoint.connect(factory)
        try:
            await connecting
        except Exception as error:  # noqa: BLE001 - whatever it is, there is no connection
            wire.lost(type(error).__name__)
        finally:
            self._connecting.pop(wire.connect.handle, None)

    def _close(self, wire: Wire) -> None:
        wire.close()
        connecting = self._connecting.pop(wire.connect.handle, None)
        if connecting is not None:
            connecting.cancel()


class Worker(WorkerCommands, Client):
    """A client that announces itself and is paired with clients."""
