"""The load generator: a process of its own that plays both ends of every pair and is told what to do by JSON lines.

Commands on standard input, one answer each on standard output:

- ``{"do": "connect", "target", "kind": "sigrouter" | "crossbar", "url", "pairs", "tickets": [text]}`` → ``{"pairs"}``
- ``{"do": "flood", "target", "messages"}`` → ``{"messages", "seconds"}``: each end sends the next message when the last
  one was answered; counts until every message was answered and delivered.
- ``{"do": "pace", "target", "messages", "rate"}`` → ``{"messages", "seconds", "p50_ms", "p99_ms"}``: ``rate`` messages
  a second over all ends, whatever the server does.
- anything that went wrong → ``{"error": text}``.
"""

import json
import selectors
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from sigrouter.bench.peers import BenchError, CrossbarPeer, Peer, SigrouterPeer
from sigrouter.demo.ledger import spread

ROUND_TIMEOUT_S: Final = 120.0


class Generator:
    """All connections to all servers in one loop, so that the idle ones answer pings while another is measured."""

    def __init__(self, lines: Any) -> None:
        self._lines = lines
        self._selector = selectors.DefaultSelector()
        self._selector.register(lines, selectors.EVENT_READ)
        self._targets: dict[str, list[Peer]] = {}
        self._pending: dict[Peer, bytes] = {}

    def run(self) -> None:
        """Obey until standard input ends."""
        while True:
            command = False
            for key, _ in self._selector.select():
                if key.fileobj is self._lines:
                    command = True
                else:
                    self._serve(key.data)
            if command:
                line = self._lines.readline()
                if not line:
                    return
                print(json.dumps(self._obey(json.loads(line))), flush=True)

    def _obey(self, order: dict[str, Any]) -> dict[str, Any]:
        try:
            match order["do"]:
                case "connect":
                    return self._connect(order["target"], order["kind"], order["url"], order["pairs"], order["tickets"])
                case "flood":
                    return self._flood(self._targets[order["target"]], order["messages"])
                case "pace":
                    return self._pace(self._targets[order["target"]], order["messages"], order["rate"])
                case unknown:
                    return {"error": f"unknown command {unknown}"}
        except (BenchError, OSError) as error:
            return {"error": str(error)}

    def _connect(self, target: str, kind: str, url: str, pairs: int, tickets: Sequence[str]) -> dict[str, Any]:
        peers: list[Peer] = []
        for pair in range(pairs):
            # The worker first: its client must find it.
            for offset, way in enumerate(("worker", "client")):
                if kind == "sigrouter":
                    peers.append(SigrouterPeer(url, pair, way, tickets[2 * pair + offset]))
                else:
                    peers.append(CrossbarPeer(url, pair, way))
        for peer in peers:
            peer.socket.setblocking(False)
            self._selector.register(peer.socket, selectors.EVENT_READ, peer)
        self._targets[target] = peers
        return {"pairs": pairs}

    def _flood(self, peers: list[Peer], messages: int) -> dict[str, Any]:
        quota = messages // len(peers)
        last = {peer: peer.number + quota for peer in peers}
        started = time.monotonic()

        def push(peer: Peer) -> None:
            # Ends of the other servers answer pings meanwhile; they have nothing to say.
            if peer.answered == peer.number < last.get(peer, 0):
                self._write(peer, peer.message())

        for peer in peers:
            push(peer)
        self._until(lambda: all(p.answered == p.received == last[p] for p in peers), push)
        seconds = time.monotonic() - started
        self._take_latencies(peers)
        return {"messages": quota * len(peers), "seconds": seconds}

    def _pace(self, peers: list[Peer], messages: int, rate: float) -> dict[str, Any]:
        count = messages // len(peers) * len(peers)
        self._take_latencies(peers)
        started = time.monotonic()
        for index in range(count):
            while (wait := started + index / rate - time.monotonic()) > 0:
                self._turn(wait)
            self._write(peers[index % len(peers)], peers[index % len(peers)].message())
        self._until(lambda: all(p.answered == p.received == p.number for p in peers), lambda _: None)
        seconds = time.monotonic() - started
        times = spread([ns / 1e9 for ns in self._take_latencies(peers)])
        return {"messages": times.count, "seconds": seconds, "p50_ms": times.p50, "p99_ms": times.p99}

    def _until(self, done: Callable[[], bool], after: Callable[[Peer], None]) -> None:
        deadline = time.monotonic() + ROUND_TIMEOUT_S
        while not done():
            if time.monotonic() > deadline:
                raise BenchError(f"not every message was answered and delivered within {ROUND_TIMEOUT_S:.0f} s")
            for peer in self._turn(1.0):
                after(peer)

    def _turn(self, timeout_s: float) -> list[Peer]:
        """Serve whoever has something to read or to write; the parent's commands wait."""
        served = []
        for key, _ in self._selector.select(timeout_s):
            if key.fileobj is not self._lines:
                self._serve(key.data)
                served.append(key.data)
        return served

    def _serve(self, peer: Peer) -> None:
        if self._pending.get(peer):
            self._write(peer, b"")
        try:
            back = peer.read()
        except BlockingIOError:
            return
        if back:
            self._write(peer, back)

    def _write(self, peer: Peer, data: bytes) -> None:
        data = self._pending.pop(peer, b"") + data
        try:
            sent = peer.socket.send(data)
        except BlockingIOError:
            sent = 0
        events = selectors.EVENT_READ
        if sent < len(data):
            self._pending[peer] = data[sent:]
            events |= selectors.EVENT_WRITE
        if self._selector.get_key(peer.socket).events != events:
            self._selector.modify(peer.socket, events, peer)

    @staticmethod
    def _take_latencies(peers: list[Peer]) -> list[int]:
        taken = [latency for peer in peers for latency in peer.latencies]
        for peer in peers:
            peer.latencies.clear()
        return taken


if __name__ == "__main__":
    Generator(sys.stdin).run()
