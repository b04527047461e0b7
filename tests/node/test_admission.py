"""Who gets in, who gets his session back, and what everybody else is told: a real node, a plain WAMP client."""

import time
from collections.abc import Iterator

import jwt
import pytest
import pytest_twisted
from twisted.internet import reactor

from sigrouter.protocol import uris
from sigrouter.services.development_keys import development_keys
from sigrouter.services.recovery import RecoveryClaims, RecoveryTokens
from tests.support.node_process import NodeProcess
from tests.support.raw_peer import RawPeer, Refused


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeProcess]:
    with NodeProcess(tmp_path_factory.mktemp("admission")) as running:
        yield running


def peer(node: NodeProcess, user: str = "ann", role: str = "client", token: str = "") -> RawPeer:
    return RawPeer(node.url, node.ticket(user, role), {"recovery_token": token} if token else None)


async def refusal(one: RawPeer) -> tuple[str, dict[str, object]]:
    with pytest.raises(Refused) as caught:
        await one.connect()
    return caught.value.reason, dict(caught.value.details)


def forge(node: NodeProcess, claims: RecoveryClaims, ttl_s: float = 900.0, secret: str = "") -> str:
    """A recovery token made with the node's own secret, or with another one."""
    kid, own = development_keys(node.keys_directory).recovery_secret
    return RecoveryTokens([(kid, secret or own)], ttl_s, reactor).issue(claims)


# ---- JWTs ------------------------------------------------------------------------------------------


@pytest_twisted.ensureDeferred
async def test_a_bad_jwt_is_an_authentication_error_and_nothing_more_is_told(node: NodeProcess) -> None:
    keys = development_keys(node.keys_directory)
    claims = {"sub": "ann", "aud": "sigrouter", "exp": int(time.time()) + 60}
    bad = [
        "",
        "nonsense",
        node.ticket(exp=int(time.time()) - 60),
        node.ticket(aud="another"),
        node.ticket(role="emperor"),
        jwt.encode(claims, "s" * 64, algorithm="HS256", headers={"kid": keys.kid}),
        jwt.encode(claims, None, algorithm="none"),
        forge(node, RecoveryClaims("s", "ann", "client", 1)),
    ]
    for ticket in bad:
        reason, details = await refusal(RawPeer(node.url, ticket))
        assert (reason, details) == (uris.ERROR_AUTHENTICATION, {"message": "Authentication error"})


@pytest_twisted.ensureDeferred
async def test_a_browser_brings_its_jwt_in_the_cookie(node: NodeProcess) -> None:
    browser = await RawPeer(node.url, None, cookie=f"a=b; access_token={node.ticket('bea')}; c=d").connect()
    await browser.ready()
    assert (await browser.call(uris.SESSION_INFO))["user_id"] == "bea"
    await browser.leave()
    reason, _ = await refusal(RawPeer(node.url, None, cookie="access_token=nonsense"))
    assert reason == uris.ERROR_AUTHENTICATION
    reason, _ = await refusal(RawPeer(node.url, None))
    assert reason == uris.ERROR_AUTHENTICATION


@pytest_twisted.ensureDeferred
async def test_operators_are_sent_to_their_own_port(node: NodeProcess) -> None:
    reason, _ = await refusal(peer(node, "op", "admin"))
    assert reason == uris.ERROR_FORBIDDEN
    operator = await RawPeer(node.admin_url, node.ticket("op", "admin")).connect()
    assert [one["node_id"] for one in (await operator.call(uris.ADMIN_NODES))["nodes"]] == ["node-1"]
    await operator.leave()
    reason, _ = await refusal(RawPeer(node.admin_url, node.ticket("ann", "client")))
    assert reason == uris.ERROR_AUTHENTICATION


# ---- recovery tokens -------------------------------------------------------------------------------


@pytest_twisted.ensureDeferred
async def test_tokens_that_bring_nothing_back_are_refused_with_the_reason(node: NodeProcess) -> None:
    first = await peer(node).connect()
    await first.ready()
    session_id, token = first.welcome["session_id"], first.welcome["recovery_token"]
    first.cut()

    claims = RecoveryClaims(session_id, "ann", "client", 1)
    cases = {
        "expired": peer(node, token=forge(node, claims, ttl_s=-1)),
        "forged": peer(node, token=forge(node, claims, secret="x" * 40)),
        "mismatch": peer(node, user="mallory", token=token),
        "unknown": peer(node, token=forge(node, RecoveryClaims("nobody", "ann", "client", 1))),
        "superseded": peer(node, token=forge(node, RecoveryClaims(session_id, "ann", "client", 7))),
    }
    for reason, one in cases.items():
        error, details = await refusal(one)
        assert (error, details["reason"]) == (uris.ERROR_RECOVERY, reason)
    error, details = await refusal(peer(node, role="worker", token=token))
    assert (error, details["reason"]) == (uris.ERROR_RECOVERY, "mismatch")

    again = await peer(node, token=token).connect()
    assert again.welcome["session_id"] == session_id
    assert again.welcome["resumed"] is True
    again.cut()


@pytest_twisted.ensureDeferred
async def test_a_used_token_cannot_be_replayed(node: NodeProcess) -> None:
    first = await peer(node).connect()
    await first.ready()
    second = await peer(node, token=first.welcome["recovery_token"]).connect()
    await second.ready()

    error, details = await refusal(peer(node, token=first.welcome["recovery_token"]))
    assert (error, details["reason"]) == (uris.ERROR_RECOVERY, "superseded")
    await second.call(uris.SESSION_HEARTBEAT)
    await first.until(lambda: first.is_closed)
    assert first.close_reason == uris.CLOSE_SUPERSEDED
    await second.leave()


@pytest_twisted.ensureDeferred
async def test_the_token_of_an_ended_session_is_revoked(node: NodeProcess) -> None:
    first = await peer(node).connect()
    await first.ready()
    assert await first.call(uris.SESSION_END) == {"ended": True}
    await first.until(lambda: first.is_closed)
    assert first.close_reason == uris.CLOSE_ENDED
    error, details = await refusal(peer(node, token=first.welcome["recovery_token"]))
    assert (error, details["reason"]) == (uris.ERROR_RECOVERY, "revoked")


@pytest_twisted.ensureDeferred
async def test_when_the_answer_of_a_resume_is_lost_the_same_token_resumes_again(node: NodeProcess) -> None:
    first = await peer(node).connect()
    await first.ready()
    token = first.welcome["recovery_token"]
    first.cut()

    lost = await peer(node, token=token).connect()  # WELCOME arrives nowhere: the client never learns of its new token.
    lost.cut()
    second = await peer(node, token=token).connect()
    assert second.welcome["session_id"] == first.welcome["session_id"]

    # Now `ready` is done, and its answer lost: the token of this connection's WELCOME is the client's newest.
    await second.ready()
    second.cut()
    third = await peer(node, token=second.welcome["recovery_token"]).connect()
    assert (await third.ready())["session_id"] == first.welcome["session_id"]
    await third.leave()


@pytest_twisted.ensureDeferred
async def test_of_two_that_race_with_one_token_one_wins(node: NodeProcess) -> None:
    first = await peer(node).connect()
    await first.ready()
    one = await peer(node, token=first.welcome["recovery_token"]).connect()
    other = await peer(node, token=first.welcome["recovery_token"]).connect()
    await other.ready()
    for loser in (first, one):
        await loser.until(lambda loser=loser: loser.is_closed)
        assert loser.close_reason == uris.CLOSE_SUPERSEDED
    assert (await other.call(uris.SESSION_INFO))["generation"] == other.welcome["generation"]
    await other.leave()


# ---- while the session is away ---------------------------------------------------------------------


@pytest_twisted.ensureDeferred
async def test_what_was_sent_to_a_session_that_was_away_is_there_when_it_is_back(node: NodeProcess) -> None:
    worker = await peer(node, "will", "worker").connect()
    await worker.ready()
    await worker.call(uris.WORKER_ANNOUNCE, abilities=["away"], capacity=1)
    client = await peer(node).connect()
    await client.ready()
    pair = await client.call(uris.PAIR_REQUEST, abilities=["away"])
    await client.call(uris.PAIR_SEND, payload="seen", number=1)
    seen = await worker.event(uris.EVENT_MESSAGE)
    worker.cut()
    for number in range(2, 12):
        await client.call(uris.PAIR_SEND, payload=number, number=number, acked=number - 1)
    repeat = await client.call(uris.PAIR_SEND, payload=11, number=11, acked=9)
    assert repeat["duplicate"] is True

    back = await peer(node, "will", "worker", worker.welcome["recovery_token"]).connect()
    answer = await back.ready(positions={"mailbox": {"epoch": seen["epoch"], "seq": seen["seq"]}})
    mailbox = answer["channels"]["mailbox"]
    assert [event["payload"] for event in mailbox["missed"]] == list(range(2, 12))
    assert (mailbox["reset"], mailbox["more"]) == (False, False)
    assert [one["pair_id"] for one in answer["pairs"]] == [pair["pair_id"]]

    await client.call(uris.PAIR_SEND, payload="live", number=12, acked=11)
    live = await back.event(uris.EVENT_MESSAGE)
    assert (live["payload"], live["seq"]) == ("live", mailbox["seq"] + 1)
    assert len(back.events) == 1
    await client.leave()
    await back.leave()
