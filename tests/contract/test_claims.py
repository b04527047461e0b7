"""Claims: a recovery token brings a session back, for one holder, and a lost answer costs nothing."""

from pytest_twisted import ensureDeferred

from sigrouter.protocol.errors import Recovery, Superseded
from sigrouter.stores.records import Claimed, Confirmed
from tests.contract.case import StoreCase
from tests.contract.scenes import (
    claim_of,
    connect,
    fresh,
    ready,
    resume,
)


@ensureDeferred
async def test_a_claim_hands_out_the_next_generation_and_leaves_the_session_with_its_holder(case: StoreCase) -> None:
    store, _ = await case.node("a")
    held = (await connect(store, "one")).record
    claimed = await store.claim(claim_of("one", 1))
    assert isinstance(claimed, Claimed)
    assert claimed.generation == 2
    assert (claimed.record.claimed, claimed.record.generation) == (2, 1)
    assert (claimed.record.node_id, claimed.record.connection_id) == (held.node_id, held.connection_id)
    assert claimed.record.state == "connected"


@ensureDeferred
async def test_claims_that_bring_nothing_back_say_why(case: StoreCase) -> None:
    store, _ = await case.node("a")
    await connect(store, "one")
    await connect(store, "over")
    await store.end("over", "kicked")
    await resume(store, "one", 1)
    for claim, reason in [
        (claim_of("nobody", 1), "unknown"),
        (claim_of("over", 1), "revoked"),
        (claim_of("one", 2, role="worker"), "mismatch"),
        (claim_of("one", 1), "superseded"),
        (claim_of("one", 3), "superseded"),
        (claim_of("one", 0), "superseded"),
    ]:
        answer = await store.claim(claim)
        assert isinstance(answer, Recovery), claim
        assert answer.reason == reason


@ensureDeferred
async def test_a_claim_of_another_user_is_a_mismatch(case: StoreCase) -> None:
    store, _ = await case.node("a")
    await connect(store, "one")
    claim = claim_of("one", 1)
    thief = type(claim)("one", "user-two", "client", 1, "b", "green", "x")
    answer = await store.claim(thief)
    assert isinstance(answer, Recovery)
    assert answer.reason == "mismatch"
    record = await store.session("one")
    assert record is not None
    assert record.claimed == 1


@ensureDeferred
async def test_a_lost_answer_of_a_claim_costs_nothing_the_same_token_claims_again(case: StoreCase) -> None:
    store, _ = await case.node("a")
    await connect(store, "one")
    generations = []
    for _again in range(3):
        answer = await store.claim(claim_of("one", 1))
        assert isinstance(answer, Claimed)
        generations.append(answer.generation)
    assert generations == [2, 3, 4]
    assert isinstance(await store.confirm(ready("one", 4, "b")), Confirmed)


@ensureDeferred
async def test_the_token_of_the_newest_claim_works_before_it_was_confirmed(case: StoreCase) -> None:
    store, _ = await case.node("a")
    await connect(store, "one")
    assert isinstance(await store.claim(claim_of("one", 1)), Claimed)
    again = await store.claim(claim_of("one", 2))
    assert isinstance(again, Claimed)
    assert again.generation == 3


@ensureDeferred
async def test_a_token_of_a_claim_that_is_neither_confirmed_nor_the_newest_is_superseded(case: StoreCase) -> None:
    store, _ = await case.node("a")
    await connect(store, "one")
    await store.claim(claim_of("one", 1))
    await store.claim(claim_of("one", 1))
    answer = await store.claim(claim_of("one", 2))
    assert isinstance(answer, Recovery)
    assert answer.reason == "superseded"


@ensureDeferred
async def test_a_session_that_was_never_confirmed_can_be_claimed_with_its_first_token(case: StoreCase) -> None:
    store, _ = await case.node("a")
    await store.create(fresh("one"))
    confirmed = await resume(store, "one", 1)
    assert (confirmed.record.generation, confirmed.record.node_id) == (2, "b")


@ensureDeferred
async def test_after_the_confirm_the_older_token_is_superseded(case: StoreCase) -> None:
    store, _ = await case.node("a")
    await connect(store, "one")
    await resume(store, "one", 1)
    answer = await store.claim(claim_of("one", 1))
    assert isinstance(answer, Recovery)
    assert answer.reason == "superseded"


@ensureDeferred
async def test_of_two_nodes_that_race_with_one_token_exactly_one_gets_the_session(case: StoreCase) -> None:
    first, _ = await case.node("a")
    second, _ = await case.node("b")
    await connect(first, "one")
    on_a = await first.claim(claim_of("one", 1, "a"))
    on_b = await second.claim(claim_of("one", 1, "b"))
    assert isinstance(on_a, Claimed)
    assert isinstance(on_b, Claimed)
    assert on_a.generation != on_b.generation
    winner = await second.confirm(ready("one", on_b.generation, "b"))
    loser = await first.confirm(ready("one", on_a.generation, "a"))
    assert isinstance(winner, Confirmed)
    assert isinstance(loser, Superseded)
    record = await first.session("one")
    assert record is not None
    assert (record.generation, record.node_id) == (on_b.generation, "b")
