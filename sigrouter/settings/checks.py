"""What the settings may be: the range of each, and what must hold between them."""

from collections.abc import Callable, Iterator, Mapping
from ipaddress import ip_address
from typing import Final

from sigrouter.settings.catalogue import BY_KEY
from sigrouter.settings.convert import Value
from sigrouter.settings.forms import FORMS

Values = Mapping[str, Value]
Describe = Callable[[str], str]

DAY_S: Final = 86400.0

RANGES: Final[Mapping[str, tuple[float, float]]] = {
    "node.port": (0, 65535),
    "node.admin_port": (0, 65535),
    "store.redis_port": (1, 65535),
    "store.redis_db": (0, 65535),
    "store.redis_timeout_s": (0.01, 60),
    "store.node_lease_s": (0.1, 600),
    "store.mailbox_entries": (1, 1_000_000),
    "store.room_entries": (1, 1_000_000),
    "store.handover_ttl_s": (1, 365 * DAY_S),
    "store.record_ttl_s": (1, 365 * DAY_S),
    "auth.leeway_s": (0, 300),
    "recovery.token_ttl_s": (1, 30 * DAY_S),
    "recovery.window_s": (0.1, 30 * DAY_S),
    "session.heartbeat_s": (0.1, 3600),
    "session.handshake_s": (0.1, 600),
    "session.keepalive_s": (0.05, 3600),
    "session.sweep_s": (0.02, 600),
    "drain.budget_s": (0.1, DAY_S),
    # Above this a plain ``crossbar start`` kills the worker in the middle of its handover.
    "drain.plain_budget_s": (0.1, 19.99),
    "drain.settle_s": (0, 3600),
    "drain.pair_deadline_s": (0, DAY_S),
    "drain.move_timeout_s": (0.05, 3600),
    "drain.window_initial": (1, 100_000),
    "drain.window_max": (1, 100_000),
    "drain.target_wait_s": (0, DAY_S),
    "pairing.queue_deadline_s": (0.1, DAY_S),
    "pairing.queue_deadline_max_s": (0.1, DAY_S),
    "pairing.capacity_max": (1, 1_000_000),
    "pairing.abilities_max": (0, 10_000),
    "limits.message_bytes": (1024, 16_777_216),
    "limits.calls_per_s": (0.1, 1_000_000),
    "limits.calls_burst": (1, 10_000_000),
    "limits.bytes_per_s": (1024, 10_000_000_000),
    "limits.bytes_burst": (1024, 10_000_000_000),
    "limits.unsent_bytes": (1024, 10_000_000_000),
    "limits.sessions": (1, 10_000_000),
    "limits.handshakes": (1, 1_000_000),
    "limits.send_window": (1, 1_000_000),
    "limits.backlog_entries": (1, 1_000_000),
}

LESS: Final[tuple[tuple[str, str, str], ...]] = (
    ("drain.settle_s", "drain.budget_s", "else the drain is over before anyone was told to move"),
    ("drain.settle_s", "drain.plain_budget_s", "else the drain is over before anyone was told to move"),
    ("session.keepalive_s", "recovery.window_s", "else sessions expire while they are connected"),
    ("session.heartbeat_s", "recovery.token_ttl_s", "else the recovery token expires before it is refreshed"),
    ("recovery.window_s", "recovery.token_ttl_s", "else the token expires while the session still waits"),
    ("session.sweep_s", "store.node_lease_s", "else a living node is taken for dead between two sweeps"),
    ("limits.message_bytes", "limits.unsent_bytes", "else one large message closes its receiver"),
)
"""``(smaller, greater, why)``: the first must be less than the second."""

AT_MOST: Final[tuple[tuple[str, str, str], ...]] = (
    ("drain.window_initial", "drain.window_max", "the window grows from one to the other"),
    ("pairing.queue_deadline_s", "pairing.queue_deadline_max_s", "the first is the default of what clients may ask"),
    ("limits.message_bytes", "limits.bytes_burst", "else a message of the allowed size is always refused"),
)
"""``(smaller, greater, why)``: the first must not be more than the second."""


def problem_of(key: str, value: Value) -> str:
    """What is wrong with one value by itself and what is allowed, or an empty text."""
    if key in RANGES and not isinstance(value, str | tuple):
        low, high = RANGES[key]
        return "" if low <= value <= high else f"must be from {low:g} to {high:.12g}"
    return FORMS[key](value) if key in FORMS else ""


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach ``host``."""
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def between(values: Values, describe: Describe) -> Iterator[str]:
    """Sentences on what does not hold between settings. ``values`` lacks those that are wrong by themselves: a check
    that needs one of them is left out, since its answer would mislead. ``describe``: a key with value and source."""
    for smaller, greater, why in LESS:
        if _known(values, smaller, greater) and not values[smaller] < values[greater]:  # type: ignore[operator]  # numbers
            yield f"{describe(smaller)} must be less than {describe(greater)}: {why}"
    for smaller, greater, why in AT_MOST:
        if _known(values, smaller, greater) and not values[smaller] <= values[greater]:  # type: ignore[operator]  # numbers
            yield f"{describe(smaller)} must not be more than {describe(greater)}: {why}"
    yield from _ports(values, describe)
    if values.get("store.kind") == "redis" and values.get("store.redis_host") == "":
        yield f"{describe('store.redis_host')} must name the Redis host, because {describe('store.kind')}"
    yield from _keys(values, describe)


def _known(values: Values, *keys: str) -> bool:
    return all(key in values for key in keys)


def _ports(values: Values, describe: Describe) -> Iterator[str]:
    port = values.get("node.port")
    if port and port == values.get("node.admin_port"):  # 0 asks for any free port, so two of them do not clash.
        yield f"{describe('node.port')} and {describe('node.admin_port')} must differ"


def _keys(values: Values, describe: Describe) -> Iterator[str]:
    if not _known(values, "auth.keys", "auth.jwks"):
        return
    if values["auth.keys"] or values["auth.jwks"]:
        if values.get("recovery.secrets") == ():
            shared = (
                "the nodes must share them" if values.get("store.kind") == "redis" else "only they survive a restart"
            )
            yield (
                f"{describe('recovery.secrets')} must be set when JWT keys are ({BY_KEY['recovery.secrets'].variable} "
                f"or RECOVERY_SECRETS, as kid=secret): {shared}"
            )
        return
    for key in ("node.host", "node.admin_host"):
        host = values.get(key)
        if isinstance(host, str) and not is_loopback(host):
            yield (
                f"{describe(key)} must be loopback (127.0.0.1, ::1 or localhost) as long as no JWT keys are given: "
                "with keys that it made itself the node listens nowhere else; "
                "give JWT_PUBLIC_KEY_FILE, JWT_KEYS or JWT_JWKS_FILE"
            )
