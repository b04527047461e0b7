"""Decides whether a JWT is good, and says whose it is (R3). Only RS256 is taken."""

import math
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, get_args

import jwt
from attrs import frozen
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from twisted.logger import Logger

from sigrouter.protocol.errors import Authentication
from sigrouter.services.key_files import KeyFiles
from sigrouter.settings import SettingsError
from sigrouter.settings.model import AuthSettings
from sigrouter.stores.records import Role

ALGORITHM: Final = "RS256"
ROLES: Final[frozenset[str]] = frozenset(get_args(Role))
TOKEN_CHARACTERS_MAX: Final = 16_384
SUBJECT_CHARACTERS_MAX: Final = 256
RELOAD_CHECK_S: Final = 3.0


@frozen
class Identity:
    """Whose the connection is. ``expires_at``: seconds since the epoch, when the JWT ends."""

    user_id: str
    role: Role
    expires_at: float


class JwtRefused(Authentication):
    """A JWT was not taken. ``reason`` is for the log and holds nothing of the token; the peer is not told."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__()


class JwtVerifier:
    """Verifies JWTs with the keys of the settings; ``now`` is the time in seconds since the epoch."""

    log = Logger()

    def __init__(
        self,
        auth: AuthSettings,
        files: KeyFiles,
        extra_keys: Mapping[str, RSAPublicKey],
        now: Callable[[], float] = time.time,
    ) -> None:
        self._auth = auth
        self._files = files
        self._extra_keys = dict(extra_keys)
        self._now = now
        self._next_check = now() + RELOAD_CHECK_S
        self._stamps = files.stamps()  # Before reading: a change in between is then read once more.
        self._keys = {**files.read(), **self._extra_keys}
        self._codec = jwt.PyJWT()

    @classmethod
    def from_settings(
        cls,
        auth: AuthSettings,
        extra_keys: Mapping[str, RSAPublicKey] | None = None,
        now: Callable[[], float] = time.time,
    ) -> "JwtVerifier":
        """A verifier with the keys of the settings and ``extra_keys`` (those of development).

        Raises ``SettingsError`` when a key file cannot be read.
        """
        return cls(auth, KeyFiles(auth), extra_keys or {}, now)

    @property
    def kids(self) -> tuple[str, ...]:
        """The names of the keys in use."""
        return tuple(sorted(self._keys))

    def verify(self, token: str) -> Identity:
        """Whose token it is. Raises :class:`JwtRefused`, an ``Authentication`` error, for every other token."""
        if not token:
            raise JwtRefused("no token")
        if len(token) > TOKEN_CHARACTERS_MAX:
            raise JwtRefused("the token is too long")
        try:
            header = jwt.get_unverified_header(token)
            key = self._key(header)
            claims = self._codec.decode(
                token,
                key,
                algorithms=[ALGORITHM],
                audience=self._auth.audience,
                issuer=self._auth.issuer or None,
                # The times are checked below, by the injected clock.
                options={
                    "require": ["exp", "sub", "aud", *(["iss"] if self._auth.issuer else [])],
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                    "verify_iss": bool(self._auth.issuer),
                },
            )
        except JwtRefused:
            raise
        except Exception as error:  # noqa: BLE001  # strangers choose the bytes
            # Whatever they make the library raise is a bad token, never our fault.
            raise JwtRefused(f"not verified: {type(error).__name__}") from None
        return self._identity(claims)

    def _key(self, header: Mapping[str, Any]) -> RSAPublicKey:
        if header.get("alg") != ALGORITHM:
            raise JwtRefused("the algorithm is not RS256")
        if "crit" in header:
            raise JwtRefused("the header asks for an extension")
        kid = header.get("kid")
        if self._now() >= self._next_check:
            self._reload_if_changed()
        key = self._find(kid)
        if key is None:
            # The issuer may just have rotated. This costs an attacker's token one stat; files are read when changed.
            self._reload_if_changed()
            key = self._find(kid)
        if key is None:
            raise JwtRefused("the kid is missing while there are several keys" if kid is None else "the kid is unknown")
        return key

    def _find(self, kid: object) -> RSAPublicKey | None:
        if kid is None:
            return next(iter(self._keys.values())) if len(self._keys) == 1 else None
        return self._keys.get(kid) if isinstance(kid, str) and kid else None

    def _reload_if_changed(self) -> None:
        self._next_check = self._now() + RELOAD_CHECK_S
        stamps = self._files.stamps()
        if stamps == self._stamps:
            return
        try:
            self._keys = {**self._files.read(), **self._extra_keys}
        except SettingsError as error:
            # Half-written or gone: the old keys stay, and the next look tries again.
            self.log.warn("JWT keys stay as they were: {problems}", problems="; ".join(error.problems))
            return
        self._stamps = stamps
        self.log.info("JWT keys read again: {kids}", kids=", ".join(self.kids))

    def _identity(self, claims: Mapping[str, Any]) -> Identity:
        now, leeway = self._now(), self._auth.leeway_s
        expires_at = _time(claims, "exp")
        if expires_at <= now - leeway:
            raise JwtRefused("expired")
        for claim in ("nbf", "iat"):
            if claim in claims and _time(claims, claim) > now + leeway:
                raise JwtRefused(f"not valid yet ({claim})")
        user_id = claims["sub"]
        if not isinstance(user_id, str) or not user_id.strip() or len(user_id) > SUBJECT_CHARACTERS_MAX:
            raise JwtRefused(f"sub is not a text of 1 to {SUBJECT_CHARACTERS_MAX} characters")
        if not user_id.isprintable():
            raise JwtRefused("sub holds unprintable characters")
        role = claims.get(self._auth.role_claim, "client")
        if not isinstance(role, str) or role not in ROLES:
            raise JwtRefused("the role is unknown")
        return Identity(user_id, role, expires_at)  # type: ignore[arg-type]  # one of ROLES


def token_from_cookie(header: str, name: str) -> str | None:
    """The value of the cookie ``name`` in a ``Cookie`` header, or ``None``.

    The first of several counts: browsers send the one with the most specific path first (RFC 6265, section 5.4).
    """
    for pair in header.split(";"):
        found, separator, value = pair.partition("=")
        if separator and found.strip() == name:
            return value.strip().removeprefix('"').removesuffix('"') or None
    return None


def _time(claims: Mapping[str, Any], claim: str) -> float:
    value = claims[claim]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise JwtRefused(f"{claim} is not a number")
    try:
        seconds = float(value)
    except OverflowError:
        seconds = math.inf
    if not math.isfinite(seconds):
        raise JwtRefused(f"{claim} is not a time")
    return seconds
