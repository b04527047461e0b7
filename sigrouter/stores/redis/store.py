"""The store in Redis, for any number of nodes: each change is one Lua script that also publishes the news of it."""

from collections.abc import Callable
from random import SystemRandom
from typing import Any

from twisted.logger import Logger

from sigrouter.protocol.errors import Unavailable
from sigrouter.settings.model import StoreSettings
from sigrouter.stores.interface import Listener, Store, StoreTimes
from sigrouter.stores.redis.channels import ChannelsPart
from sigrouter.stores.redis.handovers import HandoversPart
from sigrouter.stores.redis.link import Link
from sigrouter.stores.redis.nodes import NodesPart
from sigrouter.stores.redis.notifications import Notifications
from sigrouter.stores.redis.pairs import PairsPart
from sigrouter.stores.redis.scripts import Scripts
from sigrouter.stores.redis.sessions import SessionsPart
from sigrouter.stores.redis.wire import Wire


class RedisStore(ChannelsPart, SessionsPart, PairsPart, NodesPart, HandoversPart):
    """One node's view of one Redis 6.2 or newer (no Cluster; Sentinel is a later step).

    Two connections: one for commands, on which they keep their order, and one for notifications.

    Args:
        settings: where Redis is; ``redis_timeout_s`` bounds the silence on a connection that waits for an answer.
        times: what expires when, and how long logs may get.
        reactor: Twisted's.
        clock: ``None``: Redis's own clock, the same for all nodes. Tests bring theirs, in seconds since the epoch.
        new_id: a fresh id for a pair or an epoch.
    """

    log = Logger()

    def __init__(
        self,
        settings: StoreSettings,
        times: StoreTimes,
        reactor: Any,
        clock: Callable[[], float] | None,
        new_id: Callable[[], str],
    ) -> None:
        chance = SystemRandom().random
        self._reactor = reactor
        self._timeout_s = settings.redis_timeout_s
        self._listener: Listener | None = None
        self._interrupted = False
        self._commands = Link("commands", settings, reactor, self._make_wire, self._greet, chance, self._changed)
        self._notifications = Notifications(settings, reactor, chance, self._changed)
        super().__init__(Scripts(times, self._commands, clock), new_id)

    @property
    def available(self) -> bool:
        return self._commands.well

    async def open(self, node_id: str, listener: Listener) -> None:
        self._commands.start()
        await self._notifications.start(node_id, listener)
        await self._commands.up()
        self._listener = listener

    async def close(self) -> None:
        self._listener = None
        await self._notifications.stop()
        await self._commands.stop()

    async def ping(self) -> None:
        await self._scripts.command(b"PING")
        if self._notifications.link.wire is None:
            # Half a store is none: a session confirmed here now would hear nothing.
            raise Unavailable

    def _make_wire(self) -> Wire:
        return Wire(self._reactor, self._timeout_s)

    async def _greet(self, wire: Wire) -> None:
        await self._scripts.greet(wire)

    def _changed(self) -> None:
        """After an outage of either connection, once both are back: what was missed can be read, and is to be."""
        listener = self._listener
        if listener is None:
            return
        if not (self._commands.well and self._notifications.link.well):
            self._interrupted = True
        elif self._interrupted:
            self._interrupted = False
            listener.on_interrupted()


def _keeps_the_promises(store: RedisStore) -> Store:
    return store
