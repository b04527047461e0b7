"""Brings the pod to life with the node, gives it its way out to the peers, and holds the end back for its drain."""

from twisted.internet import reactor

from components import base
from components.outlet import WampOutlet
from sigrouter.node import compat
from sigrouter.node.shutdown import DrainOnce


class LifecycleComponent(base.PodComponent):
    """First of the components: the others find a pod that can reach the peers."""

    async def joined(self) -> None:
        """From here on services reach the peers; the store is connected in the background, so that health is served."""
        drain = self.pod.settings.drain
        base.drain_once = DrainOnce(reactor, self.pod.stop)
        # Plain Crossbar kills a worker 21 s after SIGTERM, whatever it is doing.
        budget_s = drain.budget_s if compat.started_by_sigrouter(self) else min(drain.budget_s, drain.plain_budget_s)
        self.pod.start(WampOutlet(self, reactor), budget_s)
