"""``sigrouter keys``: makes the development keys unless they are there, and prints the public ones."""

import json
from pathlib import Path
from typing import Any

import click
from jwt.algorithms import RSAAlgorithm

from sigrouter.services.development_keys import SECRET_FILE, DevelopmentKeys, development_keys
from sigrouter.services.settings_source import read_settings


@click.command("keys")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Make them in this directory, with a jwks.json.  [default: the settings' state_dir]",
)
def command(*, out: Path | None) -> None:
    """Make the development keys unless they are there; print the public key as a JWKS.

    The JWKS goes to stdout, everything else to stderr. Keys that are there stay as they are.
    """
    keys = development_keys(out or read_settings().node.state_dir)
    jwks = json.dumps(public_jwks(keys), indent=2)
    click.echo(keys.where, err=True)
    if out:
        (keys.directory / "jwks.json").write_text(jwks + "\n", encoding="utf-8")
        click.echo("A node (or several that share them) takes them by:", err=True)
        click.echo(f"  JWT_JWKS_FILE={keys.directory / 'jwks.json'}", err=True)
        click.echo(f"  RECOVERY_SECRETS_FILE={keys.directory / SECRET_FILE}", err=True)
    click.echo(jwks)


def public_jwks(keys: DevelopmentKeys) -> dict[str, Any]:
    """The public key as a JWKS (RFC 7517)."""
    entries = []
    for kid, key in keys.public_keys.items():
        public = RSAAlgorithm.to_jwk(key, as_dict=True)
        entries.append({"kty": "RSA", "kid": kid, "use": "sig", "alg": "RS256", "n": public["n"], "e": public["e"]})
    return {"keys": entries}
