"""A plain WAMP client on a real socket, for tests: any ticket, any method, and it remembers how it was refused."""

from typing import Any

from attrs import define, field
from autobahn.twisted.wamp import ApplicationSession
from autobahn.twisted.websocket import WampWebSocketClientFactory
from autobahn.wamp.types import ComponentConfig
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint

from sigrouter.protocol import uris


class Refused(Exception):
    """ABORT or GOODBYE before the session was joined: ``reason`` is the URI."""

    def __init__(self, reason: str, message: str | None) -> None:
        self.reason = reason
        super().__init__(reason, message)


@define(eq=False)
class Peer:
    """One connection. ``lost`` fires when its socket is closed."""

    session: Any
    protocol: Any
    details: Any
    lost: Deferred[None] = field(factory=Deferred)

    async def call(self, uri: str, **arguments: Any) -> Any:
        return await self.session.call(uri, **arguments)

    def close(self) -> None:
        self.protocol.transport.abortConnection()


async def connect(url: str, ticket: str | None = None, headers: dict[str, str] | None = None, **authextra: Any) -> Peer:
    """Join over ``url`` with a ticket, or anonymously (then perhaps with a cookie in ``headers``). Raises ``Refused``."""
    joined: Deferred[Any] = Deferred()
    lost: Deferred[None] = Deferred()

    class Session(ApplicationSession):
        def onConnect(self) -> None:
            method = "ticket" if ticket is not None else "anonymous"
            self.join(uris.REALM, authmethods=[method], authid="someone", authextra=authextra)

        def onChallenge(self, challenge: Any) -> Any:
            return ticket

        def onJoin(self, details: Any) -> None:
            joined.callback((self, details))

        def onLeave(self, details: Any) -> None:
            if not joined.called:
                joined.errback(Refused(details.reason, details.message))

        def onDisconnect(self) -> None:
            if not joined.called:
                joined.errback(ConnectionError("the socket was closed"))
            if not lost.called:
                lost.callback(None)

    factory = WampWebSocketClientFactory(lambda: Session(ComponentConfig(realm=uris.REALM)), url=url, headers=headers)
    protocol = await HostnameEndpoint(reactor, factory.host, factory.port).connect(factory)
    session, details = await joined
    return Peer(session, protocol, details, lost)
