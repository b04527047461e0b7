"""One connection to Redis: many commands at once are answered together, and no failure is left lying about."""

import gc
from collections.abc import Iterator
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.logger import globalLogPublisher
from twisted.python.failure import Failure

from sigrouter.stores.redis.wire import Wire

COMMANDS = ((b"GET", b"a"), (b"GET", b"b"), (b"GET", b"c"))


@pytest.fixture
def wire() -> Wire:
    wire = Wire(Clock(), 2.0)
    wire.makeConnection(StringTransport())
    return wire


@pytest.fixture
def logged() -> Iterator[list[dict[str, Any]]]:
    """Failures that reach the log: those of Deferreds that nobody looked after."""
    found: list[dict[str, Any]] = []

    def observe(event: dict[str, Any]) -> None:
        if event.get("log_failure") is not None:
            found.append(event)

    globalLogPublisher.addObserver(observe)
    yield found
    globalLogPublisher.removeObserver(observe)


def ask_all(wire: Wire) -> list[object]:
    """What becomes of all commands: a result, or the error in words; empty while they are under way."""
    outcome: list[object] = []
    asking = Deferred.fromCoroutine(wire.ask_all(COMMANDS))
    # The error itself would keep its traceback alive, and with that the answers that nobody looked after.
    asking.addCallbacks(outcome.append, lambda failure: outcome.append(f"{failure.type.__name__}: {failure.value}"))
    return outcome


def test_many_commands_are_sent_before_any_is_answered_and_all_are_waited_for(wire: Wire) -> None:
    outcome = ask_all(wire)
    assert wire.transport.value().count(b"GET") == 3
    wire.dataReceived(b"+1\r\n+2\r\n")
    assert outcome == []
    wire.dataReceived(b"+3\r\n")
    assert outcome == [None]


def test_of_many_commands_that_redis_refuses_the_first_failure_is_told_and_none_is_left_in_the_log(
    wire: Wire, logged: list[dict[str, Any]]
) -> None:
    outcome = ask_all(wire)
    wire.dataReceived(b"+1\r\n-LOADING the second\r\n-LOADING the third\r\n")
    gc.collect()
    assert outcome == ["ResponseError: LOADING the second"]
    assert logged == []


def test_a_connection_that_is_lost_with_many_commands_under_way_is_one_failure(
    wire: Wire, logged: list[dict[str, Any]]
) -> None:
    outcome = ask_all(wire)
    wire.dataReceived(b"-LOADING the first\r\n")
    wire.connectionLost(Failure(ConnectionDone()))
    gc.collect()
    assert outcome == ["ResponseError: LOADING the first"]
    assert logged == []
