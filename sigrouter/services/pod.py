"""The pod: everything of one node put together, and its life from start to the end of its drain."""

from collections.abc import Callable, Mapping
from typing import Any, Literal

from attrs import define, field
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from sigrouter.protocol import uris
from sigrouter.protocol.errors import SigrouterError
from sigrouter.protocol.messages import Position
from sigrouter.services.admin_ticket import AdminTicket
from sigrouter.services.admission import Admissions
from sigrouter.services.authentication import JwtVerifier
from sigrouter.services.background import Background
from sigrouter.services.cluster import Cluster
from sigrouter.services.connections import Connections
from sigrouter.services.delivery import Delivery
from sigrouter.services.drain import DrainService
from sigrouter.services.housekeeping import Housekeeping
from sigrouter.services.messaging import Messaging
from sigrouter.services.outlet import Outlet
from sigrouter.services.pairing import Pairing
from sigrouter.services.sessions import Sessions
from sigrouter.services.steps import Steps
from sigrouter.settings import Settings
from sigrouter.stores.interface import Store
from sigrouter.stores.records import Entry, NodeState

Life = Literal["starting", "serving", "stopping"]

LAST_WORDS_S = 0.1
"""Seconds between the end of a session and the goodbye to its connections."""


@define(eq=False)
class Pod:
    """What the components of one process share. It is also the store's listener and passes on what it hears.

    ``alone``: no other node can share its store, so there is nowhere to hand a session over to.
    """

    log = Logger()

    settings: Settings
    store: Store
    clock: IReactorTime
    verifier: JwtVerifier
    admin_ticket: AdminTicket
    background: Background
    connections: Connections
    cluster: Cluster
    delivery: Delivery
    steps: Steps
    sessions: Sessions
    messaging: Messaging
    pairing: Pairing
    admissions: Admissions
    drain: DrainService
    housekeeping: Housekeeping
    alone: bool
    refusals: dict[str, int] = field(factory=dict)
    budget_s: float = 0.0
    _life: Life = "starting"

    @property
    def now(self) -> Callable[[], float]:
        """The clock, in seconds."""
        return self.clock.seconds

    # ---- life ------------------------------------------------------------------------------------

    def start(self, outlet: Outlet, budget_s: float) -> None:
        """Begin to serve: connect the store in the background, so that health is answered meanwhile.

        ``budget_s``: seconds that a drain may take when the process is told to stop.
        """
        self.delivery.outlet = outlet
        self.budget_s = budget_s
        self.background.start(self._open())

    async def _open(self) -> None:
        await self.store.open(self.settings.node.node_id, self)
        if self._life == "starting":
            self._life = "serving"
            if not self.alone:  # The other nodes' sessions: perhaps the store was just away.
                self.housekeeping.store_was_away()
            self.housekeeping.start()

    async def stop(self) -> None:
        """Drain, leave the cluster, close the store. Run once, by whoever holds back the end of the process."""
        was, self._life = self._life, "stopping"
        try:
            if self.alone:
                self._say_goodbye()
            elif was == "starting":
                await self.store.close()  # It may still wait for a store that never comes.
            else:
                report = await self.drain.drain("shutdown", self.budget_s)
                self.log.info("drained: {report}, nodeId={nodeId}", nodeId=self.node_id, report=report)
            self.housekeeping.stop()
            await self.background.settle()
            if self.store.available:
                await self.steps.written()
                await self.store.release_node(self.settings.node.node_id)
        except SigrouterError:
            self.log.warn(
                "the store was away at the end; the lease runs out by itself, nodeId={nodeId}", nodeId=self.node_id
            )
        except Exception:  # noqa: BLE001 - whatever it is, the process must end, and its sessions are resumable.
            self.log.failure("the shutdown failed, nodeId={nodeId}", nodeId=self.node_id)
        finally:
            await self.store.close()

    def _say_goodbye(self) -> None:
        for connection in self.connections:
            self.delivery.outlet.close(connection.connection_id, uris.CLOSE_GOAWAY)

    async def begin_drain(self, reason: str) -> Mapping[str, Any]:
        """Start a drain without waiting for its end; the node goes on living, empty, until it is told to stop."""
        if not self.drain.draining:
            self.background.start(self._drain(reason))
        return {"handover_id": self.drain.handover_id, "state": self.drain.phase}

    async def _drain(self, reason: str) -> None:
        # A process that is told to stop meanwhile joins this drain, and may not have longer than its own budget.
        await self.drain.drain(reason, min(self.settings.drain.budget_s, self.budget_s))

    async def undrain(self) -> bool:
        """Take sessions again. False: there is no drain, or it is too late, as when the process was told to stop."""
        return self._life != "stopping" and self.drain.undrain()

    # ---- health ----------------------------------------------------------------------------------

    @property
    def node_id(self) -> str:
        """This node's name."""
        return self.settings.node.node_id

    def state(self) -> NodeState:
        """What the lease says."""
        if self._life == "stopping" or self.drain.draining:
            return "draining"
        return "ready" if self._life == "serving" else "starting"

    def health(self) -> Mapping[str, Any]:
        """``/health``: it answers, so it lives."""
        return {"status": "ok", "nodeId": self.node_id}

    def not_ready(self) -> tuple[str, ...]:
        """Why this node should get no new connections; empty when it should."""
        reasons = []
        if self._life == "starting":
            reasons.append("starting")
        if self.state() == "draining":
            reasons.append("draining")
        if not self.store.available:
            reasons.append("store unavailable")
        return tuple(reasons)

    def refused(self, refusal: SigrouterError) -> None:
        """Count a refused connection by its error."""
        self.refusals[refusal.uri] = self.refusals.get(refusal.uri, 0) + 1

    # ---- the store's listener --------------------------------------------------------------------

    def on_entry(self, channel: str, position: Position, entry: Entry) -> None:
        """To the connection it is for."""
        self.delivery.on_entry(channel, position, entry)

    def on_notice(self, session_id: str, kind: str, payload: Any) -> None:
        """To the connection it is for."""
        self.delivery.notice(session_id, kind, payload)

    def on_superseded(self, session_id: str, generation: int, node_id: str) -> None:
        """A newer connection has the session: older ones here are over."""
        # The drain first: it must not take the connection's end for a loss.
        self.drain.on_superseded(session_id, generation, node_id)
        for connection in self.connections.of_session(session_id):
            if connection.generation < generation:
                connection.superseded = True
                self.delivery.outlet.close(connection.connection_id, uris.CLOSE_SUPERSEDED)

    def on_peer_ready(self, session_id: str, peer_session_id: str, peer_node_id: str) -> None:
        """The drain waits for this."""
        self.drain.on_peer_ready(session_id, peer_session_id, peer_node_id)

    def on_ended(self, session_id: str, reason: str) -> None:
        """The session is over: so are its connections."""
        uri = uris.CLOSE_KICKED if reason == "kicked" else uris.CLOSE_ENDED
        for connection in self.connections.of_session(session_id):
            # A peer that ended itself gets its answer first: a result after the goodbye is an error in WAMP.
            self.clock.callLater(LAST_WORDS_S, self.delivery.outlet.close, connection.connection_id, uri)
        self.drain.on_ended(session_id, reason)

    def on_nodes_changed(self) -> None:
        """Read the node list again, then let the drain look at it."""
        self.background.start(self._nodes_changed())

    async def _nodes_changed(self) -> None:
        await self.cluster.refresh()
        self.drain.on_nodes_changed()

    def on_interrupted(self) -> None:
        """The store is back: nothing expires too early, and nobody stays behind his log."""
        self.housekeeping.store_was_away()
        self.delivery.catch_up_all()
        self.drain.on_interrupted()
        self.on_nodes_changed()
