"""Which JWTs are taken, and that every other one gets the same answer."""

import json
import os
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as generate_ec_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from sigrouter.protocol import uris
from sigrouter.protocol.errors import Authentication
from sigrouter.services.authentication import RELOAD_CHECK_S, Identity, JwtRefused, JwtVerifier, token_from_cookie
from sigrouter.settings import SettingsError
from sigrouter.settings.model import AuthSettings
from tests.unit.services.jwt_making import (
    NOW,
    claims,
    hmac_token,
    jwk,
    part,
    private_pem,
    public_pem,
    rsa_key,
    token,
    write_public,
)


class Time:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return tmp_path_factory.mktemp("keys")


@pytest.fixture(scope="module")
def verifier(directory):
    return JwtVerifier.from_settings(AuthSettings(keys=(write_public(directory, "main"),)), now=lambda: NOW)


def reason(verifier: JwtVerifier, bad: str) -> str:
    with pytest.raises(JwtRefused) as caught:
        verifier.verify(bad)
    # The peer hears the same, whatever was wrong.
    assert caught.value.details() == {"message": "Authentication error"}
    assert caught.value.uri == uris.ERROR_AUTHENTICATION
    # Shorter texts may stand in any sentence.
    assert len(bad) < 30 or bad not in f"{caught.value!r}{caught.value.reason}"
    assert caught.value.__cause__ is None
    return caught.value.reason


def test_a_good_token_tells_whose_it_is(verifier):
    assert verifier.verify(token()) == Identity("alice", "worker", NOW + 60)


@pytest.mark.parametrize("role", ["client", "worker", "service", "admin"])
def test_the_four_roles_are_taken(verifier, role):
    assert verifier.verify(token(role=role)).role == role


def test_without_a_role_it_is_a_client(verifier):
    assert verifier.verify(token(role=None)).role == "client"


@pytest.mark.parametrize("role", ["root", "", 1, ["admin"], "Admin", {}])
def test_another_role_is_refused(verifier, role):
    assert reason(verifier, token(role=role)) == "the role is unknown"


def test_the_claim_that_holds_the_role_can_be_chosen(directory):
    auth = AuthSettings(keys=(write_public(directory, "main"),), role_claim="sig_role")
    identity = JwtVerifier.from_settings(auth, now=lambda: NOW).verify(token(role="admin", sig_role="service"))
    assert identity.role == "service"


def test_a_refusal_is_an_authentication_error():
    assert issubclass(JwtRefused, Authentication)


@pytest.mark.parametrize("subject", ["", " ", "x" * 257, 7, ["a"], "a\nb", "a\x00"])
def test_a_subject_must_be_a_printable_text_of_some_length(verifier, subject):
    signed = part({"alg": "RS256", "kid": "main"}) + "." + part(claims(sub=subject))
    signature = jwt.algorithms.RSAAlgorithm(jwt.algorithms.RSAAlgorithm.SHA256).sign(signed.encode(), rsa_key("main"))
    reason(verifier, f"{signed}.{part(signature)}")


def test_the_longest_subject_is_taken(verifier):
    assert verifier.verify(token(sub="x" * 256)).user_id == "x" * 256


@pytest.mark.parametrize("claim", ["exp", "sub", "aud"])
def test_a_missing_claim_is_refused(verifier, claim):
    assert "MissingRequiredClaim" in reason(verifier, token(**{claim: None}))


def test_another_audience_is_refused(verifier):
    assert "InvalidAudience" in reason(verifier, token(aud="other"))
    assert verifier.verify(token(aud=["other", "sigrouter"])).user_id == "alice"


def test_the_times_count_with_leeway_by_the_given_clock(directory):
    time = Time()
    auth = AuthSettings(keys=(write_public(directory, "main"),), leeway_s=10)
    verifier = JwtVerifier.from_settings(auth, now=time)
    good = token(exp=NOW + 60, nbf=NOW, iat=NOW)
    time.now = NOW + 69.9
    verifier.verify(good)
    time.now = NOW + 70
    assert reason(verifier, good) == "expired"
    time.now = NOW - 10
    verifier.verify(good)
    time.now = NOW - 10.1
    assert reason(verifier, good) == "not valid yet (nbf)"
    assert reason(verifier, token(iat=NOW, exp=NOW + 60)) == "not valid yet (iat)"


@pytest.mark.parametrize("exp", [True, float("inf"), float("nan"), 10**400, "1900000000"])
def test_an_expiry_that_is_no_time_is_refused(verifier, exp):
    signed = part({"alg": "RS256", "kid": "main"}) + "." + part(claims(exp=exp))
    signature = jwt.algorithms.RSAAlgorithm(jwt.algorithms.RSAAlgorithm.SHA256).sign(signed.encode(), rsa_key("main"))
    assert reason(verifier, f"{signed}.{part(signature)}").startswith("exp is not a ")


def test_the_issuer_counts_when_one_is_set(directory):
    auth = AuthSettings(keys=(write_public(directory, "main"),), issuer="https://login")
    verifier = JwtVerifier.from_settings(auth, now=lambda: NOW)
    assert verifier.verify(token(iss="https://login")).user_id == "alice"
    assert "InvalidIssuer" in reason(verifier, token(iss="https://other"))
    assert "MissingRequiredClaim" in reason(verifier, token())


def test_any_issuer_does_when_none_is_set(verifier):
    assert verifier.verify(token(iss="https://anyone")).user_id == "alice"


def test_a_token_of_another_key_is_refused(verifier):
    assert "InvalidSignature" in reason(verifier, token("other", "main"))


def test_a_changed_token_is_refused(verifier):
    header, _, signature = token().split(".")
    assert "InvalidSignature" in reason(verifier, f"{header}.{part(claims(role='admin'))}.{signature}")


def test_the_public_key_is_no_secret_for_hs256(verifier):
    for algorithm in ("HS256", "RS256"):
        forged = hmac_token({"alg": algorithm, "kid": "main"}, claims(role="admin"), public_pem(rsa_key("main")))
        reason(verifier, forged)


@pytest.mark.parametrize("algorithm", ["none", "None", "HS256", "RS512", "PS256", "", None, 5, ["RS256"]])
def test_another_algorithm_is_refused_even_with_a_good_key(verifier, algorithm):
    assert (
        reason(verifier, f"{part({'alg': algorithm, 'kid': 'main'})}.{part(claims())}.") == "the algorithm is not RS256"
    )
    if algorithm in ("RS512", "PS256"):
        signed = jwt.encode(claims(), rsa_key("main"), algorithm, headers={"kid": "main"})
        assert reason(verifier, signed) == "the algorithm is not RS256"


def test_a_header_that_asks_for_an_extension_is_refused(verifier):
    reason(verifier, f"{part({'alg': 'RS256', 'kid': 'main', 'crit': ['b64'], 'b64': False})}..")
    reason(verifier, f"{part({'alg': 'RS256', 'kid': 'main', 'b64': False})}..")


def test_a_key_in_the_header_is_not_used(verifier):
    headers = {"kid": "main", "jwk": jwk("evil"), "jku": "https://evil/jwks.json"}
    assert "InvalidSignature" in reason(verifier, jwt.encode(claims(), rsa_key("evil"), "RS256", headers=headers))


def test_without_a_kid_the_only_key_is_meant(verifier):
    assert verifier.verify(token("main", None)).user_id == "alice"


def test_without_a_kid_several_keys_are_too_many(directory):
    auth = AuthSettings(keys=(write_public(directory, "main"), write_public(directory, "second")))
    verifier = JwtVerifier.from_settings(auth, now=lambda: NOW)
    assert verifier.kids == ("main", "second")
    assert reason(verifier, token("main", None)) == "the kid is missing while there are several keys"
    assert verifier.verify(token("second", "second")).user_id == "alice"
    assert "InvalidSignature" in reason(verifier, token("second", "main"))


@pytest.mark.parametrize("kid", ["other", "", "../main", 5, ["main"]])
def test_an_unknown_kid_is_refused(verifier, kid):
    reason(verifier, f"{part({'alg': 'RS256', 'kid': kid})}.{part(claims())}.{part(b'x')}")


def test_extra_keys_count_like_those_of_files(tmp_path):
    auth = AuthSettings(keys=(write_public(tmp_path, "main"),))
    verifier = JwtVerifier.from_settings(auth, {"dev": rsa_key("dev").public_key()}, now=lambda: NOW)
    assert verifier.verify(token("dev", "dev")).user_id == "alice"
    assert verifier.verify(token("main", "main")).user_id == "alice"


def test_without_any_key_every_token_is_refused():
    assert reason(JwtVerifier.from_settings(AuthSettings(), now=lambda: NOW), token()) == "the kid is unknown"


@pytest.mark.parametrize("bad", ["", ".", "..", "a.b.c", "é.é.é", "\ud800.a.b", "x" * 20_000])
def test_no_token_at_all_is_refused(verifier, bad):
    reason(verifier, bad)


def test_a_deeply_nested_header_or_payload_is_refused(verifier):
    deep = b"[" * 5000
    reason(verifier, f"{part(deep)}.{part(claims())}.x")
    reason(verifier, f"{part({'alg': 'RS256', 'kid': 'main'})}.{part(deep)}.x")


@given(
    st.text(max_size=200)
    | st.lists(st.binary(max_size=60), min_size=3, max_size=3).map(lambda p: ".".join(map(part, p)))
)
@example(".".join([part({"alg": "RS256", "kid": {}}), "e30", "e30"]))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_is_refused_and_never_a_fault(verifier, bad):
    reason(verifier, bad)


# ---- Rotation ------------------------------------------------------------------------------------------------------


def replace(path: Path, content: bytes) -> None:
    other = path.with_suffix(".new")
    other.write_bytes(content)
    other.replace(path)


def test_a_rotated_jwks_is_read_at_the_first_token_with_the_new_kid(tmp_path):
    path = tmp_path / "jwks.json"
    path.write_text(json.dumps({"keys": [jwk("main")]}))
    verifier = JwtVerifier.from_settings(AuthSettings(jwks=str(path)), now=lambda: NOW)
    assert reason(verifier, token("second", "second")) == "the kid is unknown"
    replace(path, json.dumps({"keys": [jwk("main"), jwk("second")]}).encode())
    assert verifier.verify(token("second", "second")).user_id == "alice"
    assert verifier.verify(token()).user_id == "alice"


def test_a_removed_key_is_refused_after_a_few_seconds(tmp_path):
    time = Time()
    path = tmp_path / "jwks.json"
    path.write_text(json.dumps({"keys": [jwk("main"), jwk("second")]}))
    verifier = JwtVerifier.from_settings(AuthSettings(jwks=str(path)), now=time)
    replace(path, json.dumps({"keys": [jwk("second")]}).encode())
    time.now += RELOAD_CHECK_S - 0.1
    verifier.verify(token())
    time.now += 0.1
    assert reason(verifier, token()) == "the kid is unknown"


def test_a_pem_file_that_was_replaced_is_read_again(tmp_path):
    time = Time()
    path = Path(write_public(tmp_path, "main"))
    verifier = JwtVerifier.from_settings(AuthSettings(keys=(str(path),)), now=time)
    replace(path, public_pem(rsa_key("second")))
    time.now += RELOAD_CHECK_S
    assert "InvalidSignature" in reason(verifier, token("main", "main"))
    assert verifier.verify(token("second", "main")).user_id == "alice"


def test_a_file_that_is_broken_or_gone_leaves_the_old_keys_until_it_is_good_again(tmp_path):
    time = Time()
    path = tmp_path / "jwks.json"
    path.write_text(json.dumps({"keys": [jwk("main")]}))
    verifier = JwtVerifier.from_settings(AuthSettings(jwks=str(path)), now=time)
    for broken in (b'{"keys": [', b"{}", None):
        path.unlink() if broken is None else replace(path, broken)
        time.now += RELOAD_CHECK_S
        assert verifier.verify(token(exp=NOW + 600)).user_id == "alice"
    path.write_text(json.dumps({"keys": [jwk("second")]}))
    assert verifier.verify(token("second", "second", exp=NOW + 600)).user_id == "alice"


def test_files_are_not_read_again_while_they_are_the_same(tmp_path):
    time = Time()
    path = tmp_path / "jwks.json"
    path.write_text(json.dumps({"keys": [jwk("main")]}))
    verifier = JwtVerifier.from_settings(AuthSettings(jwks=str(path)), now=time)
    status = path.stat()
    # Same size, place and time, other content: only a second reading would notice.
    with path.open("r+b") as file:
        file.write(b"?" * status.st_size)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    time.now += RELOAD_CHECK_S
    for _ in range(3):
        reason(verifier, token("second", "second"))
    assert verifier.verify(token()).user_id == "alice"


# ---- Key files -----------------------------------------------------------------------------------------------------


def ec_pem() -> bytes:
    return generate_ec_key(SECP256R1()).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (lambda: b"", "holds no public key in PEM form"),
        (lambda: b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "holds no public key in PEM form"),
        (lambda: private_pem(rsa_key("main")), "holds a private key"),
        (ec_pem, "holds a key that is not RSA"),
        (lambda: public_pem(rsa_key("weak", 1024)), "1024 bits; at least 2048"),
        (lambda: b"x" * 1_000_001, "is larger than 1000000 bytes"),
    ],
)
def test_a_pem_file_that_is_no_good_is_named_with_the_reason(tmp_path, content, words):
    path = tmp_path / "main.pem"
    path.write_bytes(content())
    with pytest.raises(SettingsError, match=words) as caught:
        JwtVerifier.from_settings(AuthSettings(keys=(str(path),)))
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ("", "is not a JWKS"),
        ("[]", "is not a JWKS"),
        ('{"keys": 1}', "is not a JWKS"),
        ("[" * 100_000, "is not a JWKS"),
        ('{"keys": []}', "holds no RSA key for RS256"),
        ({"keys": [jwk("main", use="enc"), jwk("main", alg="RS512"), {"kty": "EC"}, 5]}, "holds no RSA key for RS256"),
        ({"keys": [jwk("main"), jwk("main")]}, "two keys of the same kid"),
        ({"keys": [jwk("main", kid=5)]}, "a kid that is no text"),
        ({"keys": [jwk("main", d="AQAB")]}, "holds a private key"),
        ({"keys": [jwk("main", n="?")]}, "cannot be read"),
        ({"keys": [jwk("main", n=5)]}, "cannot be read"),
        ({"keys": [{"kty": "RSA", "kid": "a"}]}, "cannot be read"),
        ({"keys": [jwk("main", n="AQAB")]}, "bits; at least 2048|cannot be read"),
    ],
)
def test_a_jwks_file_that_is_no_good_is_named_with_the_reason(tmp_path, document, words):
    path = tmp_path / "jwks.json"
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    with pytest.raises(SettingsError, match=words) as caught:
        JwtVerifier.from_settings(AuthSettings(jwks=str(path)))
    assert str(path) in str(caught.value)


def test_all_key_files_that_are_no_good_are_named_at_once(tmp_path):
    auth = AuthSettings(keys=(str(tmp_path / "a.pem"), str(tmp_path / "b.pem")), jwks=str(tmp_path / "c.json"))
    with pytest.raises(SettingsError) as caught:
        JwtVerifier.from_settings(auth)
    assert len(caught.value.problems) == 3
    assert all("cannot be read: No such file or directory" in problem for problem in caught.value.problems)


def test_a_kid_of_both_a_pem_file_and_the_jwks_is_a_problem(tmp_path):
    path = tmp_path / "jwks.json"
    path.write_text(json.dumps({"keys": [jwk("main")]}))
    with pytest.raises(SettingsError, match="'main'"):
        JwtVerifier.from_settings(AuthSettings(keys=(write_public(tmp_path, "main"),), jwks=str(path)))


def test_a_jwks_may_leave_its_only_key_without_a_name(tmp_path):
    path = tmp_path / "jwks.json"
    entry = jwk("main")
    del entry["kid"]
    path.write_text(json.dumps({"keys": [entry, {"kty": "OKP"}]}))
    verifier = JwtVerifier.from_settings(AuthSettings(jwks=str(path)), now=lambda: NOW)
    assert verifier.verify(token("main", None)).user_id == "alice"
    assert reason(verifier, token("main", "")) == "the kid is unknown"


# ---- Cookies -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("access_token=abc", "abc"),
        ("a=1; access_token=abc; b=2", "abc"),
        ("a=1;access_token = abc ;b=2", "abc"),
        ('access_token="abc"', "abc"),
        ("access_token=a=b", "a=b"),
        ("access_token=first; access_token=second", "first"),
        ("", None),
        ("access_token", None),
        ("access_token=", None),
        ('access_token=""', None),
        ("xaccess_token=abc; access_token2=abc; ACCESS_TOKEN=abc", None),
        (";;=;", None),
    ],
)
def test_the_token_is_found_in_the_cookie_header(header, value):
    assert token_from_cookie(header, "access_token") == value


@given(st.text())
def test_any_cookie_header_is_answered(header):
    assert token_from_cookie(header, "access_token") != ""
