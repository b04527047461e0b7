"""Makes and reads recovery tokens: what a client shows to get its session back on another connection (R1, R2).

A token is a JWT signed with HS256 by a secret that all nodes share. It can never pass as an access JWT (those are RS256
only), nor an access JWT as a token (type, audience and algorithm differ). Whether it may still be used is the
store's decision: here it is only found genuine and in time.
"""

import math
from collections.abc import Sequence
from typing import Any, Final, get_args

import jwt
from attrs import frozen
from twisted.internet.interfaces import IReactorTime

from sigrouter.protocol.errors import Recovery
from sigrouter.settings.key_ring import SECRET_BYTES_MIN, named_secret
from sigrouter.settings.model import RecoverySettings
from sigrouter.stores.records import Role

ALGORITHM: Final = "HS256"
TYPE: Final = "sigrouter-recovery+jwt"
AUDIENCE: Final = "sigrouter-recovery"
TOKEN_CHARACTERS_MAX: Final = 16_384
PEERS_MAX: Final = 16
ROLES: Final[frozenset[str]] = frozenset(get_args(Role))


@frozen
class RecoveryClaims:
    """What a token holds. ``peers``: session ids of the peers, at most ``PEERS_MAX`` of them (the store knows all)."""

    session_id: str
    user_id: str
    role: Role
    generation: int
    peers: tuple[str, ...] = ()


class RecoveryTokens:
    """The key ring: the first secret signs, all verify, so that secrets can be rotated without losing a session."""

    def __init__(self, secrets: Sequence[tuple[str, str]], ttl_s: float, clock: IReactorTime) -> None:
        """``secrets``: ``(kid, secret)`` of at least 32 bytes. ``clock.seconds()`` must be seconds since the epoch
        (as the reactor's are): the nodes read each other's tokens. Raises ``ValueError`` for an unusable ring.
        """
        self._secrets = {kid: secret.encode() for kid, secret in secrets}
        if not self._secrets or len(self._secrets) < len(secrets):
            raise ValueError("there must be secrets, and each kid once")
        if min(map(len, self._secrets.values())) < SECRET_BYTES_MIN:
            raise ValueError(f"a secret must have at least {SECRET_BYTES_MIN} bytes")
        self._signing_kid = secrets[0][0]
        self._ttl_s = ttl_s
        self._clock = clock
        self._codec = jwt.PyJWT()

    @classmethod
    def from_settings(
        cls, recovery: RecoverySettings, clock: IReactorTime, development_secret: tuple[str, str] | None = None
    ) -> "RecoveryTokens":
        """The ring of the settings; without any, that of ``development_secret``."""
        secrets = [named_secret(entry) for entry in recovery.secrets]
        if not secrets and development_secret:
            secrets = [development_secret]
        return cls(secrets, recovery.token_ttl_s, clock)

    @property
    def ttl_s(self) -> float:
        """Seconds that a new token is good for."""
        return self._ttl_s

    def issue(self, claims: RecoveryClaims) -> str:
        """A token for these claims, good from now on for ``ttl_s``."""
        now = self._clock.seconds()
        payload = {
            "aud": AUDIENCE,
            "sid": claims.session_id,
            "sub": claims.user_id,
            "role": claims.role,
            "gen": claims.generation,
            # A worker may have a thousand peers; a token is sent with every heartbeat and must stay small.
            "peers": list(claims.peers[:PEERS_MAX]),
            "exp": math.ceil(now + self._ttl_s),
        }
        kid = self._signing_kid
        return self._codec.encode(payload, self._secrets[kid], ALGORITHM, headers={"kid": kid, "typ": TYPE})

    def read(self, token: str) -> RecoveryClaims:
        """What a genuine token holds. Raises ``Recovery`` with reason ``expired``, or ``forged`` for anything else."""
        payload = self._verified(token)
        try:
            claims = _claims(payload)
            expires_at = float(payload["exp"])
        except (KeyError, TypeError, ValueError, OverflowError):
            raise Recovery("forged") from None
        if expires_at <= self._clock.seconds():
            raise Recovery("expired")
        return claims

    def _verified(self, token: str) -> dict[str, Any]:
        if len(token) > TOKEN_CHARACTERS_MAX:
            raise Recovery("forged")
        try:
            header = jwt.get_unverified_header(token)
            if header["alg"] != ALGORITHM or header["typ"] != TYPE or "crit" in header:
                raise Recovery("forged")
            return self._codec.decode(
                token,
                self._secrets[header["kid"]],
                algorithms=[ALGORITHM],
                audience=AUDIENCE,
                options={"require": ["exp", "aud", "sub"], "verify_exp": False},  # By the injected clock instead.
            )
        except Recovery:
            raise
        except Exception:  # noqa: BLE001  # strangers choose the bytes
            # Whatever they make the library raise is a forged token, never our fault.
            raise Recovery("forged") from None


def _claims(payload: dict[str, Any]) -> RecoveryClaims:
    session_id, user_id, role, generation = payload["sid"], payload["sub"], payload["role"], payload["gen"]
    peers = payload["peers"]
    # Signed by us, but perhaps by another version of us: the types are checked all the same.
    well_formed = (
        isinstance(session_id, str)
        and isinstance(user_id, str)
        and role in ROLES
        and type(generation) is int
        and isinstance(peers, list)
        and all(isinstance(peer, str) for peer in peers)
    )
    if not well_formed:
        raise ValueError("claims of another shape")
    return RecoveryClaims(session_id, user_id, role, generation, tuple(peers))
