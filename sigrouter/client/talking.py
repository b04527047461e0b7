"""What a session does over its ready connection: send, call, read events, acknowledge, keep alive."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from sigrouter.client.effects import Call, Deliver, Effect, Reject, Resolve
from sigrouter.client.errors import CATALOGUE, concerns_connection, refusal, retry_after_s
from sigrouter.client.events import Message, Notice, PairChanged, QueuePosition, Reset, SavedSession, Sent
from sigrouter.client.link import Calls, Link, OnAnswer
from sigrouter.client.options import Options
from sigrouter.client.outbox import Item, Outbox
from sigrouter.client.pairing import Pairing
from sigrouter.client.positions import Caught, Logged, Positions
from sigrouter.client.requests import Request, Requests
from sigrouter.client.tokens import Tokens
from sigrouter.protocol import uris


class Talking:
    """Half of the session's state; how connections come and go is in :mod:`.attempting` and :mod:`.connecting`."""

    def __init__(
        self,
        out: list[Effect],
        options: Options,
        random_unit: Callable[[], float],
        resume_from: SavedSession | None,
    ) -> None:
        self.session_id = ""
        self.node_id = ""
        self.stack = ""
        self.generation = 0
        self.announcement: Mapping[str, Any] | None = None
        self.active: Link | None = None
        self.candidate: Link | None = None
        self.tokens = Tokens(resume_from)
        self.positions = Positions(resume_from.positions if resume_from else {}, options.ack_every)
        self.outbox = Outbox(options.send_window)
        self.requests = Requests(out)
        self.pairing = Pairing(out, self.requests, options.pair_grace_s, self.new_id)
        self._out = out
        self._options = options
        self._random_unit = random_unit
        self._calls = Calls()
        self._last_id = 0

    def new_id(self) -> int:
        """An id for a command of our own; the application's are positive."""
        self._last_id -= 1
        return self._last_id

    # ---- what goes out -------------------------------------------------------------------------------------------

    def pump(self, at: float) -> None:
        """Send whatever can go out now; called at the end of every input."""
        link = self.active
        if link is None or link.fenced:
            return
        for item in self.outbox.take(at):
            self._send(link, item, at)
        for request in self.requests.take(link.handle, at):
            answered = partial(self._request_answered, request)
            prompt = request.procedure in CATALOGUE
            self._call(link, request.procedure, request.kwargs, answered, at, prompt=prompt)
        for channel, epoch, seq in self.positions.to_ask(at):
            caught_up = partial(self._caught_up, link, channel)
            self._call(link, uris.CHANNEL_RECOVER, {"channel": channel, "epoch": epoch, "seq": seq}, caught_up, at)
        if self.positions.ack_due:
            self._call(link, uris.CHANNEL_ACK, {"positions": self.positions.acknowledging()}, _unconcerned, at)
        if link.heartbeat_at is not None and link.heartbeat_at <= at:
            link.heartbeat_at = None
            positions = {"positions": self.positions.acknowledging()}
            self._call(link, uris.SESSION_HEARTBEAT, positions, partial(self._alive, link), at)

    def _call(
        self,
        link: Link,
        procedure: str,
        kwargs: Mapping[str, Any],
        on_answer: OnAnswer,
        at: float,
        *,
        prompt: bool = True,
    ) -> None:
        deadline = at + self._options.call_timeout_s if prompt else None
        call_id = self._calls.begin(link.handle, procedure, on_answer, deadline)
        self._out.append(Call(link.handle, call_id, procedure, kwargs))

    def _send(self, link: Link, item: Item, at: float) -> None:
        kwargs = {"payload": item.payload, "number": item.number, "acked": self.outbox.acked}
        if item.pair_id is not None:
            kwargs["pair_id"] = item.pair_id
        self._call(link, uris.PAIR_SEND, kwargs, partial(self._sent, link, item), at)

    # ---- what comes back -----------------------------------------------------------------------------------------

    def answered(self, call_id: int, value: Any, failure: tuple[str, Mapping[str, Any]] | None, at: float) -> None:
        """A result (``failure`` is ``None``) or an error of a call."""
        pending = self._calls.answered(call_id)
        if pending is None:
            return
        error = refusal(*failure) if failure else None
        pending.on_answer(value, error, at)
        if error is not None and concerns_connection(error, pending.procedure):
            self.connection_refused(pending.handle, error, at)

    def connection_refused(self, handle: int, error: Exception, at: float) -> None:
        """The server takes nothing over this connection any more."""
        raise NotImplementedError

    def _sent(self, link: Link, item: Item, result: Any, error: Exception | None, at: float) -> None:
        if error is None:
            if self.outbox.answered(item.number):
                sent = Sent(str(result["epoch"]), int(result["seq"]), int(result["at"]), bool(result["duplicate"]))
                self._out.append(Resolve(item.command_id, sent))
        elif link is not self.active:
            return  # it is under way again on the new connection, whose answer counts
        elif concerns_connection(error, uris.PAIR_SEND):
            self.outbox.interrupted(item.number)
        elif (again_after_s := retry_after_s(error)) is not None:
            self.outbox.refused(item.number, again_after_s, at)
        elif self.outbox.answered(item.number):
            self._out.append(Reject(item.command_id, error))

    def _request_answered(self, request: Request, result: Any, error: Exception | None, at: float) -> None:
        if error is None:
            self.requests.answered(request, result, at)
        elif concerns_connection(error, request.procedure):
            self.requests.again(request, 0.0)
        else:
            self.requests.failed(request, error, at)

    def _caught_up(self, link: Link, channel: str, result: Any, error: Exception | None, at: float) -> None:
        if link is not self.active:
            return
        if error is None:
            self._deliver_missed(channel, result, at)
        elif (again_after_s := retry_after_s(error)) is not None:
            self.positions.not_caught_up(channel, at + max(again_after_s, 0.1))
        else:
            # Without an answer nothing may be delivered any more, and ``ready`` is the other way to get one.
            self.positions.not_caught_up(channel, at)
            self.connection_refused(link.handle, error, at)

    def _alive(self, link: Link, result: Any, error: Exception | None, at: float) -> None:
        if link is not self.active:
            return
        heartbeat_s = link.welcome.heartbeat_s if link.welcome else self._options.heartbeat_s
        link.heartbeat_at = at + heartbeat_s * (0.9 + 0.1 * self._random_unit())
        if error is not None:
            return
        keep = self.tokens.refreshed if link.contested else self.tokens.confirmed
        keep(str(result.get("recovery_token", "")))
        for channel, head in (result.get("channels") or {}).items():
            self.positions.head(channel, head["epoch"], head["seq"])

    # ---- events --------------------------------------------------------------------------------------------------

    def _event(self, topic: str, kwargs: Mapping[str, Any], at: float) -> None:
        if "seq" in kwargs:
            for event in self.positions.live(kwargs):
                self._deliver(event, at)
        elif topic == uris.EVENT_GOAWAY:
            self._goaway(kwargs.get("payload") or {}, at)
        elif topic == uris.EVENT_QUEUE:
            self._out.append(Deliver(QueuePosition(int(kwargs["payload"]["position"]))))
        else:
            kind = str(kwargs.get("kind") or topic.removeprefix(uris.EVENT_PREFIX))
            self._out.append(Deliver(Notice(kind, kwargs.get("payload"))))

    def _goaway(self, payload: Mapping[str, Any], at: float) -> None:
        raise NotImplementedError

    def _deliver_missed(self, channel: str, answer: Mapping[str, Any], at: float) -> None:
        self._deliver_caught(channel, self.positions.caught_up(channel, answer), at)

    def _deliver_caught(self, channel: str, caught: Caught, at: float) -> None:
        if caught.lost:
            self._out.append(Deliver(Reset(channel)))
        for event in caught.events:
            self._deliver(event, at)

    def _deliver(self, event: Logged, at: float) -> None:
        match event["kind"]:
            case "message":
                delivered: Message | PairChanged | Notice = Message(
                    payload=event["payload"],
                    sender=event["sender"],
                    pair_id=event["pair_id"],
                    at=event["at"],
                    seq=event["seq"],
                )
            case "pair":
                payload = event["payload"]
                delivered = PairChanged(
                    state=str(payload.get("state", "")),
                    pair_id=str(payload.get("pair_id", "")),
                    peer_session_id=str(payload.get("peer_session_id", "")),
                    peer_user_id=str(payload.get("peer_user_id", "")),
                    reason=str(payload.get("reason", "")),
                )
                self.pairing.changed(delivered, at)
            case kind:
                delivered = Notice(kind, event["payload"], event["sender"], event["pair_id"], event["at"])
        self._out.append(Deliver(delivered, event["channel"], event["epoch"], event["seq"]))


def _unconcerned(_result: Any, _error: Exception | None, _at: float) -> None:
    """An acknowledgement needs no answer: the next one, or the heartbeat, says it again."""
