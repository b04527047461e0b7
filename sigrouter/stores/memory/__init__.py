"""The store in memory: for one node without Redis, and for tests of several nodes in one process."""

from sigrouter.stores.memory.backend import MemoryBackend
from sigrouter.stores.memory.store import MemoryStore

__all__ = ["MemoryBackend", "MemoryStore"]
