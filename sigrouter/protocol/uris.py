"""Every URI that sigrouter answers, publishes or refuses with; this file is the menu.

Autobahn compares ``type(uri) is str``, so these are plain strings and not members of an enum.
"""

from typing import Final

REALM: Final[str] = "sigrouter"
PROTOCOL_VERSION: Final[int] = 1

# ---- What clients and workers call -------------------------------------------------------------

SESSION_READY: Final[str] = "sig.session.ready"
SESSION_HEARTBEAT: Final[str] = "sig.session.heartbeat"
SESSION_INFO: Final[str] = "sig.session.info"
SESSION_END: Final[str] = "sig.session.end"

CHANNEL_RECOVER: Final[str] = "sig.channel.recover"
CHANNEL_ACK: Final[str] = "sig.channel.ack"

PAIR_REQUEST: Final[str] = "sig.pair.request"
PAIR_CANCEL: Final[str] = "sig.pair.cancel"
PAIR_RELEASE: Final[str] = "sig.pair.release"
PAIR_SEND: Final[str] = "sig.pair.send"

WORKER_ANNOUNCE: Final[str] = "sig.worker.announce"
WORKER_STATUS: Final[str] = "sig.worker.status"

# ---- What operators call -----------------------------------------------------------------------

ADMIN_NODES: Final[str] = "sig.admin.nodes"
ADMIN_SESSIONS: Final[str] = "sig.admin.sessions"
ADMIN_SESSION: Final[str] = "sig.admin.session"
ADMIN_KICK: Final[str] = "sig.admin.kick"
ADMIN_DRAIN: Final[str] = "sig.admin.drain"
ADMIN_UNDRAIN: Final[str] = "sig.admin.undrain"
ADMIN_HANDOVER: Final[str] = "sig.admin.handover"
ADMIN_HANDOVERS: Final[str] = "sig.admin.handovers"

# ---- What the node calls itself (never open to peers) ------------------------------------------

AUTHENTICATE: Final[str] = "sig.internal.authenticate"
AUTHENTICATE_ADMIN: Final[str] = "sig.internal.authenticate_admin"

# ---- Events: subscribe once to the prefix, or to the single topics that you want ---------------

EVENT_PREFIX: Final[str] = "sig.event."
EVENT_MESSAGE: Final[str] = "sig.event.message"
EVENT_PAIR: Final[str] = "sig.event.pair"
EVENT_QUEUE: Final[str] = "sig.event.queue"
EVENT_GOAWAY: Final[str] = "sig.event.goaway"

# ---- Reasons of a close (GOODBYE) --------------------------------------------------------------

CLOSE_GOAWAY: Final[str] = "sig.close.goaway"
CLOSE_SUPERSEDED: Final[str] = "sig.close.superseded"
CLOSE_ENDED: Final[str] = "sig.close.ended"
CLOSE_KICKED: Final[str] = "sig.close.kicked"
CLOSE_SLOW_READER: Final[str] = "sig.close.slow_reader"
CLOSE_NOT_READY: Final[str] = "sig.close.not_ready"
CLOSE_STALE: Final[str] = "sig.close.stale"

# ---- Errors: one class for each in errors.py ---------------------------------------------------

ERROR_AUTHENTICATION: Final[str] = "sig.error.authentication"
ERROR_BUSY: Final[str] = "sig.error.busy"
ERROR_DRAINING: Final[str] = "sig.error.draining"
ERROR_FORBIDDEN: Final[str] = "sig.error.forbidden"
ERROR_INTERNAL: Final[str] = "sig.error.internal"
ERROR_INVALID: Final[str] = "sig.error.invalid"
ERROR_MAILBOX_FULL: Final[str] = "sig.error.mailbox_full"
ERROR_MISROUTED: Final[str] = "sig.error.misrouted"
ERROR_NOT_FOUND: Final[str] = "sig.error.not_found"
ERROR_NOT_PAIRED: Final[str] = "sig.error.not_paired"
ERROR_NOT_READY: Final[str] = "sig.error.not_ready"
ERROR_OUT_OF_ORDER: Final[str] = "sig.error.out_of_order"
ERROR_RATE_LIMITED: Final[str] = "sig.error.rate_limited"
ERROR_RECOVERY: Final[str] = "sig.error.recovery"
ERROR_SUPERSEDED: Final[str] = "sig.error.superseded"
ERROR_TOO_LARGE: Final[str] = "sig.error.too_large"
ERROR_UNAVAILABLE: Final[str] = "sig.error.unavailable"
