"""``/health``: the process is alive and its reactor turns (R60); nothing else, or a Redis outage would restart pods."""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Protocol

from sigrouter.web.json_page import JsonPage


class Healthy(Protocol):
    """The part of the Pod that this page reads."""

    def health(self) -> Mapping[str, Any]:
        """Facts about the node; JSON-able, with ``nodeId``."""


class Health(JsonPage):
    """Always 200: ``{status: "ok", nodeId, ...}``."""

    def __init__(self, pod: Callable[[], Healthy]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Twisted's resource has no types
        self._pod = pod

    def answer(self) -> tuple[HTTPStatus, Mapping[str, Any]]:
        """200, whatever the node is doing."""
        return HTTPStatus.OK, {"status": "ok", **self._pod().health()}
