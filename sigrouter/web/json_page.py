"""A page that answers GET with a small JSON object that nobody may cache."""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from twisted.web.resource import Resource
from twisted.web.server import Request


class JsonPage(Resource, ABC):
    """Subclasses say what to answer; twisted answers HEAD from GET."""

    isLeaf = True

    @abstractmethod
    def answer(self) -> tuple[HTTPStatus, Mapping[str, Any]]:
        """The status and the JSON-able body."""

    def render_GET(self, request: Request) -> bytes:
        """The answer of this very moment as UTF-8 JSON."""
        status, body = self.answer()
        request.setResponseCode(status.value)
        request.setHeader(b"content-type", b"application/json")
        request.setHeader(b"cache-control", b"no-store")
        return json.dumps(body).encode()
