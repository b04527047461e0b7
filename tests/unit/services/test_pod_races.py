"""What goes wrong between two awaits: answers that come late or never, connections that go meanwhile."""

from pathlib import Path

import pytest

from sigrouter.protocol import errors, uris
from sigrouter.protocol.messages import NOTHING_READ, Position
from tests.unit.services.pods import BRIEF, World, begin, now, result


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pods")


@pytest.fixture
def world(directory: Path) -> World:
    return World(directory)


def test_a_keepalive_cuts_only_the_older_of_two_connections_of_one_session(world: World) -> None:
    blue = world.node("blue")
    blue.outlet.polite = False  # The older one stays for the two seconds that it has to answer GOODBYE.
    old, answer = world.join(blue)
    new, _ = world.join(blue, recovery_token=answer["recovery_token"])
    now(blue.pod.housekeeping.keep_alive())
    assert blue.reasons(new) == []
    assert set(blue.reasons(old)) == {uris.CLOSE_SUPERSEDED}


def test_a_keepalive_under_way_does_not_cut_the_connection_that_resumed_meanwhile(world: World) -> None:
    blue = world.node("blue")
    blue.outlet.polite = False
    old, answer = world.join(blue)
    blue.store.unsent = {"keepalive"}
    keeping = begin(blue.pod.housekeeping.keep_alive())
    new, _ = world.join(blue, recovery_token=answer["recovery_token"])
    blue.store.answer()
    result(keeping)
    assert blue.reasons(new) == []
    assert uris.CLOSE_SUPERSEDED in blue.reasons(old)


def test_a_session_whose_ready_was_confirmed_but_not_answered_is_away_when_its_connection_goes(world: World) -> None:
    blue = world.node("blue")
    connection, _ = world.connect(blue)
    blue.store.answers_lost = {"confirm": errors.Unavailable()}
    with pytest.raises(errors.Unavailable):
        now(blue.pod.sessions.ready(connection, NOTHING_READ))
    blue.store.answers_lost = {}
    record = now(blue.pod.store.session(connection.session_id))
    assert record is not None
    assert record.state == "connected"
    blue.pod.sessions.connection_closed(connection.connection_id)
    record = now(blue.pod.store.session(connection.session_id))
    assert record is not None
    assert record.state == "away"


def test_a_connection_that_closes_while_it_becomes_ready_leaves_its_session_away(world: World) -> None:
    blue = world.node("blue")
    connection, _ = world.connect(blue)
    blue.store.slow = {"confirm"}
    becoming = begin(blue.pod.sessions.ready(connection, NOTHING_READ))
    blue.pod.sessions.connection_closed(connection.connection_id)
    blue.store.answer()
    with pytest.raises(errors.Superseded):
        result(becoming)
    record = now(blue.pod.store.session(connection.session_id))
    assert record is not None
    assert record.state == "away"
    assert blue.pod.connections.current(connection.session_id) is None


def test_a_loss_that_could_not_be_told_is_told_later_and_never_for_a_younger_connection(world: World) -> None:
    blue, green = world.node("blue"), world.node("green")
    old, answer = world.join(blue)
    world.backend.stop()
    blue.pod.sessions.connection_closed(old.connection_id)
    world.backend.start(keep_data=True)
    world.join(green, recovery_token=answer["recovery_token"])
    now(blue.pod.sessions.report_unreported())
    record = now(blue.pod.store.session(old.session_id))
    assert record is not None
    assert (record.state, record.node_id) == ("connected", "green")


def test_a_loss_that_happens_while_an_older_one_is_told_is_not_forgotten(world: World) -> None:
    blue = world.node("blue")
    first, answer = world.join(blue)
    world.backend.stop()
    blue.pod.sessions.connection_closed(first.connection_id)
    world.backend.start(keep_data=True)
    second, _ = world.join(blue, recovery_token=answer["recovery_token"])
    blue.store.slow = {"lost"}
    telling = begin(blue.pod.sessions.report_unreported())
    blue.store.slow = set()
    world.backend.stop()
    blue.pod.sessions.connection_closed(second.connection_id)
    world.backend.start(keep_data=True)
    blue.store.answer()
    result(telling)
    now(blue.pod.sessions.report_unreported())
    record = now(blue.pod.store.session(first.session_id))
    assert record is not None
    assert record.state == "away"


def test_a_second_ready_that_fails_drops_nothing_of_what_came_meanwhile(world: World) -> None:
    blue = world.node("blue")
    client, worker = world.pair(blue)
    blue.store.slow = {"confirm"}
    blue.store.answers_lost = {}
    again = begin(blue.pod.sessions.ready(client, NOTHING_READ))
    world.send(blue, worker, "meanwhile")
    blue.store.answers_lost = {"confirm": errors.Unavailable()}
    failing = begin(blue.pod.sessions.ready(client, NOTHING_READ))
    with pytest.raises(errors.Unavailable):
        result(failing)
    assert [event["payload"] for event in blue.events(client, "message")] == ["meanwhile"]
    blue.store.answer()
    result(again)


def test_a_late_answer_to_a_second_ready_does_not_deliver_anything_twice(world: World) -> None:
    blue = world.node("blue")
    client, worker = world.pair(blue)
    blue.store.slow = {"confirm"}
    again = begin(blue.pod.sessions.ready(client, NOTHING_READ))
    blue.pod.delivery.release(client)  # The first ready's answer went out meanwhile.
    world.send(blue, worker, "one")
    blue.store.answer()
    result(again)
    world.clock.advance(0)
    world.send(blue, worker, "two")
    assert [event["payload"] for event in blue.events(client, "message")] == ["one", "two"]


def test_a_peer_that_went_before_it_was_welcomed_gives_its_place_back(world: World) -> None:
    blue = world.node("blue")
    blue.outlet.polite = False  # Crossbar knows no such connection, and tells of none.
    world.admit(blue)
    assert blue.pod.connections.handshakes == 1
    world.advance(30)
    assert blue.pod.connections.handshakes == 0
    assert len(blue.pod.connections) == 0


def test_a_connection_that_is_superseded_can_do_nothing_to_its_session(world: World) -> None:
    blue, green = world.node("blue"), world.node("green")
    blue.outlet.polite = False
    client, _ = world.pair(blue, green)
    token = now(blue.pod.sessions.heartbeat(client, None))["recovery_token"]
    newer, _ = world.join(green, recovery_token=token)
    assert newer.session_id == client.session_id
    assert client.superseded
    with pytest.raises(errors.Superseded):
        now(blue.pod.sessions.leave(client))
    with pytest.raises(errors.Superseded):
        now(blue.pod.pairing.release(client, ""))
    with pytest.raises(errors.Superseded):
        now(blue.pod.pairing.cancel(client))
    with pytest.raises(errors.Superseded):
        world.send(blue, client, "late")
    assert now(green.pod.store.pairs_of(newer.session_id))
    assert now(green.pod.sessions.leave(newer))


def test_a_node_that_starts_after_an_outage_lets_the_others_keep_their_sessions_first(world: World) -> None:
    blue = world.node("blue")
    connection, _ = world.join(blue)
    world.backend.stop()
    world.advance(200)
    world.backend.start(keep_data=True)
    now(blue.pod.housekeeping.renew_lease())
    world.node("green")
    world.advance(15)
    record = now(blue.pod.store.session(connection.session_id))
    assert record is not None
    assert record.state == "connected"


def test_a_node_that_never_reached_its_store_stops_at_once(world: World) -> None:
    blue = world.node("blue", start=False)
    blue.store.unsent = {"open"}
    blue.pod.start(blue.outlet, 10.0)
    assert blue.pod.not_ready() == ("starting", "store unavailable")
    result(begin(blue.pod.stop()))
    assert blue.pod.housekeeping._loops == []


def test_an_operator_cannot_turn_back_the_drain_of_a_process_that_was_told_to_stop(world: World) -> None:
    blue = world.node("blue", drain=BRIEF)
    world.join(blue)
    world.node("green")
    stopping = begin(blue.pod.stop())
    assert now(blue.pod.undrain()) is False
    world.advance(12)
    result(stopping)


def test_who_came_after_a_drain_was_done_is_handed_over_when_the_process_stops(world: World) -> None:
    blue = world.node("blue", drain=BRIEF)
    _, answer = world.join(blue)
    now(blue.pod.begin_drain("operator"))
    world.advance(12)  # Nobody else is ready: at the deadline the session is cut off.
    assert blue.pod.drain.phase == "done"
    back, _ = world.join(blue, recovery_token=answer["recovery_token"])
    world.node("green")
    stopping = begin(blue.pod.stop())
    world.advance(12)
    result(stopping)
    assert blue.events(back, "goaway")
    assert blue.reasons(back) == [uris.CLOSE_GOAWAY]


def test_undrain_and_then_stop_hands_over_for_real(world: World) -> None:
    blue = world.node("blue", drain=BRIEF)
    connection, _ = world.join(blue)
    world.node("green")
    now(blue.pod.begin_drain("operator"))
    assert now(blue.pod.undrain()) is True
    assert blue.pod.state() == "ready"
    stopping = begin(blue.pod.stop())
    world.advance(12)
    result(stopping)
    assert blue.events(connection, "goaway")


def test_the_store_that_is_away_at_the_end_does_not_hold_it_up(world: World) -> None:
    blue = world.node("blue", drain=BRIEF)
    world.join(blue)
    world.backend.stop()
    stopping = begin(blue.pod.stop())
    world.advance(13)
    result(stopping)


def test_positions_of_another_log_change_nothing(world: World) -> None:
    blue = world.node("blue")
    client, worker = world.pair(blue)
    world.send(blue, worker, "one")
    now(blue.pod.messaging.acknowledge(client, Position("forged", 2**53)))
    now(blue.pod.messaging.acknowledge(client, Position(client.epoch, 2**53)))
    page = now(blue.pod.messaging.recover(client, "mailbox", Position("", 0)))
    assert [event["kind"] for event in page["missed"]] == ["pair", "message"]


def test_a_catch_up_that_fails_for_another_reason_does_not_hold_back_what_follows(world: World) -> None:
    blue = world.node("blue")
    client, worker = world.pair(blue)
    blue.store.answers_lost = {"read": ValueError("a bug")}
    blue.pod.delivery.catch_up(client)
    assert client.held is None
    blue.store.answers_lost = {}
    world.send(blue, worker, "next")
    assert [event["payload"] for event in blue.events(client, "message")] == ["next"]


def test_what_is_held_for_a_connection_that_closes_goes_to_nobody_and_is_read_by_the_next(world: World) -> None:
    blue = world.node("blue")
    client, worker = world.pair(blue)
    token = now(blue.pod.sessions.heartbeat(client, None))["recovery_token"]
    position = Position(client.epoch, client.seq)
    blue.store.slow = {"read"}
    blue.pod.delivery.catch_up(client)
    world.send(blue, worker, "held")
    blue.pod.sessions.connection_closed(client.connection_id)
    blue.store.slow = set()
    blue.store.answer()
    _, answer = world.join(blue, position=position, recovery_token=token)
    assert [event["payload"] for event in answer["channels"]["mailbox"]["missed"]] == ["held"]


def test_a_drain_that_begins_before_the_store_is_there_holds_when_it_comes(world: World) -> None:
    blue = world.node("blue", start=False, drain=BRIEF)
    blue.store.unsent = {"open"}
    blue.pod.start(blue.outlet, 10.0)
    now(blue.pod.begin_drain("operator"))
    blue.store.unsent = set()
    blue.store.answer()
    assert blue.pod.state() == "draining"
    world.advance(12)
    (node,) = now(blue.pod.store.nodes())
    assert node.state == "draining"
    with pytest.raises(errors.Draining):
        world.admit(blue)
