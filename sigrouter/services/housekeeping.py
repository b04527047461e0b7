"""What a node does from time to time: renews its lease, keeps its sessions alive, sweeps, and cuts slow readers."""

from collections.abc import Awaitable, Callable

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from sigrouter.protocol import uris
from sigrouter.protocol.errors import SigrouterError
from sigrouter.services.cluster import Cluster
from sigrouter.services.connections import Connections
from sigrouter.services.delivery import Delivery
from sigrouter.services.sessions import Sessions
from sigrouter.settings import Settings
from sigrouter.stores.interface import Store
from sigrouter.stores.records import NodeRecord, NodeState

READERS_S = 1.0
LEASES_PER_RENEWAL = 3
GOODBYE_S = 5.0
"""Seconds in which a connection that was closed must have gone; one that the router never knew is forgotten then."""


@define(eq=False)
class Housekeeping:
    """``state`` tells what the lease says of this node (the pod sets it); no duty holds up another."""

    log = Logger()

    _settings: Settings
    _store: Store
    _connections: Connections
    _delivery: Delivery
    _sessions: Sessions
    _cluster: Cluster
    _clock: IReactorTime
    _started_at: float
    state: Callable[[], NodeState] = lambda: "starting"
    slow_readers: int = 0
    _loops: list[LoopingCall] = field(factory=list)
    _no_expiry_before: float = 0.0
    _queued: dict[str, int] = field(factory=dict)

    def start(self) -> None:
        """Begin all duties; the first round is at once."""
        session = self._settings.session
        for duty, period in (
            (self.renew_lease, self._settings.store.node_lease_s / LEASES_PER_RENEWAL),
            (self.keep_alive, session.keepalive_s),
            (self.sweep, session.sweep_s),
            (self.watch_readers, READERS_S),
        ):
            loop = LoopingCall(self._guarded, duty)
            loop.clock = self._clock
            loop.start(period)
            self._loops.append(loop)

    def stop(self) -> None:
        """End all duties."""
        for loop in self._loops:
            if loop.running:
                loop.stop()
        self._loops.clear()

    def store_was_away(self) -> None:
        """After an outage nobody has kept anything alive: expire nothing before every node had its turn again."""
        self._no_expiry_before = self._clock.seconds() + 2 * self._settings.session.keepalive_s

    async def renew_lease(self) -> None:
        """Tell the others that this node lives, and in which state; learn the same of them."""
        await self._store.lease(
            NodeRecord(
                node_id=self._settings.node.node_id,
                stack=self._settings.node.stack,
                state=self.state(),
                url=self._settings.node.url,
                sessions=len(self._connections),
                started_at=self._started_at,
                lease_until=0.0,
            )
        )
        await self._cluster.refresh()

    async def keep_alive(self) -> None:
        """Push out the expiry of the local sessions; a connection whose session the store does not know must resume."""
        outlet, local = self._delivery.outlet, []
        for connection in self._connections:
            if self._connections.current(connection.session_id) is connection:
                local.append(connection)
            elif connection.ready:  # A younger one here has the session, and the news of it was lost.
                outlet.close(connection.connection_id, uris.CLOSE_SUPERSEDED)
        if not local:
            return
        held = [(connection.session_id, connection.generation) for connection in local]
        gone = set(await self._store.keepalive(self._settings.node.node_id, held))
        for connection in local:  # Not by session alone: it may have a younger connection here by now.
            if connection.session_id in gone:
                outlet.close(connection.connection_id, uris.CLOSE_STALE)

    async def sweep(self) -> None:
        """End what is over, pair who waits, and tell the waiting clients of this node where they stand."""
        await self._sessions.report_unreported()
        if self._clock.seconds() >= self._no_expiry_before:
            for session_id in await self._store.expire():
                self.log.info(
                    "session expired, sessionId={sessionId} nodeId={nodeId}",
                    sessionId=session_id,
                    nodeId=self._settings.node.node_id,
                )
        await self._store.match()
        await self._tell_queue()

    async def _tell_queue(self) -> None:
        queued: dict[str, int] = {}
        for position, session_id in enumerate(await self._store.queue(), start=1):
            if self._connections.current(session_id) is None:
                continue
            queued[session_id] = position
            if self._queued.get(session_id) != position:
                self._delivery.notice(session_id, "queue", {"position": position})
        self._queued = queued

    async def watch_readers(self) -> None:
        """Cut off whoever does not read (it may resume), and whoever never became ready."""
        now, outlet = self._clock.seconds(), self._delivery.outlet
        for connection in self._connections:
            if outlet.unsent_bytes(connection.connection_id) > self._settings.limits.unsent_bytes:
                self.slow_readers += 1
                self.log.warn(
                    "slow reader cut off, sessionId={sessionId} nodeId={nodeId}",
                    sessionId=connection.session_id,
                    nodeId=self._settings.node.node_id,
                )
                outlet.close(connection.connection_id, uris.CLOSE_SLOW_READER)
            elif not connection.ready and now - connection.joined_at > self._settings.session.handshake_s:
                outlet.close(connection.connection_id, uris.CLOSE_NOT_READY)
                if now - connection.joined_at > self._settings.session.handshake_s + GOODBYE_S:
                    # It went while it was being admitted: nobody will tell us, and its place must be free again.
                    self._sessions.connection_closed(connection.connection_id)

    def _guarded(self, duty: Callable[[], Awaitable[None]]) -> Deferred[None]:
        return Deferred.fromCoroutine(self._survive(duty))

    async def _survive(self, duty: Callable[[], Awaitable[None]]) -> None:
        try:
            await duty()
        except SigrouterError:
            pass  # The store is away; it logs that itself, and the next round comes.
        except Exception:  # noqa: BLE001 - a duty must not end because one round of it failed
            self.log.failure("a duty of the node failed, nodeId={nodeId}", nodeId=self._settings.node.node_id)
