"""How far each channel was received and read: in order, each event once, no gap left unread."""

from collections.abc import Mapping
from typing import Any

from attrs import define, field, frozen

Logged = Mapping[str, Any]
HELD_AT_MOST = 4096


@define(eq=False)
class _Log:
    """One channel. ``seq`` was received last, ``read_seq`` worked on last by the application."""

    epoch: str | None = None
    seq: int = 0
    read_epoch: str | None = None
    read_seq: int = 0
    unacked: int = 0
    behind: bool = False
    asked: bool = False
    retry_at: float = 0.0
    held: list[Logged] = field(factory=list)


@frozen
class Caught:
    """What an answer with ``missed`` events brought: the new ones; ``lost``: there is a hole before them."""

    events: tuple[Logged, ...]
    lost: bool


class Positions:
    """The channels of one session, by name.

    Positions that are told to the server are those *read*, not those received: a process that dies with events in its
    hands gets them again. What was received twice over is dropped here.
    """

    def __init__(self, saved: Mapping[str, Mapping[str, Any] | None], ack_every: int) -> None:
        self._ack_every = ack_every
        self._logs: dict[str, _Log] = {"mailbox": _Log()}
        for channel, position in saved.items():
            if position is not None:
                epoch, seq = position["epoch"], position["seq"]
                self._logs[channel] = _Log(epoch=epoch, seq=seq, read_epoch=epoch, read_seq=seq)

    def read(self) -> dict[str, dict[str, Any] | None]:
        """The positions for the wire: ``None`` stands for "nothing yet"."""
        return {
            channel: None if log.read_epoch is None else {"epoch": log.read_epoch, "seq": log.read_seq}
            for channel, log in self._logs.items()
        }

    def acknowledging(self) -> dict[str, dict[str, Any] | None]:
        """The positions, which the caller is about to tell the server."""
        for log in self._logs.values():
            log.unacked = 0
        return self.read()

    @property
    def ack_due(self) -> bool:
        """Whether enough was read since the server was told."""
        return any(log.unacked >= self._ack_every for log in self._logs.values())

    def live(self, event: Logged) -> tuple[Logged, ...]:
        """A live event: itself if it is the next one, nothing if it is known, and nothing yet if others come first."""
        log = self._log(event["channel"])
        if log.epoch is None:
            # A channel that nobody gave a position of begins with the first event that comes.
            log.epoch = log.read_epoch = event["epoch"]
            log.seq = log.read_seq = event["seq"] - 1
        if log.epoch == event["epoch"] and event["seq"] <= log.seq:
            return ()
        if log.behind or log.epoch != event["epoch"] or event["seq"] != log.seq + 1:
            log.behind = True
            if len(log.held) < HELD_AT_MOST:
                log.held.append(event)
            return ()
        log.seq = event["seq"]
        return (event,)

    def head(self, channel: str, epoch: str, seq: int) -> None:
        """The server says where the channel's log ends."""
        log = self._log(channel)
        if log.epoch is not None and (log.epoch != epoch or seq > log.seq):
            log.behind = True

    def to_ask(self, at: float) -> list[tuple[str, str, int]]:
        """The ``(channel, epoch, seq)`` to read on from now; each counts as asked."""
        asking = []
        for channel, log in self._logs.items():
            if log.behind and not log.asked and log.retry_at <= at and log.epoch is not None:
                log.asked = True
                asking.append((channel, log.epoch, log.seq))
        return asking

    def caught_up(self, channel: str, answer: Mapping[str, Any]) -> Caught:
        """An answer ``{epoch, seq, reset, more, missed}``, of ``ready`` or of ``recover``."""
        log = self._log(channel)
        missed: list[Logged] = list(answer.get("missed") or ())
        epoch, head = answer["epoch"], answer["seq"]
        first = missed[0]["seq"] if missed else head + 1
        hole = log.epoch != epoch or first > log.seq + 1
        lost = bool(answer.get("reset")) if log.epoch is None else hole
        if lost or log.epoch is None:
            log.epoch = log.read_epoch = epoch
            log.seq = log.read_seq = first - 1
        events = [event for event in missed if event["seq"] > log.seq]
        if events:
            log.seq = events[-1]["seq"]
        log.asked = False
        log.behind = bool(answer.get("more")) and bool(missed)
        if not log.behind:
            held, log.held = sorted(log.held, key=lambda event: int(event["seq"])), []
            for event in held:
                if event["epoch"] == epoch:  # what came from an older log is part of what was lost
                    events.extend(self.live(event))
        return Caught(events=tuple(events), lost=lost)

    def not_caught_up(self, channel: str, retry_at: float) -> None:
        """The question was refused for now."""
        log = self._log(channel)
        log.asked = False
        log.retry_at = retry_at

    def interrupted(self) -> None:
        """The connection is gone, and with it every question that was asked."""
        for log in self._logs.values():
            log.asked = False
            log.retry_at = 0.0

    def consumed(self, channel: str, epoch: str, seq: int) -> None:
        """The application has worked on the event at this position, and on all before it."""
        log = self._log(channel)
        if log.read_epoch == epoch and seq > log.read_seq:
            log.read_seq = seq
            log.unacked += 1

    @property
    def due(self) -> float | None:
        """When ``to_ask`` may give something that it does not give now."""
        return min((log.retry_at for log in self._logs.values() if log.behind and not log.asked), default=None)

    def _log(self, channel: str) -> _Log:
        log = self._logs.get(channel)
        if log is None:
            log = self._logs[channel] = _Log()
        return log
