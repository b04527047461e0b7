"""Drops sockets that hold a place and say nothing: before HELLO, after a refusal, after a GOODBYE."""

from typing import Any

from sigrouter.node import compat

LINGER_S = 2.0
"""After an ABORT or GOODBYE the peer has this long to read it and to close the socket itself."""


class SocketDeadlines:
    """``clock`` is a reactor; ``handshake_s``: seconds from the open WebSocket to a joined WAMP session."""

    def __init__(self, clock: Any, handshake_s: float, linger_s: float = LINGER_S) -> None:
        self._clock = clock
        self._handshake_s = handshake_s
        self._linger_s = linger_s

    def opened(self, protocol: Any) -> None:
        """A WebSocket is open: HELLO and authentication must be over in time."""
        self._clock.callLater(self._handshake_s, self._drop_unless_joined, protocol)

    def finished(self, protocol: Any) -> None:
        """The peer was refused or has left. It may say HELLO again at once; otherwise the socket goes."""
        self._clock.callLater(self._linger_s, self._drop_unless_joined, protocol)

    def _drop_unless_joined(self, protocol: Any) -> None:
        if not compat.has_joined(protocol):
            compat.abort(protocol)
