"""A small load balancer: one address for all nodes, and ``/ready`` alone decides who gets the next connection.

The demo could do without it, since a GOAWAY may hold the address of the node to go to. But then every client would know
every node, and what is shown would not be what happens in production: there a client has one address, and nobody tells
the balancer of a redeploy, which finds out by the readiness that a draining node withdraws. This one does the same.
"""

import asyncio
import contextlib
import threading
from collections.abc import Sequence
from typing import Final, Self

from attrs import define, field, frozen

from sigrouter.demo.server_process import answers

HOST: Final = "127.0.0.1"
CHECK_S: Final = 0.2
CHUNK: Final = 65536
START_S: Final = 10.0


@frozen
class Backend:
    """A node behind the balancer; it gets connections while ``ready_url`` answers 200."""

    name: str
    port: int
    ready_url: str


@define(eq=False)
class _Place:
    """A backend, whether it is ready, and how many connections it has."""

    backend: Backend
    ready: bool = False
    connections: int = 0


@define(eq=False)
class Balancer:
    """Runs in a thread of its own; use it as a context manager. ``port`` is known inside."""

    _backends: Sequence[Backend]
    port: int = field(default=0, init=False)
    _places: list[_Place] = field(init=False)
    _loop: asyncio.AbstractEventLoop = field(factory=asyncio.new_event_loop, init=False)
    _listening: threading.Event = field(factory=threading.Event, init=False)
    _stopping: asyncio.Event = field(factory=asyncio.Event, init=False)
    _thread: threading.Thread = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._places = [_Place(backend) for backend in self._backends]
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),), daemon=True)

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"ws://{HOST}:{self.port}/ws"

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._listening.wait(START_S):
            raise RuntimeError("the balancer does not listen")
        return self

    def __exit__(self, *exception: object) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()
        self._loop.close()

    def ready(self, name: str) -> bool:
        """Whether a backend gets new connections."""
        return any(place.ready for place in self._places if place.backend.name == name)

    def connections(self) -> dict[str, int]:
        """The live connections of each backend."""
        return {place.backend.name: place.connections for place in self._places}

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._connected, HOST, 0, backlog=1024)
        self.port = server.sockets[0].getsockname()[1]
        checks = [asyncio.create_task(self._check(place)) for place in self._places]
        self._listening.set()
        await self._stopping.wait()
        server.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await asyncio.gather(*checks, return_exceptions=True)

    async def _check(self, place: _Place) -> None:
        while True:
            place.ready = await asyncio.to_thread(answers, place.backend.ready_url)
            await asyncio.sleep(CHECK_S)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tried: set[str] = set()
        # A node that died a moment ago may still count as ready: then the next one gets the connection.
        while place := self._choose(tried):
            tried.add(place.backend.name)
            try:
                onward = await asyncio.open_connection(HOST, place.backend.port)
            except OSError:
                continue
            place.connections += 1
            try:
                await _join((reader, writer), onward)
            finally:
                place.connections -= 1
            return
        writer.close()

    def _choose(self, tried: set[str]) -> _Place | None:
        possible = [place for place in self._places if place.ready and place.backend.name not in tried]
        return min(possible, key=lambda place: place.connections, default=None)


Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _join(one: Stream, other: Stream) -> None:
    """Pass everything on both ways until either side ends."""
    ways = [asyncio.create_task(_pump(one[0], other[1])), asyncio.create_task(_pump(other[0], one[1]))]
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        for _, writer in (one, other):
            writer.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(CHUNK):
            writer.write(data)
            await writer.drain()
