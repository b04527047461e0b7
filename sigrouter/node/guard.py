"""The first component of the router worker: it makes any way of starting this node a safe one.

Under ``sigrouter start`` and plain ``crossbar start`` alike: no token in a log, no port that the settings do not want,
no development mode beyond this machine, no silent socket that stays, no half a node without one of its components.
"""

import json
import os
from typing import Any

from autobahn.twisted.wamp import ApplicationSession
from autobahn.wamp.types import ComponentConfig, Deny, SessionDetails
from twisted.internet import reactor

from sigrouter.node import compat, log_filter, recursion
from sigrouter.node.configuration import check_transport
from sigrouter.node.sockets import SocketDeadlines
from sigrouter.node.sources import read_settings
from sigrouter.protocol import errors, uris

FAILED_BOOT_EXIT_CODE = 70
ADMIN_ROLE = "admin"


def refuse_operators(authenticator: str, role: str) -> Deny | None:
    """No operator joins over another transport than the operators' own, whatever his ticket says."""
    if role == ADMIN_ROLE and authenticator != uris.AUTHENTICATE_ADMIN:
        return Deny(errors.Authentication.uri, json.dumps(errors.Authentication().details()))
    return None


class NodeGuard(ApplicationSession):
    """Installed by ``.crossbar/config.json`` before all other components; it registers nothing."""

    def __init__(self, config: ComponentConfig) -> None:
        # Before anything else may log, and in the constructor: a problem here ends the boot with its words.
        log_filter.install()
        recursion.restore_limit()
        compat.quiet_connection_logs()
        compat.plain_log_arguments()
        compat.return_to_launch_directory()
        self._settings = read_settings()
        log_filter.install(quiet=log_filter.is_quiet(self._settings.node.log_level))
        super().__init__(config)
        self._reactor: Any = reactor

    def onJoin(self, details: SessionDetails) -> None:  # noqa: ARG002 - the parameter is Autobahn's
        """Put the guards in place; Crossbar opens the ports after the last component has joined."""
        worker = compat.worker_of(self)
        compat.guard_listeners(worker, lambda name, config: check_transport(self._settings, name, config))
        deadlines = SocketDeadlines(self._reactor, self._settings.session.handshake_s)
        compat.guard_sockets(worker, deadlines.opened, deadlines.finished, refuse_operators)
        compat.watch_components(self._end)

    def _end(self, component: str) -> None:
        self.log.error("The node cannot start: component {component} failed, see above", component=component)
        self._reactor.addSystemEventTrigger("after", "shutdown", os._exit, FAILED_BOOT_EXIT_CODE)
        self._reactor.stop()
