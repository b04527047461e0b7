"""Every private attribute of Crossbar, Autobahn and Twisted that we touch, in one place.

Each function has a test against the installed version. Nothing else in the project may reach below the public API.
``session`` is always a component embedded in the router worker, once it has joined.
"""

import contextlib
import os
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from pathlib import Path
from typing import Any

from autobahn.twisted.wamp import ApplicationSession
from autobahn.wamp.exception import ApplicationError
from autobahn.wamp.types import Accept, Deny
from crossbar.router import broker as broker_module
from crossbar.router import dealer as dealer_module
from crossbar.router import router as router_module
from crossbar.router import session as session_module
from crossbar.router.auth.anonymous import PendingAuthAnonymous
from crossbar.router.auth.pending import PendingAuth
from crossbar.router.auth.ticket import PendingAuthTicket
from crossbar.router.protocol import WampWebSocketServerFactory
from crossbar.router.router import Router
from crossbar.router.session import RouterApplicationSession, RouterSession
from txaio import get_global_log_level

PERSONALITY_NAME = "sigrouter"
"""The ``NAME`` of our own personality, by which a worker knows who started it."""

type_of_protocol = Any
"""A WebSocket protocol instance of Autobahn; its classes are made by mixins and have no useful static type."""


# ---- From an embedded component to the router and the worker process -----------------------------


def router_of(session: ApplicationSession) -> Any:
    """The router that a component is embedded in."""
    return session._transport._router  # noqa: SLF001 - this is the file for it


def worker_of(session: ApplicationSession) -> Any:
    """The ``RouterController`` of this process; ``None`` when the router runs inside a test."""
    return router_of(session)._factory._worker  # noqa: SLF001 - this is the file for it


def started_by_sigrouter(session: ApplicationSession) -> bool:
    """Whether ``sigrouter start`` runs this node, so that the full drain budget is there before anybody kills us.

    Otherwise it is plain ``crossbar start``, whose controller kills the worker 21 s after SIGTERM.
    """
    worker = worker_of(session)
    return worker is not None and worker.personality.NAME == PERSONALITY_NAME


def watch_components(failed: Callable[[str], None]) -> None:
    """Have ``failed(class name)`` called when the ``onJoin`` of a component of this process raises.

    Crossbar logs that, declares the component ready, and serves without its procedures.
    """
    swallow = RouterApplicationSession._swallow_error  # noqa: SLF001 - this is the file for it

    def swallow_and_tell(self: Any, failure: Any, message: str) -> Any:
        result = swallow(self, failure, message)
        if message == "While firing onJoin":
            failed(type(self._session).__qualname__)
        return result

    RouterApplicationSession._swallow_error = swallow_and_tell  # noqa: SLF001 - this is the file for it


def return_to_launch_directory() -> None:
    """Leave the node directory, into which Crossbar moves each worker, for the directory that the node was started in.

    A relative path in the settings must mean the same file in the worker, in the controller and in ``sigrouter token``.
    Only Linux tells; elsewhere paths have to be absolute.
    """
    with contextlib.suppress(OSError):
        os.chdir(Path(f"/proc/{os.getppid()}/cwd").readlink())


def decline_interrupts(session: ApplicationSession) -> None:
    """Tell the dealer that this component does not take INTERRUPT.

    A component says that it does, but Crossbar's transport for components raises on it, in the middle of detaching the
    caller that went away: the rest is skipped, and nobody is told that this peer has left.
    """
    callee = copy(session._session_roles["callee"])  # noqa: SLF001 - this is the file for it
    callee.call_canceling = False
    session._session_roles = {**session._session_roles, "callee": callee}  # noqa: SLF001 - this is the file for it


# ---- From a connection id to its socket -----------------------------------------------------------


def transport_of(session: ApplicationSession, connection_id: int) -> type_of_protocol | None:
    """The WebSocket protocol of a connection; ``None``: it is gone, or it is a component of our own."""
    router_session = router_of(session)._session_id_to_session.get(connection_id)  # noqa: SLF001 - this is the file for it
    transport = getattr(router_session, "_transport", None)
    return None if transport is None or isinstance(transport, RouterApplicationSession) else transport


def live_connections(session: ApplicationSession) -> tuple[int, ...]:
    """The connection ids of all peers that came over a socket."""
    sessions = router_of(session)._session_id_to_session  # noqa: SLF001 - this is the file for it
    return tuple(connection_id for connection_id, one in sessions.items() if isinstance(one, RouterSession))


def unsent_bytes(protocol: type_of_protocol) -> int:
    """Bytes handed to Twisted and not yet taken by the kernel: how far a slow reader is behind."""
    transport = protocol.transport
    while transport is not None and not hasattr(transport, "dataBuffer"):
        transport = getattr(transport, "transport", None)  # TLS wraps the socket
    if transport is None:
        return 0
    return len(transport.dataBuffer) - int(transport.offset) + int(transport._tempDataLen)  # noqa: SLF001 - this is the file for it


def has_no_delay(protocol: type_of_protocol) -> bool:
    """Whether TCP_NODELAY is set: without it a small answer may wait 40 ms for an acknowledgement."""
    return bool(protocol.transport.getTcpNoDelay())


def say_goodbye(session: ApplicationSession, connection_id: int, reason: str, message: str | None = None) -> bool:
    """Send a GOODBYE; whether there was somebody to send it to. A peer may ignore it: follow up with :func:`abort`."""
    router_session = router_of(session)._session_id_to_session.get(connection_id)  # noqa: SLF001 - this is the file for it
    if not isinstance(router_session, RouterSession) or router_session._goodbye_sent or not router_session._transport:  # noqa: SLF001 - this is the file for it
        return False
    router_session.leave(reason, message)
    return True


def abort(protocol: type_of_protocol) -> None:
    """Drop the socket now, unsent bytes and all. Harmless on one that is closed."""
    if protocol.transport is not None:
        protocol.transport.abortConnection()


# ---- Guarding what the worker opens ----------------------------------------------------------------


def guard_listeners(worker: Any, check: Callable[[str, Mapping[str, Any]], Sequence[str]]) -> None:
    """Refuse, in words, to open a transport for which ``check(transport_id, config)`` names problems.

    This holds for each way of starting and each configuration file, since it is the worker that listens.
    """
    personality = worker.personality
    create = personality.create_router_transport

    def create_if_allowed(of_worker: Any, transport_id: str, config: dict[str, Any]) -> Any:
        problems = check(transport_id, config)
        if problems:
            of_worker.log.error("This node refuses to listen: {problems}", problems="; ".join(problems))
            raise ApplicationError("crossbar.error.invalid_configuration", "; ".join(problems))
        return create(of_worker, transport_id, config)

    personality.create_router_transport = staticmethod(create_if_allowed)


def guard_sockets(
    worker: Any,
    opened: Callable[[Any], None],
    finished: Callable[[Any], None],
    refuse: Callable[[str, str], Deny | None],
) -> None:
    """Have ``opened(protocol)`` called for each WebSocket, and ``finished(protocol)`` when its WAMP session is over.

    Over means refused (ABORT) or left (GOODBYE): Crossbar keeps such a socket open for ever.
    ``refuse(authenticator, role)`` has the last word on whom the authenticator of a transport has accepted.
    """

    def judged(result: Any, protocol: Any) -> Any:
        return _then(result, lambda answer: judge(answer, protocol))

    def judge(answer: Any, protocol: Any) -> Any:
        if isinstance(answer, Accept) and protocol is not None:
            answer = refuse(_authenticator_of(protocol), answer.authrole) or answer
        if isinstance(answer, Deny):
            finished(protocol)
        return answer

    class GuardedProtocol(WampWebSocketServerFactory.protocol):
        maxMessagePayloadSize: int  # noqa: N815 - the attribute is Autobahn's

        def onOpen(self) -> Any:
            opened(self)
            return super().onOpen()

        def sendMessage(self, *arguments: Any, **named: Any) -> Any:
            # The limit is for what strangers send. What we send is bounded where it is made, and an answer that
            # Autobahn refuses to send leaves its caller without one for ever.
            limit, self.maxMessagePayloadSize = self.maxMessagePayloadSize, 0
            try:
                return super().sendMessage(*arguments, **named)
            finally:
                self.maxMessagePayloadSize = limit

    class GuardedSession(worker._router_session_factory.session):  # noqa: SLF001 - this is the file for it
        def onHello(self, realm: str, details: Any) -> Any:
            return judged(super().onHello(realm, details), self._transport)

        def onAuthenticate(self, signature: str, extra: Any) -> Any:
            return judged(super().onAuthenticate(signature, extra), self._transport)

        def onLeave(self, details: Any) -> None:
            super().onLeave(details)
            if self._transport is not None:
                finished(self._transport)

    WampWebSocketServerFactory.protocol = GuardedProtocol
    worker._router_session_factory.session = GuardedSession  # noqa: SLF001 - this is the file for it


def has_joined(protocol: type_of_protocol) -> bool:
    """Whether the peer of this WebSocket has a WAMP session right now."""
    router_session = getattr(protocol, "_session", None)
    return router_session is not None and router_session._session_id is not None  # noqa: SLF001 - this is the file for it


def _authenticator_of(protocol: type_of_protocol) -> str:
    """The authenticator's procedure that the transport of this WebSocket names for tickets."""
    authentication: Mapping[str, Any] = protocol.factory._config.get("auth", {})  # noqa: SLF001 - this is the file for it
    return str(authentication.get("ticket", {}).get("authenticator", ""))


def _then(result: Any, look: Callable[[Any], Any]) -> Any:
    return result.addCallback(look) if hasattr(result, "addCallback") else look(result)


# ---- Quiet logs ------------------------------------------------------------------------------------


def quiet_connection_logs() -> None:
    """At info, silence the lines that Crossbar writes for each connection; one holds the whole ``authextra``.

    At debug they stay: whoever asks for debug wants them (cleaned by :mod:`sigrouter.node.log_filter` all the same).
    """
    if get_global_log_level() == "info":
        noisy = (Router, RouterSession, PendingAuth, PendingAuthAnonymous, PendingAuthTicket)
        for source in (*noisy, WampWebSocketServerFactory.protocol):
            source.log.set_log_level("warn", keep=True)
        # At each clean end it warns that it closed a component twice.
        RouterApplicationSession.log.set_log_level("error", keep=True)


def plain_log_arguments() -> None:
    """Give the router's modules highlighters that do nothing.

    Crossbar colours the arguments of its debug lines for each message, whether anybody prints them or not; with its
    formatting of types that was some 15 % of a relayed message's CPU. The lines themselves stay, in black and white.
    """
    for module in (broker_module, dealer_module, router_module, session_module):
        for name in ("hl", "hlid", "hltype", "hlval"):
            if hasattr(module, name):
                setattr(module, name, _as_it_is)


def _as_it_is(value: object, *_style: object, **_named_style: object) -> object:
    return value
