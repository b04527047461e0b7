"""RSA keys and JWTs for tests; keys are made once, because making one takes a while."""

import base64
import functools
import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from jwt.algorithms import RSAAlgorithm

NOW = 1_800_000_000.0


@functools.cache
def rsa_key(name: str, bits: int = 2048) -> RSAPrivateKey:
    assert name
    return generate_private_key(public_exponent=65537, key_size=bits)


def public_pem(key: RSAPrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def private_pem(key: RSAPrivateKey | EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def write_public(directory: Path, name: str) -> str:
    path = directory / f"{name}.pem"
    path.write_bytes(public_pem(rsa_key(name)))
    return str(path)


def jwk(name: str, **more: Any) -> dict[str, Any]:
    public = RSAAlgorithm.to_jwk(rsa_key(name).public_key(), as_dict=True)
    return {"kty": "RSA", "n": public["n"], "e": public["e"], "kid": name, **more}


def claims(**changed: Any) -> dict[str, Any]:
    """Good claims; ``None`` removes one."""
    made = {"sub": "alice", "aud": "sigrouter", "exp": NOW + 60, "iat": NOW, "role": "worker", **changed}
    return {name: value for name, value in made.items() if value is not None}


def token(name: str = "main", kid: str | None = "main", /, **changed: Any) -> str:
    return jwt.encode(claims(**changed), rsa_key(name), "RS256", headers={"kid": kid} if kid is not None else None)


def part(value: Any) -> str:
    content = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def hmac_token(header: dict[str, Any], payload: dict[str, Any], secret: bytes) -> str:
    """Signed by hand: PyJWT itself refuses to sign with a public key as the secret."""
    signed = f"{part(header)}.{part(payload)}"
    return f"{signed}.{part(hmac.new(secret, signed.encode(), hashlib.sha256).digest())}"
