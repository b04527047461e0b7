"""How the commands talk to a node: over its admin WebSocket, with the ticket that the node left on this machine."""

import os
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

import click
import txaio
from attrs import define, field, frozen

txaio.use_twisted()

from autobahn.twisted.wamp import ApplicationSession  # noqa: E402 - txaio is to be told first
from autobahn.twisted.websocket import WampWebSocketClientFactory  # noqa: E402 - see above
from autobahn.wamp import types  # noqa: E402 - see above
from autobahn.wamp.exception import ApplicationError, TransportLost  # noqa: E402 - see above
from twisted.internet.defer import Deferred  # noqa: E402 - see above
from twisted.internet.defer import TimeoutError as TookTooLong  # noqa: E402 - see above
from twisted.internet.endpoints import HostnameEndpoint  # noqa: E402 - see above
from twisted.internet.error import ConnectError  # noqa: E402 - see above
from twisted.internet.interfaces import IReactorTime  # noqa: E402 - see above

from sigrouter.protocol import uris  # noqa: E402 - see above
from sigrouter.services.admin_ticket import ticket_file  # noqa: E402 - see above
from sigrouter.services.settings_source import read_settings  # noqa: E402 - see above

TICKET_VARIABLE: Final = "SIGROUTER_ADMIN_TICKET"
PATIENCE_S: Final = 10.0

Answer = TypeVar("Answer")
Arguments = Mapping[str, Any]


class AdminError(click.ClickException):
    """Something that an operator can understand and act on; click prints it and ends with 1."""


class NotReachable(AdminError):
    """Nobody answers at the node's admin address."""


class NoTicket(AdminError):
    """There is no ticket to show."""


class NotAdmitted(AdminError):
    """The node does not accept the ticket."""


class ConnectionGone(AdminError):
    """The node closed the connection before it answered: it has probably stopped."""


class Refused(AdminError):
    """The node refused the call; ``uri`` is its error."""

    def __init__(self, uri: str, message: str) -> None:
        super().__init__(f"{message} ({uri})")
        self.uri = uri


class Admin(Protocol):
    """A joined connection to a node."""

    async def call(self, procedure: str, **arguments: Any) -> dict[str, Any]:
        """Call a procedure of ``sig.admin.``; raises an :class:`AdminError`."""

    async def pause(self, seconds: float) -> None:
        """Wait."""


Conversation = Callable[[Admin], Coroutine[Any, Any, Answer]]


class Run(Protocol):
    """Holds a conversation with the node and gives back what it returns."""

    def __call__(self, conversation: Conversation[Answer], /) -> Answer:
        """Blocks until the conversation is over."""


@frozen
class AdminAddress:
    """Where a node listens for operators, and the ticket that it wants to see."""

    host: str
    port: int
    ticket: str = field(repr=False)

    @property
    def url(self) -> str:
        """The WebSocket's address."""
        return f"ws://{self.host}:{self.port}/admin"


def address(environment: Mapping[str, str] = os.environ) -> AdminAddress:
    """The node that the settings name, and its ticket: from ``SIGROUTER_ADMIN_TICKET``, else from the node's file."""
    node = read_settings().node
    ticket = environment.get(TICKET_VARIABLE, "")
    if not ticket:
        file_name = ticket_file(Path(node.state_dir), node.admin_port)
        try:
            ticket = file_name.read_text(encoding="ascii").strip()
        except OSError as error:
            raise NoTicket(
                f"The node's ticket cannot be read from {file_name} ({error.strerror}). Is the node running on this "
                f"machine, with the same state_dir? Else put a ticket, or the JWT of an admin, in {TICKET_VARIABLE}."
            ) from None
    return AdminAddress(node.admin_host, node.admin_port, ticket)


class _Session(ApplicationSession):
    """Joins with the ticket and says how that went."""

    def __init__(self, ticket: str, joined: "Deferred[_Session]") -> None:
        super().__init__(types.ComponentConfig(uris.REALM))
        self._ticket = ticket
        self._joined: Deferred[_Session] | None = joined

    def onConnect(self) -> None:
        self.join(self.config.realm, ["ticket"], "operator")

    def onChallenge(self, challenge: types.Challenge) -> str:  # noqa: ARG002 - autobahn's shape
        return self._ticket

    def onJoin(self, details: types.SessionDetails) -> None:  # noqa: ARG002 - autobahn's shape
        if self._joined is not None:
            joined, self._joined = self._joined, None
            joined.callback(self)

    def onLeave(self, details: types.CloseDetails) -> None:
        refusal = f"The node did not admit this ticket ({details.reason}). It makes a new one at each start."
        self._failed(NotAdmitted(refusal))
        self.disconnect()

    def onDisconnect(self) -> None:
        super().onDisconnect()  # fails the calls that are under way with TransportLost
        self._failed(ConnectionGone("The node closed the connection."))

    def onUserError(self, fail: Any, msg: str) -> None:
        """A call that is under way when the connection goes fails on its own; autobahn would print it as well."""

    def _failed(self, error: AdminError) -> None:
        if self._joined is not None:
            joined, self._joined = self._joined, None
            joined.errback(error)


@define(eq=False)
class WampAdmin:
    """Fills in :class:`Admin`."""

    _session: Any
    _reactor: IReactorTime
    _patience_s: float

    async def call(self, procedure: str, **arguments: Any) -> dict[str, Any]:
        """See :class:`Admin`."""
        try:
            answer = self._session.call(procedure, **arguments)
            answer.addTimeout(self._patience_s, self._reactor)
            return dict(await answer)
        except ApplicationError as error:
            if error.error == "wamp.error.canceled":
                raise ConnectionGone("The node closed the connection before it answered.") from None
            message = error.kwargs.get("message") or (error.args[0] if error.args else "The node refused")
            raise Refused(error.error, str(message)) from None
        except TookTooLong:
            raise NotReachable(f"The node did not answer within {self._patience_s:g} s.") from None
        except TransportLost:
            raise ConnectionGone("The node closed the connection.") from None

    async def pause(self, seconds: float) -> None:
        """See :class:`Admin`."""
        over: Deferred[None] = Deferred()
        self._reactor.callLater(seconds, over.callback, None)
        await over


async def converse(
    reactor: Any, where: AdminAddress, conversation: Conversation[Answer], patience_s: float = PATIENCE_S
) -> Answer:
    """Connect, join, hold the conversation, and leave."""
    joined: Deferred[_Session] = Deferred()
    factory = WampWebSocketClientFactory(lambda: _Session(where.ticket, joined), url=where.url)
    factory.setProtocolOptions(openHandshakeTimeout=patience_s, closeHandshakeTimeout=1)
    try:
        connected = HostnameEndpoint(reactor, where.host, where.port, timeout=patience_s).connect(factory)
        protocol = await connected
        joined.addTimeout(patience_s, reactor)
    except ConnectError as error:
        raise NotReachable(f"No node answers at {where.url}: {error}") from None
    try:
        try:
            session = await joined
        except TookTooLong:
            raise NotReachable(f"Who answers at {where.url} does not say welcome; is it a node?") from None
        return await conversation(WampAdmin(session, reactor, patience_s))
    finally:
        await _hang_up(protocol)


async def _hang_up(protocol: Any) -> None:
    """Close the socket and wait for it, so that nothing is left in the reactor."""
    protocol.dropConnection(abort=False)
    closed = protocol.is_closed
    if not closed.called:
        await closed


def run(conversation: Conversation[Answer]) -> Answer:
    """Converse with the node that the settings name, on a reactor of its own; ends with the conversation."""
    from twisted.internet import reactor  # noqa: PLC0415 - importing it installs it

    where = address()
    answers: list[Answer] = []
    faults: list[BaseException] = []

    async def talk() -> None:
        try:
            answers.append(await converse(reactor, where, conversation))
        except BaseException as fault:  # noqa: BLE001 - carried out of the reactor, and raised there
            faults.append(fault)
        finally:
            reactor.stop()

    reactor.callWhenRunning(lambda: Deferred.fromCoroutine(talk()))
    reactor.run()
    if faults:
        raise faults[0]
    return answers[0]


async def pages(admin: Admin, procedure: str, field: str, **arguments: Any) -> list[dict[str, Any]]:
    """All of a list that the node answers in pages."""
    read: list[dict[str, Any]] = []
    while True:
        position = {"after": len(read)} if read else {}
        answer = await admin.call(procedure, **arguments, **position)
        read += answer[field]
        if not (answer.get("more") and answer[field]):
            return read


def ask_all(run_with: Run | None, procedure: str, field: str, **arguments: Any) -> list[dict[str, Any]]:
    """Read a whole list; see :func:`ask`."""

    async def conversation(admin: Admin) -> list[dict[str, Any]]:
        return await pages(admin, procedure, field, **arguments)

    return (run_with or run)(conversation)


def ask(run_with: Run | None, procedure: str, **arguments: Any) -> dict[str, Any]:
    """Call one procedure; ``run_with`` is click's ``obj``, where a test puts a node of its own."""

    async def conversation(admin: Admin) -> dict[str, Any]:
        return await admin.call(procedure, **arguments)

    answer: dict[str, Any] = (run_with or run)(conversation)
    return answer
