"""A ledger of numbered messages that finds what was lost, doubled, out of order or given to the wrong receiver.

It knows nothing of the server: it is told what an end of a pair offered, which answer it got, and what was received.
Every pair has two streams, one for each way, and each counts its own messages from 1. Times are seconds of one
monotonic clock; spreads are in milliseconds. Used by the demo and by the tests of the handover.
"""

from collections.abc import Iterable, Mapping, Sequence
from math import ceil
from typing import Any, Final, Literal

from attrs import Factory, asdict, define, frozen

Way = Literal["client", "worker"]
"""Who sends: ``client`` is the stream from the client to its worker."""

DETAILS: Final = 20


@frozen
class Spread:
    """How a time is spread, in milliseconds; all zero when nothing was measured."""

    count: int
    p50: float
    p99: float
    max: float


@frozen
class LedgerReport:
    """What happened to all messages so far.

    ``lost``: acknowledged to the sender and never delivered. ``doubled``: delivered again. ``disordered``: delivered
    after a later one of its stream. ``misdelivered``: to an end that is not the pair's. ``invented``: never sent.
    ``unanswered``: neither acknowledged nor refused. ``delay``: from the sender's call to the delivery. ``answer``:
    from the call to the acknowledgement. ``gap``: between two deliveries of one pair, whichever way. ``worst_gap``: the
    greatest gap of each pair, so that one bad pair cannot hide behind the many good gaps of the others.
    """

    pairs: int
    offered: int
    acknowledged: int
    refused: int
    delivered: int
    unanswered: int
    lost: int
    doubled: int
    disordered: int
    misdelivered: int
    invented: int
    delay: Spread
    answer: Spread
    gap: Spread
    worst_gap: Spread
    details: tuple[str, ...]

    @property
    def faultless(self) -> bool:
        """Whether every message that was offered was acknowledged and delivered once, in order, to the right end."""
        faults = self.lost + self.doubled + self.disordered + self.misdelivered + self.invented
        return faults == 0 and self.offered == self.acknowledged

    def as_mapping(self) -> dict[str, Any]:
        """The report as a JSON-able mapping, ``faultless`` included."""
        return {**asdict(self), "faultless": self.faultless}


@define
class _Stream:
    """One way of one pair: when each number was offered and answered, and how often it arrived."""

    offered: dict[int, float] = Factory(dict)
    acknowledged: dict[int, float] = Factory(dict)
    refused: dict[int, str] = Factory(dict)
    delivered: dict[int, int] = Factory(dict)
    highest: int = 0

    def missing(self, *, final: bool) -> list[int]:
        """Acknowledged numbers that did not arrive; before the end only those that a later one has overtaken."""
        return [n for n in self.acknowledged if n not in self.delivered and (final or n < self.highest)]


@define
class _Pair:
    """Both ends of a pair, its two streams and when it last received something."""

    client: str
    worker: str
    streams: dict[Way, _Stream] = Factory(lambda: {"client": _Stream(), "worker": _Stream()})
    last_delivery: float | None = None
    worst_gap: float = 0.0

    def receiver(self, way: Way) -> str:
        """The name of the end that the stream goes to."""
        return self.worker if way == "client" else self.client


class Ledger:
    """Written to by both ends of every pair, read by whoever has to prove something."""

    def __init__(self) -> None:
        self._pairs: dict[int, _Pair] = {}
        self._delays: list[float] = []
        self._answers: list[float] = []
        self._gaps: list[float] = []
        self._doubled = self._disordered = self._misdelivered = self._invented = 0
        self._details: list[str] = []
        self._since = float("-inf")
        self._stopped_at: float | None = None

    def bind(self, pair: int, *, client: str, worker: str) -> None:
        """From now on ``pair`` consists of these two ends; whoever else receives its messages is a wrong receiver."""
        if pair in self._pairs:
            raise ValueError(f"pair {pair} is bound already")
        self._pairs[pair] = _Pair(client, worker)

    def offer(self, pair: int, way: Way, at: float) -> dict[str, Any]:
        """Count the stream's next message and answer it, ready to be sent: ``{"n", "way", "pair"}``."""
        stream = self._pairs[pair].streams[way]
        number = len(stream.offered) + 1
        stream.offered[number] = at
        return {"n": number, "way": way, "pair": pair}

    def acknowledge(self, message: Mapping[str, Any], at: float) -> None:
        """The sender got a positive answer for a message of :meth:`offer`."""
        stream = self._pairs[message["pair"]].streams[message["way"]]
        stream.acknowledged[message["n"]] = at
        self._answers.append(at - stream.offered[message["n"]])

    def refuse(self, message: Mapping[str, Any], reason: str) -> None:
        """The sender was told, for good, that the message was not taken."""
        self._pairs[message["pair"]].streams[message["way"]].refused[message["n"]] = reason
        self._note(message, f"refused: {reason}")

    def deliver(self, receiver: str, message: Any, at: float) -> None:
        """``receiver`` got a message; anything that is not one of :meth:`offer`'s counts as invented."""
        stream, pair = self._stream_of(message)
        if stream is None or pair is None:
            self._invented += 1
            self._note(message, f"invented, received by {receiver}")
            return
        number = message["n"]
        if pair.receiver(message["way"]) != receiver:
            self._misdelivered += 1
            self._note(message, f"received by {receiver}, belongs to {pair.receiver(message['way'])}")
            return
        stream.delivered[number] = stream.delivered.get(number, 0) + 1
        if stream.delivered[number] > 1:
            self._doubled += 1
            self._note(message, f"delivered {stream.delivered[number]} times")
            return
        if number < stream.highest:
            self._disordered += 1
            self._note(message, f"delivered after number {stream.highest}")
        stream.highest = max(stream.highest, number)
        self._delays.append(at - stream.offered[number])
        self._time_gap(pair, at)

    def mark(self, at: float) -> None:
        """Forget delays, answers and gaps up to now: what follows is the stretch of time that is to be judged.

        A gap that is open at this moment still counts whole when it ends.
        """
        self._since = at
        self._delays.clear()
        self._answers.clear()
        self._gaps.clear()
        for pair in self._pairs.values():
            pair.worst_gap = 0.0

    def stop(self, at: float) -> None:
        """Nothing is offered from now on; a pair that was silent until here gets its last gap."""
        self._stopped_at = at
        for pair in self._pairs.values():
            if pair.last_delivery is not None and pair.last_delivery < at:
                pair.worst_gap = max(pair.worst_gap, at - pair.last_delivery)

    @property
    def settled(self) -> bool:
        """Whether every message was answered and every acknowledged one delivered."""
        return all(
            len(stream.acknowledged) + len(stream.refused) == len(stream.offered) and not stream.missing(final=True)
            for stream in self._streams()
        )

    def report(self, *, final: bool) -> LedgerReport:
        """The figures so far. Only a ``final`` report counts what may still be on its way as lost."""
        streams = list(self._streams())
        details = list(self._details)
        for number, pair in self._pairs.items():
            for way, stream in pair.streams.items():
                details += [f"{way} message {n} of pair {number}: lost" for n in stream.missing(final=final)]
        offered = sum(len(stream.offered) for stream in streams)
        acknowledged = sum(len(stream.acknowledged) for stream in streams)
        refused = sum(len(stream.refused) for stream in streams)
        return LedgerReport(
            pairs=len(self._pairs),
            offered=offered,
            acknowledged=acknowledged,
            refused=refused,
            delivered=sum(len(stream.delivered) for stream in streams),
            unanswered=offered - acknowledged - refused,
            lost=sum(len(stream.missing(final=final)) for stream in streams),
            doubled=self._doubled,
            disordered=self._disordered,
            misdelivered=self._misdelivered,
            invented=self._invented,
            delay=spread(self._delays),
            answer=spread(self._answers),
            gap=spread(self._gaps),
            worst_gap=spread([pair.worst_gap for pair in self._pairs.values()]),
            details=tuple(details[:DETAILS]),
        )

    def _stream_of(self, message: Any) -> tuple[_Stream, _Pair] | tuple[None, None]:
        """The stream that a received message was offered on, if it was."""
        if isinstance(message, Mapping):
            pair = self._pairs.get(message.get("pair", -1))
            stream = pair.streams.get(message.get("way", "")) if pair else None
            if pair is not None and stream is not None and message.get("n") in stream.offered:
                return stream, pair
        return None, None

    def _time_gap(self, pair: _Pair, at: float) -> None:
        # Deliveries after the stop come from the end of the backlog, not from the rhythm that the gap measures.
        if pair.last_delivery is not None and self._stopped_at is None and at >= self._since:
            gap = at - pair.last_delivery
            self._gaps.append(gap)
            pair.worst_gap = max(pair.worst_gap, gap)
        pair.last_delivery = at

    def _streams(self) -> Iterable[_Stream]:
        for pair in self._pairs.values():
            yield from pair.streams.values()

    def _note(self, message: Any, what: str) -> None:
        if len(self._details) < DETAILS:
            named = isinstance(message, Mapping) and {"n", "way", "pair"} <= message.keys()
            subject = f"{message['way']} message {message['n']} of pair {message['pair']}" if named else "a message"
            self._details.append(f"{subject}: {what}")


def spread(seconds: Sequence[float]) -> Spread:
    """The nearest-rank percentiles of some times in seconds, in milliseconds."""
    if not seconds:
        return Spread(0, 0.0, 0.0, 0.0)
    ordered = sorted(seconds)

    def rank(share: float) -> float:
        return round(ordered[max(0, ceil(share * len(ordered)) - 1)] * 1000, 3)

    return Spread(len(ordered), rank(0.5), rank(0.99), round(ordered[-1] * 1000, 3))
