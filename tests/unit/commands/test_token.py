"""``sigrouter token`` makes JWTs that a node with the same settings takes."""

import time

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key

from sigrouter.services.authentication import JwtVerifier
from sigrouter.services.development_keys import development_keys
from sigrouter.settings.model import AuthSettings
from tests.unit.commands.running import run
from tests.unit.services.jwt_making import private_pem, public_pem, rsa_key, write_public

SECRETS = f"k={'s' * 32}"


def test_the_development_key_signs_what_a_development_node_takes(tmp_path):
    result = run("token", "--user", "alice", "--role", "worker", "--ttl", "60", STATE_DIR=str(tmp_path))
    assert result.exit_code == 0
    assert result.stdout.count("\n") == 1
    verifier = JwtVerifier.from_settings(AuthSettings(), development_keys(tmp_path).public_keys)
    identity = verifier.verify(result.stdout.strip())
    assert (identity.user_id, identity.role) == ("alice", "worker")
    assert 0 < identity.expires_at - time.time() <= 60


def test_audience_issuer_and_role_claim_follow_the_settings(tmp_path):
    environment = {
        "STATE_DIR": str(tmp_path), "JWT_AUDIENCE": "mine", "JWT_ISSUER": "https://me", "SIGROUTER_AUTH_ROLE_CLAIM": "r",
    }  # fmt: skip
    made = run("token", "--user", "alice", **environment).stdout.strip()
    auth = AuthSettings(audience="mine", issuer="https://me", role_claim="r")
    verifier = JwtVerifier.from_settings(auth, development_keys(tmp_path).public_keys)
    assert verifier.verify(made).role == "client"
    other = run("token", "--user", "alice", "--aud", "theirs", "--iss", "https://they", **environment).stdout.strip()
    claims = jwt.decode(other, options={"verify_signature": False})
    assert (claims["aud"], claims["iss"]) == ("theirs", "https://they")


def test_a_given_key_signs_what_a_production_node_takes(tmp_path):
    (tmp_path / "private.pem").write_bytes(private_pem(rsa_key("main")))
    public = write_public(tmp_path, "main")
    environment = {"JWT_KEYS": public, "RECOVERY_SECRETS": SECRETS}
    for kid in ((), ("--kid", "main")):
        result = run("token", "--user", "alice", "--key", str(tmp_path / "private.pem"), *kid, **environment)
        assert JwtVerifier.from_settings(AuthSettings(keys=(public,))).verify(result.stdout.strip()).user_id == "alice"


def test_with_jwt_keys_the_development_key_is_not_used_in_vain(tmp_path):
    environment = {
        "JWT_KEYS": write_public(tmp_path, "main"),
        "RECOVERY_SECRETS": SECRETS,
        "STATE_DIR": str(tmp_path / "s"),
    }
    result = run("token", "--user", "alice", **environment)
    assert result.exit_code == 1
    assert "the node refuses tokens of the development key" in result.stderr
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize(
    "options",
    [("--user", ""), ("--user", "a\nb"), ("--user", "x" * 257), ("--role", "root"), ("--ttl", "0"), ("--kid", "a")],
)
def test_what_a_node_would_not_take_is_not_made(tmp_path, options):
    result = run("token", "--user", "alice", *options, STATE_DIR=str(tmp_path))
    assert result.exit_code == 2
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (public_pem(rsa_key("main")), "is no private key in PEM form without a password"),
        (private_pem(generate_private_key(SECP256R1())), "is no RSA key"),
    ],
)
def test_a_file_without_a_private_rsa_key_is_named(tmp_path, content, words):
    path = tmp_path / "x.pem"
    path.write_bytes(content)
    result = run("token", "--user", "alice", "--key", str(path))
    assert result.exit_code == 1
    assert f"{path} {words}" in result.stderr
