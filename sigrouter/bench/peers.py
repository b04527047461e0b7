"""The two ends of a relay as a load generator plays them: a session of ours, and one of bare Crossbar."""

import json
import socket
import time
from typing import Any, Final
from urllib.parse import urlsplit

from sigrouter.bench import frames
from sigrouter.protocol import uris

PAYLOAD_BYTES: Final = 300
MARK: Final = b"BENCH|"
BENCH_TOPIC: Final = "bench.relay."
ACKNOWLEDGE_EVERY: Final = 100
TIMEOUT_S: Final = 30.0

HELLO, WELCOME, ABORT, CHALLENGE, AUTHENTICATE = 1, 2, 3, 4, 5
ERROR, PUBLISH, PUBLISHED, SUBSCRIBE, SUBSCRIBED, EVENT, CALL, RESULT = 8, 16, 17, 32, 33, 36, 48, 50

# Message types as the first bytes of a frame: comparing them is all the parsing that most frames get.
_RESULT: Final = b"[50,"
_PUBLISHED: Final = b"[17,"
_EVENT: Final = b"[36,"
_ERROR: Final = b"[8,"

_PADDING: Final = "x" * (PAYLOAD_BYTES - len(MARK) - 8 - 1 - 20 - 1)


class BenchError(Exception):
    """The measurement is void: the server refused, lost, doubled or reordered something; the text says what."""


class Peer:
    """One WebSocket with a WAMP session, and the count of what it sent, was answered and received.

    ``number``/``answered``/``received`` run over the whole life. ``latencies`` are nanoseconds from the sender's call
    to this receiver, until somebody takes them away.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        host, port = parts.hostname or "127.0.0.1", parts.port or 80
        self.socket = socket.create_connection((host, port), TIMEOUT_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.number = self.answered = self.received = 0
        self.latencies: list[int] = []
        self._request = 0
        self._decoder = frames.Decoder()
        self._waiting: list[bytes] = []
        self.socket.sendall(frames.upgrade_request(host, port, parts.path or "/"))
        answer = b""
        while b"\r\n\r\n" not in answer:
            data = self.socket.recv(65536)
            if not data:
                raise BenchError("the server closed during the WebSocket handshake")
            answer += data
        head, _, rest = answer.partition(b"\r\n\r\n")
        if b" 101 " not in head.split(b"\r\n")[0]:
            raise BenchError(head.split(b"\r\n")[0].decode(errors="replace"))
        self._waiting += [payload for _, payload in self._decoder.feed(rest)]

    # ---- setting up, one message after the other ------------------------------------------------

    def say(self, *message: Any) -> None:
        """Send one WAMP message, waiting until the kernel has taken it."""
        self.socket.sendall(frames.encode(json.dumps(message).encode()))

    def hear(self, *kinds: int) -> list[Any]:
        """The next message of one of these kinds; events that come meanwhile are dropped, a refusal raises."""
        while True:
            while self._waiting:
                message: list[Any] = json.loads(self._waiting.pop(0))
                if message[0] in kinds:
                    return message
                if message[0] in (ERROR, ABORT):
                    raise BenchError(f"the server refused: {message}")
            data = self.socket.recv(65536)
            if not data:
                raise BenchError("the server closed the connection")
            for opcode, payload in self._decoder.feed(data):
                if opcode == frames.TEXT:
                    self._waiting.append(payload)

    def call(self, procedure: str, **arguments: Any) -> dict[str, Any]:
        """One remote call with keyword arguments; the answer's mapping."""
        self._request += 1
        self.say(CALL, self._request, {}, procedure, [], arguments)
        answer = self.hear(RESULT)
        if len(answer) > 4 and answer[4]:
            return dict(answer[4])
        return dict(answer[3][0]) if len(answer) > 3 and answer[3] else {}

    def subscribe(self, topic: str, match: str) -> None:
        """One subscription."""
        self._request += 1
        self.say(SUBSCRIBE, self._request, {"match": match}, topic)
        self.hear(SUBSCRIBED)

    # ---- under load -----------------------------------------------------------------------------

    def message(self) -> bytes:
        """The next message to the other end, as a frame, with the time in it."""
        self.number += 1
        self._request += 1
        text = b"%s%08d|%020d|%s" % (MARK, self.number, time.monotonic_ns(), _PADDING.encode())
        return frames.encode(self._relay(text))

    def _relay(self, text: bytes) -> bytes:
        raise NotImplementedError

    def read(self) -> bytes:
        """Take in what has come; answers the bytes to write back (pongs and acknowledgements), mostly none.

        An error, a close, and any number that is not the one after the last raise :class:`BenchError`.
        """
        data = self.socket.recv(262144)
        if not data:
            raise BenchError("the server closed the connection")
        back = b""
        now = time.monotonic_ns()
        for opcode, payload in self._decoder.feed(data):
            if opcode == frames.TEXT:
                if payload.startswith(_EVENT):
                    back += self._event(payload, now)
                elif payload.startswith((_RESULT, _PUBLISHED)):
                    self._answer(payload)
                elif payload.startswith(_ERROR):
                    raise BenchError(f"the server refused: {payload[:300].decode(errors='replace')}")
            elif opcode == frames.PING:
                back += frames.encode(payload, frames.PONG)
            elif opcode == frames.CLOSE:
                raise BenchError("the server closed the connection")
        return back

    def _answer(self, payload: bytes) -> None:  # noqa: ARG002 - sessions of ours look at the payload
        self.answered += 1

    def _event(self, payload: bytes, now: int) -> bytes:
        at = payload.find(MARK)
        if at < 0:
            return b""
        number = int(payload[at + 6 : at + 14])
        if number != self.received + 1:
            raise BenchError(f"message {number} came after message {self.received}")
        self.received = number
        self.latencies.append(now - int(payload[at + 15 : at + 35]))
        return b""


class CrossbarPeer(Peer):
    """Bare Crossbar: an acknowledged publish to a topic that only the other end subscribes to."""

    def __init__(self, url: str, pair: int, way: str) -> None:
        super().__init__(url)
        roles: dict[str, dict[str, Any]] = {"publisher": {}, "subscriber": {}}
        self.say(HELLO, uris.REALM, {"roles": roles, "authmethods": ["anonymous"]})
        self.hear(WELCOME)
        other = "worker" if way == "client" else "client"
        self.subscribe(f"{BENCH_TOPIC}{pair}.{way}", "exact")
        self._head = b'{"acknowledge":true},"%s%d.%s",[],{"payload":{"text":"' % (
            BENCH_TOPIC.encode(),
            pair,
            other.encode(),
        )

    def _relay(self, text: bytes) -> bytes:
        return b'[16,%d,%s%s"}}]' % (self._request, self._head, text)


class SigrouterPeer(Peer):
    """A session of ours: numbered, acknowledged ``sig.pair.send``, and the mailbox acknowledged every 100 events."""

    def __init__(self, url: str, pair: int, way: str, ticket: str) -> None:
        super().__init__(url)
        self._acknowledgements: set[int] = set()
        features = {"prefix_based_subscription": True, "pattern_based_subscription": True}
        roles = {"caller": {}, "subscriber": {"features": features}}
        self.say(HELLO, uris.REALM, {"roles": roles, "authmethods": ["ticket"], "authid": f"bench-{way}-{pair}"})
        self.hear(CHALLENGE)
        self.say(AUTHENTICATE, ticket, {})
        self.hear(WELCOME)
        self.subscribe(uris.EVENT_PREFIX, "prefix")
        self.call(uris.SESSION_READY, positions={"mailbox": None})
        if way == "worker":
            self.call(uris.WORKER_ANNOUNCE, abilities=[f"bench-{pair}"], capacity=1)
            return
        answer = self.call(uris.PAIR_REQUEST, abilities=[f"bench-{pair}"], deadline_s=TIMEOUT_S)
        if answer.get("state") != "paired":
            raise BenchError(f"pair {pair} did not come about: {answer}")

    def _relay(self, text: bytes) -> bytes:
        return b'[48,%d,{},"%s",[],{"payload":{"text":"%s"},"number":%d,"acked":%d}]' % (
            self._request,
            uris.PAIR_SEND.encode(),
            text,
            self.number,
            self.answered,
        )

    def _answer(self, payload: bytes) -> None:
        if self._acknowledgements:
            request = int(payload[4 : payload.index(b",", 4)])
            if request in self._acknowledgements:
                self._acknowledgements.discard(request)
                return
        self.answered += 1

    def _event(self, payload: bytes, now: int) -> bytes:
        super()._event(payload, now)
        if self.received % ACKNOWLEDGE_EVERY or MARK not in payload:
            return b""
        fields: dict[str, Any] = json.loads(payload)[5]
        self._request += 1
        self._acknowledgements.add(self._request)
        positions = {"mailbox": {"epoch": fields["epoch"], "seq": fields["seq"]}}
        call = [CALL, self._request, {}, uris.CHANNEL_ACK, [], {"positions": positions}]
        return frames.encode(json.dumps(call, separators=(",", ":")).encode())
