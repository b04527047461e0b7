"""The pages that ``.crossbar/config.json`` names, bound to the Pod of this process.

Crossbar builds a resource from a dotted name and a mapping; here the Pod comes in, so that the pages themselves know
nothing of the wiring.
"""

from collections.abc import Mapping
from typing import Any

from sigrouter import wiring
from sigrouter.web.health import Health
from sigrouter.web.ready import Ready


def health(extra: Mapping[str, Any]) -> Health:  # noqa: ARG001 - Crossbar passes the path's "extra"
    """``/health`` of this process's Pod."""
    return Health(wiring.pod)


def ready(extra: Mapping[str, Any]) -> Ready:  # noqa: ARG001 - Crossbar passes the path's "extra"
    """``/ready`` of this process's Pod."""
    return Ready(wiring.pod)
