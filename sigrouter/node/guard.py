"""The first component of the router worker: it makes any way of starting this node a safe one.

Under ``sigrouter start`` and plain ``crossbar start`` alike: no token in a log, no port that the settings do not want,
no development mode beyond this machine, no silent socket that stays, no node that waits for ever for a component that
died.
"""

import os
from typing import Any

from autobahn.twisted.wamp import ApplicationSession
from autobahn.wamp.types import ComponentConfig, SessionDetails
from twisted.internet import reactor
from twisted.internet.task import LoopingCall

from sigrouter.node import compat, log_filter
from sigrouter.node.configuration import check_transport
from sigrouter.node.sockets import SocketDeadlines
from sigrouter.node.sources import read_settings

WATCH_S = 0.2
FAILED_BOOT_EXIT_CODE = 70


class NodeGuard(ApplicationSession):
    """Installed by ``.crossbar/config.json`` before all other components; it registers nothing."""

    def __init__(self, config: ComponentConfig) -> None:
        # Before anything else may log, and in the constructor: a problem here ends the boot with its words.
        log_filter.install()
        compat.quiet_connection_logs()
        compat.return_to_launch_directory()
        super().__init__(config)
        self._reactor: Any = reactor
        self._settings = read_settings()
        self._watch = LoopingCall(self._look)
        self._watch.clock = self._reactor

    def onJoin(self, details: SessionDetails) -> None:  # noqa: ARG002 - the parameter is Autobahn's
        """Put the guards in place; Crossbar opens the ports after the last component has joined."""
        worker = compat.worker_of(self)
        compat.guard_listeners(worker, lambda name, config: check_transport(self._settings, name, config))
        deadlines = SocketDeadlines(self._reactor, self._settings.session.handshake_s)
        compat.guard_sockets(worker, deadlines.opened, deadlines.finished)
        self._watch.start(WATCH_S)

    def _look(self) -> None:
        lost = compat.lost_components(self)
        if lost:
            self._watch.stop()
            self.log.error("The node cannot start: component {names} failed, see above", names=", ".join(lost))
            self._reactor.addSystemEventTrigger("after", "shutdown", os._exit, FAILED_BOOT_EXIT_CODE)
            self._reactor.stop()
        elif compat.is_listening(self):
            self._watch.stop()
