"""The store for one node, or for several nodes in one process: everything in memory, nothing ever waits."""

from sigrouter.stores.interface import Listener, Store
from sigrouter.stores.memory.channels import ChannelsPart
from sigrouter.stores.memory.expiry import ExpiryPart
from sigrouter.stores.memory.handovers import HandoversPart
from sigrouter.stores.memory.nodes import NodesPart
from sigrouter.stores.memory.pairs import PairsPart


class MemoryStore(ChannelsPart, ExpiryPart, PairsPart, NodesPart, HandoversPart):
    """One node's view of a :class:`~sigrouter.stores.memory.backend.MemoryBackend`.

    None of its coroutines ever suspends: a call is complete, its notifications included, when it returns. (A call made
    by a listener is complete too, but for its notifications: they follow those that were already under way.)
    """

    @property
    def available(self) -> bool:
        return self._open and self._backend.reachable

    async def open(self, node_id: str, listener: Listener) -> None:
        self._node_id = node_id
        self._listener = listener
        self._open = True
        self._backend.listeners[node_id] = listener

    async def close(self) -> None:
        if not self._open:
            return
        self._open = False
        backend = self._backend
        # A new process of the same name may have opened before this one closed: it keeps its place.
        if backend.listeners.get(self._node_id) is self._listener:
            del backend.listeners[self._node_id]
        for room_id, watchers in tuple(backend.watchers.items()):
            if watchers.get(self._node_id) is self._listener:
                del watchers[self._node_id]
            if not watchers:
                del backend.watchers[room_id]

    async def ping(self) -> None:
        self._reach()


def _keeps_the_promises(store: MemoryStore) -> Store:
    return store
