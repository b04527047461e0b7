"""``sigrouter token``: makes a JWT for development and tests, signed with the development key or one that is given."""

import time
from pathlib import Path
from typing import get_args

import click
import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from sigrouter.services.authentication import ALGORITHM, SUBJECT_CHARACTERS_MAX
from sigrouter.services.development_keys import development_keys
from sigrouter.services.settings_source import read_settings
from sigrouter.settings import Settings
from sigrouter.stores.records import Role


@click.command("token")
@click.option("--user", required=True, help="Whose token it is (the claim 'sub').")
@click.option("--role", type=click.Choice(get_args(Role)), default="client", show_default=True)
@click.option(
    "--ttl", type=click.FloatRange(1, 31_536_000), default=3600, show_default=True, help="Seconds it is good for."
)
@click.option("--aud", default=None, help="The audience.  [default: the settings']")
@click.option("--iss", default=None, help="The issuer.  [default: the settings', if any]")
@click.option(
    "--key",
    "key_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A private RSA key in PEM form.  [default: the development key]",
)
@click.option("--kid", default=None, help="The key's name, for the token's header; with --key only.")
def command(
    *, user: str, role: str, ttl: float, aud: str | None, iss: str | None, key_file: Path | None, kid: str | None
) -> None:
    """Print a JWT that the node takes: as a WAMP ticket, or in the browser's cookie."""
    settings = read_settings()
    if not user.strip() or len(user) > SUBJECT_CHARACTERS_MAX or not user.isprintable():
        raise click.BadParameter(f"must be 1 to {SUBJECT_CHARACTERS_MAX} printable characters", param_hint="--user")
    key, kid = _given_key(key_file, kid) if key_file else _development_key(settings, kid)
    now = int(time.time())
    claims = {
        "sub": user,
        "aud": aud or settings.auth.audience,
        "iat": now,
        "exp": now + int(ttl),
        settings.auth.role_claim: role,
    }
    if issuer := iss or settings.auth.issuer:
        claims["iss"] = issuer
    click.echo(jwt.encode(claims, key, ALGORITHM, headers={"kid": kid} if kid else None))


def _given_key(key_file: Path, kid: str | None) -> tuple[RSAPrivateKey, str | None]:
    try:
        key = load_pem_private_key(key_file.read_bytes(), password=None)
    except OSError as error:
        raise click.ClickException(f"{key_file} cannot be read: {error.strerror}") from None
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise click.ClickException(f"{key_file} is no private key in PEM form without a password") from None
    if not isinstance(key, RSAPrivateKey):
        raise click.ClickException(f"{key_file} is no RSA key; only RS256 is taken")
    return key, kid


def _development_key(settings: Settings, kid: str | None) -> tuple[RSAPrivateKey, str]:
    if kid is not None:
        raise click.UsageError("--kid needs --key: the development key has its own name")
    if not settings.development:
        raise click.ClickException(
            "JWT keys are given in the settings, so the node refuses tokens of the development key: "
            "sign with --key FILE (and --kid), or run this without JWT_KEYS, JWT_PUBLIC_KEY_FILE and JWT_JWKS_FILE"
        )
    keys = development_keys(settings.node.state_dir)
    return keys.private_key, keys.kid
