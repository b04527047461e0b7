"""Which worker a client gets: the least loaded that can serve it, and the clients in the order in which they came.

Every store decides by these rules, each in its own language; this is the text that they are tested against.
"""

from collections.abc import Iterable

from attrs import evolve, frozen


@frozen
class Worker:
    """A worker as the choice sees it.

    ``load`` of its ``capacity`` slots are taken. ``turn`` is the store's running number of its first announcement or of
    its last assignment, whichever came later: the lower, the longer it has waited.
    """

    session_id: str
    abilities: frozenset[str]
    capacity: int
    load: int
    connected: bool
    turn: int


@frozen
class Wish:
    """A client that waits for a worker with all of ``abilities``."""

    client_id: str
    abilities: frozenset[str]


@frozen
class Match:
    """``client_id`` is to be bound to ``worker_id``."""

    client_id: str
    worker_id: str


def can_serve(worker: Worker, abilities: frozenset[str]) -> bool:
    """Whether the worker is connected, has a free slot and all the abilities."""
    return worker.connected and worker.load < worker.capacity and abilities <= worker.abilities


def choose(workers: Iterable[Worker], abilities: frozenset[str]) -> Worker | None:
    """The worker with the least load for its capacity among those that can serve; on a tie, the longest waiting one."""
    able = (worker for worker in workers if can_serve(worker, abilities))
    return min(able, key=_preference, default=None)


def match(wishes: Iterable[Wish], workers: Iterable[Worker]) -> tuple[Match, ...]:
    """Serve the wishes in their order; one that cannot be served holds up no later one that can."""
    free = {worker.session_id: worker for worker in workers}
    turn = max((worker.turn for worker in free.values()), default=0)
    hopeless: set[frozenset[str]] = set()
    matches: list[Match] = []
    for wish in wishes:
        # Slots only get fewer on the way: what nobody could serve once, nobody can serve later in this round.
        if wish.abilities in hopeless:
            continue
        worker = choose(free.values(), wish.abilities)
        if worker is None:
            hopeless.add(wish.abilities)
            continue
        turn += 1
        free[worker.session_id] = evolve(worker, load=worker.load + 1, turn=turn)
        matches.append(Match(wish.client_id, worker.session_id))
    return tuple(matches)


def _preference(worker: Worker) -> tuple[float, int, str]:
    return worker.load / worker.capacity, worker.turn, worker.session_id
