"""What a command of the SDK can fail with, beside the refusals of ``sigrouter.protocol.errors``."""

from collections.abc import Mapping
from typing import Any, Final

from sigrouter.protocol import errors, uris
from sigrouter.protocol.errors import SigrouterError

_CLASSES: Final = {refusal.uri: refusal for refusal in errors.ALL}

# The router's own errors; they belong to WAMP and not to our catalogue.
_ROUTER_CANNOT: Final = frozenset({"wamp.error.no_such_procedure", "wamp.error.canceled", "wamp.error.unavailable"})


class ClientError(Exception):
    """A command that did not succeed for a reason on this side of the connection."""


class AuthenticationFailed(ClientError):
    """No ticket could be had, or fresh tickets were refused one after the other."""


class CallFailed(ClientError):
    """The procedure answered an error that is not in our catalogue; ``uri`` names it."""

    def __init__(self, uri: str, message: str) -> None:
        self.uri = uri
        super().__init__(f"{uri}: {message}" if message else uri)


class Interrupted(ClientError):
    """The connection was lost before the answer came: the call may or may not have happened."""


class NoWorker(ClientError):
    """No worker was free before the deadline."""


class PairingCancelled(ClientError):
    """The request for a pair was withdrawn."""


class SessionGone(ClientError):
    """The session is lost and a fresh one follows; whether the message arrived is not known. ``reason`` says why."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"The session cannot be resumed: {reason}")


class Stopped(ClientError):
    """The client was stopped, or its session is over."""


def refusal(uri: str, details: Mapping[str, Any]) -> Exception:
    """The exception for an error URI and its details ``{message, retry_after_s?, …}``."""
    message = str(details.get("message", ""))
    refused = _CLASSES.get(uri)
    if refused is None:
        return CallFailed(uri, message)
    if refused is errors.Recovery:
        reason = details.get("reason")
        return errors.Recovery(reason if reason in errors.RECOVERY_REASONS else "unknown")
    fields = {str(key): value for key, value in details.items() if key not in {"message", "retry_after_s"}}
    return refused(message or None, retry_after_s=seconds(details.get("retry_after_s")), **fields)


def retry_after_s(error: Exception) -> float | None:
    """Seconds after which the same call may succeed; ``None``: the error is final."""
    return error.retry_after_s if isinstance(error, SigrouterError) else None


def concerns_connection(error: Exception, procedure: str) -> bool:
    """Whether the connection, and not the call, is what failed: the same call is good on another connection.

    A node that stops unregisters its procedures before its sockets close, hence the router's errors.
    """
    if isinstance(error, errors.Superseded | errors.NotReady):
        return True
    return isinstance(error, CallFailed) and error.uri in _ROUTER_CANNOT and procedure in CATALOGUE


def seconds(value: object) -> float | None:
    """A number of seconds from the wire, or ``None`` if it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return max(0.0, float(value))


CATALOGUE: Final = frozenset(
    {
        uris.SESSION_READY,
        uris.SESSION_HEARTBEAT,
        uris.SESSION_INFO,
        uris.SESSION_END,
        uris.CHANNEL_RECOVER,
        uris.CHANNEL_ACK,
        uris.PAIR_REQUEST,
        uris.PAIR_CANCEL,
        uris.PAIR_RELEASE,
        uris.PAIR_SEND,
        uris.WORKER_ANNOUNCE,
        uris.WORKER_STATUS,
    }
)
"""What every node answers promptly."""

REPEATABLE: Final = CATALOGUE - {uris.PAIR_SEND}
"""What may be called twice with the effect of once, so that a lost answer is no failure."""
