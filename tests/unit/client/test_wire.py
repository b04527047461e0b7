"""One WAMP connection: what goes over the transport, and what the core is told."""

from typing import Any

import pytest
from autobahn.exception import PayloadExceededError
from autobahn.wamp import message, role
from autobahn.wamp.exception import ProtocolError, SerializationError, TransportLost

from sigrouter.client.effects import Connect
from sigrouter.client.wire import LOST, Wire
from sigrouter.protocol import uris


class Transport:
    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.closed = False
        self.failure: Exception | None = None

    def send(self, outgoing: Any) -> None:
        if self.failure is not None:
            raise self.failure
        self.sent.append(outgoing)

    def isOpen(self) -> bool:
        return not self.closed

    def close(self) -> None:
        self.closed = True


class Told:
    """Whatever the wire reports, as tuples."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments: self.told.append((name, *arguments))


def opened() -> tuple[Wire, Transport, Told]:
    told = Told()
    wire = Wire(Connect(7, "ws://host/ws", "jwt", {"recovery_token": "r"}), told)
    transport = Transport()
    wire.onOpen(transport)
    return wire, transport, told


def joined() -> tuple[Wire, Transport, Told]:
    wire, transport, told = opened()
    wire.onMessage(message.Challenge("ticket"))
    wire.onMessage(message.Welcome(1, {"broker": role.RoleBrokerFeatures()}, authextra={"session_id": "s"}))
    transport.sent.clear()
    told.told.clear()
    return wire, transport, told


def test_hello_carries_the_token_and_the_challenge_is_answered_with_the_ticket() -> None:
    wire, transport, told = opened()
    (hello,) = transport.sent
    assert (hello.realm, hello.authmethods, hello.authextra) == (uris.REALM, ["ticket"], {"recovery_token": "r"})
    wire.onMessage(message.Challenge("ticket"))
    assert transport.sent[1].signature == "jwt"
    wire.onMessage(message.Welcome(1, {"broker": role.RoleBrokerFeatures()}, authextra={"session_id": "s"}))
    assert told.told == [("on_joined", 7, {"session_id": "s"})]


@pytest.mark.parametrize(
    ("text", "details"),
    [('{"retry_after_s": 1}', {"retry_after_s": 1}), ("words", {"message": "words"}), ("[1]", {"message": "[1]"})],
)
def test_an_abort_is_a_refusal_with_the_json_of_its_message(text: str, details: dict[str, Any]) -> None:
    wire, _transport, told = opened()
    wire.onMessage(message.Abort(uris.ERROR_BUSY, text))
    assert told.told == [("on_refused", 7, uris.ERROR_BUSY, details)]


def test_results_and_errors_find_their_calls() -> None:
    wire, transport, told = joined()
    wire.subscribe(uris.EVENT_PREFIX)
    wire.call(41, "a", {"x": 1})
    wire.call(42, "b", {})
    subscribe, first, second = transport.sent
    assert (subscribe.topic, subscribe.match) == (uris.EVENT_PREFIX, "prefix")
    assert [subscribe.request, first.request, second.request] == [1, 2, 3]
    assert first.kwargs == {"x": 1}
    error = message.Error(message.Call.MESSAGE_TYPE, second.request, uris.ERROR_BUSY, args=["no"], kwargs={"a": 1})
    wire.onMessage(error)
    wire.onMessage(error)
    wire.onMessage(message.Result(first.request, args=[{"y": 2}]))
    assert told.told == [("on_error", 42, uris.ERROR_BUSY, {"a": 1, "message": "no"}), ("on_result", 41, {"y": 2})]


def test_what_cannot_be_sent_is_answered_at_once() -> None:
    wire, transport, told = joined()
    transport.failure = SerializationError("object")
    wire.call(41, "a", {"x": object()})
    transport.failure = PayloadExceededError("too much")
    wire.call(42, "a", {"x": "x"})
    assert [line[:3] for line in told.told] == [
        ("on_error", 41, uris.ERROR_INVALID),
        ("on_error", 42, uris.ERROR_TOO_LARGE),
    ]


def test_a_transport_that_went_away_is_not_sent_to_again() -> None:
    wire, transport, told = joined()
    transport.failure = TransportLost()
    wire.call(41, "a", {})
    wire.call(42, "a", {})
    assert told.told == [], "the loss will be reported, and nothing else"


def test_a_goodbye_is_answered_and_its_reason_is_why_the_connection_closed() -> None:
    wire, transport, told = joined()
    wire.onMessage(message.Goodbye(uris.CLOSE_KICKED))
    assert isinstance(transport.sent[0], message.Goodbye)
    assert transport.closed
    wire.lost()
    wire.lost()
    assert told.told == [("on_closed", 7, uris.CLOSE_KICKED)]


def test_closing_says_goodbye_and_hears_nothing_more() -> None:
    wire, transport, told = joined()
    wire.close()
    wire.close()
    assert [type(sent) for sent in transport.sent] == [message.Goodbye]
    wire.onMessage(message.Event(1, 1, kwargs={}, topic=uris.EVENT_MESSAGE))
    wire.lost()
    assert told.told == [("on_closed", 7, LOST)]


def test_a_close_before_the_socket_opened_closes_it_when_it_does() -> None:
    told = Told()
    wire = Wire(Connect(7, "ws://host/ws", "jwt", {}), told)
    wire.close()
    transport = Transport()
    wire.onOpen(transport)
    assert transport.sent == []
    assert transport.closed


def test_a_refused_subscription_closes_the_connection() -> None:
    wire, transport, told = joined()
    wire.subscribe(uris.EVENT_PREFIX)
    wire.onMessage(message.Error(message.Subscribe.MESSAGE_TYPE, 1, "wamp.error.not_authorized"))
    assert transport.closed
    wire.lost()
    assert told.told == [("on_closed", 7, "wamp.error.not_authorized")]


def test_what_no_server_says_is_a_protocol_error() -> None:
    wire, _transport, _told = joined()
    with pytest.raises(ProtocolError):
        wire.onMessage(message.Published(1, 1))
