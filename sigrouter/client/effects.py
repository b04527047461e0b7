"""What the core asks its front end to do; the core itself does nothing."""

from collections.abc import Mapping
from typing import Any

from attrs import field, frozen

from sigrouter.client.events import Event


@frozen
class FetchTicket:
    """Ask the application for a JWT and report ``ticket_obtained`` or ``ticket_failed`` with ``request_id``."""

    request_id: int


@frozen
class Connect:
    """Open a connection now, and report ``joined``, ``refused`` or ``closed`` with ``handle``."""

    handle: int
    url: str
    ticket: str = field(repr=False)
    authextra: Mapping[str, Any] = field(repr=False)


@frozen
class Subscribe:
    """Subscribe to all topics with the prefix, and report each as ``event``; report ``closed`` if it is refused."""

    handle: int
    prefix: str


@frozen
class Call:
    """Call, and report ``result`` or ``error`` with ``call_id``, if an answer comes."""

    handle: int
    call_id: int
    procedure: str
    kwargs: Mapping[str, Any]


@frozen
class Close:
    """Close the connection and report ``closed`` when it is."""

    handle: int


@frozen
class Deliver:
    """Hand the event to the application. A logged one has its position; report ``consumed`` when it was worked on."""

    event: Event
    channel: str = ""
    epoch: str = ""
    seq: int = 0


@frozen
class Resolve:
    """The command has succeeded."""

    command_id: int
    value: Any


@frozen
class Reject:
    """The command has failed."""

    command_id: int
    error: Exception


@frozen
class SetTimer:
    """Report ``timer`` at ``at`` (or soon after), in place of the timer that was set before."""

    at: float


@frozen
class Finished:
    """Nothing will ever happen again: end the iteration of events once it is empty."""


Effect = FetchTicket | Connect | Subscribe | Call | Close | Deliver | Resolve | Reject | SetTimer | Finished
