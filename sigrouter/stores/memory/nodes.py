"""The nodes and their leases, in memory."""

from attrs import evolve

from sigrouter.stores.memory.part import Part
from sigrouter.stores.records import NodeRecord


class NodesPart(Part):
    """:class:`~sigrouter.stores.interface.Nodes`."""

    async def lease(self, node: NodeRecord) -> None:
        backend = self._reach()
        now = self._clock()
        known = backend.nodes.get(node.node_id)
        backend.nodes[node.node_id] = evolve(node, lease_until=now + self._times.node_lease_s)
        if known is None or known.state != node.state or known.lease_until <= now:
            for listener in backend.listeners.values():
                backend.tell(listener.on_nodes_changed)
            backend.deliver()

    async def release_node(self, node_id: str) -> None:
        backend = self._reach()
        if node_id in backend.nodes:
            # A node leaves after its sessions; one that it still had has no connection either.
            backend.bury({node_id}, self._clock() + self._times.recovery_window_s)
            backend.deliver()

    async def nodes(self) -> tuple[NodeRecord, ...]:
        now = self._clock()
        living = [node for node in self._reach().nodes.values() if node.lease_until > now]
        return tuple(sorted(living, key=lambda node: node.node_id))
