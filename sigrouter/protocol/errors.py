"""Every refusal a peer can get, one class for each error URI.

A refusal is an answer, not an accident: it says what is wrong, whether the same call may succeed later, and after how
many seconds to repeat it. Bugs are not in this file; the component boundary turns them into :class:`Internal`.
"""

from typing import Any, ClassVar, Final

from sigrouter.protocol import uris

RECOVERY_REASONS: Final = frozenset({"expired", "revoked", "superseded", "unknown", "mismatch", "forged"})


class SigrouterError(Exception):
    """A refusal with a URI and JSON-able details.

    ``message`` is written for the peer's developer and holds no token, no exception text and no name of an inner part.
    ``retry_after_s`` (seconds, ``None``: repeating does not help) tells when the same call may succeed.
    Anything else goes in ``fields`` and reaches the peer beside those two.
    """

    uri: ClassVar[str] = uris.ERROR_INTERNAL
    text: ClassVar[str] = "Internal error"
    default_retry_after_s: ClassVar[float | None] = None

    def __init__(self, message: str | None = None, *, retry_after_s: float | None = None, **fields: Any) -> None:
        self.message = message or self.text
        self.retry_after_s = self.default_retry_after_s if retry_after_s is None else retry_after_s
        self.fields = fields
        super().__init__(self.message)

    def details(self) -> dict[str, Any]:
        """The refusal as a JSON-able mapping: ``message``, perhaps ``retry_after_s``, and the fields."""
        details: dict[str, Any] = {"message": self.message, **self.fields}
        if self.retry_after_s is not None:
            details["retry_after_s"] = self.retry_after_s
        return details


class Authentication(SigrouterError):
    """No JWT, or none that this node accepts (R3). Get a new one and connect again."""

    uri = uris.ERROR_AUTHENTICATION
    text = "Authentication error"


class Busy(SigrouterError):
    """The node has enough handshakes or sessions right now. Come back after ``retry_after_s``."""

    uri = uris.ERROR_BUSY
    text = "The node is busy"
    default_retry_after_s = 0.5


class Draining(SigrouterError):
    """The node takes no new session because it is about to stop. Another one will."""

    uri = uris.ERROR_DRAINING
    text = "The node is draining"
    default_retry_after_s = 0.5


class Forbidden(SigrouterError):
    """The session's role may not do this, or not to that session."""

    uri = uris.ERROR_FORBIDDEN
    text = "Not allowed"


class Internal(SigrouterError):
    """A fault of the server. It was logged there; nothing of it is told here."""

    uri = uris.ERROR_INTERNAL
    text = "Internal error"


class Invalid(SigrouterError):
    """An argument is missing, of the wrong type, or out of range; ``field`` names it."""

    uri = uris.ERROR_INVALID
    text = "Invalid argument"


class MailboxFull(SigrouterError):
    """The receiver has not read for so long that one more message could not be kept. Repeat later; nothing was lost."""

    uri = uris.ERROR_MAILBOX_FULL
    text = "The receiver's mailbox is full"
    default_retry_after_s = 1.0


class Misrouted(SigrouterError):
    """A handover sent the session to another stack than this node's. Connect again; the balancer will learn."""

    uri = uris.ERROR_MISROUTED
    text = "This node is of another stack than the one you were sent to"
    default_retry_after_s = 0.3


class NotFound(SigrouterError):
    """The session, node or handover that was asked for does not exist (any more)."""

    uri = uris.ERROR_NOT_FOUND
    text = "Not found"


class NotPaired(SigrouterError):
    """The session has no such pair (any more)."""

    uri = uris.ERROR_NOT_PAIRED
    text = "Not paired"


class NotReady(SigrouterError):
    """``sig.session.ready`` must be called first."""

    uri = uris.ERROR_NOT_READY
    text = "Call sig.session.ready first"


class OutOfOrder(SigrouterError):
    """A numbered message came before one that the sender still waits for; repeat from ``expected`` on."""

    uri = uris.ERROR_OUT_OF_ORDER
    text = "An earlier message is missing"
    default_retry_after_s = 0.0


class RateLimited(SigrouterError):
    """The session calls more often, or sends more bytes, than its limit allows."""

    uri = uris.ERROR_RATE_LIMITED
    text = "Too many calls"
    default_retry_after_s = 1.0


class Recovery(SigrouterError):
    """The recovery token does not bring the session back; ``reason`` (one of ``RECOVERY_REASONS``) says why.

    The client starts a fresh session, knowingly: what the old one had is gone.
    """

    uri = uris.ERROR_RECOVERY
    text = "The session cannot be resumed"

    def __init__(self, reason: str) -> None:
        if reason not in RECOVERY_REASONS:
            raise ValueError(reason)
        self.reason = reason
        super().__init__(reason=reason)


class Superseded(SigrouterError):
    """A newer connection of the same session has taken over; this one can do nothing more."""

    uri = uris.ERROR_SUPERSEDED
    text = "A newer connection has taken over this session"


class TooLarge(SigrouterError):
    """The message is larger than ``limit_bytes``."""

    uri = uris.ERROR_TOO_LARGE
    text = "The message is too large"


class Unavailable(SigrouterError):
    """The store cannot be reached; nothing was promised. Repeat the same call after ``retry_after_s``."""

    uri = uris.ERROR_UNAVAILABLE
    text = "The store is unavailable"
    default_retry_after_s = 0.5


ALL: Final[tuple[type[SigrouterError], ...]] = (
    Authentication, Busy, Draining, Forbidden, Internal, Invalid, MailboxFull, Misrouted, NotFound, NotPaired, NotReady,
    OutOfOrder, RateLimited, Recovery, Superseded, TooLarge, Unavailable,
)  # fmt: skip
"""The whole catalogue, for clients that map URIs back to classes."""
