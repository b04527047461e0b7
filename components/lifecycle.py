"""Brings the pod to life with the node, and gives it its way out to the peers."""

from twisted.internet import reactor

from components.base import PodComponent
from components.outlet import WampOutlet


class LifecycleComponent(PodComponent):
    """First of the components: the others find a pod that can reach the peers."""

    async def joined(self) -> None:
        """From here on services reach the peers; the store is connected in the background, so that health is served."""
        self.pod.start(WampOutlet(self, reactor))
