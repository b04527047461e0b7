"""The second connection: what the scripts publish for this node, in the order in which they did it."""

from collections.abc import Callable
from typing import Any, Final

from twisted.internet.task import LoopingCall
from twisted.python.failure import Failure
from txredisapi import RedisError

from sigrouter.protocol.errors import Unavailable
from sigrouter.settings.model import StoreSettings
from sigrouter.stores.interface import Listener
from sigrouter.stores.records import Position
from sigrouter.stores.redis import keys
from sigrouter.stores.redis.codec import entry, unpack, unpack_answer
from sigrouter.stores.redis.link import Link
from sigrouter.stores.redis.wire import Wire

PINGS_PER_TIMEOUT: Final = 2


class Notifications:
    """Calls the listener. ``link`` is up once everything is subscribed; ``changed`` is called when it goes or comes."""

    def __init__(
        self, settings: StoreSettings, reactor: Any, random_unit: Callable[[], float], changed: Callable[[], None]
    ) -> None:
        self._timeout_s = settings.redis_timeout_s
        self._reactor = reactor
        self._listener: Listener | None = None
        self._channels: set[bytes] = set()
        self._pinging: LoopingCall | None = None
        self.link = Link("notifications", settings, reactor, self._make_wire, self._greet, random_unit, changed)

    async def start(self, node_id: str, listener: Listener) -> None:
        """Subscribe to what is for this node; waits until Redis is there."""
        self._listener = listener
        self._channels = {f"{keys.NODE_CHANNEL}{node_id}".encode(), keys.NODES_CHANNEL.encode()}
        self.link.start()
        # Silence is no sign on this connection: a server that hangs looks like one with nothing to say.
        self._pinging = LoopingCall(self._ping)
        self._pinging.clock = self._reactor
        self._pinging.start(self._timeout_s / PINGS_PER_TIMEOUT, now=False)
        await self.link.up()

    async def stop(self) -> None:
        """Hear nothing any more."""
        if self._pinging is not None and self._pinging.running:
            self._pinging.stop()
        await self.link.stop()

    async def subscribe(self, channel: bytes) -> None:
        """From now on its messages are heard; returns when Redis has said so.

        Raises:
            Unavailable: the connection is down or was lost; then the channel is not kept.
        """
        wire = self.link.wire
        if wire is None:
            raise Unavailable
        self._channels.add(channel)
        try:
            await wire.ask(b"SUBSCRIBE", channel)
        except RedisError:
            self._channels.discard(channel)
            raise Unavailable from None

    async def unsubscribe(self, channel: bytes) -> None:
        """Its messages are of no interest any more. Without a connection there is nothing to do."""
        self._channels.discard(channel)
        if self.link.wire is not None:
            try:
                await self.link.wire.ask(b"UNSUBSCRIBE", channel)
            except RedisError:
                raise Unavailable from None

    def _make_wire(self) -> Wire:
        return Wire(self._reactor, self._timeout_s, self._heard)

    async def _greet(self, wire: Wire) -> None:
        await wire.ask_all((b"SUBSCRIBE", channel) for channel in sorted(self._channels))

    def _ping(self) -> None:
        wire = self.link.wire
        if wire is not None and wire.connected:
            wire.ask(b"PING").addErrback(_the_link_sees_to_it)

    def _heard(self, channel: bytes, message: bytes) -> None:  # noqa: ARG002 - the message says what it is
        listener = self._listener
        if listener is None:
            return
        match unpack_answer(message):
            case [b"entry", name, epoch, seq, at, body]:
                listener.on_entry(name.decode(), Position(epoch.decode(), seq), entry(seq, at, body))
            case [b"notice", session_id, kind, payload]:
                listener.on_notice(session_id.decode(), kind.decode(), unpack(payload))
            case [b"superseded", session_id, generation, node_id]:
                listener.on_superseded(session_id.decode(), generation, node_id.decode())
            case [b"peer_ready", session_id, peer_session_id, peer_node_id]:
                listener.on_peer_ready(session_id.decode(), peer_session_id.decode(), peer_node_id.decode())
            case [b"ended", session_id, reason]:
                listener.on_ended(session_id.decode(), reason.decode())
            case _:
                listener.on_nodes_changed()


def _the_link_sees_to_it(failure: Failure) -> None:
    failure.trap(RedisError)
