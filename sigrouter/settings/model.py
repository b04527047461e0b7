"""Every setting with its default and unit: one frozen class for each section of the TOML file.

The environment variable of a setting is ``SIGROUTER_<SECTION>_<NAME>``; the short names that operators know (``PORT``,
``HOST``, ``REDIS_HOST``, ``POD_NAME`` ...) are in :mod:`sigrouter.settings.catalogue`.
"""

from attrs import field, frozen


@frozen
class NodeSettings:
    """Who this node is and where it listens. An empty ``node_id`` becomes the host's name at load."""

    node_id: str = ""
    stack: str = "default"
    host: str = "127.0.0.1"
    port: int = 4001
    admin_host: str = "127.0.0.1"
    admin_port: int = 4002
    url: str = ""
    allowed_origins: tuple[str, ...] = ("http://localhost:*", "http://127.0.0.1:*")
    state_dir: str = ".sigrouter"
    log_level: str = "info"


@frozen
class StoreSettings:
    """``kind``: ``memory`` (one node) or ``redis``. Empty: redis when a Redis host is set, else memory."""

    kind: str = ""
    redis_host: str = ""
    redis_port: int = 6379
    redis_db: int = 0
    redis_password: str = field(default="", repr=False)
    redis_timeout_s: float = 2.0
    node_lease_s: float = 15.0
    mailbox_entries: int = 1000
    room_entries: int = 1000
    handover_ttl_s: float = 86400.0
    record_ttl_s: float = 3600.0


@frozen
class AuthSettings:
    """Which JWTs are taken (R3). ``keys``: PEM files as ``kid=path`` or ``path`` (kid = file name without suffix)."""

    keys: tuple[str, ...] = ()
    jwks: str = ""
    audience: str = "sigrouter"
    issuer: str = ""
    leeway_s: float = 10.0
    role_claim: str = "role"
    cookie: str = "access_token"


@frozen
class RecoverySettings:
    """Recovery tokens (R1, R2). ``secrets``: ``kid=secret``, the first one signs, all verify."""

    secrets: tuple[str, ...] = field(default=(), repr=False)
    token_ttl_s: float = 900.0
    window_s: float = 120.0


@frozen
class SessionSettings:
    """Heartbeats and keep-alive of sessions (R16)."""

    heartbeat_s: float = 10.0
    handshake_s: float = 15.0
    keepalive_s: float = 10.0
    sweep_s: float = 2.0


@frozen
class DrainSettings:
    """The handover's budgets (R16). ``settle_s``: from "not ready" to the first GOAWAY, so that balancers notice."""

    budget_s: float = 30.0
    plain_budget_s: float = 17.0
    settle_s: float = 1.0
    pair_deadline_s: float = 10.0
    move_timeout_s: float = 5.0
    window_initial: int = 8
    window_max: int = 64
    target_wait_s: float = 20.0


@frozen
class PairingSettings:
    """The queue for workers (R20)."""

    queue_deadline_s: float = 60.0
    queue_deadline_max_s: float = 600.0
    capacity_max: int = 1000
    abilities_max: int = 64


@frozen
class LimitSettings:
    """What one session, and all of them, may use. Bytes are of the serialized call."""

    message_bytes: int = 65536
    calls_per_s: float = 200.0
    calls_burst: int = 1000
    bytes_per_s: float = 4_000_000.0
    bytes_burst: int = 8_000_000
    unsent_bytes: int = 4_000_000
    sessions: int = 10_000
    handshakes: int = 128
    send_window: int = 256
    backlog_entries: int = 500


@frozen
class Settings:
    """All sections. ``development``: no JWT keys were given, so the node makes its own and stays on loopback."""

    node: NodeSettings = NodeSettings()
    store: StoreSettings = StoreSettings()
    auth: AuthSettings = AuthSettings()
    recovery: RecoverySettings = RecoverySettings()
    session: SessionSettings = SessionSettings()
    drain: DrainSettings = DrainSettings()
    pairing: PairingSettings = PairingSettings()
    limits: LimitSettings = LimitSettings()
    development: bool = True
