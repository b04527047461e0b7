"""Clients and workers that talk in pairs: a process of its own that is told what to do by JSON lines.

Commands on standard input, one answer each on standard output, in order:

- ``{"do": "start", "url", "pairs", "rate", "clients": [ticket], "workers": [ticket]}`` → ``{"pairs"}``: connects all,
  pairs them, and lets every end send ``rate`` messages a second, the two ways of a pair half a period apart.
- ``{"do": "mark"}`` → ``{}``: what is to be judged begins now (gaps, delays, connection attempts).
- ``{"do": "report"}`` → ``{"ledger", "nodes": {node_id: sessions}, "resumed", "faults"}``: the figures so far.
- ``{"do": "ends"}`` → ``{"ends": [...]}``: every end, see :class:`sigrouter.demo.ends.End`.
- ``{"do": "finish", "settle_s"}`` → a final report: stops sending, and waits until all is answered and delivered, or
  for ``settle_s`` seconds.
- ``{"do": "leave"}`` → ``{}``: ends all sessions; the process ends with its input.
- what could not be done → ``{"error"}``.
"""

import json
import sys
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final

from twisted.internet import stdio
from twisted.internet.defer import Deferred, DeferredList, DeferredSemaphore
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall, deferLater
from twisted.logger import globalLogBeginner, textFileLogObserver
from twisted.protocols.basic import LineReceiver

from sigrouter.client.twisted import Client, Worker
from sigrouter.demo.ends import End, Way, name_of
from sigrouter.demo.ledger import Ledger

ABILITY: Final = "talk"
AT_ONCE: Final = 16
"""Sessions that connect at the same time at the start: it is not the start that is to be measured."""
PAIR_DEADLINE_S: Final = 60.0
WORKERS_SPEAK: Final = "msgpack"
"""As in production: clients are browsers and speak JSON, workers speak something cheaper; the router translates."""
SETTLE_POLL_S: Final = 0.05


class Traffic:
    """All ends, and the ledger that they write to."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._ledger = Ledger()
        self._ends: list[End] = []
        self._senders: list[LoopingCall] = []

    async def obey(self, order: dict[str, Any]) -> dict[str, Any]:
        """Do what one command says; its answer."""
        match order["do"]:
            case "start":
                await self.start(order["url"], order["rate"], order["clients"], order["workers"])
                return {"pairs": order["pairs"]}
            case "mark":
                self.mark()
                return {}
            case "report":
                return self.report(final=False)
            case "ends":
                return {"ends": [end.as_mapping() for end in self._ends]}
            case "finish":
                await self.finish(order["settle_s"])
                return self.report(final=True)
            case "leave":
                await self.leave()
                return {}
            case unknown:
                return {"error": f"unknown command {unknown}"}

    async def start(self, url: str, rate: float, clients: Sequence[str], workers: Sequence[str]) -> None:
        """Connect one end for each ticket, pair them, and let them talk."""
        offering = [
            End(f"worker-{index}", "worker", Worker(url, _always(ticket), serializer=WORKERS_SPEAK))
            for index, ticket in enumerate(workers)
        ]
        asking = [
            End(f"client-{index}", "client", Client(url, _always(ticket))) for index, ticket in enumerate(clients)
        ]
        self._ends = offering + asking
        await self._a_few_at_once([self._offer(end) for end in offering])
        await self._a_few_at_once([self._ask(end) for end in asking])
        by_session = {end.peer.session_id: end for end in offering}
        period = 1 / rate
        for number, client in enumerate(asking):
            worker = by_session[client.partner]
            worker.pair_id, worker.partner = client.pair_id, client.peer.session_id
            self._ledger.bind(number, client=client.name, worker=worker.name)
            offset = period * number / len(asking)
            self._talk(client, number, period, offset)
            self._talk(worker, number, period, offset + period / 2)

    def mark(self) -> None:
        """Judge from now on."""
        self._ledger.mark(self._clock.seconds())
        for end in self._ends:
            end.mark()

    def report(self, *, final: bool) -> dict[str, Any]:
        """The ledger's figures and where the sessions are."""
        return {
            "ledger": self._ledger.report(final=final).as_mapping(),
            "nodes": dict(Counter(end.node_id for end in self._ends)),
            "resumed": sum(end.resumed for end in self._ends),
            "faults": [f"{end.name}: {fault}" for end in self._ends for fault in end.faults],
        }

    async def finish(self, settle_s: float) -> None:
        """Send nothing more and wait for what is under way."""
        for sender in self._senders:
            if sender.running:
                sender.stop()
        self._senders.clear()
        self._ledger.stop(self._clock.seconds())
        deadline = self._clock.seconds() + settle_s
        while not self._ledger.settled and self._clock.seconds() < deadline:
            await deferLater(self._clock, SETTLE_POLL_S)

    async def leave(self) -> None:
        """End every session."""
        await self._a_few_at_once([end.peer.stop(end=True) for end in self._ends])

    async def _offer(self, end: End) -> None:
        await self._begin(end)
        assert isinstance(end.peer, Worker)
        await end.peer.announce([ABILITY], 1)

    async def _ask(self, end: End) -> None:
        await self._begin(end)
        assert isinstance(end.peer, Client)
        pair = await end.peer.request_pair(abilities=[ABILITY], deadline_s=PAIR_DEADLINE_S)
        end.pair_id, end.partner = pair.pair_id, pair.peer_session_id

    async def _begin(self, end: End) -> None:
        Deferred.fromCoroutine(end.listen(self._received)).addErrback(_fatal)
        await end.peer.start()

    def _received(self, end: End, payload: Any) -> None:
        self._ledger.deliver(end.name, payload, self._clock.seconds())

    def _talk(self, end: End, pair: int, period: float, offset: float) -> None:
        # A message does not wait for the answer to the one before: a peer speaks when it has something to say.
        def speak() -> None:
            Deferred.fromCoroutine(self._send(end, pair, end.way)).addErrback(_fatal)

        sender = LoopingCall(speak)
        sender.clock = self._clock
        self._senders.append(sender)
        self._clock.callLater(offset, self._begin_talking, sender, period)

    def _begin_talking(self, sender: LoopingCall, period: float) -> None:
        if sender in self._senders:
            sender.start(period).addErrback(_fatal)

    async def _send(self, end: End, pair: int, way: Way) -> None:
        message = self._ledger.offer(pair, way, self._clock.seconds())
        try:
            await end.peer.send(message)
        except Exception as error:  # noqa: BLE001 - whatever it is, the message was not taken, and that is to be counted
            self._ledger.refuse(message, name_of(error))
        else:
            self._ledger.acknowledge(message, self._clock.seconds())

    async def _a_few_at_once(self, work: Sequence[Coroutine[Any, Any, None]]) -> None:
        places = DeferredSemaphore(AT_ONCE)
        waiting = [places.run(Deferred.fromCoroutine, one) for one in work]
        await DeferredList(waiting, fireOnOneErrback=True, consumeErrors=True)


class Orders(LineReceiver):
    """Standard input and output: one line in, one line out."""

    delimiter = b"\n"
    MAX_LENGTH = 4_000_000

    def __init__(self, traffic: Traffic, stop: Callable[[], None]) -> None:
        self._traffic = traffic
        self._stop = stop

    def lineReceived(self, line: bytes) -> None:
        """Obey one command."""
        Deferred.fromCoroutine(self._obey(json.loads(line))).addErrback(_fatal)

    async def _obey(self, order: dict[str, Any]) -> None:
        try:
            answer = await self._traffic.obey(order)
        except Exception as error:  # noqa: BLE001 - the parent has to hear of it, whatever it is
            answer = {"error": f"{name_of(error)}: {error}"}
        self.sendLine(json.dumps(answer).encode())  # type: ignore[no-untyped-call]  # Twisted's

    def connectionLost(self, reason: Any = None) -> None:  # noqa: ARG002 - Twisted's signature
        """The parent is gone, or wants no more."""
        self._stop()


def _always(ticket: str) -> Callable[[], str]:
    return lambda: ticket


def _fatal(failure: Any) -> None:
    """A bug in the traffic must not look like a fault of the server, nor stay unseen."""
    print(failure.getTraceback(), file=sys.stderr, flush=True)


def main() -> None:
    """Run until standard input ends."""
    # Importing it chooses the reactor; what is imported is a module for mypy and a reactor at run time.
    from twisted.internet import reactor as chosen  # noqa: PLC0415 - see above

    reactor: Any = chosen
    globalLogBeginner.beginLoggingTo([textFileLogObserver(sys.stderr)], redirectStandardIO=False)

    def stop() -> None:
        if reactor.running:
            reactor.stop()

    stdio.StandardIO(Orders(Traffic(reactor), stop))
    reactor.run()


if __name__ == "__main__":
    main()
