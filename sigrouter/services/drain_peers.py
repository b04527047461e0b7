"""Finds out, while a drain runs, what the node was not told: where the peers are, and who has moved unnoticed.

A notification of the store is a hint that can be missed (a restart of Redis, a lost subscription). So what a drain
still waits for is asked for again every few seconds; the questions are few, for nobody asks about sessions that have
moved. Nothing here raises: a store that is away is asked again at the next round.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from twisted.internet.defer import Deferred, gatherResults
from twisted.logger import Logger

from sigrouter.protocol.errors import SigrouterError
from sigrouter.stores.interface import Sessions

AT_ONCE: Final = 64
CHUNK: Final = 500

Learned = Callable[[str, Mapping[str, str]], None]
Moved = Callable[[str, str], None]
Over = Callable[[str, str], None]


class DrainPeers:
    """Asks the store on behalf of the drain of the node ``node_id``.

    ``learned(client_id, {worker_id: node_id or ""})``, ``moved(session_id, node_id)`` and ``over(session_id, reason)``
    are called with each answer, as soon as it is there.
    """

    def __init__(
        self, store: Sessions, node_id: str, log: Logger, *, learned: Learned, moved: Moved, over: Over
    ) -> None:
        self._store = store
        self._node_id = node_id
        self._log = log
        self._learned = learned
        self._moved = moved
        self._over = over
        self._asking: set[str] = set()

    async def learn(self, client_ids: Iterable[str]) -> None:
        """Ask for the pairs of clients, ``AT_ONCE`` at a time."""
        # The first question goes out with the first reader; a client is never asked about twice at the same time.
        wanted = iter([client_id for client_id in client_ids if client_id not in self._asking])
        await gatherResults([Deferred.fromCoroutine(self._learn_some(wanted)) for _ in range(AT_ONCE)])

    async def _learn_some(self, wanted: Iterable[str]) -> None:
        for client_id in wanted:
            self._asking.add(client_id)
            try:
                pairs = await self._store.pairs_of(client_id)
            except SigrouterError:
                return
            except Exception:  # noqa: BLE001 - The client waits for its deadline; the drain must go on.
                self._log.failure("the pairs of session {session_id} cannot be read", session_id=client_id)
                return
            finally:
                self._asking.discard(client_id)
            self._learned(client_id, {pair.peer_session_id: pair.peer_node_id for pair in pairs})

    async def check(self, session_ids: Sequence[str]) -> None:
        """Ask where sessions are by now: local ones that have not moved yet, and workers that clients wait for."""
        try:
            for start in range(0, len(session_ids), CHUNK):
                chunk = session_ids[start : start + CHUNK]
                for session_id, record in zip(chunk, await self._store.sessions(chunk), strict=True):
                    if record is None or record.state == "ended":
                        self._over(session_id, record.ended_reason if record else "unknown")
                    elif record.state == "connected" and record.node_id != self._node_id:
                        self._moved(session_id, record.node_id)
        except SigrouterError:
            pass
        except Exception:  # noqa: BLE001 - What it would have told may still come as a notification; the drain must go on.
            self._log.failure("the sessions' records cannot be read")
