"""Which fault happens when: all of it follows from a seed, so that a run can be told to happen again."""

import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, Literal

from attrs import frozen

from tests.support.faulty_proxy import Where

Lane = Literal["nodes", "redis", "network"]
"""Faults of one lane follow each other; those of different lanes overlap as they like."""


@frozen
class Replace:
    """A successor starts, and when it is ready one node goes: by SIGTERM with a handover, or by SIGKILL without.

    ``which`` counts through the running nodes. ``new_stack``: the successor is of another version.
    """

    which: int
    crash: bool
    new_stack: bool


@frozen
class LoseTarget:
    """A node hands over, and ``after_s`` seconds into that the node with most to receive dies by SIGKILL."""

    which: int
    after_s: float


@frozen
class FreezeNode:
    """SIGSTOP to controller and worker, SIGCONT after ``seconds``."""

    which: int
    seconds: float


@frozen
class FreezeLeaver:
    """A node hands over, ``after_s`` seconds into that it is frozen for ``seconds``, and has to leave well all the same."""

    which: int
    after_s: float
    seconds: float


@frozen
class TurnBack:
    """An operator starts a handover and takes it back after ``after_s`` seconds, if it is not too late by then."""

    which: int
    after_s: float


@frozen
class CrashRedis:
    """SIGKILL; after ``seconds`` it starts again with what its append-only file holds."""

    seconds: float


@frozen
class FreezeRedis:
    """SIGSTOP: connections stay open and nobody answers, for ``seconds``."""

    seconds: float


@frozen
class Isolate:
    """One node reaches Redis no more: its packets vanish for ``seconds``, while its peers still reach it."""

    which: int
    seconds: float


@frozen
class CutRedis:
    """Every connection of one node to Redis is cut inside its next answer: what it asked for is done, and it cannot know."""

    which: int


@frozen
class Cut:
    """This share of the peers' connections is cut: at once, or inside the next frame of the peer or of the node."""

    share: float
    where: Where


@frozen
class Swallow:
    """On this share of the peers' connections nothing passes for ``seconds``; ``new_too``: nor on new ones."""

    share: float
    new_too: bool
    seconds: float


@frozen
class Delay:
    """For ``seconds`` every chunk between peers and balancer is ``by_s`` seconds late."""

    by_s: float
    seconds: float


@frozen
class RestartBalancer:
    """HAProxy ends with all its connections, and starts again."""


Fault = (
    Replace
    | LoseTarget
    | FreezeNode
    | FreezeLeaver
    | TurnBack
    | CrashRedis
    | FreezeRedis
    | Isolate
    | CutRedis
    | Cut
    | Swallow
    | Delay
    | RestartBalancer
)


@frozen
class Planned:
    """``at``: seconds after the beginning; later if the lane's fault before it takes longer than thought."""

    at: float
    fault: Fault


@frozen
class Scenario:
    """What breaks in one run."""

    seed: int
    seconds: float
    lanes: Mapping[Lane, tuple[Planned, ...]]

    @property
    def faults(self) -> tuple[Fault, ...]:
        """All of them, whatever the lane."""
        return tuple(planned.fault for lane in self.lanes.values() for planned in lane)


NODE_LEASE_S: Final = 6.0
"""The nodes' lease in a chaos run; a node is frozen for less than that, and for more."""

PAUSES_S: Final[Mapping[Lane, tuple[float, float]]] = {"nodes": (2.0, 6.0), "redis": (5.0, 15.0), "network": (2.0, 8.0)}
"""The shortest and longest rest after a fault of the lane."""

PROCESSES_S: Final[Mapping[type, float]] = {Replace: 7.0, LoseTarget: 12.0, FreezeLeaver: 6.0, TurnBack: 3.0}
"""What starting and ending nodes takes, by experience: without it the lane of the nodes would outlast the others."""


def scenario(seed: int, seconds: float) -> Scenario:
    """The faults of a run: the last one begins before ``seconds`` are over."""
    return Scenario(seed, seconds, {lane: tuple(_plan(lane, seed, seconds)) for lane in PAUSES_S})


def _plan(lane: Lane, seed: int, seconds: float) -> Iterator[Planned]:
    chance = random.Random(f"{seed} {lane}")
    shortest, longest = PAUSES_S[lane]
    at = chance.uniform(0.5, shortest)
    for fault in _shuffled(lane, chance):
        if at >= seconds:
            return
        yield Planned(round(at, 3), fault)
        at += duration_s(fault) + PROCESSES_S.get(type(fault), 0.0) + chance.uniform(shortest, longest)


def _shuffled(lane: Lane, chance: random.Random) -> Iterator[Fault]:
    """Every kind once, in any order, and again in another one: none is missing for long."""
    while True:
        kinds = list(_deck(lane, chance))
        chance.shuffle(kinds)
        yield from kinds


def _deck(lane: Lane, chance: random.Random) -> Sequence[Fault]:
    which = chance.randrange(6)

    def seconds(shortest: float, longest: float) -> float:
        return round(chance.uniform(shortest, longest), 2)

    match lane:
        case "nodes":
            return (
                Replace(which, crash=False, new_stack=True),
                Replace(which + 1, crash=False, new_stack=False),
                Replace(which + 2, crash=True, new_stack=chance.random() < 0.5),
                LoseTarget(which + 3, seconds(0.2, 3.0)),
                FreezeNode(which + 4, seconds(0.5, NODE_LEASE_S / 2)),
                FreezeNode(which + 5, seconds(NODE_LEASE_S + 1, NODE_LEASE_S + 6)),
                FreezeLeaver(which + 2, seconds(0.1, 2.5), seconds(1.0, NODE_LEASE_S + 4)),
                TurnBack(which, seconds(0.1, 3.0)),
            )
        case "redis":
            return (
                CrashRedis(seconds(0.1, 1.0)),
                CrashRedis(seconds(2.0, 6.0)),
                FreezeRedis(seconds(0.5, 1.5)),
                FreezeRedis(seconds(3.0, 8.0)),
                Isolate(which, seconds(1.0, NODE_LEASE_S + 5)),
                CutRedis(which + 1),
            )
        case "network":
            return (
                Cut(1.0, "anywhere"),
                Cut(seconds(0.2, 0.6), "request"),
                Cut(1.0, "answer"),
                Swallow(seconds(0.2, 0.6), new_too=False, seconds=seconds(2.0, 15.0)),
                Swallow(1.0, new_too=True, seconds=seconds(1.0, 8.0)),
                Delay(seconds(0.02, 0.3), seconds(2.0, 6.0)),
                RestartBalancer(),
            )


def duration_s(fault: Fault) -> float:
    """How long a fault lasts by itself; what waits for a process takes as long as it takes."""
    match fault:
        case FreezeNode() | CrashRedis() | FreezeRedis() | Isolate() | Swallow() | Delay():
            return fault.seconds
        case LoseTarget() | TurnBack():
            return fault.after_s
        case FreezeLeaver():
            return fault.after_s + fault.seconds
        case _:
            return 0.0
