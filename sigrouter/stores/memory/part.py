"""What the parts of the memory store have in common: the backend, the clock, and the fence."""

from collections.abc import Callable

from sigrouter.protocol.errors import Recovery, Superseded, Unavailable
from sigrouter.stores.interface import StoreTimes
from sigrouter.stores.memory.backend import MemoryBackend
from sigrouter.stores.memory.session import Session


class Part:
    """``clock`` gives seconds since the Unix epoch, ``new_id`` a fresh id for a pair or an epoch."""

    def __init__(
        self, backend: MemoryBackend, times: StoreTimes, clock: Callable[[], float], new_id: Callable[[], str]
    ) -> None:
        self._backend = backend
        self._times = times
        self._clock = clock
        self._new_id = new_id
        self._node_id = ""
        self._open = False

    def _reach(self) -> MemoryBackend:
        """The backend; raises ``Unavailable`` if this store is closed or the backend is stopped."""
        backend = self._backend
        if not (self._open and backend.reachable):
            raise Unavailable
        return backend

    def _fenced(self, session_id: str, generation: int) -> Session | Superseded | Recovery:
        """The session, if it lives and no newer connection has it."""
        session = self._backend.sessions.get(session_id)
        if session is None:
            return Recovery("unknown")
        if session.state == "ended":
            return Recovery("revoked")
        if generation < session.generation:
            return Superseded()
        return session
