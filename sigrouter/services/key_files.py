"""Reads the public RSA keys that JWTs are verified with, from PEM and JWKS files, and notices when a file changes."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from jwt.algorithms import RSAAlgorithm
from jwt.exceptions import InvalidKeyError

from sigrouter.settings import SettingsError
from sigrouter.settings.key_ring import key_file
from sigrouter.settings.model import AuthSettings

RSA_BITS_MIN: Final = 2048  # RFC 7518, section 3.3.
FILE_BYTES_MAX: Final = 1_000_000

Stamp = tuple[int, int, int]


class KeyFiles:
    """The key files of one node. Kubernetes swaps such files under a running pod when a secret is rotated."""

    def __init__(self, auth: AuthSettings) -> None:
        self._pems = tuple((kid, Path(path)) for kid, path in map(key_file, auth.keys))
        self._jwks = Path(auth.jwks) if auth.jwks else None

    def stamps(self) -> tuple[Stamp | None, ...]:
        """A value that changes when a file does; it costs one ``stat`` for each file."""
        paths = [path for _, path in self._pems] + ([self._jwks] if self._jwks else [])
        return tuple(_stamp(path) for path in paths)

    def read(self) -> dict[str, RSAPublicKey]:
        """The keys by kid (an empty kid: the JWKS did not name its key). Raises ``SettingsError`` with all problems."""
        keys: dict[str, RSAPublicKey] = {}
        problems: list[str] = []
        for kid, path in self._pems:
            try:
                keys[kid] = _pem_key(_content(path))
            except (OSError, ValueError) as error:
                problems.append(f"The JWT key {path} {_why(error)}")
        if self._jwks:
            try:
                found = _jwks_keys(_content(self._jwks))
                if twice := sorted(keys.keys() & found.keys()):
                    raise ValueError(f"holds a kid that a PEM file has too: {twice[0]!r}")
                keys.update(found)
            except (OSError, ValueError) as error:
                problems.append(f"The JWKS file {self._jwks} {_why(error)}")
        if problems:
            raise SettingsError(tuple(problems))
        return keys


def _stamp(path: Path) -> Stamp | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def _content(path: Path) -> bytes:
    with path.open("rb") as file:
        content = file.read(FILE_BYTES_MAX + 1)
    if len(content) > FILE_BYTES_MAX:
        raise ValueError(f"is larger than {FILE_BYTES_MAX} bytes")
    return content


def _why(error: OSError | ValueError) -> str:
    return f"cannot be read: {error.strerror}" if isinstance(error, OSError) else str(error)


def _pem_key(content: bytes) -> RSAPublicKey:
    if b"PRIVATE KEY" in content:
        raise ValueError("holds a private key; the node needs the public one only, keep the other away from it")
    try:
        key = load_pem_public_key(content)
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("holds no public key in PEM form (-----BEGIN PUBLIC KEY-----)") from None
    if not isinstance(key, RSAPublicKey):
        raise ValueError("holds a key that is not RSA; only RS256 is taken")
    return _strong(key)


def _jwks_keys(content: bytes) -> dict[str, RSAPublicKey]:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        document = None
    entries = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise ValueError('is not a JWKS: it must be JSON of the form {"keys": [...]}')
    keys: dict[str, RSAPublicKey] = {}
    for entry in entries:
        if not isinstance(entry, dict) or not _for_rs256(entry):
            continue  # A JWKS may hold keys for other uses (RFC 7517, section 5).
        kid = entry.get("kid", "")
        if not isinstance(kid, str) or kid in keys:
            raise ValueError("holds two keys of the same kid, or a kid that is no text")
        keys[kid] = _jwk_key(entry)
    if not keys:
        raise ValueError("holds no RSA key for RS256 signatures")
    return keys


def _for_rs256(entry: Mapping[str, Any]) -> bool:
    return entry.get("kty") == "RSA" and entry.get("use", "sig") == "sig" and entry.get("alg", "RS256") == "RS256"


def _jwk_key(entry: Mapping[str, Any]) -> RSAPublicKey:
    if "d" in entry:
        raise ValueError("holds a private key; the node needs the public ones only, keep the others away from it")
    try:
        key = RSAAlgorithm.from_jwk(dict(entry))
    except (InvalidKeyError, ValueError, TypeError, KeyError):
        raise ValueError("holds an RSA key that cannot be read") from None
    assert isinstance(key, RSAPublicKey)  # Without "d" it is.
    return _strong(key)


def _strong(key: RSAPublicKey) -> RSAPublicKey:
    if key.key_size < RSA_BITS_MIN:
        raise ValueError(f"holds an RSA key of {key.key_size} bits; at least {RSA_BITS_MIN} are needed")
    return key
