"""``/ready``: whether a balancer should send new connections to this node (R10, R60)."""

from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Protocol

from sigrouter.web.json_page import JsonPage


class MaybeReady(Protocol):
    """The part of the Pod that this page reads."""

    def not_ready(self) -> Sequence[str]:
        """Why no new connection should come here, in words; empty: ready."""


class Ready(JsonPage):
    """200 ``{status: "ready"}`` or 503 ``{status: "not ready", reasons: [text, ...]}``."""

    def __init__(self, pod: Callable[[], MaybeReady]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Twisted's resource has no types
        self._pod = pod

    def answer(self) -> tuple[HTTPStatus, Mapping[str, Any]]:
        """The Pod's own judgement of this moment."""
        reasons = list(self._pod().not_ready())
        if reasons:
            return HTTPStatus.SERVICE_UNAVAILABLE, {"status": "not ready", "reasons": reasons}
        return HTTPStatus.OK, {"status": "ready"}
