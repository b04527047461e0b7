"""Our own kind of Crossbar node, chosen by ``sigrouter start``: settings and a drain that is waited for.

The workers import this module by its dotted name.
"""

from collections.abc import Callable
from typing import Any

from crossbar.node.node import Node
from crossbar.personality import Personality as CrossbarPersonality
from crossbar.personality import default_native_workers

from sigrouter.node import log_filter
from sigrouter.node.compat import PERSONALITY_NAME
from sigrouter.node.configuration import render
from sigrouter.node.controller import Controller, Outcome, RouterWorker
from sigrouter.node.sources import read_settings
from sigrouter.settings.model import Settings


class SigrouterNode(Node):
    """A Crossbar node whose transports are what the settings say."""

    NODE_CONTROLLER = Controller

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.settings: Settings = read_settings()
        log_filter.install(quiet=log_filter.is_quiet(self.settings.node.log_level))

    def load_config(self, configfile: str | None = None, default: dict[str, Any] | None = None) -> Any:
        """Load and check the file as Crossbar does, then apply the settings and check again."""
        source = super().load_config(configfile, default)
        self._config: dict[str, Any] = render(self._config, self.settings)
        self.personality.check_config(self.personality, self._config)
        return source

    def after_boot(self, act: Callable[[], None]) -> None:
        """Call ``act`` now, or once the boot under way has ended. A boot that fails ends the node by itself."""
        if self._boot_complete is None:
            act()
        else:
            self._boot_complete.addCallback(_after(act))


def _after(act: Callable[[], None]) -> Callable[[Any], Any]:
    def passing(result: Any) -> Any:
        act()
        return result

    return passing


def _native_workers() -> dict[str, Any]:
    workers: dict[str, Any] = default_native_workers()
    workers["router"]["class"] = RouterWorker
    return workers


class Personality(CrossbarPersonality):
    """What Crossbar asks when it has a choice."""

    NAME = PERSONALITY_NAME
    TITLE = "sigrouter"
    DESC = "A WAMP signaling server that can be redeployed at any moment without anyone noticing"
    BANNER = "sigrouter"
    Node = SigrouterNode
    native_workers = _native_workers()
    outcome = Outcome()
