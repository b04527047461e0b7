"""The pairs of a session, and the wait of a client for its pair."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from attrs import define

from sigrouter.client.effects import Effect, Reject, Resolve
from sigrouter.client.errors import NoWorker, PairingCancelled
from sigrouter.client.events import Pair, PairChanged
from sigrouter.client.requests import Request, Requests
from sigrouter.protocol import uris


@define(eq=False)
class _Wait:
    command_id: int
    abilities: tuple[str, ...]
    deadline: float
    expires_at: float


class Pairing:
    """At most one wait at a time; it outlives connections and sessions and ends with a pair or at its deadline."""

    def __init__(self, out: list[Effect], requests: Requests, grace_s: float, new_id: Callable[[], int]) -> None:
        self.pairs: dict[str, Pair] = {}
        self._out = out
        self._requests = requests
        self._grace_s = grace_s
        self._new_id = new_id
        self._wait: _Wait | None = None
        self._asking: int | None = None

    def request(self, command_id: int, abilities: tuple[str, ...], deadline_s: float, at: float) -> None:
        """Wait for a worker with the abilities; the local deadline is a little later than the server's."""
        if self._wait is not None:
            self._out.append(Reject(command_id, PairingCancelled("Only one request for a pair at a time")))
            return
        self._wait = _Wait(command_id, abilities, at + deadline_s, at + deadline_s + self._grace_s)
        self._ask(at)

    def connected(self, pairs: Iterable[Mapping[str, Any]], at: float) -> None:
        """``ready`` told the pairs. Who waits asks again: the queue gives the same place, or the pair."""
        self.pairs = {str(pair["pair_id"]): _pair(pair) for pair in pairs}
        if self._wait is not None:
            self._ask(at)

    def changed(self, event: PairChanged, at: float) -> None:
        """A ``pair`` event. An ``expired`` before our own deadline belongs to an older request, so ask again."""
        if event.state == "paired":
            self._found(Pair(event.pair_id, event.peer_session_id, event.peer_user_id))
        elif event.state == "expired":
            if self._wait is not None and at < self._wait.deadline - self._grace_s:
                self._ask(at)
            else:
                self._give_up(NoWorker("No worker was free before the deadline"))
        else:
            self.pairs.pop(event.pair_id, None)

    def answered(self, result: Any, _at: float) -> None:
        """The answer to ``sig.pair.request``; the wait goes on if it is ``queued``."""
        self._asking = None
        if isinstance(result, Mapping) and result.get("state") == "paired":
            self._found(_pair(result))

    def cancelled(self) -> None:
        """The server took the client from the queue."""
        self._give_up(PairingCancelled("The request was withdrawn"))

    def abandon(self, command_id: int) -> bool:
        """Nobody waits for the command any more. True: it was the wait for a pair."""
        if self._wait is None or self._wait.command_id != command_id:
            return False
        self._stop()
        return True

    def clear(self) -> list[int]:
        """The client stops: the command that will not be answered."""
        gone = [self._wait.command_id] if self._wait else []
        self._stop()
        self.pairs = {}
        return gone

    def timer(self, at: float) -> None:
        """The local deadline, in case the server's word does not come."""
        if self._wait is not None and self._wait.expires_at <= at:
            self._give_up(NoWorker("No worker was free before the deadline"))

    @property
    def due(self) -> float | None:
        """When ``timer`` has something to do."""
        return self._wait.expires_at if self._wait else None

    def _ask(self, at: float) -> None:
        if self._wait is None:
            return
        if self._asking is not None:
            self._requests.forget(self._asking)
        self._asking = self._new_id()
        kwargs = {"abilities": list(self._wait.abilities), "deadline_s": max(0.1, self._wait.deadline - at)}
        self._requests.add(Request(self._asking, uris.PAIR_REQUEST, kwargs, self.answered, self._give_up))

    def _found(self, pair: Pair) -> None:
        known = self.pairs.get(pair.pair_id)
        if known is None or pair.peer_user_id:
            self.pairs[pair.pair_id] = pair
        if self._wait is not None:
            self._out.append(Resolve(self._wait.command_id, self.pairs[pair.pair_id]))
            self._stop()

    def _give_up(self, error: Exception) -> None:
        if self._wait is not None:
            self._out.append(Reject(self._wait.command_id, error))
            self._stop()

    def _stop(self) -> None:
        self._wait = None
        if self._asking is not None:
            self._requests.forget(self._asking)
            self._asking = None


def _pair(fields: Mapping[str, Any]) -> Pair:
    return Pair(str(fields["pair_id"]), str(fields["peer_session_id"]), str(fields.get("peer_user_id", "")))
