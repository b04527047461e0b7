"""Peer input is parsed here, once: each function takes a call's keyword arguments and returns them typed, or refuses.

All functions raise :class:`~sigrouter.protocol.errors.Invalid` with the ``field`` that is wrong. Unknown keywords are
refused too: a misspelt optional argument must not pass for a missing one.
"""

from collections.abc import Mapping
from typing import Any, Final

from attrs import frozen

from sigrouter.protocol.errors import Invalid

TEXT_MAX: Final = 256
"""Characters in an identifier or an ability."""

NUMBER_MAX: Final = 2**53
"""The largest integer that a JSON client can hold exactly."""

MAILBOX: Final = "mailbox"
"""The name of a session's own channel on the wire."""


@frozen
class Position:
    """How far a reader has read a channel: entries up to and including ``seq`` of the log named ``epoch``."""

    epoch: str
    seq: int


NOTHING_READ: Final = Position("", 0)
"""The position of a reader that acknowledges but has nothing yet."""


@frozen
class Message:
    """``sig.pair.send``. ``pair_id`` is empty when the session left it out."""

    payload: Any
    pair_id: str
    number: int | None
    acked: int


@frozen
class PairRequest:
    """``sig.pair.request``. ``deadline_s`` in seconds."""

    abilities: frozenset[str]
    deadline_s: float


@frozen
class Announcement:
    """``sig.worker.announce``. ``capacity`` counts clients."""

    abilities: frozenset[str]
    capacity: int


@frozen
class Hello:
    """The client's part of HELLO's authextra; empty texts for what is not given."""

    recovery_token: str
    stack: str
    sdk: str


def nothing(arguments: Mapping[str, Any]) -> None:
    """For procedures that take no arguments."""
    _only(arguments)


def hello(authextra: object) -> Hello:
    """HELLO's authextra; keys that are not ours are left alone, since WAMP libraries add their own."""
    if authextra is None:
        authextra = {}
    if not isinstance(authextra, Mapping):
        raise Invalid("authextra must be a mapping", field="authextra")
    return Hello(
        recovery_token=_text(authextra, "recovery_token", default="", longest=8192),
        stack=_text(authextra, "stack", default=""),
        sdk=_text(authextra, "sdk", default=""),
    )


def message(arguments: Mapping[str, Any], window: int) -> Message:
    """``sig.pair.send {payload, pair_id?, number?, acked?}``; at most ``window`` numbers beyond ``acked``."""
    _only(arguments, "payload", "pair_id", "number", "acked")
    if "payload" not in arguments:
        raise Invalid("payload is missing", field="payload")
    pair_id = _text(arguments, "pair_id", default="")
    number = arguments.get("number")
    acked = _integer(arguments, "acked", 0, NUMBER_MAX, default=0)
    if number is not None:
        number = _integer(arguments, "number", 1, NUMBER_MAX)
        if number > acked + window:
            raise Invalid(f"number must not be more than {window} beyond acked", field="number")
        if acked >= NUMBER_MAX:
            raise Invalid("acked is out of range", field="acked")
    return Message(arguments["payload"], pair_id, number, acked)


def pair_request(arguments: Mapping[str, Any], default_s: float, longest_s: float, abilities_max: int) -> PairRequest:
    """``sig.pair.request {abilities?, deadline_s?}``; a deadline beyond ``longest_s`` is refused."""
    _only(arguments, "abilities", "deadline_s")
    deadline = arguments.get("deadline_s")
    if deadline is None:
        deadline = default_s
    if isinstance(deadline, bool) or not isinstance(deadline, int | float) or not 0 <= deadline <= longest_s:
        raise Invalid(f"deadline_s must be a number of seconds from 0 to {longest_s:g}", field="deadline_s")
    return PairRequest(_abilities(arguments, abilities_max), float(deadline))


def announcement(arguments: Mapping[str, Any], capacity_max: int, abilities_max: int) -> Announcement:
    """``sig.worker.announce {abilities, capacity}``."""
    _only(arguments, "abilities", "capacity")
    return Announcement(_abilities(arguments, abilities_max), _integer(arguments, "capacity", 0, capacity_max))


def optional_id(arguments: Mapping[str, Any], field: str) -> str:
    """A single optional identifier (``pair_id``, ``node_id`` ...); empty when left out."""
    _only(arguments, field)
    return _text(arguments, field, default="")


def required_id(arguments: Mapping[str, Any], field: str) -> str:
    """A single identifier that must be there."""
    _only(arguments, field)
    return _text(arguments, field)


def sessions_page(arguments: Mapping[str, Any]) -> tuple[str, int]:
    """``sig.admin.sessions {node_id?, after?}``: the node (empty: the one that is asked), and how many were read."""
    _only(arguments, "node_id", "after")
    return _text(arguments, "node_id", default=""), _integer(arguments, "after", 0, NUMBER_MAX, default=0)


def handover_page(arguments: Mapping[str, Any]) -> tuple[str, int]:
    """``sig.admin.handover {handover_id, after?}``: which one, and how many steps were read."""
    _only(arguments, "handover_id", "after")
    return _text(arguments, "handover_id"), _integer(arguments, "after", 0, NUMBER_MAX, default=0)


def ready_position(arguments: Mapping[str, Any]) -> Position | None:
    """``positions`` of ``sig.session.ready``: ``None`` when left out (the client does not acknowledge)."""
    _only(arguments, "positions")
    if arguments.get("positions") is None:
        return None
    return mailbox_position(arguments) or NOTHING_READ


def mailbox_position(arguments: Mapping[str, Any]) -> Position | None:
    """``{"positions": {"mailbox": {epoch, seq} | null}}``; ``None`` when there is none."""
    _only(arguments, "positions")
    positions = arguments.get("positions")
    if positions is None:
        return None
    if not isinstance(positions, Mapping):
        raise Invalid("positions must be a mapping from channel to {epoch, seq}", field="positions")
    if MAILBOX not in positions or positions[MAILBOX] is None:
        return None
    return _position(positions[MAILBOX])


def recovery(arguments: Mapping[str, Any]) -> tuple[str, Position]:
    """``sig.channel.recover {channel, epoch, seq}`` → channel and position."""
    _only(arguments, "channel", "epoch", "seq")
    channel = _text(arguments, "channel")
    return channel, _position({"epoch": arguments.get("epoch"), "seq": arguments.get("seq")})


def _only(arguments: Mapping[str, Any], *known: str) -> None:
    for name in arguments:
        if name not in known:
            raise Invalid(f"unknown argument {name[:TEXT_MAX]!r}", field=name[:TEXT_MAX])


def _text(arguments: Mapping[str, Any], field: str, default: str | None = None, longest: int = TEXT_MAX) -> str:
    value = arguments.get(field)
    if value is None:
        if default is None:
            raise Invalid(f"{field} is missing", field=field)
        return default
    if not isinstance(value, str) or len(value) > longest:
        raise Invalid(f"{field} must be a text of at most {longest} characters", field=field)
    if default is None and not value:
        raise Invalid(f"{field} must not be empty", field=field)
    return value


def _integer(arguments: Mapping[str, Any], field: str, low: int, high: int, default: int | None = None) -> int:
    value = arguments.get(field)
    if value is None:
        if default is None:
            raise Invalid(f"{field} is missing", field=field)
        return default
    if type(value) is not int or not low <= value <= high:
        raise Invalid(f"{field} must be an integer from {low} to {high}", field=field)
    return value


def _position(value: object) -> Position:
    if not isinstance(value, Mapping):
        raise Invalid("a position must be {epoch, seq}", field="positions")
    return Position(_text(value, "epoch", default=""), _integer(value, "seq", 0, NUMBER_MAX))


def _abilities(arguments: Mapping[str, Any], most: int) -> frozenset[str]:
    value = arguments.get("abilities")
    if value is None:
        return frozenset()
    if not isinstance(value, list | tuple) or len(value) > most:
        raise Invalid(f"abilities must be a list of at most {most} texts", field="abilities")
    if not all(isinstance(ability, str) and 0 < len(ability) <= TEXT_MAX for ability in value):
        raise Invalid(f"each ability must be a text of 1 to {TEXT_MAX} characters", field="abilities")
    return frozenset(value)
