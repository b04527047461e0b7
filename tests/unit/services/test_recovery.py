"""Recovery tokens: what was put in comes out, in time, and nothing else passes as one."""

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from sigrouter.protocol.errors import Recovery
from sigrouter.services.authentication import JwtRefused, JwtVerifier
from sigrouter.services.recovery import AUDIENCE, PEERS_MAX, TYPE, RecoveryClaims, RecoveryTokens
from sigrouter.settings.model import AuthSettings, RecoverySettings
from tests.unit.services.jwt_making import NOW, hmac_token, part, public_pem, rsa_key, token

OLD, NEW = ("old", "o" * 32), ("new", "n" * 32)
CLAIMS = RecoveryClaims("s1", "alice", "client", 3, ("w1",))


def ring(*secrets: tuple[str, str], clock: Clock | None = None, ttl_s: float = 900.0) -> RecoveryTokens:
    return RecoveryTokens(secrets or (OLD,), ttl_s, clock or Clock())


def reason(tokens: RecoveryTokens, bad: str) -> str:
    with pytest.raises(Recovery) as caught:
        tokens.read(bad)
    assert caught.value.__cause__ is None
    return caught.value.reason


def payload(**changed: object) -> dict[str, object]:
    good = {"aud": AUDIENCE, "sid": "s1", "sub": "alice", "role": "client", "gen": 3, "peers": ["w1"], "exp": 900}
    return {name: value for name, value in {**good, **changed}.items() if value is not None}


def signed(header: dict[str, object] | None = None, **changed: object) -> str:
    return hmac_token({"alg": "HS256", "kid": "old", "typ": TYPE, **(header or {})}, payload(**changed), b"o" * 32)


@given(
    st.builds(
        RecoveryClaims,
        session_id=st.text(max_size=40),
        user_id=st.text(max_size=256),
        role=st.sampled_from(["client", "worker", "service", "admin"]),
        generation=st.integers(0, 2**53),
        peers=st.lists(st.text(max_size=40), max_size=PEERS_MAX).map(tuple),
    )
)
def test_what_was_issued_is_read(claims):
    tokens = ring()
    assert tokens.read(tokens.issue(claims)) == claims


def test_a_token_of_another_node_with_the_same_secrets_is_read():
    assert ring().read(ring().issue(CLAIMS)) == CLAIMS


def test_a_token_made_by_hand_is_read_so_the_forgeries_below_fail_for_their_own_reason():
    assert ring().read(signed()) == CLAIMS


def test_a_token_ends_after_its_time():
    clock = Clock()
    tokens = ring(clock=clock, ttl_s=900)
    issued = tokens.issue(CLAIMS)
    clock.advance(899.9)
    assert tokens.read(issued) == CLAIMS
    clock.advance(0.1)
    assert reason(tokens, issued) == "expired"
    assert tokens.ttl_s == 900


def test_a_token_of_a_worker_with_many_peers_stays_small():
    claims = RecoveryClaims("s1", "bot", "worker", 1, tuple(f"peer-{number:036}" for number in range(1000)))
    tokens = ring()
    issued = tokens.issue(claims)
    assert len(issued) < 2048
    assert tokens.read(issued).peers == claims.peers[:PEERS_MAX]


def test_secrets_are_rotated_without_losing_a_session():
    from_old = ring(OLD).issue(CLAIMS)
    assert ring(OLD, NEW).read(from_old) == CLAIMS
    assert ring(NEW, OLD).read(from_old) == CLAIMS
    from_new = ring(NEW, OLD).issue(CLAIMS)
    assert jwt.get_unverified_header(from_new)["kid"] == "new"
    assert ring(OLD, NEW).read(from_new) == CLAIMS
    assert reason(ring(NEW), from_old) == "forged"


def test_the_same_kid_with_another_secret_is_forged():
    assert reason(ring(("old", "x" * 32)), ring(OLD).issue(CLAIMS)) == "forged"


def test_an_expired_forgery_is_forged():
    tokens = ring(clock=(clock := Clock()))
    header, body, signature = tokens.issue(CLAIMS).split(".")
    clock.advance(10_000)
    assert reason(tokens, f"{header}.{body}.{'A' * len(signature)}") == "forged"


def test_an_access_token_is_no_recovery_token():
    assert reason(ring(), token()) == "forged"
    assert reason(ring(("main", "s" * 32)), token()) == "forged"


def test_a_recovery_token_is_no_access_token(tmp_path):
    clock = Clock()
    clock.advance(NOW)
    issued = ring(clock=clock).issue(CLAIMS)
    auth = AuthSettings(audience=AUDIENCE)
    verifier = JwtVerifier.from_settings(auth, {"old": rsa_key("main").public_key()}, now=lambda: NOW)
    with pytest.raises(JwtRefused) as caught:
        verifier.verify(issued)
    assert caught.value.reason == "the algorithm is not RS256"


@pytest.mark.parametrize(
    "header",
    [
        {"typ": "JWT"}, {"typ": None}, {"alg": "none"}, {"alg": "HS512"}, {"alg": "RS256"}, {"kid": "other"}, {"kid": None},
        {"kid": ["old"]}, {"crit": ["exp"]},
    ],
    ids=str,
)  # fmt: skip
def test_another_header_is_forged(header):
    assert reason(ring(), signed(header)) == "forged"


@pytest.mark.parametrize(
    "changed",
    [
        {"aud": "sigrouter"}, {"aud": None}, {"exp": None}, {"exp": "soon"}, {"exp": []}, {"exp": 10**400}, {"sid": None},
        {"sid": 1}, {"sub": 1}, {"sub": None}, {"role": "root"}, {"role": []}, {"gen": True}, {"gen": "3"}, {"peers": "w1"},
        {"peers": [1]}, {"peers": None},
    ],
    ids=str,
)  # fmt: skip
def test_other_claims_are_forged_even_when_signed(changed):
    assert reason(ring(), signed(**changed)) == "forged"


def test_an_hmac_with_a_public_key_is_forged():
    forged = hmac_token({"alg": "HS256", "kid": "old", "typ": TYPE}, payload(), public_pem(rsa_key("main")))
    assert reason(ring(), forged) == "forged"


@given(
    st.text(max_size=200)
    | st.lists(st.binary(max_size=60), min_size=3, max_size=3).map(lambda p: ".".join(map(part, p)))
)
def test_any_text_is_forged_and_never_a_fault(bad):
    assert reason(ring(), bad) == "forged"


@pytest.mark.parametrize("bad", ["", "a.b.c", "\ud800.a.b", "x" * 20_000])
def test_no_token_is_forged(bad):
    assert reason(ring(), bad) == "forged"


def test_a_deeply_nested_payload_is_forged():
    header = part({"alg": "HS256", "kid": "old", "typ": TYPE})
    assert reason(ring(), f"{header}.{part(b'[' * 5000)}.x") == "forged"


@pytest.mark.parametrize("secrets", [[], [("a", "short")], [("a", "s" * 32), ("a", "t" * 32)]])
def test_an_unusable_ring_is_an_error(secrets):
    with pytest.raises(ValueError, match="secret"):
        RecoveryTokens(secrets, 900, Clock())


def test_the_settings_secrets_win_over_the_development_one():
    development = ("dev", "d" * 32)
    made = RecoveryTokens.from_settings(RecoverySettings(), Clock(), development).issue(CLAIMS)
    assert jwt.get_unverified_header(made)["kid"] == "dev"
    given_ones = RecoverySettings(secrets=("new=" + "n" * 32,))
    made = RecoveryTokens.from_settings(given_ones, Clock(), development).issue(CLAIMS)
    assert ring(NEW).read(made) == CLAIMS
    assert (
        reason(RecoveryTokens.from_settings(given_ones, Clock(), development), ring(development).issue(CLAIMS))
        == "forged"
    )


def test_no_secret_stands_in_the_rings_own_text():
    assert "o" * 32 not in f"{ring()!r}{ring()}"
