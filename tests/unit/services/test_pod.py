"""Two pods on one memory: what a session lives through from its admission to its end, with a clock that obeys."""

import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest
from attrs import evolve

from sigrouter.protocol import errors, messages, uris
from sigrouter.protocol.messages import NOTHING_READ, Position
from sigrouter.services.admin_ticket import AdminTicket, ticket_file
from sigrouter.services.background import Background
from sigrouter.services.connections import Connection
from sigrouter.settings import Settings
from sigrouter.settings.model import LimitSettings, SessionSettings
from sigrouter.stores.records import SessionRecord
from tests.unit.services.pods import BRIEF, FEW, Node, World, begin, now, result


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pods")


@pytest.fixture
def world(directory: Path) -> World:
    return World(directory)


def record_of(node: Node, connection: Connection) -> SessionRecord:
    record = now(node.pod.store.session(connection.session_id))
    assert record is not None
    return record


# ---- admission -----------------------------------------------------------------------------------


def test_welcome_tells_a_fresh_session_what_it_needs(world: World) -> None:
    admission = world.admit(world.node("blue", stack="b"))
    extra = admission.extra
    assert (admission.user_id, admission.role) == ("ann", "client")
    assert extra.pop("recovery_token").count(".") == 2
    assert len(extra.pop("session_id")) == 16
    assert extra == {
        "resumed": False, "generation": 1, "token_ttl_s": 900.0, "node_id": "blue", "stack": "b", "heartbeat_s": 10.0,
        "protocol": 1,
    }  # fmt: skip


def test_a_service_has_no_session_and_an_operator_joins_elsewhere(world: World) -> None:
    blue = world.node("blue")
    assert world.admit(blue, role="service").extra == {"protocol": 1}
    assert len(blue.pod.connections) == 0
    with pytest.raises(errors.Forbidden):
        world.admit(blue, role="admin")


@pytest.mark.parametrize("authextra", [[1], "text", 7])
def test_authextra_of_another_shape_is_refused(world: World, authextra: object) -> None:
    blue = world.node("blue")
    with pytest.raises(errors.Invalid):
        now(blue.pod.admissions.admit(world.jwt(), authextra, 1, "peer"))


@pytest.mark.parametrize(
    "authextra", [{"recovery_token": 7}, {"recovery_token": "x" * 9000}, {"stack": ["a"]}, {"sdk": "x" * 300}]
)
def test_wrong_fields_of_authextra_are_refused_by_name(world: World, authextra: dict[str, object]) -> None:
    with pytest.raises(errors.Invalid) as refused:
        world.admit(world.node("blue"), **authextra)
    assert refused.value.fields["field"] in authextra


def test_a_jwt_that_is_none_is_refused_before_anything_is_made(world: World) -> None:
    blue = world.node("blue")
    with pytest.raises(errors.Authentication):
        now(blue.pod.admissions.admit("no jwt", None, 1, "peer"))
    assert "create" not in blue.store.calls


def test_a_session_resumes_on_the_other_node_with_what_it_missed(world: World) -> None:
    blue, green = world.node("blue"), world.node("green")
    client, worker = world.pair(blue)
    read = Position(client.epoch, client.seq)
    token = now(blue.pod.sessions.heartbeat(client, read))["recovery_token"]
    blue.pod.sessions.connection_closed(client.connection_id)
    assert record_of(blue, client).state == "away"
    for number in (1, 2):
        world.send(blue, worker, f"m{number}", number)
    again, answer = world.join(green, position=read, recovery_token=token)
    assert (again.session_id, answer["generation"], answer["node_id"]) == (client.session_id, 2, "green")
    assert [event["payload"] for event in answer["channels"]["mailbox"]["missed"]] == ["m1", "m2"]
    assert [pair["peer_session_id"] for pair in answer["pairs"]] == [worker.session_id]
    world.send(blue, worker, "m3", 3)
    assert [event["payload"] for event in green.events(again, "message")] == ["m3"]
    assert blue.events(client, "message") == []
    world.send(green, again, "back")
    assert [event["payload"] for event in blue.events(worker, "message")] == ["back"]


def test_the_older_connection_is_closed_when_the_newer_one_is_ready_and_not_before(world: World) -> None:
    blue, green = world.node("blue"), world.node("green")
    old, answer = world.join(blue)
    new, _ = world.connect(green, recovery_token=answer["recovery_token"])
    assert blue.reasons(old) == []
    now(green.pod.sessions.ready(new, NOTHING_READ))
    assert blue.reasons(old) == [uris.CLOSE_SUPERSEDED]
    assert record_of(green, new).node_id == "green"
    assert len(blue.pod.connections) == 0


@pytest.mark.parametrize(
    ("user", "role", "token", "reason"),
    [
        ("eve", "client", None, "mismatch"),
        ("ann", "worker", None, "mismatch"),
        ("ann", "client", "a.b.c", "forged"),
    ],
)
def test_a_token_is_good_for_its_own_user_and_role_only(
    world: World, user: str, role: str, token: str | None, reason: str
) -> None:
    blue = world.node("blue")
    _, answer = world.join(blue)
    with pytest.raises(errors.Recovery) as refused:
        world.admit(blue, user, role, recovery_token=token or answer["recovery_token"])
    assert refused.value.reason == reason


def test_a_token_is_worth_nothing_after_the_end_of_its_session_or_of_its_time(world: World) -> None:
    blue = world.node("blue")
    client, answer = world.join(blue)
    assert now(blue.pod.sessions.leave(client)) is True
    with pytest.raises(errors.Recovery) as refused:
        world.admit(blue, recovery_token=answer["recovery_token"])
    assert refused.value.reason == "revoked"
    world.clock.advance(901)
    with pytest.raises(errors.Recovery) as refused:
        world.admit(blue, recovery_token=answer["recovery_token"])
    assert refused.value.reason == "expired"


def test_a_token_that_was_used_by_a_confirmed_connection_is_superseded(world: World) -> None:
    blue = world.node("blue")
    _, answer = world.join(blue)
    world.join(blue, recovery_token=answer["recovery_token"])
    with pytest.raises(errors.Recovery) as refused:
        world.admit(blue, recovery_token=answer["recovery_token"])
    assert refused.value.reason == "superseded"


def test_enough_handshakes_make_the_others_wait(world: World) -> None:
    blue = world.node("blue", limits=FEW)
    first, _ = world.connect(blue)
    world.connect(blue, "bob")
    with pytest.raises(errors.Busy) as refused:
        world.connect(blue, "cleo")
    assert refused.value.retry_after_s is not None
    assert 0 < refused.value.retry_after_s < 5
    now(blue.pod.sessions.ready(first, None))
    world.connect(blue)


def test_one_user_cannot_take_all_the_places(world: World) -> None:
    blue = world.node("blue", limits=evolve(FEW, handshakes=6, sessions=100))
    for _ in range(3):
        world.connect(blue, "eve")
    with pytest.raises(errors.Busy):
        world.connect(blue, "eve")
    for _ in range(3):
        world.connect(blue, "ann")
    with pytest.raises(errors.Busy):
        world.connect(blue, "bob")


def test_handshakes_whose_store_has_not_answered_count_too(world: World) -> None:
    blue = world.node("blue", limits=FEW)
    blue.store.slow = {"create"}
    under_way = [begin(world.admitting(blue)) for _ in range(2)]
    with pytest.raises(errors.Busy):
        world.connect(blue)
    blue.store.answer()
    assert [result(one).extra["generation"] for one in under_way] == [1, 1]


def test_a_full_node_takes_nobody(world: World) -> None:
    blue = world.node("blue", limits=evolve(FEW, handshakes=9))
    for _ in range(4):
        world.join(blue)
    with pytest.raises(errors.Busy) as refused:
        world.admit(blue)
    assert refused.value.retry_after_s == 5.0


def test_a_node_without_its_store_takes_nobody(world: World) -> None:
    blue = world.node("blue")
    world.backend.stop()
    with pytest.raises(errors.Unavailable):
        world.admit(blue)
    assert blue.pod.not_ready() == ("store unavailable",)
    world.backend.start(keep_data=True)
    assert blue.pod.not_ready() == ()


def test_a_draining_node_takes_nobody_while_another_is_ready(world: World) -> None:
    blue = world.node("blue", drain=BRIEF)
    _, answer = world.join(blue)
    world.node("green")
    now(blue.pod.begin_drain("operator"))
    with pytest.raises(errors.Draining):
        world.admit(blue)
    with pytest.raises(errors.Draining):
        world.admit(blue, recovery_token=answer["recovery_token"])


def test_a_draining_node_that_is_the_last_one_lets_sessions_come_back_but_not_begin(world: World) -> None:
    blue = world.node("blue", drain=BRIEF)
    old, answer = world.join(blue)
    now(blue.pod.begin_drain("operator"))
    with pytest.raises(errors.Draining):
        world.admit(blue)
    blue.pod.sessions.connection_closed(old.connection_id)
    again, _ = world.join(blue, recovery_token=answer["recovery_token"])
    green = world.node("green")
    world.advance(3)
    assert blue.events(again, "goaway")
    assert green.pod.state() == "ready"


def test_a_client_that_was_sent_to_another_stack_is_told_so_while_that_one_is_there(world: World) -> None:
    blue = world.node("blue", stack="b")
    world.admit(blue, stack="g")
    green = world.node("green", stack="g")
    with pytest.raises(errors.Misrouted):
        world.admit(blue, stack="g")
    world.admit(blue, stack="b")
    world.admit(green, stack="g")


# ---- ready, heartbeat, information, end ----------------------------------------------------------


def test_events_follow_the_answer_to_ready(world: World) -> None:
    blue = world.node("blue")
    client, worker = world.pair(blue)
    token = now(blue.pod.sessions.heartbeat(client, None))["recovery_token"]
    again, _ = world.connect(blue, recovery_token=token)
    blue.store.slow = {"confirm"}
    becoming = begin(blue.pod.sessions.ready(again, Position(client.epoch, client.seq)))
    world.send(blue, worker, "one")
    blue.store.answer()
    answer = result(becoming)
    assert answer["channels"]["mailbox"]["missed"] == []
    assert blue.events(again, "message") == []
    world.clock.advance(0)
    assert [event["payload"] for event in blue.events(again, "message")] == ["one"]


def test_the_answer_to_ready_is_bounded_in_bytes(world: World) -> None:
    blue = world.node("blue", limits=LimitSettings(message_bytes=1000))
    client, worker = world.pair(blue)
    token = now(blue.pod.sessions.heartbeat(client, Position(client.epoch, client.seq)))["recovery_token"]
    blue.pod.sessions.connection_closed(client.connection_id)
    for letter in "abcdef":
        world.send(blue, worker, letter * 400)
    again, answer = world.join(blue, position=Position(client.epoch, client.seq), recovery_token=token)
    page = answer["channels"]["mailbox"]
    seen = list(page["missed"])
    assert page["more"]
    while page["more"]:
        page = now(blue.pod.messaging.recover(again, "mailbox", Position(page["epoch"], page["missed"][-1]["seq"])))
        seen += page["missed"]
    assert "".join(event["payload"][0] for event in seen) == "abcdef"


def test_a_heartbeat_finds_an_event_whose_news_was_lost(world: World) -> None:
    blue = world.node("blue")
    client, worker = world.pair(blue)
    del world.backend.listeners["blue"]
    world.send(blue, worker, "unheard")
    world.backend.listeners["blue"] = blue.pod
    head = now(blue.pod.sessions.heartbeat(client, None))["channels"]["mailbox"]
    assert [(event["payload"], event["seq"]) for event in blue.events(client, "message")] == [("unheard", head["seq"])]


def test_a_heartbeat_acknowledges_and_one_of_an_ended_session_is_refused(world: World) -> None:
    blue = world.node("blue")
    client, _ = world.pair(blue)
    now(blue.pod.sessions.heartbeat(client, Position(client.epoch, client.seq)))
    assert now(blue.pod.messaging.recover(client, "mailbox", NOTHING_READ))["missed"] == []
    blue.outlet.polite = False
    now(blue.pod.sessions.leave(client))
    with pytest.raises(errors.Recovery) as refused:
        now(blue.pod.sessions.heartbeat(client, None))
    assert refused.value.reason == "unknown"
    with pytest.raises(errors.Recovery) as refused:
        now(blue.pod.sessions.info(client))
    assert refused.value.reason == "revoked"


def test_a_heartbeat_that_is_overtaken_by_a_newer_connection_hands_out_no_token(world: World) -> None:
    blue, green = world.node("blue"), world.node("green")
    old, answer = world.join(blue)
    blue.store.slow = {"read"}
    beating = begin(blue.pod.sessions.heartbeat(old, None))
    world.join(green, recovery_token=answer["recovery_token"])
    blue.store.answer()
    with pytest.raises(errors.Superseded):
        result(beating)


def test_information_is_what_the_store_knows(world: World) -> None:
    blue = world.node("blue")
    client, worker = world.pair(blue)
    info = now(blue.pod.sessions.info(client))
    assert (info["session_id"], info["user_id"], info["generation"]) == (client.session_id, "ann", 1)
    assert [pair["peer_session_id"] for pair in info["pairs"]] == [worker.session_id]
    world.backend.stop()
    world.backend.start(keep_data=False)
    with pytest.raises(errors.Recovery) as refused:
        now(blue.pod.sessions.info(client))
    assert refused.value.reason == "unknown"


@pytest.mark.parametrize(("reason", "uri"), [("kicked", uris.CLOSE_KICKED), ("ended", uris.CLOSE_ENDED)])
def test_an_end_closes_the_connection_wherever_it_is_and_tells_the_peer(world: World, reason: str, uri: str) -> None:
    blue, green = world.node("blue"), world.node("green")
    client, worker = world.pair(blue, green)
    assert now(green.pod.sessions.end(client.session_id, reason)) is True
    assert now(green.pod.sessions.end(client.session_id, reason)) is False
    assert blue.reasons(client) == [], "its answer goes first"
    world.advance(0.25)
    assert blue.reasons(client) == [uri]
    assert [event["payload"]["state"] for event in green.events(worker, "pair")] == ["paired", "lost"]
    assert worker.pairs == {}


# ---- pairs and messages --------------------------------------------------------------------------


def test_a_waiting_client_hears_its_place_and_gets_the_slot_that_becomes_free(world: World) -> None:
    blue = world.node("blue")
    worker, _ = world.join(blue, "will", "worker")
    one_slot = messages.Announcement(frozenset({"video"}), 1)
    wish = messages.PairRequest(frozenset({"video"}), 60.0)
    assert now(blue.pod.pairing.announce(worker, one_slot)) == {"abilities": ["video"], "capacity": 1, "load": 0}
    clients = [world.join(blue, f"user{number}")[0] for number in range(3)]
    answers = [now(blue.pod.pairing.request(client, wish)) for client in clients]
    assert [answer["state"] for answer in answers] == ["paired", "queued", "queued"]
    assert [answer["position"] for answer in answers[1:]] == [1, 2]
    world.advance(2)
    world.advance(2)
    assert [event["payload"] for event in blue.events(clients[2], "queue")] == [{"position": 2}], "once, not each time"
    assert now(blue.pod.pairing.release(clients[0], "")) is True
    assert blue.events(clients[1], "pair")[0]["payload"]["state"] == "paired"
    world.advance(2)
    assert blue.events(clients[2], "queue")[-1]["payload"] == {"position": 1}
    assert now(blue.pod.pairing.cancel(clients[2])) is True
    assert now(blue.pod.pairing.cancel(clients[2])) is False
    assert now(blue.pod.pairing.status(worker))["load"] == 1


def test_the_wrong_role_neither_asks_nor_announces(world: World) -> None:
    blue = world.node("blue")
    client, worker = world.pair(blue)
    with pytest.raises(errors.Forbidden):
        now(blue.pod.pairing.announce(client, messages.Announcement(frozenset(), 1)))
    with pytest.raises(errors.Forbidden):
        now(blue.pod.pairing.request(worker, messages.PairRequest(frozenset(), 1.0)))
    with pytest.raises(errors.NotFound):
        now(blue.pod.pairing.status(client))


def test_a_superseded_worker_announces_nothing_and_a_superseded_client_asks_for_nothing(world: World) -> None:
    blue = world.node("blue")
    blue.outlet.polite = False
    client, worker = world.pair(blue)
    for connection, user, role in ((client, "ann", "client"), (worker, "will", "worker")):
        token = now(blue.pod.sessions.heartbeat(connection, None))["recovery_token"]
        world.join(blue, user, role, recovery_token=token)
    with pytest.raises(errors.Superseded):
        now(blue.pod.pairing.announce(worker, messages.Announcement(frozenset(), 1)))
    with pytest.raises(errors.Superseded):
        now(blue.pod.pairing.request(client, messages.PairRequest(frozenset(), 1.0)))


def test_nobody_speaks_in_or_ends_a_pair_of_others(world: World) -> None:
    blue = world.node("blue")
    client, worker = world.pair(blue)
    (pair_id,) = client.pairs
    eve, _ = world.join(blue, "eve")
    with pytest.raises(errors.NotPaired):
        now(blue.pod.messaging.send(eve, messages.Message("x", pair_id, None, 0)))
    with pytest.raises(errors.NotPaired):
        now(blue.pod.messaging.send(eve, messages.Message("x", "", None, 0)))
    with pytest.raises(errors.NotPaired):
        now(blue.pod.pairing.release(eve, ""))
    assert now(blue.pod.pairing.release(eve, pair_id)) is False
    with pytest.raises(errors.NotFound):
        now(blue.pod.messaging.recover(eve, f"session:{client.session_id}", NOTHING_READ))
    world.send(blue, worker, "still there")
    assert blue.events(client, "message")


def test_a_worker_with_two_clients_has_to_name_the_pair(world: World) -> None:
    blue = world.node("blue")
    _, worker = world.pair(blue)
    second, _ = world.join(blue, "bob")
    now(blue.pod.pairing.request(second, messages.PairRequest(frozenset(), 1.0)))
    for call in (
        blue.pod.messaging.send(worker, messages.Message("x", "", None, 0)),
        blue.pod.pairing.release(worker, ""),
    ):
        with pytest.raises(errors.Invalid) as refused:
            now(call)
        assert refused.value.fields["field"] == "pair_id"


def test_a_repeated_number_is_answered_again_and_delivered_once(world: World) -> None:
    blue = world.node("blue")
    client, worker = world.pair(blue)
    first = world.send(blue, client, "x", 1)
    again = world.send(blue, client, "x", 1)
    assert (first["duplicate"], again["duplicate"]) == (False, True)
    assert (first["epoch"], first["seq"], first["at"]) == (again["epoch"], again["seq"], again["at"])
    assert len(blue.events(worker, "message")) == 1


def test_bytes_are_limited_each_message_and_all_together(world: World) -> None:
    limits = LimitSettings(message_bytes=100, bytes_per_s=10, bytes_burst=150)
    blue = world.node("blue", limits=limits)
    client, _ = world.pair(blue)
    with pytest.raises(errors.TooLarge) as large:
        world.send(blue, client, "x" * 99)
    assert large.value.fields == {"limit_bytes": 100}
    world.send(blue, client, "x" * 98)
    with pytest.raises(errors.RateLimited) as often:
        world.send(blue, client, "x" * 98)
    assert often.value.retry_after_s == 5.0
    world.clock.advance(5)
    world.send(blue, client, b"\0" * 50)
    with pytest.raises(errors.Invalid):
        world.send(blue, client, object())


def deep(levels: int) -> object:
    payload: object = 1
    for _ in range(levels):
        payload = [payload]
    return payload


IMPOSSIBLE = {
    "deep": deep(2000),
    "too deep for an answer in msgpack": deep(505),
    "big": 2**70,
    "half a pair": "\ud800",
    "not a number": [float("nan"), None],
    "infinity beside binary data": [b"x", float("-inf")],
    "a date": datetime(2026, 1, 1, tzinfo=UTC),
    "a date beside binary data": [b"x", datetime(2026, 1, 1, tzinfo=UTC)],
    "binary key": {b"x": 1},
}


@pytest.mark.parametrize("payload", IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_what_cannot_be_serialized_is_refused_and_breaks_nothing(world: World, payload: object) -> None:
    blue = world.node("blue")
    client, worker = world.pair(blue)
    with pytest.raises(errors.Invalid):
        world.send(blue, client, payload)
    fine = [None, "null", 2**63, deep(200), {"a": b"\0", "b": None}, {1: "one", "two": b"2"}]
    world.send(blue, client, fine)
    assert [event["payload"] for event in blue.events(worker, "message")] == [fine]


# ---- housekeeping --------------------------------------------------------------------------------


def test_a_peer_that_never_calls_ready_is_cut_off_and_its_session_ends(world: World) -> None:
    blue = world.node("blue")
    connection, _ = world.connect(blue)
    world.advance(14)
    assert blue.reasons(connection) == []
    world.advance(3)
    assert blue.reasons(connection) == [uris.CLOSE_NOT_READY]
    world.advance(10)
    assert record_of(blue, connection).state == "ended"


def test_a_slow_reader_is_cut_off_and_may_resume(world: World) -> None:
    blue = world.node("blue")
    client, answer = world.join(blue)
    blue.outlet.unsent[client.connection_id] = 5_000_000
    world.advance(1)
    assert blue.reasons(client) == [uris.CLOSE_SLOW_READER]
    assert blue.pod.housekeeping.slow_readers == 1
    world.join(blue, recovery_token=answer["recovery_token"])


def test_sessions_live_as_long_as_their_connections_and_a_window_longer(world: World) -> None:
    blue = world.node("blue")
    client, _ = world.join(blue)
    world.advance(300, step=1)
    assert record_of(blue, client).state == "connected"
    blue.pod.sessions.connection_closed(client.connection_id)
    world.advance(118, step=1)
    assert record_of(blue, client).state == "away"
    world.advance(5, step=1)
    assert (record_of(blue, client).state, record_of(blue, client).ended_reason) == ("ended", "expired")


def test_a_connection_whose_session_the_store_has_forgotten_must_resume(world: World) -> None:
    blue = world.node("blue")
    client, _ = world.join(blue)
    world.backend.stop()
    world.backend.start(keep_data=False)
    world.advance(10)
    assert blue.reasons(client) == [uris.CLOSE_STALE]


def test_an_outage_expires_nobody_and_what_was_sent_after_it_arrives(world: World) -> None:
    blue, green = world.node("blue"), world.node("green")
    client, worker = world.pair(blue, green)
    world.backend.stop()
    world.advance(200, step=1)
    world.backend.start(keep_data=True)
    world.advance(25, step=1)
    assert record_of(blue, client).state == "connected"
    assert [node.node_id for node in now(blue.pod.store.nodes())] == ["blue", "green"]
    world.send(green, worker, "after")
    assert [event["payload"] for event in blue.events(client, "message")] == ["after"]


def test_a_duty_that_fails_is_logged_and_done_again(world: World) -> None:
    blue = world.node("blue")
    blue.store.answers_lost = {"queue": ValueError("a bug")}
    world.advance(4)
    blue.store.answers_lost = {}
    before = blue.store.calls.count("queue")
    world.advance(4)
    assert blue.store.calls.count("queue") > before


# ---- the pod's life ------------------------------------------------------------------------------


def test_a_pod_serves_once_its_store_is_there(world: World) -> None:
    blue = world.node("blue", start=False)
    assert (blue.pod.state(), blue.pod.not_ready()) == ("starting", ("starting", "store unavailable"))
    assert blue.pod.health() == {"status": "ok", "nodeId": "blue"}
    blue.pod.start(blue.outlet, 5.0)
    assert (blue.pod.state(), blue.pod.not_ready()) == ("ready", ())


def test_a_pod_hands_its_sessions_over_before_it_stops_and_leaves_the_cluster(world: World) -> None:
    blue, green = world.node("blue", drain=BRIEF), world.node("green")
    client, worker = world.pair(blue, green)
    stopping = begin(blue.pod.stop())
    assert blue.pod.not_ready() == ("draining",)
    world.advance(2)
    (goaway,) = blue.events(client, "goaway")
    assert goaway["payload"]["url"] == "ws://green"
    token = now(blue.pod.sessions.heartbeat(client, None))["recovery_token"]
    again, _ = world.join(green, recovery_token=token)
    world.advance(1)
    result(stopping)
    assert [node.node_id for node in now(green.pod.store.nodes())] == ["green"]
    handover_id = goaway["payload"]["handover_id"]
    steps = [step.step for step in now(green.pod.store.handover(handover_id)) if step.session_id == client.session_id]
    assert {"goaway_sent", "connected", "token_ok", "resumed", "replayed", "confirmed"} <= set(steps)
    world.send(green, worker, "there")
    assert green.events(again, "message")


def test_a_session_that_is_refused_during_a_handover_is_in_its_report(world: World) -> None:
    blue, green = world.node("blue", drain=BRIEF), world.node("green")
    client, answer = world.join(blue)
    now(blue.pod.begin_drain("operator"))
    world.advance(2)
    handover_id = blue.events(client, "goaway")[0]["payload"]["handover_id"]
    now(blue.pod.sessions.end(client.session_id, "kicked"))
    with pytest.raises(errors.Recovery):
        world.admit(green, recovery_token=answer["recovery_token"])
    assert now(green.pod.steps.written())
    assert "refused" in [step.step for step in now(green.pod.store.handover(handover_id))]


def test_the_only_node_of_a_memory_store_says_goodbye_and_stops(world: World) -> None:
    blue = world.node("blue", drain=BRIEF)
    blue.pod.alone = True
    client, _ = world.join(blue)
    result(begin(blue.pod.stop()))
    assert blue.reasons(client) == [uris.CLOSE_GOAWAY]
    assert blue.pod.housekeeping._loops == []


def test_a_second_operator_joins_the_drain_and_an_end_drops_out_of_it(world: World) -> None:
    blue = world.node("blue", drain=BRIEF)
    client, worker = world.pair(blue)
    first = now(blue.pod.begin_drain("one"))
    assert now(blue.pod.begin_drain("two")) == first
    now(blue.pod.sessions.end(client.session_id, "kicked"))
    now(blue.pod.sessions.end(worker.session_id, "kicked"))
    world.node("green")
    world.advance(3)
    assert blue.pod.drain.phase == "done"


def test_shutdown_goes_on_when_something_in_it_fails(world: World) -> None:
    blue = world.node("blue", drain=BRIEF)
    blue.store.answers_lost = {"release_node": ValueError("a bug")}
    stopping = begin(blue.pod.stop())
    world.advance(3)
    result(stopping)
    assert not blue.store.available


def test_a_store_that_goes_away_during_the_last_step_is_no_fault(world: World) -> None:
    blue = world.node("blue", drain=BRIEF)
    blue.store.answers_lost = {"release_node": errors.Unavailable()}
    stopping = begin(blue.pod.stop())
    world.advance(3)
    result(stopping)


def test_refused_connections_are_counted(world: World) -> None:
    blue = world.node("blue")
    for _ in range(2):
        blue.pod.refused(errors.Busy())
    assert blue.pod.refusals == {uris.ERROR_BUSY: 2}


# ---- small parts ---------------------------------------------------------------------------------


def test_the_admin_ticket_is_for_its_file_owner_only_and_takes_any_text(tmp_path: Path) -> None:
    ticket = AdminTicket.write(tmp_path / "state", 4002)
    file = ticket_file(tmp_path / "state", 4002)
    secret = file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert ticket.matches(secret)
    assert not ticket.matches("")
    assert not ticket.matches("\ud800")
    assert secret not in repr(ticket)
    assert not AdminTicket.write(tmp_path / "state", 4002).matches(secret), "it is made anew at each start"


def test_background_work_that_fails_is_not_waited_for_for_ever() -> None:
    background = Background()

    async def fails(error: Exception) -> None:
        raise error

    background.start(fails(ValueError("a bug")))
    background.start(fails(errors.Unavailable()))
    now(background.settle())


def test_removing_what_is_not_there_is_harmless(world: World) -> None:
    blue = world.node("blue", session=SessionSettings(), limits=Settings().limits)
    blue.pod.sessions.connection_closed(12345)
    assert blue.pod.connections.get(12345) is None
