"""The way out to connected peers, as the services see it; a component fills it in with WAMP."""

from collections.abc import Mapping
from typing import Any, Protocol


class Outlet(Protocol):
    """What can be done with a live connection. A connection that is gone is no error: the call does nothing."""

    def publish(self, connection_id: int, topic: str, event: Mapping[str, Any]) -> None:
        """Send an event to this one connection, if it subscribed to the topic."""

    def close(self, connection_id: int, reason: str) -> None:
        """Say goodbye with a reason URI; a peer that does not answer it is cut off soon after."""

    def unsent_bytes(self, connection_id: int) -> int:
        """Bytes that the peer has not taken yet."""


class NoOutlet:
    """Before the node's components have joined there is nobody to talk to."""

    def publish(self, connection_id: int, topic: str, event: Mapping[str, Any]) -> None:
        """Nobody is connected yet."""

    def close(self, connection_id: int, reason: str) -> None:
        """Nobody is connected yet."""

    def unsent_bytes(self, connection_id: int) -> int:  # noqa: ARG002 - the protocol's shape
        """Nothing waits."""
        return 0
