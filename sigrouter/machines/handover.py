"""One session's move from a node that stops to another one; why nothing it was sent can get lost on the way.

::

              its worker is ready elsewhere,
              or it has none, or deadline                             confirmed there      old connection closed
        staying ────────────────────────▶ released ── a free slot ──▶ told ──────────▶ confirmed ──────────▶ gone
           ▲  (workers start at released)  │    ▲                      │
           └─ its worker's node went away ─┘    └─ timeout: once more ─┘

        From staying, released and told also:
          connection lost ─────▶ away ── not heard of in time ──▶ left  (if it turns up elsewhere after all ──▶ gone)
          session ended ───────▶ left      │
          deadline of the drain▶ cut       └─ confirmed elsewhere ──▶ gone
          undrain ─────────────▶ kept
        Confirmed elsewhere can come in any of them: nobody forbids a client to move before it is told.

Why no message can get lost, whatever happens in between:

1. **The old connection stays until the new one is confirmed** (make before break). GOAWAY is an invitation: until the
   peer has called ``sig.session.ready`` on the new connection, the old one receives and may send as ever. A GOAWAY
   that is lost, a new node that refuses, a token that expired: each leaves the session where it was.
2. **What is sent to the session is in its mailbox**, in the store, before its sender is answered, and stays there until
   the session acknowledged it. The same atomic step of the store that confirms the new connection reads the backlog,
   so a message is in that backlog or is notified to the new node: never neither.
3. **What the session sends is fenced by generation.** The confirmation raises it; from then on the old connection's
   sends are refused, so its messages cannot overtake. What was not answered is repeated on the new connection, and its
   number shows whether it was taken before: never twice.
4. **A client goes after its worker.** It is told when its worker is confirmed on a node that stays. Only a deadline
   breaks this, and then GOAWAY says so (``peer: pending``): the pair survives, its messages wait in the mailboxes.
5. **Being cut loses nothing either.** A closed connection turns the session ``away``; mailbox, pair, and token remain
   for the recovery window.

Why the states exist: ``staying`` and ``released`` differ in *what* is waited for (the worker, or a free slot); ``told``
measures the timeout; ``away`` exists because a peer that has moved closes its old connection at once, and this node may
see that before the store's word that it was confirmed (it keeps its slot meanwhile); ``confirmed`` is told apart from
``gone`` because a node must not exit with a connection open that it could have closed in order; ``left``, ``cut``,
``kept`` and ``gone`` are the four ends that a report counts.

A move that times out goes back to ``released`` once, with its GOAWAY to be repeated when a slot comes round again;
after that it keeps its invitation but gives its slot back for good, or a few dead peers would block everybody else.
"""

from typing import Any, Literal, assert_never

from attrs import evolve, field, frozen

from sigrouter.protocol import uris

Phase = Literal["staying", "released", "told", "away", "confirmed", "gone", "left", "cut", "kept"]
Peer = Literal["ready", "pending", "none"]
Verdict = Literal["confirmed", "timed_out", "abandoned"]

MOST_TELLS = 2
UNMOVED: frozenset[Phase] = frozenset({"staying", "released", "told", "away"})
TERMINAL: frozenset[Phase] = frozenset({"gone", "left", "cut", "kept"})


@frozen
class Move:
    """Where one session is on its way. ``tells``: GOAWAYs sent; ``told_at``: the last one, in seconds; ``due_at``:
    when the peer was to set off.

    ``holds_slot``: it counts as under way in the window. ``lost``: it has left because its connection went away.
    """

    session_id: str
    role: str
    phase: Phase = "staying"
    tells: int = 0
    told_at: float = 0.0
    due_at: float = 0.0
    first_told_at: float = 0.0
    holds_slot: bool = False
    lost: bool = False


# ---- events --------------------------------------------------------------------------------------


@frozen
class Release:
    """Nothing holds the session any more; ``worker_node`` is where its worker is ready, empty when that is not why."""

    worker_node: str = ""


@frozen
class Hold:
    """What released the session is no longer so: the node that its worker went to is going away itself."""


@frozen
class Tell:
    """The GOAWAY goes out, at ``at`` seconds. ``paced``: it takes a slot of the window (not so in the final push)."""

    at: float
    peer: Peer
    reconnect_after_ms: int
    paced: bool = True


@frozen
class TimedOut:
    """The session was told long ago and has not been confirmed elsewhere."""


@frozen
class ConfirmedElsewhere:
    """The store says that the session lives on ``node_id`` since ``at`` seconds."""

    at: float
    node_id: str


@frozen
class Disconnected:
    """The session's connection on this node is gone."""


@frozen
class GiveUp:
    """The session has been without a connection for long, and was not confirmed elsewhere."""


@frozen
class Ended:
    """The session is over, for ``reason``."""

    reason: str


@frozen
class Cut:
    """The drain closes what is left."""


@frozen
class Keep:
    """The drain was turned back."""


MoveEvent = Release | Hold | Tell | TimedOut | ConfirmedElsewhere | Disconnected | GiveUp | Ended | Cut | Keep

# ---- effects -------------------------------------------------------------------------------------


@frozen
class Note:
    """Write ``step`` (a name of protocol/README.md) and its ``detail`` into the handover's record."""

    step: str
    detail: dict[str, Any] = field(factory=dict)


@frozen
class SlotTaken:
    """The move is under way and counts in the window."""


@frozen
class SlotFreed:
    """The move counts in the window no more; ``verdict`` says what that teaches, ``told_at`` since when it counted.

    ``due_at``: when the peer was to set off, which is what its way is measured from.
    """

    verdict: Verdict
    told_at: float
    due_at: float


@frozen
class Close:
    """Close the connection here, giving ``reason`` (a URI)."""

    reason: str


MoveEffect = Note | SlotTaken | SlotFreed | Close


def step(move: Move, event: MoveEvent) -> tuple[Move, tuple[MoveEffect, ...]]:
    """The move after an event. An event that comes too late, or twice, gives back the same object and no effect."""
    unmoved = move.phase in UNMOVED
    match event:
        case Release(worker_node):
            if move.phase != "staying":
                return move, ()
            notes = (Note("worker_ready", {"node_id": worker_node}),) if worker_node else ()
            return evolve(move, phase="released"), notes
        case Hold():
            return (evolve(move, phase="staying"), ()) if move.phase == "released" else (move, ())
        case Tell():
            return _told(move, event) if move.phase in ("released", "told") else (move, ())
        case TimedOut():
            if move.phase != "told" or not move.holds_slot:
                return move, ()
            again: Phase = "released" if move.tells < MOST_TELLS else "told"
            return evolve(move, phase=again, holds_slot=False), _slot(move, "timed_out")
        case ConfirmedElsewhere():
            if not unmoved and not move.lost:
                return move, ()
            after: Phase = "gone" if move.lost or move.phase == "away" else "confirmed"
            return evolve(move, phase=after, holds_slot=False, lost=False), (
                Note("confirmed", _arrival(move, event)),
                *_slot(move, "confirmed"),
            )
        case Disconnected():
            if move.phase == "confirmed":
                return evolve(move, phase="gone"), ()
            return (evolve(move, phase="away"), ()) if unmoved and move.phase != "away" else (move, ())
        case GiveUp():
            if move.phase != "away":
                return move, ()
            return evolve(move, phase="left", holds_slot=False, lost=True), (
                Note("left", {"tells": move.tells}),
                *_slot(move, "abandoned"),
            )
        case Ended(reason):
            if not unmoved and not move.lost:
                return move, ()
            return evolve(move, phase="left", holds_slot=False, lost=False), (
                Note("ended", {"phase": move.phase, "reason": reason}),
                *_slot(move, "abandoned"),
            )
        case Cut():
            if move.phase == "confirmed":
                return evolve(move, phase="gone"), (Close(uris.CLOSE_SUPERSEDED),)
            if move.phase == "away":
                return step(move, GiveUp())
            if not unmoved:
                return move, ()
            return evolve(move, phase="cut", holds_slot=False), (
                Note("cut", {"phase": move.phase, "tells": move.tells}),
                *_slot(move, "abandoned"),
                Close(uris.CLOSE_GOAWAY),
            )
        case Keep():
            if move.phase == "confirmed":
                return evolve(move, phase="gone"), ()
            if move.phase == "away":
                return step(move, GiveUp())
            return (evolve(move, phase="kept", holds_slot=False), _slot(move, "abandoned")) if unmoved else (move, ())
        case _:
            assert_never(event)


def _told(move: Move, tell: Tell) -> tuple[Move, tuple[MoveEffect, ...]]:
    """The session with one more GOAWAY on its way to it."""
    told = evolve(
        move,
        phase="told",
        tells=move.tells + 1,
        told_at=tell.at,
        due_at=tell.at + tell.reconnect_after_ms / 1000,
        first_told_at=move.first_told_at if move.tells else tell.at,
        holds_slot=tell.paced,
    )
    detail = {"peer": tell.peer, "reconnect_after_ms": tell.reconnect_after_ms, "tells": told.tells}
    taken = (SlotTaken(),) if tell.paced else ()
    return told, (Note("goaway_sent", detail), *_slot(move, "abandoned"), *taken)


def _slot(move: Move, verdict: Verdict) -> tuple[MoveEffect, ...]:
    """The slot given back, if the move held one."""
    return (SlotFreed(verdict, move.told_at, move.due_at),) if move.holds_slot else ()


def _arrival(move: Move, event: ConfirmedElsewhere) -> dict[str, Any]:
    """Where the session is now, and how long after its first GOAWAY it arrived (both read on this node's clock)."""
    if not move.tells:
        return {"to": event.node_id}
    return {"to": event.node_id, "gap_ms": round((event.at - move.first_told_at) * 1000)}
