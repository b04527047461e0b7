"""Which of the other nodes take a draining node's sessions, and which of them should."""

from collections.abc import Iterable

from sigrouter.machines.drain_events import Target
from sigrouter.stores.records import NodeRecord


def targets(nodes: Iterable[NodeRecord], node_id: str, stack: str) -> tuple[Target, ...]:
    """The ready nodes but ``node_id`` itself, by node id.

    Preferred are those of the stack that takes over: not the draining one's own if there is another (a session must
    not be sent to a node that will drain next), and of several the one with the youngest node. A node without a stack
    of its own to prefer prefers all.
    """
    ready = [node for node in nodes if node.state == "ready" and node.node_id != node_id]
    newest = max(ready, key=lambda node: (node.stack != stack, node.started_at, node.node_id), default=None)
    return tuple(
        Target(node.node_id, node.stack, node.url, preferred=newest is not None and node.stack == newest.stack)
        for node in sorted(ready, key=lambda node: node.node_id)
    )
