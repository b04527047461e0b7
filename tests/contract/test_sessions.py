"""Sessions: created, claimed and confirmed, with one confirmed connection each."""

import pytest
from pytest_twisted import ensureDeferred

from sigrouter.protocol.errors import Recovery, Superseded
from sigrouter.stores.interface import Claimed, Confirmed, Position
from tests.contract.case import StoreCase
from tests.contract.recording import ToldEntry, ToldPeerReady, ToldSuperseded
from tests.contract.scenes import (
    NOTHING_YET,
    bind,
    claim_of,
    connect,
    fresh,
    log_of,
    message,
    messages,
    ready,
    resume,
    sent,
)


@ensureDeferred
async def test_a_new_session_is_unconfirmed_with_an_empty_mailbox(case: StoreCase) -> None:
    store, _ = await case.node("a")
    before = case.now()
    record = await store.create(fresh("one"))
    assert (record.session_id, record.user_id, record.role) == ("one", "user-one", "client")
    assert (record.state, record.generation, record.claimed) == ("new", 0, 1)
    assert (record.node_id, record.stack, record.connection_id) == ("a", "blue", "one-on-a")
    assert (record.handover_id, record.ended_reason) == ("", "")
    assert before - 0.01 <= record.created_at <= case.now() + 0.01
    assert record.expires_at == pytest.approx(record.created_at + case.times.handshake_s, abs=0.01)
    backlog = await log_of(store, "session:one")
    assert (backlog.entries, backlog.head.seq, backlog.reset, backlog.more) == ((), 0, False, False)
    assert backlog.head.epoch


@ensureDeferred
async def test_every_mailbox_has_an_epoch_of_its_own(case: StoreCase) -> None:
    store, _ = await case.node("a")
    await store.create(fresh("one"))
    await store.create(fresh("two"))
    assert (await log_of(store, "session:one")).head.epoch != (await log_of(store, "session:two")).head.epoch


@ensureDeferred
async def test_a_repeated_create_changes_nothing(case: StoreCase) -> None:
    store, _ = await case.node("a")
    await connect(store, "one")
    confirmed = await store.session("one")
    await store.create(fresh("one"))
    assert await store.session("one") == confirmed


@ensureDeferred
async def test_the_first_confirm_makes_the_connection_the_sessions_one(case: StoreCase) -> None:
    store, listener = await case.node("a")
    confirmed = await connect(store, "one")
    record = confirmed.record
    assert (record.state, record.generation, record.claimed, record.node_id) == ("connected", 1, 1, "a")
    assert (record.stack, record.connection_id) == ("green", "one-on-a")
    assert record.expires_at == pytest.approx(case.now() + case.times.recovery_window_s, abs=1.0)
    assert (confirmed.previous.state, confirmed.previous.generation) == ("new", 0)
    assert (confirmed.pairs, confirmed.last_number, confirmed.backlog.entries) == ((), 0, ())
    assert await store.session("one") == record
    await case.settle()
    assert listener.of(ToldSuperseded) == []


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


@ensureDeferred
async def test_only_the_newest_claim_can_confirm_even_if_the_older_one_comes_first(case: StoreCase) -> None:
    store, _ = await case.node("a")
    await connect(store, "one")
    await store.claim(claim_of("one", 1))
    await store.claim(claim_of("one", 1))
    assert isinstance(await store.confirm(ready("one", 2, "b")), Superseded)
    assert isinstance(await store.confirm(ready("one", 3, "c")), Confirmed)


@ensureDeferred
async def test_a_confirm_of_a_generation_that_was_never_handed_out_is_superseded(case: StoreCase) -> None:
    store, _ = await case.node("a")
    await store.create(fresh("one"))
    assert isinstance(await store.confirm(ready("one", 0)), Superseded)
    assert isinstance(await store.confirm(ready("one", 2)), Superseded)


@ensureDeferred
async def test_a_confirm_of_no_session_or_an_ended_one_says_so(case: StoreCase) -> None:
    store, _ = await case.node("a")
    await connect(store, "over")
    await store.end("over", "kicked")
    unknown = await store.confirm(ready("nobody", 1))
    revoked = await store.confirm(ready("over", 1))
    assert isinstance(unknown, Recovery)
    assert isinstance(revoked, Recovery)
    assert (unknown.reason, revoked.reason) == ("unknown", "revoked")


@ensureDeferred
async def test_a_repeated_confirm_answers_anew(case: StoreCase) -> None:
    store, _ = await case.node("a")
    pair_id = await bind(store)
    await sent(store, message("worker", "hello", pair_id=pair_id, number=1))
    first = await resume(store, "client", 1)
    again = await store.confirm(ready("client", 2, "b"))
    assert isinstance(again, Confirmed)
    assert again.record.generation == first.record.generation == 2
    assert again.backlog == first.backlog
    assert messages(again.backlog) == ["hello"]
    assert again.pairs == first.pairs


@ensureDeferred
async def test_the_holder_may_repeat_its_confirm_while_a_newer_claim_is_on_its_way(case: StoreCase) -> None:
    store, _ = await case.node("a")
    await connect(store, "one")
    await store.claim(claim_of("one", 1))
    assert isinstance(await store.confirm(ready("one", 1)), Confirmed)
    newer = await store.confirm(ready("one", 2, "b"))
    assert isinstance(newer, Confirmed)


@ensureDeferred
async def test_a_confirm_tells_the_node_of_the_older_connection_once_it_counts(case: StoreCase) -> None:
    old, old_listener = await case.node("a")
    new, new_listener = await case.node("b")
    await connect(old, "one")
    await new.claim(claim_of("one", 1))
    await case.settle()
    assert old_listener.of(ToldSuperseded) == []
    await new.confirm(ready("one", 2, "b"))
    await case.settle()
    assert old_listener.of(ToldSuperseded) == [ToldSuperseded("one", 2, "b")]
    assert new_listener.of(ToldSuperseded) == []


@ensureDeferred
async def test_a_session_that_comes_back_on_the_same_node_supersedes_there(case: StoreCase) -> None:
    store, listener = await case.node("a")
    await connect(store, "one")
    await resume(store, "one", 1, "a")
    await case.settle()
    assert listener.of(ToldSuperseded) == [ToldSuperseded("one", 2, "a")]


@ensureDeferred
async def test_a_confirm_tells_the_peers_node_where_the_peer_is(case: StoreCase) -> None:
    store_a, listener_a = await case.node("a")
    store_b, listener_b = await case.node("b")
    pair_id = await bind(store_a)
    await case.settle()
    listener_a.clear()
    confirmed = await resume(store_b, "worker", 1, "b", "worker")
    await case.settle()
    assert listener_a.of(ToldPeerReady) == [ToldPeerReady("client", "worker", "b")]
    assert listener_b.of(ToldPeerReady) == []
    (view,) = confirmed.pairs
    assert (view.pair_id, view.peer_session_id, view.peer_user_id) == (pair_id, "client", "user-client")
    assert (view.peer_state, view.peer_node_id) == ("connected", "a")


@ensureDeferred
async def test_the_previous_record_shows_where_the_session_came_from(case: StoreCase) -> None:
    store, _ = await case.node("a")
    await connect(store, "one")
    confirmed = await resume(store, "one", 1)
    assert (confirmed.previous.node_id, confirmed.previous.generation) == ("a", 1)
    assert (confirmed.record.node_id, confirmed.record.generation) == ("b", 2)


@ensureDeferred
async def test_the_confirm_answers_the_highest_number_of_the_session_that_was_appended(case: StoreCase) -> None:
    store, _ = await case.node("a")
    pair_id = await bind(store)
    for number in (1, 2, 3):
        await sent(store, message("client", number, pair_id=pair_id, number=number))
    assert (await resume(store, "client", 1)).last_number == 3


@ensureDeferred
async def test_the_confirm_reads_the_backlog_in_the_same_step_and_the_rest_is_told(case: StoreCase) -> None:
    store_a, listener_a = await case.node("a")
    store_b, listener_b = await case.node("b")
    pair_id = await bind(store_a)
    await sent(store_a, message("worker", "before", pair_id=pair_id))
    confirmed = await resume(store_b, "client", 1, "b")
    await sent(store_a, message("worker", "after", pair_id=pair_id))
    await case.settle()
    assert messages(confirmed.backlog) == ["before"]
    assert [entry.payload for entry in listener_a.entries("session:client")][1:] == ["before"]
    assert [entry.payload for entry in listener_b.entries("session:client")] == ["after"]


@ensureDeferred
async def test_what_comes_while_a_session_is_away_is_told_to_nobody_and_is_in_the_backlog(case: StoreCase) -> None:
    store, listener = await case.node("a")
    pair_id = await bind(store)
    await store.lost("client", 1)
    await case.settle()
    listener.clear()
    await sent(store, message("worker", "missed", pair_id=pair_id))
    await case.settle()
    assert listener.of(ToldEntry) == []
    assert messages((await resume(store, "client", 1)).backlog) == ["missed"]


@ensureDeferred
async def test_the_backlog_starts_after_the_position_that_the_client_has(case: StoreCase) -> None:
    store, _ = await case.node("a")
    pair_id = await bind(store)
    positions = [(await sent(store, message("worker", n, pair_id=pair_id))).position for n in range(4)]
    backlog = (await resume(store, "client", 1, position=positions[1])).backlog
    assert messages(backlog) == [2, 3]
    assert (backlog.head, backlog.reset, backlog.more) == (positions[3], False, False)


@ensureDeferred
async def test_the_limit_bounds_the_backlog_and_says_that_there_is_more(case: StoreCase) -> None:
    store, _ = await case.node("a")
    pair_id = await bind(store)
    for n in range(4):
        last = await sent(store, message("worker", n, pair_id=pair_id))
    await store.claim(claim_of("client", 1))
    confirmed = await store.confirm(ready("client", 2, "b", NOTHING_YET, limit=3))
    assert isinstance(confirmed, Confirmed)
    backlog = confirmed.backlog
    assert [entry.seq for entry in backlog.entries] == [1, 2, 3]
    assert (backlog.more, backlog.head) == (True, last.position)
    rest = await log_of(store, "session:client", Position(backlog.head.epoch, 3), limit=3)
    assert messages(rest) == [2, 3]
    assert not rest.more


@ensureDeferred
async def test_many_records_come_in_the_order_asked_for(case: StoreCase) -> None:
    store, _ = await case.node("a")
    for session_id in ("one", "two"):
        await connect(store, session_id)
    answer = await store.sessions(["two", "nobody", "one", "two"])
    assert [record.session_id if record else None for record in answer] == ["two", None, "one", "two"]
    assert await store.sessions([]) == ()
    assert await store.session("nobody") is None


@ensureDeferred
async def test_the_sessions_of_a_node_are_those_confirmed_on_it_by_id(case: StoreCase) -> None:
    store, _ = await case.node("a")
    for session_id in ("two", "one", "three", "away"):
        await connect(store, session_id)
    await store.create(fresh("new"))
    await store.lost("away", 1)
    await resume(store, "three", 1, "b")
    assert [record.session_id for record in await store.sessions_of("a")] == ["one", "two"]
    assert [record.session_id for record in await store.sessions_of("b")] == ["three"]
    assert await store.sessions_of("c") == ()
