"""How texts and lists among the settings must be formed; each check answers what is allowed, or an empty text."""

import re
from collections.abc import Callable, Mapping
from typing import Final

from sigrouter.settings.convert import Value
from sigrouter.settings.key_ring import KID, SECRET_BYTES_MIN, key_file, named_secret

LOG_LEVELS: Final = ("error", "warn", "info", "debug")
STORE_KINDS: Final = ("memory", "redis")

_NAME: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?")
_HOST: Final = re.compile(r"[A-Za-z0-9._:%-]{1,253}")
_URL: Final = re.compile(r"wss?://[^\s/?#]+(/[^\s?#]*)?")
_ORIGIN: Final = re.compile(r"\*|[a-z*][a-z0-9+.*-]*://[^\s/,]+")
_TOKEN_CHARACTERS: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


def _matches(form: re.Pattern[str], allowed: str) -> Callable[[Value], str]:
    return lambda value: "" if form.fullmatch(str(value)) else allowed


def _host(value: Value) -> str:
    return "" if _HOST.fullmatch(str(value)) else "must be a host name or an IP address, without port or scheme"


def _redis_host(value: Value) -> str:
    return "" if value == "" else _host(value)


def _url(value: Value) -> str:
    good = value == "" or _URL.fullmatch(str(value))
    return "" if good else "must be empty or like wss://sig.example.org/ws"


def _log_level(value: Value) -> str:
    return "" if value in LOG_LEVELS else f"must be one of {', '.join(LOG_LEVELS)}"


def _store_kind(value: Value) -> str:
    return "" if value in STORE_KINDS else f"must be one of {', '.join(STORE_KINDS)}"


def _origins(value: Value) -> str:
    assert isinstance(value, tuple)
    bad = [origin for origin in value if not _ORIGIN.fullmatch(origin)]
    return f"must hold origins like https://app.example.org or https://*.example.org:*, not {bad[0]!r}" if bad else ""


def _jwks(value: Value) -> str:
    return "must be a file, not a URL" if "://" in str(value) else ""


def _keys(value: Value) -> str:
    assert isinstance(value, tuple)
    named = [key_file(entry) for entry in value]
    for entry, (kid, path) in zip(value, named, strict=True):
        if not KID.fullmatch(kid) or not path:
            return f"must hold PEM files as kid=path or path (letters, digits and ._- in a kid), not {entry!r}"
    kids = [kid for kid, _ in named]
    return "must hold each kid once" if len(set(kids)) < len(kids) else ""


def _secrets(value: Value) -> str:
    """Names entries by their number only: with a missing ``kid=`` the secret itself would stand where the kid does."""
    assert isinstance(value, tuple)
    kids = set()
    for number, entry in enumerate(value, 1):
        try:
            kid, secret = named_secret(entry)
        except ValueError:
            return f"must hold entries of the form kid=secret; number {number} is not"
        if len(secret.encode()) < SECRET_BYTES_MIN:
            return f"must hold secrets of at least {SECRET_BYTES_MIN} bytes; number {number} is shorter"
        kids.add(kid)
    return "must hold each kid once" if len(kids) < len(value) else ""


def _filled(what: str) -> Callable[[Value], str]:
    return lambda value: "" if value else f"must not be empty: {what}"


FORMS: Final[Mapping[str, Callable[[Value], str]]] = {
    "node.node_id": _matches(_NAME, "must be 1 to 253 letters, digits, '.', '_' or '-' (as pod names are)"),
    "node.stack": _matches(_NAME, "must be 1 to 253 letters, digits, '.', '_' or '-'"),
    "node.host": _host,
    "node.admin_host": _host,
    "node.url": _url,
    "node.allowed_origins": _origins,
    "node.state_dir": _filled("the node keeps its own keys there"),
    "node.log_level": _log_level,
    "store.kind": _store_kind,
    "store.redis_host": _redis_host,
    "auth.keys": _keys,
    "auth.jwks": _jwks,
    "auth.audience": _filled("a JWT that was made for another service must be refused"),
    "auth.role_claim": _filled("it names the claim that holds the role"),
    "auth.cookie": _matches(_TOKEN_CHARACTERS, "must be a cookie's name (letters, digits and the like)"),
    "recovery.secrets": _secrets,
}
