"""Sockets without a session have a deadline; sockets with one have none."""

from types import SimpleNamespace
from typing import Any

from twisted.internet.task import Clock

from sigrouter.node.sockets import SocketDeadlines


class FakeTransport:
    aborted = False

    def abortConnection(self) -> None:
        self.aborted = True


def socket_of(session_id: int | None) -> Any:
    return SimpleNamespace(transport=FakeTransport(), _session=SimpleNamespace(_session_id=session_id))


def test_a_socket_that_never_joins_is_dropped_at_its_deadline():
    clock, silent = Clock(), socket_of(None)
    SocketDeadlines(clock, handshake_s=15).opened(silent)
    clock.advance(14.9)
    assert not silent.transport.aborted
    clock.advance(0.2)
    assert silent.transport.aborted


def test_a_socket_that_joins_in_time_stays():
    clock, late = Clock(), socket_of(None)
    SocketDeadlines(clock, handshake_s=15).opened(late)
    clock.advance(14.9)
    late._session._session_id = 1
    clock.advance(100)
    assert not late.transport.aborted


def test_after_a_refusal_or_goodbye_the_socket_goes_unless_its_peer_joins_again():
    clock, gone, back, closed = Clock(), socket_of(None), socket_of(None), socket_of(None)
    deadlines = SocketDeadlines(clock, handshake_s=15, linger_s=2)
    for one in (gone, back, closed):
        deadlines.finished(one)
    back._session._session_id = 2
    closed.transport = None
    closed._session = None
    clock.advance(2)
    assert gone.transport.aborted
    assert not back.transport.aborted
