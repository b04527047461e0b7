"""One WAMP connection as the core sees it; the same for both front ends, because it waits for nothing.

It stands in the place of Autobahn's ``ApplicationSession``: that one makes a future for every call and keeps
registrations, publications and observers, none of which the core needs, and holding 200 clients in a process should
stay cheap.
"""

import json
from collections.abc import Mapping
from importlib import import_module
from itertools import count
from typing import Any, Protocol

from attrs import define, field
from autobahn.exception import Disconnected, PayloadExceededError
from autobahn.wamp import message, role
from autobahn.wamp.exception import ProtocolError, SerializationError, TransportLost

from sigrouter.client.effects import Connect
from sigrouter.protocol import uris

SERIALIZERS = {"json": "JsonSerializer", "cbor": "CBORSerializer", "msgpack": "MsgPackSerializer"}

LOST = "Connection lost"
_ROLES = {
    "caller": role.RoleCallerFeatures(),
    "subscriber": role.RoleSubscriberFeatures(pattern_based_subscription=True),
}


class Inputs(Protocol):
    """Where a connection reports to."""

    def on_joined(self, handle: int, authextra: Mapping[str, Any]) -> None:
        """WELCOME."""

    def on_refused(self, handle: int, reason: str, details: Mapping[str, Any]) -> None:
        """ABORT."""

    def on_event(self, handle: int, topic: str, kwargs: Mapping[str, Any]) -> None:
        """EVENT."""

    def on_result(self, call_id: int, value: Any) -> None:
        """RESULT."""

    def on_error(self, call_id: int, uri: str, details: Mapping[str, Any]) -> None:
        """ERROR."""

    def on_closed(self, handle: int, reason: str) -> None:
        """The socket is gone."""


@define(eq=False)
class Wire:
    """Autobahn's transport calls ``onOpen``, ``onMessage`` and ``onClose`` and reads the fields with an underscore."""

    connect: Connect
    _inputs: Inputs
    _transport: Any = field(default=None, init=False)
    _session_id: int | None = field(default=None, init=False)
    _authid: str | None = field(default=None, init=False)
    _requests: "count[int]" = field(factory=lambda: count(1), init=False)
    _calls: dict[int, int] = field(factory=dict, init=False)
    _topic: str = field(default="", init=False)
    _closing: bool = field(default=False, init=False)
    _lost: bool = field(default=False, init=False)
    _reason: str = field(default=LOST, init=False)

    # ---- what the core wants -------------------------------------------------------------------------------------

    def subscribe(self, prefix: str) -> None:
        """Subscribe to all topics with the prefix."""
        self._topic = prefix
        self._send(message.Subscribe(next(self._requests), prefix, match=message.Subscribe.MATCH_PREFIX))

    def call(self, call_id: int, procedure: str, kwargs: Mapping[str, Any]) -> None:
        """Call; what cannot be sent at all is answered at once."""
        request = next(self._requests)
        self._calls[request] = call_id
        try:
            self._send(message.Call(request, procedure, kwargs=dict(kwargs)))
        except SerializationError:
            self._fail(request, uris.ERROR_INVALID, "The arguments cannot be serialized")
        except PayloadExceededError as error:
            self._fail(request, uris.ERROR_TOO_LARGE, str(error))

    def close(self) -> None:
        """Say goodbye, if there was a hello, and close; ``on_closed`` follows."""
        if self._closing or self._transport is None:
            self._closing = True
            return
        self._closing = True
        if self._session_id is not None:
            self._send(message.Goodbye(reason="wamp.close.normal"))
        self._close_transport()

    def lost(self, reason: str = "") -> None:
        """The socket is gone, or never came to be."""
        if not self._lost:
            self._lost = True
            self._inputs.on_closed(self.connect.handle, self._reason if self._reason != LOST else reason or LOST)

    # ---- what Autobahn calls -------------------------------------------------------------------------------------

    def onOpen(self, transport: Any) -> None:
        """The WebSocket is open."""
        self._transport = transport
        if self._closing:
            self._close_transport()
            return
        hello = message.Hello(uris.REALM, _ROLES, authmethods=["ticket"], authextra=dict(self.connect.authextra))
        self._send(hello)

    def onClose(self, _was_clean: bool) -> None:  # noqa: FBT001 - Autobahn's shape
        """The WebSocket is closed; ``lost`` follows when the socket is."""
        self._transport = None

    def onMessage(self, received: Any) -> None:
        """A WAMP message; whatever comes after the close is nobody's business any more."""
        if self._closing and not isinstance(received, message.Goodbye):
            return
        match received:
            case message.Event():
                topic = received.topic or self._topic
                self._inputs.on_event(self.connect.handle, topic, received.kwargs or {})
            case message.Result():
                self._answered(received)
            case message.Error() if received.request_type == message.Call.MESSAGE_TYPE:
                self._fail(received.request, received.error, *(received.args or ()), **(received.kwargs or {}))
            case message.Error():
                self._reason = received.error
                self._close_transport()
            case message.Challenge():
                self._send(message.Authenticate(self.connect.ticket))
            case message.Welcome():
                self._session_id, self._authid = received.session, received.authid
                self._inputs.on_joined(self.connect.handle, received.authextra or {})
            case message.Abort():
                self._reason = received.reason
                self._inputs.on_refused(self.connect.handle, received.reason, _details(received.message))
            case message.Goodbye():
                self._goodbye(received)
            case message.Subscribed():
                pass
            case _:
                raise ProtocolError(f"Unexpected {type(received).__name__}")

    # ---- inside --------------------------------------------------------------------------------------------------

    def _goodbye(self, received: message.Goodbye) -> None:
        if not self._closing:
            self._closing = True
            self._reason = received.reason
            self._send(message.Goodbye(reason="wamp.close.goodbye_and_out"))
        self._close_transport()

    def _answered(self, received: message.Result) -> None:
        call_id = self._calls.pop(received.request, None)
        if call_id is not None:
            value = received.args[0] if received.args else received.kwargs or {}
            self._inputs.on_result(call_id, value)

    def _fail(self, request: int, uri: str, *args: Any, **kwargs: Any) -> None:
        call_id = self._calls.pop(request, None)
        if call_id is None:
            return
        details = dict(kwargs)
        if args and isinstance(args[0], Mapping):
            details = {**args[0], **details}
        elif args:
            details.setdefault("message", str(args[0]))
        self._inputs.on_error(call_id, uri, details)

    def _send(self, outgoing: message.Message) -> None:
        if self._transport is not None:
            try:
                self._transport.send(outgoing)
            except (TransportLost, Disconnected):  # The latter: the WebSocket is closing, but nobody told us yet.
                self._transport = None

    def _close_transport(self) -> None:
        if self._transport is not None and self._transport.isOpen():
            self._transport.close()


class Limited:
    """A WebSocket protocol that refuses to send what the node would cut the connection for."""

    factory: Any

    def sendMessage(self, payload: bytes, *args: Any, **kwargs: Any) -> None:
        """Send, or raise ``PayloadExceededError``."""
        if len(payload) > self.factory.message_bytes:
            raise PayloadExceededError(f"{len(payload)} bytes are more than {self.factory.message_bytes}")
        super().sendMessage(payload, *args, **kwargs)  # type: ignore[misc]  # the class that this is mixed into


def serializers(name: str) -> list[Any]:
    """The one serializer to offer. Imported late: the module takes its clock from the framework chosen by then."""
    module = import_module("autobahn.wamp.serializer")
    return [getattr(module, SERIALIZERS[name])()]


def configure(factory: Any, message_bytes: int, timeout_s: float) -> None:
    """The options of both front ends' WebSocket factories."""
    factory.message_bytes = message_bytes
    factory.setProtocolOptions(
        openHandshakeTimeout=timeout_s,
        closeHandshakeTimeout=1,
        serverConnectionDropTimeout=1,
        tcpNoDelay=True,
        failByDrop=True,
    )


def _details(text: str | None) -> Mapping[str, Any]:
    try:
        details = json.loads(text or "{}")
    except ValueError:
        details = None
    return details if isinstance(details, dict) else {"message": text or ""}
