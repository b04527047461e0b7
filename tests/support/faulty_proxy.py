"""A TCP proxy that misbehaves on command: it delays, swallows everything for a while, or cuts connections in mid-frame."""

import asyncio
import random
import socket
import struct
import threading
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Final, Literal, Self, TypeVar

from attrs import define, field

HOST: Final = "127.0.0.1"
CHUNK_BYTES: Final = 65536
ANSWER_S: Final = 30.0
NO_LINGERING: Final = struct.pack("ii", 1, 0)
"""As SO_LINGER: closing is a reset."""

Answer = TypeVar("Answer")

Where = Literal["anywhere", "request", "answer"]
"""Where a connection is cut: at once, inside the next chunk to the target, or inside the next one from it."""


@define(eq=False)
class _Link:
    """One connection through the proxy: both sockets, and where it is to be cut.

    Nothing passes while ``open`` is not set; what came before waits in the proxy, as in a network that comes back.
    """

    near: asyncio.StreamWriter
    open: asyncio.Event = field(factory=asyncio.Event)
    far: asyncio.StreamWriter | None = None
    doomed: Where | None = None

    def reset(self) -> None:
        """Reset both sides: no goodbye, and what is unsent is gone. A side that is closed already is left alone."""
        for side in (self.near, self.far):
            if side is not None and not side.is_closing():
                side.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGERING)
                side.transport.abort()

    def close(self) -> None:
        """Both sides have said all."""
        for side in (self.near, self.far):
            if side is not None:
                side.close()


class FaultyProxy:
    """Listens on a free port of 127.0.0.1 and passes on to whatever port ``target`` answers at that moment.

    It runs in a thread with an event loop of its own, so a test may block. All methods may be called from any thread
    and have taken effect when they return. Which connections are hit is chosen by the ``random.Random`` that is given.
    """

    def __init__(self, target: Callable[[], int]) -> None:
        self.port = 0
        self._target = target
        self._links: set[_Link] = set()
        self._serving: set[asyncio.Task[None]] = set()
        self._delay_s = 0.0
        self._swallows_new = False
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="faulty proxy", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self.port = self._ask(self._listen())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ask(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(ANSWER_S)
        self._loop.close()

    # ---- what can be done to the network ---------------------------------------------------------

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._links)

    def cut(self, share: float, chance: random.Random, where: Where = "anywhere") -> int:
        """Cut this share of the connections; how many that are.

        ``anywhere``: now, with a reset. ``request``, ``answer``: after half of the next chunk of that direction, so that
        its receiver has a torn frame; after an ``answer`` the target has done what the peer has to ask for again.
        """
        return self._ask(self._cut(share, chance, where))

    def swallow(self, share: float, chance: random.Random, *, new_too: bool = False) -> int:
        """Let nothing pass on this share of the connections until ``heal``; how many that are.

        ``new_too``: connections that are opened meanwhile stay silent as well.
        """
        return self._ask(self._swallow(share, chance, new_too=new_too))

    def delay(self, seconds: float) -> None:
        """Hold every chunk back for that long, in both directions, until ``heal``."""
        self._delay_s = seconds

    def heal(self) -> None:
        """All is well again: what was held back passes now, in order."""
        self._ask(self._heal())

    # ---- inside the loop -------------------------------------------------------------------------

    def _ask(self, work: Coroutine[Any, Any, Answer]) -> Answer:
        future: Future[Answer] = asyncio.run_coroutine_threadsafe(work, self._loop)
        return future.result(ANSWER_S)

    async def _listen(self) -> int:
        self._server = await asyncio.start_server(self._accept, HOST, 0, backlog=1024)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def _close(self) -> None:
        self._server.close()
        for task in tuple(self._serving):
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    async def _cut(self, share: float, chance: random.Random, where: Where) -> int:
        chosen = self._some(share, chance)
        for link in chosen:
            link.doomed = where
            if where == "anywhere":
                link.reset()
        return len(chosen)

    async def _swallow(self, share: float, chance: random.Random, *, new_too: bool) -> int:
        chosen = self._some(share, chance)
        for link in chosen:
            link.open.clear()
        self._swallows_new = new_too
        return len(chosen)

    async def _heal(self) -> None:
        self._delay_s = 0.0
        self._swallows_new = False
        for link in self._links:
            link.open.set()

    def _some(self, share: float, chance: random.Random) -> list[_Link]:
        links = sorted(self._links, key=lambda link: str(link.near.get_extra_info("peername")))
        return chance.sample(links, round(share * len(links)))

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        link = _Link(writer)
        if not self._swallows_new:
            link.open.set()
        self._links.add(link)
        try:
            await self._serve(link, reader)
        except (OSError, asyncio.CancelledError):
            link.reset()  # A side is gone, or the proxy ends: so does the connection.
        finally:
            link.close()
            self._links.discard(link)
            self._serving.discard(task)

    async def _serve(self, link: _Link, reader: asyncio.StreamReader) -> None:
        await link.open.wait()
        far_reader, link.far = await asyncio.open_connection(HOST, self._target())
        await _first_error(
            self._pass_on(link, "request", reader, link.far), self._pass_on(link, "answer", far_reader, link.near)
        )

    async def _pass_on(
        self, link: _Link, direction: Where, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while data := await reader.read(CHUNK_BYTES):
            if self._delay_s:
                await asyncio.sleep(self._delay_s)
            await link.open.wait()
            if link.doomed == direction:
                # Closed, not reset: a reset could overtake the half frame, and the receiver is to read that.
                writer.write(data[: max(1, len(data) // 2)])
                writer.close()
                await writer.wait_closed()
                raise ConnectionResetError("cut in mid-frame")
            writer.write(data)
            await writer.drain()
        await link.open.wait()
        if link.doomed:
            raise ConnectionResetError("cut in mid-frame, in the other direction")
        if writer.can_write_eof():
            writer.write_eof()


async def _first_error(*work: Awaitable[None]) -> None:
    """Both directions until both have ended, or one has failed."""
    directions = [asyncio.ensure_future(one) for one in work]
    try:
        await asyncio.gather(*directions)
    finally:
        for direction in directions:
            direction.cancel()
        await asyncio.gather(*directions, return_exceptions=True)
