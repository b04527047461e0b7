"""The services' way out to the peers, over one joined component's WAMP session."""

from collections.abc import Mapping
from typing import Any, Final

from attrs import define
from autobahn.twisted.wamp import ApplicationSession
from autobahn.wamp.types import PublishOptions
from twisted.internet.interfaces import IReactorTime

from sigrouter.node import compat

GOODBYE_S: Final = 2.0
"""Seconds a peer has to answer GOODBYE before its transport is cut off."""


@define(eq=False)
class WampOutlet:
    """Fills in :class:`sigrouter.services.outlet.Outlet`."""

    _session: ApplicationSession
    _clock: IReactorTime

    def publish(self, connection_id: int, topic: str, event: Mapping[str, Any]) -> None:
        """One event to one connection. There is always exactly one: an empty ``eligible`` would reach everybody."""
        self._session.publish(topic, options=PublishOptions(eligible=[connection_id]), **event)

    def close(self, connection_id: int, reason: str) -> None:
        """GOODBYE, and after a moment the end of the transport: a GOODBYE alone can be ignored."""
        transport = compat.transport_of(self._session, connection_id)
        if transport is not None and compat.say_goodbye(self._session, connection_id, reason):
            self._clock.callLater(GOODBYE_S, compat.abort, transport)

    def unsent_bytes(self, connection_id: int) -> int:
        """What waits in the transport's buffer."""
        transport = compat.transport_of(self._session, connection_id)
        return 0 if transport is None else compat.unsent_bytes(transport)
