"""One TCP connection to Redis: commands out in one write for each reactor turn, replies in, and a watch on silence."""

from collections.abc import Callable, Iterable
from typing import Any

import txredisapi
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from sigrouter.stores.redis.reader import BrokenReply, ErrorReply, Reader


class Wire(txredisapi.RedisProtocol):
    """txredisapi's protocol with our reader of replies, and without its timer for each command.

    While an answer is outstanding, something must come within ``timeout_s``, else the server is taken for hung and the
    connection is aborted; ``ask`` then raises ``txredisapi.ConnectionError``, as after any loss.
    Messages of pub/sub go to ``on_message`` (channel, data).
    """

    log = Logger()

    def __init__(
        self, reactor: Any, timeout_s: float, on_message: Callable[[bytes, bytes], None] | None = None
    ) -> None:
        super().__init__(charset=None, convertNumbers=False)
        self.why = ""
        self._reactor = reactor
        self._timeout_s = timeout_s
        self._on_message = on_message
        self._reader = Reader()
        self._heard_at = 0.0
        self._watch: IDelayedCall | None = None

    def ask(self, *command: bytes) -> "Deferred[Any]":
        """The command's answer: ``bytes``, ``int``, ``None`` or a list of these.

        Raises:
            txredisapi.ConnectionError: the connection is gone; the command may or may not have been done.
            txredisapi.ResponseError: Redis answered with an error.
        """
        if not self.replyQueue.waiting:
            self._heard_at = self._reactor.seconds()
            if self._watch is None:
                self._watch = self._reactor.callLater(self._timeout_s, self._look)
        answer: Deferred[Any] = self.execute_command(*command)
        return answer

    async def ask_all(self, commands: Iterable[tuple[bytes, ...]]) -> None:
        """All commands at once; returns when each has its answer, whatever it is.

        Raises:
            txredisapi.RedisError: the first failure, in the order of the commands. The others are nobody's any more.
        """
        answers = await DeferredList([self.ask(*command) for command in commands], consumeErrors=True)
        for succeeded, answer in answers:
            if not succeeded:
                answer.raiseException()

    def abort(self, why: str) -> None:
        """Cut the connection at once, whatever is still on its way."""
        self.why = self.why or why
        if self.transport is not None:
            self.transport.abortConnection()

    def ended(self) -> "Deferred[Any]":
        """Fires when the connection is lost."""
        ended: Deferred[Any] = self.whenDisconnected()
        return ended

    async def end(self) -> None:
        """Cut the connection and wait until it is gone."""
        if self.connected:
            ended = self.ended()
            self.abort("closed")
            await ended

    def dataReceived(self, data: bytes, unpause: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002 - inherited
        """Answer whatever is complete."""
        self._heard_at = self._reactor.seconds()
        try:
            replies = self._reader.feed(data)
        except BrokenReply:
            self.abort("it does not speak Redis's protocol")
            return
        for reply in replies:
            self.replyReceived(txredisapi.ResponseError(reply.text) if isinstance(reply, ErrorReply) else reply)

    def replyReceived(self, reply: Any) -> None:  # noqa: N802 - inherited
        """Hand an answer to who waits for it, or tell a message. txredisapi's subscriber cuts long lists short."""
        if self._on_message is None or not isinstance(reply, list) or reply[0] != b"message":
            super().replyReceived(reply)
            return
        try:
            self._on_message(reply[1], reply[2])
        except Exception:  # noqa: BLE001 - what the listener does wrong must not cost the connection
            self.log.failure("A listener failed on a notification")

    def connectionLost(self, why: Failure) -> None:
        """Whoever waits for an answer learns that none will come."""
        self.why = self.why or type(why.value).__name__
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        super().connectionLost(why)

    def _build_command(self, *parts: bytes, **_options: Any) -> bytes:
        pieces = [b"*%d\r\n" % len(parts)]
        pieces.extend(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)
        return b"".join(pieces)

    def _look(self) -> None:
        self._watch = None
        if not self.replyQueue.waiting:
            return
        left = self._heard_at + self._timeout_s - self._reactor.seconds()
        if left > 0:
            self._watch = self._reactor.callLater(left, self._look)
        else:
            self.abort(f"no answer within {self._timeout_s} s")
