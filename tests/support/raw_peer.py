"""A plain WAMP client that knows nothing of our SDK: one connection, made and cut exactly when a test says so."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from autobahn.twisted.wamp import ApplicationSession
from autobahn.twisted.websocket import WampWebSocketClientFactory
from autobahn.wamp.exception import ApplicationError
from autobahn.wamp.types import Challenge, CloseDetails, ComponentConfig, SessionDetails, SubscribeOptions
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.python.failure import Failure

from sigrouter.protocol import uris


class Refused(Exception):
    """The node answered ABORT."""

    def __init__(self, reason: str, details: Mapping[str, Any]) -> None:
        super().__init__(reason, details)
        self.reason = reason
        self.details = details


class _Session(ApplicationSession):
    def __init__(self, peer: "RawPeer") -> None:
        super().__init__(ComponentConfig(uris.REALM, {}))
        self.peer = peer

    def onConnect(self) -> None:
        method = "anonymous" if self.peer.ticket is None else "ticket"
        self.join(uris.REALM, [method], "peer", authextra=self.peer.authextra)

    def onChallenge(self, challenge: Challenge) -> str:
        return self.peer.ticket or ""

    def onJoin(self, details: SessionDetails) -> None:
        self.peer.joined(details)

    def onLeave(self, details: CloseDetails) -> None:
        self.peer.left(details)
        super().onLeave(details)  # Ends the calls that wait, and the socket.

    def onDisconnect(self) -> None:
        super().onDisconnect()
        self.peer.disconnected()


class RawPeer:
    """``url`` is ``ws://host:port/path``. ``welcome`` is WELCOME's authextra; ``events`` all that came, in order."""

    def __init__(
        self, url: str, ticket: str | None, authextra: Mapping[str, Any] | None = None, cookie: str | None = None
    ) -> None:
        self.url = url
        self.ticket = ticket
        self.authextra = dict(authextra or {})
        self.cookie = cookie
        self.welcome: dict[str, Any] = {}
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.close_reason = ""
        self.is_closed = False
        self._opened: Deferred[None] = Deferred()
        self._session = _Session(self)
        self._waiting: list[tuple[Callable[[], bool], Deferred[None]]] = []

    async def connect(self) -> "RawPeer":
        """Join; raises :class:`Refused`."""
        headers = {"Cookie": self.cookie} if self.cookie else None
        factory = WampWebSocketClientFactory(lambda: self._session, url=self.url, headers=headers)
        host, port = self.url.removeprefix("ws://").split("/")[0].split(":")
        await factory_connect(factory, host, int(port))
        await self._opened
        return self

    async def subscribe(self) -> None:
        """All events, by prefix."""
        await self._session.subscribe(
            self._on_event, uris.EVENT_PREFIX, SubscribeOptions(match="prefix", details_arg="details")
        )

    async def ready(self, **arguments: Any) -> dict[str, Any]:
        """Subscribe, then ``sig.session.ready``; with no arguments as a fresh client that acknowledges."""
        await self.subscribe()
        return await self.call(uris.SESSION_READY, **(arguments or {"positions": {"mailbox": None}}))

    async def call(self, procedure: str, *args: Any, **kwargs: Any) -> Any:
        """Raises Autobahn's ApplicationError."""
        return await self._session.call(procedure, *args, **kwargs)

    async def refused(self, procedure: str, *args: Any, **kwargs: Any) -> ApplicationError:
        """The error that a call gets; a call that succeeds is an AssertionError."""
        try:
            result = await self.call(procedure, *args, **kwargs)
        except ApplicationError as error:
            return error
        raise AssertionError((procedure, result))

    def cut(self) -> None:
        """Drop the TCP connection without a word."""
        self._session._transport.transport.abortConnection()

    async def leave(self) -> None:
        """Say goodbye and wait for the end."""
        self._session.leave()
        await self.until(lambda: self.is_closed)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for a condition on this peer; it is looked at whenever something happens to it."""
        if condition():
            return
        waiting: Deferred[None] = Deferred()
        self._waiting.append((condition, waiting))
        await waiting

    async def event(self, topic: str, matches: Callable[[dict[str, Any]], bool] = lambda _: True) -> dict[str, Any]:
        """The first event of a topic that matches, come or to come."""

        def found() -> list[dict[str, Any]]:
            return [event for name, event in self.events if name == topic and matches(event)]

        await self.until(lambda: bool(found()))
        return found()[0]

    def joined(self, details: SessionDetails) -> None:
        """WELCOME."""
        self.welcome = dict(details.authextra or {})
        self._opened.callback(None)

    def left(self, details: CloseDetails) -> None:
        """ABORT or GOODBYE."""
        self.close_reason = str(details.reason)
        if not self._opened.called:
            try:
                parsed = json.loads(details.message or "{}")
            except ValueError:
                parsed = {"message": details.message}
            self._opened.errback(Failure(Refused(self.close_reason, parsed)))

    def disconnected(self) -> None:
        """The socket is gone."""
        self.is_closed = True
        if not self._opened.called:
            self._opened.errback(Failure(ConnectionError("closed before WELCOME")))
        self._changed()

    def _on_event(self, *args: Any, details: Any, **event: Any) -> None:
        assert not args
        self.events.append((details.topic, event))
        self._changed()

    def _changed(self) -> None:
        for condition, waiting in tuple(self._waiting):
            if condition():
                self._waiting.remove((condition, waiting))
                waiting.callback(None)


async def factory_connect(factory: WampWebSocketClientFactory, host: str, port: int) -> None:
    """One TCP connection; raises when nobody listens."""
    await TCP4ClientEndpoint(reactor, host, port, timeout=5).connect(factory)
