"""What this node knows of the others: who is ready, and on which stack."""

from attrs import define

from sigrouter.stores.interface import Nodes
from sigrouter.stores.records import NodeRecord


@define(eq=False)
class Cluster:
    """A copy of the node list, as fresh as the last ``refresh``."""

    _nodes: Nodes
    _own_id: str
    others: tuple[NodeRecord, ...] = ()

    async def refresh(self) -> None:
        """Read the list again; raises Unavailable when the store is away (the old copy stays)."""
        self.others = tuple(node for node in await self._nodes.nodes() if node.node_id != self._own_id)

    @property
    def has_other_ready_node(self) -> bool:
        """Whether there is anywhere else to go."""
        return any(node.state == "ready" for node in self.others)

    def has_ready_stack(self, stack: str) -> bool:
        """Whether some other node of that stack takes sessions."""
        return any(node.state == "ready" and node.stack == stack for node in self.others)
