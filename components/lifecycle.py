"""Brings the pod to life with the node, gives it its way out to the peers, and holds the end back for its drain."""

from twisted.internet import reactor

from components import base
from components.outlet import WampOutlet
from sigrouter import __version__
from sigrouter.node import compat
from sigrouter.node.shutdown import DrainOnce
from sigrouter.services.development_keys import development_keys


class LifecycleComponent(base.PodComponent):
    """First of the components: the others find a pod that can reach the peers."""

    async def joined(self) -> None:
        """From here on services reach the peers; the store is connected in the background, so that health is served."""
        drain = self.pod.settings.drain
        base.drain_once = DrainOnce(reactor, self.pod.stop)
        # Plain Crossbar kills a worker 21 s after SIGTERM, whatever it is doing.
        budget_s = drain.budget_s if compat.started_by_sigrouter(self) else min(drain.budget_s, drain.plain_budget_s)
        self.pod.start(WampOutlet(self, reactor), budget_s)
        self._introduce()

    def _introduce(self) -> None:
        node = self.pod.settings.node
        self.log.info(
            "sigrouter {version}: node {nodeId}, stack {stack}, store in {store}",
            version=__version__,
            nodeId=node.node_id,
            stack=node.stack,
            store=self.pod.settings.store.kind,
        )
        self.log.info("clients and workers: ws://{host}:{port}/ws", host=node.host, port=node.port)
        self.log.info("health and operators: http://{host}:{port}/ready", host=node.admin_host, port=node.admin_port)
        if self.pod.settings.development:
            self.log.warn(
                "development mode, for this machine only: {where}", where=development_keys(node.state_dir).where
            )
