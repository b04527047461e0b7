"""The application's calls: they wait for a connection, and are repeated where that does no harm."""

from collections.abc import Callable, Mapping
from typing import Any

from attrs import define

from sigrouter.client.effects import Effect, Reject
from sigrouter.client.errors import REPEATABLE, Interrupted, retry_after_s


@define(eq=False)
class Request:
    """A call; ``on_result`` decides what its answer means, ``on_error`` what its final failure does."""

    command_id: int
    procedure: str
    kwargs: Mapping[str, Any]
    on_result: Callable[[Any, float], None]
    on_error: Callable[[Exception], None] | None = None
    handle: int | None = None
    retry_at: float = 0.0

    @property
    def repeatable(self) -> bool:
        """Whether calling twice has the effect of calling once."""
        return self.procedure in REPEATABLE


class Requests:
    """Calls that are not answered yet, in the order of the commands."""

    def __init__(self, out: list[Effect]) -> None:
        self._out = out
        self._requests: list[Request] = []

    def add(self, request: Request) -> None:
        """A new one."""
        self._requests.append(request)

    def take(self, handle: int, at: float) -> list[Request]:
        """What is to be called on this connection now."""
        taken = [request for request in self._requests if request.handle is None and request.retry_at <= at]
        for request in taken:
            request.handle = handle
        return taken

    def answered(self, request: Request, result: Any, at: float) -> None:
        """The result came."""
        if request in self._requests:
            self._requests.remove(request)
            request.on_result(result, at)

    def failed(self, request: Request, error: Exception, at: float) -> None:
        """The call was refused: repeat it if that is allowed and may help, else tell the application."""
        if request not in self._requests:
            return
        again_after_s = retry_after_s(error)
        if again_after_s is not None and request.repeatable:
            self.again(request, at + max(again_after_s, 0.05))
            return
        self._reject(request, error)

    def again(self, request: Request, retry_at: float) -> None:
        """It did certainly not happen, or may happen twice."""
        request.handle = None
        request.retry_at = retry_at

    def interrupted(self, handle: int) -> None:
        """The connection is gone: repeat what may be repeated; of the rest nobody knows whether it happened."""
        for request in [request for request in self._requests if request.handle == handle]:
            if request.repeatable:
                self.again(request, 0.0)
            else:
                self._reject(request, Interrupted(request.procedure))

    def moving(self, handle: int) -> None:
        """Another connection took over: repeat what may be repeated, let the old connection answer the rest."""
        for request in self._requests:
            if request.handle == handle and request.repeatable:
                self.again(request, 0.0)

    def on(self, handle: int) -> bool:
        """Whether a call is still waiting for its answer on this connection."""
        return any(request.handle == handle for request in self._requests)

    def forget(self, command_id: int) -> None:
        """Nobody waits for the command any more."""
        self._requests = [request for request in self._requests if request.command_id != command_id]

    def clear(self) -> list[int]:
        """All commands that will not be answered."""
        gone = [request.command_id for request in self._requests]
        self._requests.clear()
        return gone

    @property
    def due(self) -> float | None:
        """When a call is to be repeated."""
        return min((request.retry_at for request in self._requests if request.handle is None), default=None)

    def _reject(self, request: Request, error: Exception) -> None:
        self._requests.remove(request)
        if request.on_error is None:
            self._out.append(Reject(request.command_id, error))
        else:
            request.on_error(error)
