"""Makes and keeps the keys of a node that was given none: for development, on loopback only.

Several processes may start at once (a node's controller and worker, ``sigrouter token``, three nodes of the demo); a
lock on the directory makes one of them the maker, and all others read what it made.
"""

import contextlib
import fcntl
import os
import secrets
import tempfile
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Final

from attrs import field, frozen
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from sigrouter.settings import SettingsError
from sigrouter.settings.key_ring import SECRET_BYTES_MIN, named_secret

PRIVATE_KEY_FILE: Final = "development-key.pem"
SECRET_FILE: Final = "development-recovery-secret"  # noqa: S105  # a file name
LOCK_FILE: Final = "development-keys.lock"
_OWNER_ONLY: Final = 0o600


@frozen
class DevelopmentKeys:
    """An RSA key pair named ``kid``, and the recovery secret as ``(kid, secret)``; kept in ``directory``."""

    directory: Path
    kid: str
    private_key: RSAPrivateKey = field(repr=False)
    recovery_secret: tuple[str, str] = field(repr=False)

    @property
    def public_keys(self) -> dict[str, RSAPublicKey]:
        """The public key by kid, as ``JwtVerifier`` takes it."""
        return {self.kid: self.private_key.public_key()}

    @property
    def public_key_file(self) -> Path:
        """The public key in PEM form; its name without suffix is the kid."""
        return self.directory / f"{self.kid}.pem"

    @property
    def where(self) -> str:
        """A sentence for people."""
        return (
            f"Development keys are in {self.directory}: {PRIVATE_KEY_FILE} signs JWTs (kid {self.kid}), "
            f"{self.public_key_file.name} verifies them, {SECRET_FILE} signs recovery tokens. "
            "They are for this machine only; whoever can read the directory can be anyone."
        )


def development_keys(state_dir: str | Path) -> DevelopmentKeys:
    """The keys in ``state_dir``; made there, readable by the owner only, when there are none.

    Raises ``SettingsError`` when the directory cannot be written or a file in it is damaged.
    """
    directory = Path(state_dir).absolute()
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _locked(directory / LOCK_FILE):
            private_pem = _kept(directory / PRIVATE_KEY_FILE, _new_private_key)
            secret_entry = _kept(directory / SECRET_FILE, _new_secret)
            keys = _parsed(directory, private_pem, secret_entry)
            _kept(keys.public_key_file, lambda: _public_pem(keys.private_key.public_key()))
    except OSError as error:
        raise SettingsError((f"Development keys cannot be kept in {directory}: {error.strerror}",)) from None
    return keys


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    # The kernel drops the lock with its holder: a crash leaves nothing that blocks the next start.
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _OWNER_ONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _kept(path: Path, make: Callable[[], bytes]) -> bytes:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        content = make()
        _write(path, content)
        return content
    if path.stat().st_mode & 0o077:
        path.chmod(_OWNER_ONLY)
    return content


def _write(path: Path, content: bytes) -> None:
    """All or nothing: a reader, or a crash, never meets half a key."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mkstemp gives 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _new_private_key() -> bytes:
    key = generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _new_secret() -> bytes:
    return f"dev-{secrets.token_hex(4)}={secrets.token_hex(SECRET_BYTES_MIN)}\n".encode()


def _public_pem(key: RSAPublicKey) -> bytes:
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def _parsed(directory: Path, private_pem: bytes, secret_entry: bytes) -> DevelopmentKeys:
    try:
        private_key = load_pem_private_key(private_pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise _damaged(directory / PRIVATE_KEY_FILE) from None
    if not isinstance(private_key, RSAPrivateKey):
        raise _damaged(directory / PRIVATE_KEY_FILE)
    try:
        recovery_secret = named_secret(secret_entry.decode().strip())
    except ValueError:
        raise _damaged(directory / SECRET_FILE) from None
    if len(recovery_secret[1]) < SECRET_BYTES_MIN:
        raise _damaged(directory / SECRET_FILE)
    kid = f"dev-{sha256(_public_pem(private_key.public_key())).hexdigest()[:16]}"
    return DevelopmentKeys(directory, kid, private_key, recovery_secret)


def _damaged(path: Path) -> SettingsError:
    return SettingsError((f"{path} is damaged; remove it to have a new one made",))
