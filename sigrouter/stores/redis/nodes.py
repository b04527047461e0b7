"""The nodes and their leases, in Redis."""

from sigrouter.stores.records import NodeRecord
from sigrouter.stores.redis.part import Part


class NodesPart(Part):
    """:class:`~sigrouter.stores.interface.Nodes`."""

    async def lease(self, node: NodeRecord) -> None:
        await self._scripts.run(
            "lease", node.node_id, node.stack, node.state, node.url, node.sessions, repr(node.started_at)
        )

    async def release_node(self, node_id: str) -> None:
        await self._scripts.run("release_node", node_id)

    async def nodes(self) -> tuple[NodeRecord, ...]:
        _, rows = await self._scripts.run("nodes")
        found = (
            NodeRecord(
                node_id.decode(), stack.decode(), state.decode(), url.decode(), int(sessions), float(started_at),
                float(lease_until),
            )
            for node_id, stack, state, url, sessions, started_at, lease_until in rows
        )  # fmt: skip
        return tuple(sorted(found, key=lambda node: node.node_id))
