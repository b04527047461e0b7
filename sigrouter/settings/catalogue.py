"""Every setting by name: where it stands in the TOML file, and which environment variables set it."""

import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Final, Literal

from attrs import AttrsInstance, fields, frozen, has

from sigrouter.settings.model import Settings

Kind = Literal["text", "whole", "number", "texts"]

CONFIG_VARIABLE: Final = "SIGROUTER_CONFIG"

SHORT_NAMES: Final[Mapping[str, str]] = {
    "POD_NAME": "node.node_id",
    "STACK": "node.stack",
    "HOST": "node.host",
    "PORT": "node.port",
    "ADMIN_HOST": "node.admin_host",
    "ADMIN_PORT": "node.admin_port",
    "PUBLIC_URL": "node.url",
    "ALLOWED_ORIGINS": "node.allowed_origins",
    "STATE_DIR": "node.state_dir",
    "LOG_LEVEL": "node.log_level",
    "STORE": "store.kind",
    "REDIS_HOST": "store.redis_host",
    "REDIS_PORT": "store.redis_port",
    "REDIS_DB": "store.redis_db",
    "REDIS_PASSWORD": "store.redis_password",
    "JWT_KEYS": "auth.keys",
    "JWT_PUBLIC_KEY_FILE": "auth.keys",
    "JWT_JWKS_FILE": "auth.jwks",
    "JWT_AUDIENCE": "auth.audience",
    "JWT_ISSUER": "auth.issuer",
    "RECOVERY_SECRETS": "recovery.secrets",
    "DRAIN_SECONDS": "drain.budget_s",
}
"""The names that operators and platforms use anyway. The long name wins over a short one."""

FILE_VARIABLES: Final[Mapping[str, str]] = {
    "REDIS_PASSWORD_FILE": "REDIS_PASSWORD",
    "RECOVERY_SECRETS_FILE": "RECOVERY_SECRETS",
}
"""Variables that name a file with the value of another one, as Docker and Kubernetes mount secrets."""

_KINDS: Final[Mapping[object, Kind]] = {str: "text", int: "whole", float: "number", tuple[str, ...]: "texts"}
_SERVICE_LINK_NAME: Final = re.compile(
    r".*_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)"
)
_SERVICE_LINK_VALUE: Final = re.compile(r"(tcp|udp|sctp)://.*", re.DOTALL)

MODELS: Final[Mapping[str, type[AttrsInstance]]] = {
    section.name: section.type
    for section in fields(Settings)
    if section.type and has(section.type)  # ``development`` is no section: it follows from the others.
}
"""The class of each section."""


@frozen
class Setting:
    """One setting: ``key`` is ``section.name``; ``short`` are its short variables; a ``secret`` is never shown."""

    section: str
    name: str
    kind: Kind
    default: object
    secret: bool

    @property
    def key(self) -> str:
        """``section.name``."""
        return f"{self.section}.{self.name}"

    @property
    def variable(self) -> str:
        """The long environment variable."""
        return f"SIGROUTER_{self.section}_{self.name}".upper()

    @property
    def short(self) -> tuple[str, ...]:
        """The short environment variables."""
        return tuple(name for name, key in SHORT_NAMES.items() if key == self.key)


def _settings() -> tuple[Setting, ...]:
    return tuple(
        Setting(section, one.name, _KINDS[one.type], one.default, secret=not one.repr)
        for section, model in MODELS.items()
        for one in fields(model)
    )


SETTINGS: Final = _settings()
SECTIONS: Final = tuple(MODELS)
BY_KEY: Final[Mapping[str, Setting]] = {setting.key: setting for setting in SETTINGS}
VARIABLES: Final = frozenset(
    {CONFIG_VARIABLE, *SHORT_NAMES, *FILE_VARIABLES, *(setting.variable for setting in SETTINGS)}
)


def nearest(name: str, known: tuple[str, ...]) -> str:
    """A hint like ``; did you mean 'port'?``, or nothing when no known name is near."""
    near = get_close_matches(name, known, n=1, cutoff=0.6)
    return f"; did you mean '{near[0]}'?" if near else ""


def is_service_link(value: str) -> bool:
    """Whether Kubernetes made this value: a service named ``redis`` gives every pod ``REDIS_PORT=tcp://10.0.0.5:6379``."""
    return _SERVICE_LINK_VALUE.fullmatch(value) is not None


def unknown_variables(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Sentences on variables that look meant for us and are none of ours: a typo must not silently do nothing."""
    long_names = tuple(setting.variable for setting in SETTINGS)
    prefixes = tuple(f"SIGROUTER_{section.upper()}_" for section in SECTIONS)
    problems = []
    for name in sorted(environment):
        if not name.startswith("SIGROUTER_") or name in VARIABLES:
            continue
        if _SERVICE_LINK_NAME.fullmatch(name) or is_service_link(environment[name]):
            continue
        if name.startswith(prefixes) or get_close_matches(name, long_names, n=1, cutoff=0.9):
            problems.append(f"{name} (in the environment) is not a setting{nearest(name, long_names)}")
    return tuple(problems)
