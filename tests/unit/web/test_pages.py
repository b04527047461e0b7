"""Health and readiness as a balancer sees them."""

import json
from collections.abc import Mapping
from typing import Any

from attrs import field, mutable
from twisted.web.resource import Resource
from twisted.web.test.requesthelper import DummyRequest

from sigrouter.web.health import Health
from sigrouter.web.ready import Ready


@mutable
class FakePod:
    reasons: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(factory=lambda: {"nodeId": "n1"})

    def health(self) -> Mapping[str, Any]:
        return self.facts

    def not_ready(self) -> tuple[str, ...]:
        return self.reasons


def fetch(page: Resource) -> tuple[int, dict[str, Any], DummyRequest]:
    request = DummyRequest([b""])
    body = json.loads(page.render(request))
    return request.responseCode or 200, body, request


def test_health_is_200_even_when_the_node_is_not_ready():
    status, body, request = fetch(Health(lambda: FakePod(reasons=("draining",))))
    assert (status, body) == (200, {"status": "ok", "nodeId": "n1"})
    assert request.responseHeaders.getRawHeaders("content-type") == ["application/json"]
    assert request.responseHeaders.getRawHeaders("cache-control") == ["no-store"]


def test_ready_follows_the_pod_from_one_request_to_the_next():
    pod = FakePod()
    page = Ready(lambda: pod)
    assert fetch(page)[:2] == (200, {"status": "ready"})
    pod.reasons = ("draining", "store")
    assert fetch(page)[:2] == (503, {"status": "not ready", "reasons": ["draining", "store"]})
