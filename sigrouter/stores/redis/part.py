"""What the parts of the Redis store have in common: the scripts, and how their answers are read."""

from collections.abc import Callable
from typing import Any, Final

from sigrouter.protocol.errors import Recovery, SigrouterError, Superseded
from sigrouter.stores.records import PairView, SessionRecord
from sigrouter.stores.redis.scripts import Scripts

PAGE: Final = 200
"""How many sessions one script handles at most, so that none keeps Redis busy for long."""


class Part:
    """``new_id`` gives a fresh id for a pair or an epoch."""

    def __init__(self, scripts: Scripts, new_id: Callable[[], str]) -> None:
        self._scripts = scripts
        self._new_id = new_id


def refusal(outcome: bytes) -> Superseded | Recovery:
    """The refusal that the fence of ``base.lua`` answered."""
    return Superseded() if outcome == b"superseded" else Recovery(outcome.decode())


def refused(answer: list[Any]) -> SigrouterError | None:
    """The refusal, if the outcome is one of the fence."""
    outcome = answer[0]
    return refusal(outcome) if outcome in (b"unknown", b"revoked", b"superseded", b"mismatch") else None


def record(session_id: str, fields: list[Any]) -> SessionRecord:
    """What ``load_record`` in ``base.lua`` found."""
    user_id, role, state, generation, claimed, node_id, stack, connection_id, created, expires, move, reason = fields
    return SessionRecord(
        session_id, user_id.decode(), role.decode(), state.decode(), int(generation), int(claimed), node_id.decode(),
        stack.decode(), connection_id.decode(), float(created), float(expires), move.decode(), reason.decode(),
    )  # fmt: skip


def pair_views(views: list[Any]) -> tuple[PairView, ...]:
    """What ``pair_views`` in ``life.lua`` found."""
    return tuple(PairView(*(text.decode() for text in view)) for view in views)


def texts(answer: list[bytes]) -> tuple[str, ...]:
    """Ids."""
    return tuple(text.decode() for text in answer)
