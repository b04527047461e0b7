"""A server small enough to be obviously right, and a network whose every message waits to be delivered, lost or cut."""

import json
from collections import deque
from typing import Any

from attrs import define, field

from sigrouter.client import effects
from sigrouter.client.core import Core
from sigrouter.client.events import Message
from sigrouter.client.options import Options
from sigrouter.protocol import errors, uris

EPOCH = "e1"
BACKLOG = 5
WINDOW = 8


@define(eq=False)
class Connection:
    """Two queues, one for each direction. ``gone``: the server has no such connection any more."""

    handle: int
    to_server: deque[Any] = field(factory=deque)
    to_client: deque[Any] = field(factory=deque)
    generation: int = 0
    gone: bool = False

    def answer(self, *item: Any) -> None:
        if not self.gone:
            self.to_client.append(item)


class ModelServer:
    """One session, by the rules of protocol/README.md and stores/interface.py."""

    def __init__(self) -> None:
        self.confirmed = 0
        self.claimed = 0
        self.holder: Connection | None = None
        self.connections: list[Connection] = []
        self.log: list[dict[str, Any]] = []
        self.acked_seq = 0
        self.taken: list[Any] = []
        self.answers: dict[int, dict[str, Any]] = {}
        self.last_number = 0
        self.refuse_hello: deque[errors.SigrouterError] = deque()
        self.refuse_call: deque[errors.SigrouterError] = deque()
        self.opened = 0

    def serve(self, connection: Connection, item: Any) -> None:
        match item:
            case ("hello", authextra):
                self._hello(connection, authextra)
            case ("call", call_id, procedure, kwargs):
                try:
                    result = self._call(connection, procedure, kwargs)
                except errors.SigrouterError as error:
                    connection.answer("error", call_id, error.uri, error.details())
                else:
                    connection.answer("result", call_id, result)
            case ("bye",):
                self.drop(connection)

    def drop(self, connection: Connection) -> None:
        connection.gone = True
        if connection is self.holder:
            self.holder = None

    def publish(self, payload: Any) -> None:
        """The peer sends."""
        entry = {
            "channel": "mailbox", "epoch": EPOCH, "seq": len(self.log) + 1, "kind": "message", "sender": "peer",
            "pair_id": "p1", "at": 0, "payload": payload,
        }  # fmt: skip
        self.log.append(entry)
        if self.holder is not None:
            self.holder.answer("event", uris.EVENT_MESSAGE, entry)

    def goaway(self) -> None:
        if self.holder is not None:
            payload = {"reason": "drain", "handover_id": "h1", "reconnect_after_ms": 50, "deadline_ms": 1000}
            self.holder.answer("event", uris.EVENT_GOAWAY, {"kind": "goaway", "payload": payload})

    def close_fenced(self) -> None:
        """The connections that lost the session are told so, some time later."""
        for connection in self.connections:
            if not connection.gone and 0 < connection.generation < self.confirmed:
                connection.answer("closed", uris.CLOSE_SUPERSEDED)
                self.drop(connection)

    def _hello(self, connection: Connection, authextra: dict[str, Any]) -> None:
        refusal = self.refuse_hello.popleft() if self.refuse_hello else None
        token = authextra.get("recovery_token")
        if refusal is None and token is None:
            assert self.claimed == 0 or self.confirmed == 0, "a fresh session although the old one can be resumed"
        if refusal is None and token is not None and int(token) not in {self.confirmed, self.claimed}:
            refusal = errors.Recovery("superseded")
        if refusal is not None:
            connection.answer("refused", refusal.uri, json.loads(json.dumps(refusal.details())))
            return
        self.claimed += 1
        connection.generation = self.claimed
        welcome = {"session_id": "s1", "recovery_token": str(self.claimed), "resumed": token is not None}
        connection.answer("joined", {**welcome, "generation": self.claimed, "node_id": "n", "heartbeat_s": 10.0})

    def _call(self, connection: Connection, procedure: str, kwargs: dict[str, Any]) -> Any:
        if procedure == uris.SESSION_READY:
            if self.refuse_call and isinstance(self.refuse_call[0], errors.Unavailable):
                raise self.refuse_call.popleft()
            return self._ready(connection, kwargs)
        if connection.generation != self.confirmed:
            raise errors.Superseded if connection.generation < self.confirmed else errors.NotReady
        if procedure != uris.SESSION_HEARTBEAT and self.refuse_call:
            raise self.refuse_call.popleft()
        match procedure:
            case uris.PAIR_SEND:
                return self._send(**kwargs)
            case uris.SESSION_HEARTBEAT:
                self._ack(kwargs["positions"]["mailbox"])
                head = {"epoch": EPOCH, "seq": len(self.log)}
                return {"recovery_token": str(self.confirmed), "channels": {"mailbox": head}}
            case uris.CHANNEL_ACK:
                self._ack(kwargs["positions"]["mailbox"])
                return {}
            case uris.CHANNEL_RECOVER:
                return self._backlog({"epoch": kwargs["epoch"], "seq": kwargs["seq"]})
            case uris.SESSION_INFO:
                return {"session_id": "s1"}
            case _:
                raise AssertionError(procedure)

    def _ready(self, connection: Connection, kwargs: dict[str, Any]) -> Any:
        if connection.generation != self.claimed:
            raise errors.Superseded
        self.confirmed = connection.generation
        self.holder = connection
        return {
            "session_id": "s1",
            "generation": self.confirmed,
            "recovery_token": str(self.confirmed),
            "last_number": self.last_number,
            "pairs": [{"pair_id": "p1", "peer_session_id": "peer", "peer_user_id": "u"}],
            "channels": {"mailbox": self._backlog(kwargs["positions"]["mailbox"])},
        }

    def _backlog(self, position: Any) -> Any:
        after = position["seq"] if position else 0
        # A position can be overtaken by an acknowledgement over the older connection; then it is no longer reached.
        rest = self.log[max(after, self.acked_seq) :]
        missed = rest[:BACKLOG]
        head = {"epoch": EPOCH, "seq": len(self.log)}
        return {**head, "reset": after < self.acked_seq, "more": len(rest) > len(missed), "missed": missed}

    def _ack(self, position: Any) -> None:
        self.acked_seq = max(self.acked_seq, position["seq"])

    def _send(self, payload: Any, number: int, acked: int) -> Any:
        assert number <= acked + WINDOW, "more under way than the window allows"
        if number in self.answers:
            return {**self.answers[number], "duplicate": True}
        assert number > self.last_number, "a number that was never taken comes after a higher one that was"
        if number != self.last_number + 1 and acked < number - 1:
            raise errors.OutOfOrder(expected=self.last_number + 1)
        self.last_number = number
        self.taken.append(payload)
        self.answers[number] = {"epoch": "peer", "seq": len(self.taken), "at": 0, "duplicate": False}
        return self.answers[number]


class World:
    """The core, the server, the network between them, the clock, and the application."""

    def __init__(self) -> None:
        self.now = 100.0
        self.timer: float | None = None
        self.server = ModelServer()
        self.connections: dict[int, Connection] = {}
        self.tickets: list[int] = []
        self.done: dict[int, Any] = {}
        self.unread: deque[effects.Deliver] = deque()
        self.received: list[Any] = []
        self.events: list[Any] = []
        self.commands = 0
        self.chance = 0.5
        options = Options(send_window=WINDOW, ack_every=4, base_s=0.1, cap_s=2.0)
        self.core = Core("ws://server/ws", random_unit=lambda: self.chance, options=options)

    def command(self) -> int:
        self.commands += 1
        return self.commands

    def perform(self, asked: list[effects.Effect]) -> None:
        for effect in asked:
            match effect:
                case effects.FetchTicket(request_id):
                    self.tickets.append(request_id)
                case effects.Connect():
                    connection = Connection(effect.handle)
                    self.connections[effect.handle] = connection
                    self.server.connections.append(connection)
                    connection.to_server.append(("hello", effect.authextra))
                case effects.Call(handle, call_id, procedure, kwargs):
                    self.connections[handle].to_server.append(("call", call_id, procedure, kwargs))
                case effects.Close(handle):
                    connection = self.connections[handle]
                    connection.to_server.append(("bye",))
                    connection.to_client.clear()
                    connection.to_client.append(("closed", "by the client"))
                case effects.Deliver():
                    self.unread.append(effect)
                    self.events.append(effect.event)
                case effects.Resolve(command_id, value) | effects.Reject(command_id, value):
                    assert command_id not in self.done, "a command ends once"
                    self.done[command_id] = value
                case effects.SetTimer(at):
                    self.timer = at
                case effects.Subscribe() | effects.Finished():
                    pass

    def serve_one(self, connection: Connection) -> None:
        if connection.to_server:
            item = connection.to_server.popleft()
            if not connection.gone:
                self.server.serve(connection, item)

    def hear_one(self, connection: Connection) -> None:
        if not connection.to_client:
            return
        match connection.to_client.popleft():
            case ("joined", authextra):
                self.perform(self.core.joined(connection.handle, authextra, self.now))
            case ("refused", reason, details):
                self.perform(self.core.refused(connection.handle, reason, details, self.now))
            case ("event", topic, kwargs):
                self.perform(self.core.event(connection.handle, topic, kwargs, self.now))
            case ("result", call_id, value):
                self.perform(self.core.result(call_id, value, self.now))
            case ("error", call_id, uri, details):
                self.perform(self.core.error(call_id, uri, details, self.now))
            case ("closed", reason):
                connection.to_client.clear()
                connection.to_server.clear()
                self.server.drop(connection)
                self.perform(self.core.closed(connection.handle, reason, self.now))

    def cut(self, connection: Connection) -> None:
        """Both ends lose it; whatever was on the way is lost."""
        self.server.drop(connection)
        connection.to_server.clear()
        connection.to_client.clear()
        connection.to_client.append(("closed", "cut"))

    def give_ticket(self) -> None:
        if self.tickets:
            self.perform(self.core.ticket_obtained(self.tickets.pop(0), "jwt", self.now))

    def refuse_ticket(self) -> None:
        if self.tickets:
            self.perform(self.core.ticket_failed(self.tickets.pop(0), OSError(), self.now))

    def advance(self) -> None:
        if self.timer is not None:
            self.now, self.timer = max(self.now, self.timer), None
            self.perform(self.core.timer(self.now))

    def read(self, count: int) -> None:
        while self.unread and count:
            count -= 1
            delivered = self.unread.popleft()
            if isinstance(delivered.event, Message):
                self.received.append(delivered.event.payload)
            if delivered.channel:
                self.perform(self.core.consumed(delivered.channel, delivered.epoch, delivered.seq, self.now))

    @property
    def living(self) -> list[Connection]:
        return [connection for connection in self.connections.values() if not connection.gone]

    def settle(self) -> None:
        """Deliver everything that is on the way, and what that brings about, without time passing."""
        for _ in range(100_000):
            self.give_ticket()
            self.server.close_fenced()
            busy = [each for each in self.connections.values() if each.to_server or each.to_client]
            for connection in busy:
                self.serve_one(connection)
                self.hear_one(connection)
            self.read(1)
            if not busy and not self.tickets and not self.unread:
                return
        raise AssertionError("it never settles")
