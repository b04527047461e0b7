"""What all components share: registration, the boundary where errors become answers, and leaving after the drain."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from autobahn.twisted.wamp import ApplicationSession
from autobahn.wamp import message
from autobahn.wamp.exception import ApplicationError
from autobahn.wamp.types import CallDetails, RegisterOptions, SessionDetails
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from sigrouter import wiring
from sigrouter.node import compat
from sigrouter.node.shutdown import DrainOnce
from sigrouter.protocol import errors
from sigrouter.protocol.messages import TEXT_MAX
from sigrouter.services.connections import Connection
from sigrouter.services.pod import Pod

SessionHandler = Callable[[Connection, Mapping[str, Any]], Awaitable[Mapping[str, Any]]]
NOTHING: Final[Mapping[str, Any]] = {}
UNUSABLE_NAMES: Final = frozenset({"self", "fun"})
"""The parameters of ``txaio.as_future``, through which Autobahn calls each procedure."""

LIMIT_NOTE_S: Final = 10.0
"""Seconds between two log lines that tell that one connection calls too often."""

drain_once: DrainOnce | None = None
"""The one drain of this process; set by the lifecycle component, waited for by all."""


def refused(refusal: errors.SigrouterError) -> ApplicationError:
    """A refusal as WAMP carries it: URI, message, details."""
    return ApplicationError(refusal.uri, refusal.message, **refusal.details())


class PodComponent(ApplicationSession):
    """A component of the pod that all components of this process share."""

    pod: Pod

    async def onJoin(self, details: SessionDetails) -> None:  # noqa: ARG002 - Autobahn's shape
        """Take the process's pod and register."""
        self.pod = wiring.pod()
        compat.decline_interrupts(self)
        for uri, procedure in self.procedures().items():
            await self.register(procedure, uri, options=RegisterOptions(details_arg="details"))
        await self.joined()

    def onMessage(self, msg: Any) -> None:
        """Autobahn calls a procedure through a function whose own parameters a peer must not name.

        Otherwise that raises before our boundary: the caller waits for ever, and each call writes a traceback.
        """
        if isinstance(msg, message.Invocation) and msg.kwargs:
            unusable = [name for name in msg.kwargs if not isinstance(name, str) or name in UNUSABLE_NAMES]
            if unusable:
                msg.kwargs = {f"{str(unusable[0])[:TEXT_MAX]} (a reserved name)": None}
        super().onMessage(msg)

    def procedures(self) -> Mapping[str, Callable[..., Awaitable[Any]]]:
        """What this component answers: URI to procedure."""
        return NOTHING

    async def joined(self) -> None:
        """More to do once registered."""

    def leave(self, reason: str | None = None, message: str | None = None) -> Deferred[None]:
        """Stay joined until the pod has drained: procedures and events must work to the last moment."""
        return Deferred.fromCoroutine(self._leave_after_drain(reason, message))

    async def _leave_after_drain(self, reason: str | None, message: str | None) -> None:
        if drain_once is not None:
            await drain_once.wait()
        super().leave(reason, message)

    def for_session(self, handler: SessionHandler, *, ready: bool = True) -> Callable[..., Awaitable[Any]]:
        """A procedure for sessions: ``handler(connection, arguments)``, behind rate limit and error boundary."""
        connections, now = self.pod.connections, self.pod.now

        async def procedure(*args: Any, details: CallDetails, **kwargs: Any) -> Mapping[str, Any]:
            try:
                connection = connections.get(details.caller)
                if connection is None:
                    raise errors.Forbidden("This connection has no session")
                wait = connection.calls.take(1, now())
                if wait:
                    raise errors.RateLimited(retry_after_s=round(wait, 3))
                if args:
                    raise errors.Invalid("Arguments are keyword arguments", field="args")
                if connection.superseded:
                    raise errors.Superseded
                if ready and not connection.ready:
                    raise errors.NotReady
                return await handler(connection, kwargs)
            except errors.SigrouterError as refusal:
                raise self._refused(refusal, details.caller) from None
            except Exception as bug:  # noqa: BLE001 - here bugs become answers
                raise self._internal(bug) from None

        return procedure

    def for_operator(self, handler: Callable[[Mapping[str, Any]], Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        """A procedure for operators: ``handler(arguments)``, behind the same boundary."""

        async def procedure(*args: Any, details: CallDetails, **kwargs: Any) -> Any:
            try:
                if args:
                    raise errors.Invalid("Arguments are keyword arguments", field="args")
                return await handler(kwargs)
            except errors.SigrouterError as refusal:
                raise self._refused(refusal, details.caller) from None
            except Exception as bug:  # noqa: BLE001 - here bugs become answers
                raise self._internal(bug) from None

        return procedure

    def onUserError(self, fail: Failure, msg: str) -> None:
        """Refusals are logged by us, with their session; anything else here would be a bug of the boundary."""
        if not isinstance(fail.value, ApplicationError):
            self.log.failure("{msg}", failure=fail, msg=msg)

    def _refused(self, refusal: errors.SigrouterError, caller: int) -> ApplicationError:
        connection = self.pod.connections.get(caller)
        self.pod.refused(refusal)
        if self._is_news(refusal, connection):
            self.log.info(
                "call refused: {error} {fields}, sessionId={sessionId} nodeId={nodeId}",
                error=refusal.uri,
                fields=refusal.fields,
                sessionId=connection.session_id if connection else None,
                nodeId=self.pod.node_id,
            )
        return refused(refusal)

    def _is_news(self, refusal: errors.SigrouterError, connection: Connection | None) -> bool:
        """Whether a refusal gets a line of its own: whoever calls too often must not fill the log with that as well."""
        if isinstance(refusal, errors.Unavailable):
            return False  # The store says once that it is away, not for each call.
        if connection is None or not isinstance(refusal, errors.RateLimited):
            return True
        now = self.pod.now()
        if now < connection.limit_noted_at + LIMIT_NOTE_S:
            return False
        connection.limit_noted_at = now
        return True

    def _internal(self, bug: Exception) -> ApplicationError:
        self.log.failure("a procedure failed: {bug!r}", bug=type(bug).__name__)
        return refused(errors.Internal())
