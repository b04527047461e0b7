"""A component and pages for tests of the node itself: it takes any ticket, tells what it sees, and drains for as long as told.

It runs inside the router worker of a real node; the environment says how it behaves.
"""

import os
from pathlib import Path
from typing import Any

from autobahn.twisted.wamp import ApplicationSession
from autobahn.wamp.exception import ApplicationError
from autobahn.wamp.types import PublishOptions, RegisterOptions
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from sigrouter.node import compat
from sigrouter.node.configuration import template
from sigrouter.node.shutdown import DrainOnce
from sigrouter.protocol import uris
from sigrouter.web.health import Health
from sigrouter.web.ready import Ready

DRAIN_S = "PROBE_DRAIN_S"
TRACE_FILE = "PROBE_TRACE_FILE"
FAILS = "PROBE_FAILS"
RECOVERY_TOKEN = "PROBE_RECOVERY_TOKEN"


def trace(word: str) -> None:
    """Leave a line for the test to read, even while the process dies."""
    with Path(os.environ[TRACE_FILE]).open("a") as file:
        file.write(f"{word}\n")


class Probe(ApplicationSession):
    """Stands in for all components of the real configuration."""

    async def onJoin(self, details: Any) -> None:
        if os.environ.get(FAILS) == "join":
            raise RuntimeError("the probe was told to fail")
        self.drain_once = DrainOnce(reactor, self._drain)
        named = RegisterOptions(details_arg="details")
        await self.register(self._authenticate, uris.AUTHENTICATE)
        await self.register(self._authenticate_admin, uris.AUTHENTICATE_ADMIN)
        await self.register(self._info, uris.SESSION_INFO, options=named)
        await self.register(self._say_goodbye, uris.SESSION_END)
        await self.register(self._flood, uris.PAIR_SEND)
        await self.register(self._unsent, uris.PAIR_REQUEST)
        await self.register(self._abort, uris.PAIR_RELEASE)

    def leave(self, reason: str | None = None, message: str | None = None) -> Deferred[None]:
        trace("leave")
        return Deferred.fromCoroutine(self._leave())

    async def _leave(self) -> None:
        await self.drain_once.wait()
        super().leave()

    async def _drain(self) -> None:
        trace("drain started")
        await deferLater(reactor, float(os.environ.get(DRAIN_S, "0")), lambda: None)
        if os.environ.get(FAILS) == "drain":
            raise RuntimeError("the probe was told to fail")
        trace("drain finished")

    def _authenticate(self, realm: str, authid: str, details: dict[str, Any]) -> dict[str, Any]:
        if details.get("ticket") == "refuse-me":
            raise ApplicationError(uris.ERROR_AUTHENTICATION, "{}")
        return {
            "realm": realm,
            "role": "client",
            "authid": "someone",
            "extra": {"recovery_token": os.environ.get(RECOVERY_TOKEN)},
        }

    def _authenticate_admin(self, realm: str, authid: str, details: dict[str, Any]) -> dict[str, Any]:
        return {"realm": realm, "role": "admin", "authid": "operator", "extra": {}}

    def _info(self, details: Any) -> dict[str, Any]:
        protocol = compat.transport_of(self, details.caller)
        return {
            "role": details.caller_authrole,
            "no_delay": compat.has_no_delay(protocol),
            "unsent": compat.unsent_bytes(protocol),
            "live": list(compat.live_connections(self)),
            "ours": compat.started_by_sigrouter(self),
            "directory": str(Path.cwd()),
            "drain_started": self.drain_once.started,
        }

    def _say_goodbye(self, connection_id: int) -> list[bool]:
        return [compat.say_goodbye(self, connection_id, uris.CLOSE_KICKED, "m") for _ in range(2)]

    def _flood(self, connection_id: int, count: int) -> None:
        options = PublishOptions(eligible=[connection_id])
        for _ in range(count):
            self.publish(uris.EVENT_MESSAGE, "x" * 60_000, options=options)

    def _unsent(self, connection_id: int) -> int | None:
        protocol = compat.transport_of(self, connection_id)
        return None if protocol is None else compat.unsent_bytes(protocol)

    def _abort(self, connection_id: int) -> None:
        compat.abort(compat.transport_of(self, connection_id))


class ProbePod:
    """A Pod that is ready unless told otherwise."""

    def health(self) -> dict[str, Any]:
        return {"nodeId": "probe"}

    def not_ready(self) -> tuple[str, ...]:
        blocker = Path(os.environ[TRACE_FILE]).with_name("not-ready")
        return (blocker.read_text(),) if blocker.exists() else ()


def health(extra: object) -> Health:
    return Health(ProbePod)


def ready(extra: object) -> Ready:
    return Ready(ProbePod)


def configuration() -> dict[str, Any]:
    """The shipped configuration with the probe in the place of the components and pages."""
    config = template()
    worker = config["workers"][0]
    guard = worker["components"][0]
    worker["components"] = [guard, {**guard, "id": "probe", "classname": "tests.node.probe.Probe"}]
    pages = next(one for one in worker["transports"] if one["id"] == "admin")["paths"]
    pages["health"]["classname"] = "tests.node.probe.health"
    pages["ready"]["classname"] = "tests.node.probe.ready"
    return config
