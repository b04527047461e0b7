"""The node's drain, told as conversations; the simulated world is in test_drain_world.py."""

from math import inf

import pytest
from attrs import evolve

from sigrouter.machines import drain
from sigrouter.machines.drain_events import (
    AnnounceDraining,
    Budget,
    CloseConnection,
    ConnectionLost,
    DrainEffect,
    DrainEvent,
    Finish,
    PeerReady,
    PeersLearned,
    Record,
    Resident,
    ResumeServing,
    SendGoaway,
    SessionArrived,
    SessionConfirmedElsewhere,
    SessionEnded,
    Start,
    Target,
    TargetsChanged,
    Tick,
    Undrain,
    WarnNoTarget,
)
from sigrouter.machines.drain_ledger import Ledger
from sigrouter.machines.pacing import Pacing
from sigrouter.protocol import uris

GREEN = Target("g1", "green", "ws://green")
BUDGET = Budget(
    budget_s=30, settle_s=1, pair_deadline_s=10, move_timeout_s=5, target_wait_s=6, window_initial=2, window_max=8
)


class Talk:
    """Steps the machine and remembers what it asked for; wakes it when it wants to be woken."""

    def __init__(self, *residents: Resident, targets: tuple[Target, ...] = (GREEN,), budget: Budget = BUDGET) -> None:
        self.state = drain.Drain()
        self.effects: list[DrainEffect] = []
        self.at = 0.0
        self.hear(Start(0.0, "n0", "h1", "deploy", budget, residents, targets, "seed"))

    def hear(self, event: DrainEvent) -> list[DrainEffect]:
        self.state, effects = drain.step(self.state, event)
        self.effects += effects
        return list(effects)

    def until(self, at: float) -> list[DrainEffect]:
        start = len(self.effects)
        while (due := drain.next_wakeup(self.state)) is not None and due <= at:
            self.at = max(self.at, due)
            self.hear(Tick(self.at))
        self.at = at
        self.hear(Tick(at))
        return self.effects[start:]

    def told(self) -> list[str]:
        return [effect.session_id for effect in self.effects if isinstance(effect, SendGoaway)]

    def peers(self) -> dict[str, str]:
        return {effect.session_id: effect.peer for effect in self.effects if isinstance(effect, SendGoaway)}

    def steps(self, session_id: str = "") -> list[str]:
        return [
            effect.step for effect in self.effects if isinstance(effect, Record) and effect.session_id == session_id
        ]

    def closes(self) -> dict[str, str]:
        return {effect.session_id: effect.reason for effect in self.effects if isinstance(effect, CloseConnection)}

    def ends(self) -> dict[str, int] | None:
        return next((dict(effect.ends) for effect in self.effects if isinstance(effect, Finish)), None)


def worker(session_id: str = "w1") -> Resident:
    return Resident(session_id, "worker")


def client(session_id: str = "c1", **peers: str) -> Resident:
    return Resident(session_id, "client", peers)


def test_a_serving_node_hears_nothing_and_wants_no_waking() -> None:
    state, effects = drain.step(drain.Drain(), Tick(1.0))
    assert (state.phase, effects, drain.next_wakeup(state)) == ("serving", (), None)


def test_a_drain_is_announced_at_once_and_settles_before_the_first_goaway() -> None:
    talk = Talk(worker())
    assert isinstance(talk.effects[0], AnnounceDraining)
    assert talk.steps() == ["drain_started"]
    assert (talk.state.phase, drain.next_wakeup(talk.state)) == ("settling", 1.0)
    assert talk.until(0.9) == []
    talk.until(1.0)
    assert talk.told() == ["w1"]


def test_a_whole_handover_the_worker_first_then_its_client_then_the_end() -> None:
    talk = Talk(worker(), client(w1="n0"))
    talk.until(1.0)
    assert talk.told() == ["w1"]
    assert talk.peers()["w1"] == "pending"
    talk.hear(SessionConfirmedElsewhere(1.2, "w1", "g1"))
    assert talk.told() == ["w1", "c1"]
    assert talk.peers()["c1"] == "ready"
    talk.hear(PeerReady(1.2, "c1", "w1", "g1"))
    talk.hear(ConnectionLost(1.3, "w1"))
    talk.hear(SessionConfirmedElsewhere(1.5, "c1", "g1"))
    assert talk.closes() == {"c1": uris.CLOSE_SUPERSEDED}
    assert talk.state.phase == "closing"
    talk.hear(ConnectionLost(1.6, "c1"))
    assert (talk.state.phase, drain.next_wakeup(talk.state)) == ("done", None)
    assert talk.ends() == {"gone": 2}
    assert talk.steps("w1") == ["goaway_sent", "confirmed"]
    assert talk.steps("c1") == ["worker_ready", "goaway_sent", "confirmed"]
    assert talk.steps() == ["drain_started", "drain_finished"]


def test_the_goaway_says_where_to_go_and_how_long_there_is() -> None:
    talk = Talk(client())
    talk.until(1.0)
    goaway = next(effect for effect in talk.effects if isinstance(effect, SendGoaway))
    assert (goaway.stack, goaway.url, goaway.peer, goaway.deadline_ms) == ("green", "ws://green", "none", 29_000)
    assert 0 <= goaway.reconnect_after_ms <= 10  # a window of two, spread by 5 ms for each


def test_sessions_are_sent_to_preferred_targets_only_unless_there_are_none() -> None:
    blue = Target("b1", "blue", "", preferred=False)
    sessions = [client(f"c{i}") for i in range(8)]
    wide = evolve(BUDGET, window_initial=8)
    talk = Talk(*sessions, targets=(GREEN, blue), budget=wide)
    talk.until(1.0)
    assert {effect.stack for effect in talk.effects if isinstance(effect, SendGoaway)} == {"green"}
    talk = Talk(*sessions, targets=(blue,), budget=wide)
    talk.until(1.0)
    assert {effect.stack for effect in talk.effects if isinstance(effect, SendGoaway)} == {"blue"}


def test_without_sessions_the_drain_is_over_as_soon_as_it_has_settled() -> None:
    talk = Talk()
    talk.until(0.99)
    assert talk.ends() is None
    talk.until(1.0)
    assert talk.ends() == {}
    assert Talk(budget=evolve(BUDGET, settle_s=0)).ends() == {}


def test_a_client_whose_worker_was_elsewhere_all_along_goes_at_once() -> None:
    talk = Talk(client(w9="g1"))
    talk.until(1.0)
    assert talk.peers() == {"c1": "ready"}
    assert talk.steps("c1")[0] == "worker_ready"


def test_a_client_whose_worker_is_on_a_node_that_drains_itself_waits_until_it_is_on_a_better_one() -> None:
    talk = Talk(client(w9="n7"))
    talk.until(5.0)
    assert talk.told() == []
    talk.hear(PeerReady(5.0, "c1", "w9", "n8"))
    assert talk.told() == []
    talk.hear(TargetsChanged(6.0, (GREEN, Target("n8", "green"))))
    assert talk.peers() == {"c1": "ready"}


def test_a_client_of_two_workers_waits_for_both() -> None:
    talk = Talk(worker("w1"), worker("w2"), client(w1="n0", w2="n0"))
    talk.until(1.0)
    talk.hear(SessionConfirmedElsewhere(2.0, "w1", "g1"))
    assert "c1" not in talk.told()
    talk.hear(SessionConfirmedElsewhere(3.0, "w2", "g1"))
    assert talk.peers()["c1"] == "ready"


def test_a_client_is_told_with_peer_pending_when_its_worker_does_not_move_in_time() -> None:
    talk = Talk(worker(), client(w1="n0"), budget=evolve(BUDGET, window_initial=8))
    talk.until(10.99)
    assert set(talk.told()) == {"w1"}
    talk.until(11.0)
    assert talk.peers()["c1"] == "pending"


def test_the_deadline_of_an_absent_worker_runs_from_the_begin_of_moving() -> None:
    talk = Talk(client(w9=""), Resident("c2", "client"), targets=())
    talk.until(5.0)
    talk.hear(TargetsChanged(5.0, (GREEN,)))
    talk.until(14.9)
    assert talk.told() == []
    talk.until(15.0)
    assert talk.peers() == {"c1": "pending", "c2": "pending"}


def test_the_deadline_of_a_worker_whose_connection_was_lost_runs_from_the_loss() -> None:
    talk = Talk(worker(), client(w1="n0"), targets=())
    talk.hear(ConnectionLost(3.0, "w1"))
    talk.hear(TargetsChanged(4.0, (GREEN,)))
    talk.until(12.9)
    assert talk.told() == []
    talk.until(13.0)
    assert talk.peers() == {"c1": "pending"}


def test_what_the_store_knows_of_a_client_releases_it() -> None:
    talk = Talk(Resident("c1", "client"), Resident("c2", "client"), Resident("c3", "client"))
    talk.until(1.0)
    assert talk.told() == []
    talk.hear(PeersLearned(2.0, "c1", {}))
    talk.hear(PeersLearned(2.0, "c2", {"w9": "g1"}))
    talk.hear(PeersLearned(2.0, "c3", {"w8": ""}))
    talk.hear(PeersLearned(2.0, "nobody", {}))
    assert talk.peers() == {"c1": "none", "c2": "ready"}


def test_what_the_store_knows_replaces_what_the_node_believed() -> None:
    talk = Talk(worker(), client(w1="n0"))
    talk.hear(PeersLearned(0.5, "c1", {"w9": "g1"}))
    talk.until(1.0)
    assert talk.peers() == {"w1": "none", "c1": "ready"}


def test_a_late_answer_of_the_store_does_not_undo_what_was_heard_since() -> None:
    talk = Talk(worker(), Resident("c1", "client"))
    talk.until(1.0)
    talk.hear(SessionConfirmedElsewhere(1.5, "w1", "g1"))
    talk.hear(PeersLearned(1.6, "c1", {"w1": "n0"}))
    assert talk.peers()["c1"] == "ready"


def test_a_worker_that_nobody_knew_of_is_learnt_when_it_is_ready() -> None:
    talk = Talk(Resident("c1", "client"))
    talk.hear(PeerReady(0.5, "c1", "w9", "g1"))
    talk.hear(PeerReady(0.5, "nobody", "w9", "g1"))
    talk.hear(PeerReady(0.5, "c1", "w9", "n0"))
    talk.until(1.0)
    assert talk.peers() == {"c1": "ready"}


def test_a_worker_that_ends_sets_its_client_free() -> None:
    talk = Talk(worker(), client(w1="n0"))
    talk.until(1.0)
    talk.hear(SessionEnded(2.0, "w1", "kicked"))
    assert talk.peers()["c1"] == "none"
    assert talk.steps("w1") == ["goaway_sent", "ended"]


def test_a_remote_worker_that_moves_or_ends_sets_its_client_free() -> None:
    talk = Talk(client("c1", w8=""), client("c2", w9=""))
    talk.until(1.0)
    talk.hear(SessionConfirmedElsewhere(2.0, "w8", "g1"))
    talk.hear(SessionEnded(2.0, "w9", "expired"))
    assert talk.peers() == {"c1": "ready", "c2": "none"}


def test_at_most_a_window_of_moves_is_under_way_and_each_arrival_lets_the_next_go() -> None:
    talk = Talk(*[client(f"c{i}") for i in range(9)])
    talk.until(1.0)
    assert len(talk.told()) == 2
    talk.hear(SessionConfirmedElsewhere(1.1, talk.told()[0], "g1"))
    assert len(talk.told()) == 4  # one for the slot, one for the growth


def test_a_move_that_times_out_is_told_once_more_and_halves_the_window() -> None:
    talk = Talk(*[client(f"c{i}") for i in range(4)])
    talk.until(1.0)
    assert len(talk.told()) == 2
    talk.until(12.0)
    assert talk.state.ledger.window.size == 1
    assert talk.told()[:4] == ["c0", "c1", "c2", "c3"][:4]
    talk.until(25.9)
    assert max(map(talk.told().count, talk.told())) == 2


def test_while_no_other_node_is_ready_nobody_is_told_and_somebody_is_warned_once() -> None:
    talk = Talk(worker(), client(), targets=())
    talk.until(29.9)
    assert talk.told() == []
    assert [effect.waited_s for effect in talk.effects if isinstance(effect, WarnNoTarget)] == [6.0]
    assert talk.state.phase == "waiting_target"


def test_when_no_target_ever_comes_everybody_stays_until_the_deadline_and_remains_resumable() -> None:
    talk = Talk(worker(), client(), targets=())
    talk.until(30.0)
    assert talk.closes() == {"w1": uris.CLOSE_GOAWAY, "c1": uris.CLOSE_GOAWAY}
    assert drain.next_wakeup(talk.state) == 31.0
    talk.until(31.0)
    assert talk.ends() == {"cut": 2}


def test_the_own_node_is_no_target_for_a_worker() -> None:
    talk = Talk(client(w9="n0"), targets=(GREEN, Target("n0", "green")))
    talk.hear(SessionConfirmedElsewhere(0.5, "c1", "n0"))
    talk.until(2.0)
    assert talk.told() == []


def test_when_the_targets_vanish_nobody_else_is_told_until_one_is_back() -> None:
    talk = Talk(*[client(f"c{i}") for i in range(4)])
    talk.until(1.0)
    talk.hear(TargetsChanged(1.1, ()))
    talk.hear(SessionConfirmedElsewhere(1.2, talk.told()[0], "g1"))
    talk.until(20.0)
    assert len(talk.told()) == 2
    assert talk.closes() == {}
    talk.hear(TargetsChanged(21.0, (GREEN,)))
    assert len(talk.told()) > 2


def test_a_released_client_is_held_at_the_door_when_its_workers_node_has_gone() -> None:
    talk = Talk(client("c1"), client("c2"), client("c3", w9="g1"), targets=(GREEN, Target("g2")))
    talk.until(1.0)
    talk.hear(TargetsChanged(1.1, (Target("g2"),)))
    talk.hear(SessionConfirmedElsewhere(1.2, "c1", "g2"))
    assert talk.told() == ["c1", "c2"]
    talk.hear(TargetsChanged(1.3, (GREEN, Target("g2"))))
    assert talk.peers()["c3"] == "ready"


def test_a_client_held_at_the_door_still_has_its_deadline() -> None:
    talk = Talk(client("c1"), client("c2"), client("c3", w9="g1"), targets=(GREEN, Target("g2")))
    talk.until(1.0)
    talk.hear(TargetsChanged(1.1, (Target("g2"),)))
    talk.hear(SessionConfirmedElsewhere(1.2, "c1", "g2"))
    talk.until(10.9)
    assert "c3" not in talk.told()
    talk.hear(SessionConfirmedElsewhere(10.9, "c2", "g2"))
    talk.until(11.0)
    assert talk.peers()["c3"] == "pending"


def test_shortly_before_the_deadline_everybody_left_is_told_evenly() -> None:
    names = [f"c{i}" for i in range(100)]
    talk = Talk(*map(client, names), budget=evolve(BUDGET, window_initial=1, window_max=1))
    talk.until(25.9)
    before = len(set(talk.told()))
    assert before < 10
    talk.until(27.0)
    halfway = len(set(talk.told()))
    assert 40 < halfway < 70
    pushed = [effect for effect in talk.until(28.1) if isinstance(effect, SendGoaway)]
    assert set(talk.told()) == set(names)
    assert all(effect.reconnect_after_ms <= effect.deadline_ms / 2 for effect in pushed)
    assert len({effect.reconnect_after_ms for effect in pushed}) > 10
    talk.until(31.0)
    assert talk.ends() == {"cut": 100}


def test_the_push_waits_for_a_target_too() -> None:
    talk = Talk(client(), Resident("c2", "client", {"w9": ""}), targets=())
    talk.until(27.0)
    talk.hear(TargetsChanged(27.0, (GREEN,)))
    talk.until(29.0)
    assert talk.peers() == {"c1": "none", "c2": "pending"}


def test_the_push_tells_those_again_who_did_not_come() -> None:
    talk = Talk(client())
    talk.until(29.9)
    assert talk.told() == ["c1"] * 3


def test_a_session_that_arrives_late_is_told_like_the_others() -> None:
    talk = Talk(worker())
    talk.until(1.0)
    talk.hear(SessionArrived(2.0, client("late")))
    talk.hear(SessionArrived(2.0, worker("late worker")))
    talk.hear(SessionConfirmedElsewhere(2.1, "w1", "g1"))
    assert talk.told() == ["w1", "late", "late worker"]


def test_a_session_that_arrives_while_the_rest_is_closed_is_closed_as_well() -> None:
    talk = Talk(client(), targets=())
    talk.until(30.0)
    talk.hear(SessionArrived(30.1, client("late")))
    assert talk.closes()["late"] == uris.CLOSE_GOAWAY
    talk.until(31.0)
    assert talk.ends() == {"cut": 2}


def test_a_session_whose_connection_is_gone_is_waited_for_a_moment_and_has_then_left() -> None:
    talk = Talk(client())
    talk.until(1.0)
    talk.hear(ConnectionLost(2.0, "c1"))
    assert talk.ends() is None
    talk.until(4.0)
    assert talk.ends() == {"left": 1}
    assert talk.steps("c1") == ["goaway_sent", "left"]


def test_a_session_whose_old_connection_closes_before_the_news_of_its_arrival_has_moved() -> None:
    talk = Talk(client())
    talk.until(1.0)
    talk.hear(ConnectionLost(2.0, "c1"))
    talk.hear(SessionConfirmedElsewhere(2.1, "c1", "g1"))
    assert talk.ends() == {"gone": 1}


def test_a_session_that_was_lost_and_comes_back_here_starts_anew() -> None:
    talk = Talk(client(), client("c2", w9=""))
    talk.until(1.0)
    talk.hear(ConnectionLost(2.0, "c1"))
    talk.hear(SessionArrived(2.5, client()))
    assert talk.told() == ["c1", "c1"]
    talk.until(5.0)
    assert "left" in talk.steps("c1")
    assert talk.ends() is None
    talk.hear(SessionArrived(5.0, client()))
    assert talk.told() == ["c1", "c1"]


def test_turning_back_closes_nothing_and_a_new_drain_may_follow() -> None:
    talk = Talk(worker(), client(w1="n0"))
    talk.until(1.0)
    effects = talk.hear(Undrain(2.0))
    assert effects[-1] == ResumeServing({"kept": 2})
    assert talk.closes() == {}
    assert (talk.state.phase, drain.next_wakeup(talk.state)) == ("serving", None)
    talk.hear(Start(3.0, "n0", "h2", "again", BUDGET, (worker(),), (GREEN,)))
    assert talk.state.handover_id == "h2"


@pytest.mark.parametrize("at", [30.0, 31.0])
def test_it_can_be_too_late_to_turn_back(at: float) -> None:
    talk = Talk(worker(), targets=())
    talk.until(at)
    assert talk.hear(Undrain(at)) == []


def test_a_second_start_changes_nothing() -> None:
    talk = Talk(worker())
    assert talk.hear(Start(0.5, "n0", "h2", "again", BUDGET)) == []
    assert talk.state.handover_id == "h1"


def test_time_never_runs_backwards() -> None:
    talk = Talk(worker())
    talk.until(1.0)
    talk.hear(Tick(-5.0))
    assert talk.state.at == 1.0


def test_news_of_strangers_changes_nothing() -> None:
    talk = Talk(worker())
    for event in (
        SessionConfirmedElsewhere(0.5, "x", "g1"), SessionEnded(0.5, "x", "y"), ConnectionLost(0.5, "x"),
        SessionConfirmedElsewhere(0.5, "w1", "n0"),
    ):  # fmt: skip
        assert talk.hear(event) == []
    assert talk.state.ledger.moves.keys() == {"w1"}


def test_a_state_can_be_stepped_once_only() -> None:
    state = drain.Drain()
    drain.step(state, Tick(1.0))
    with pytest.raises(drain.StaleStateError):
        drain.step(state, Tick(2.0))


def test_the_same_events_give_the_same_effects() -> None:
    sessions = [client(f"c{i}") for i in range(50)]
    first, second = Talk(*sessions), Talk(*sessions)
    assert first.until(31.0) == second.until(31.0)


def test_a_ledger_where_nothing_runs_is_due_never_and_has_all_ends() -> None:
    ledger = Ledger(Pacing.opening(1, 1), pair_deadline_s=1.0, lost_grace_s=1.0)
    assert ledger.next_due() == inf
    assert ledger.all_terminal


def test_ten_thousand_sessions_take_a_bounded_amount_of_work_for_each_event() -> None:
    names = [f"c{i}" for i in range(10_000)]
    residents = [worker(f"w{i}") for i in range(100)] + [
        client(n, **{f"w{i % 100}": "n0"}) for i, n in enumerate(names)
    ]
    talk = Talk(*residents, budget=evolve(BUDGET, window_initial=16, window_max=256, budget_s=300))
    talk.until(1.0)
    moved, at = 0, 1.0
    while moved < len(talk.told()):
        at += 0.001
        told = talk.told()[moved:]
        for session_id in told:
            talk.hear(SessionConfirmedElsewhere(at, session_id, "g1"))
            talk.hear(ConnectionLost(at, session_id))
        moved += len(told)
    assert talk.ends() == {"gone": 10_100}


def test_a_client_of_two_workers_that_do_not_come_waits_for_the_later_deadline() -> None:
    talk = Talk(worker("w1"), client(w1="n0", w9="g1"), targets=(GREEN,), budget=evolve(BUDGET, window_initial=8))
    talk.until(3.0)
    talk.hear(SessionArrived(3.0, worker("w2")))
    talk.hear(PeersLearned(3.0, "c1", {"w1": "n0", "w2": "n0"}))
    talk.until(12.9)
    assert "c1" not in talk.told()
    talk.until(13.0)
    assert talk.peers()["c1"] == "pending"


def test_a_deadline_that_grew_because_a_workers_node_went_away_is_still_kept() -> None:
    both = (GREEN, Target("g2", "green"))
    talk = Talk(worker("w1"), client(w1="n0", w9="g2"), targets=both, budget=evolve(BUDGET, window_initial=8))
    talk.until(1.0)
    talk.hear(PeerReady(6.0, "c1", "w9", "g2"))
    talk.hear(TargetsChanged(7.0, (GREEN,)))
    talk.until(15.9)
    assert "c1" not in talk.told()
    talk.until(16.0)
    assert talk.peers()["c1"] == "pending"


def test_the_deadline_of_a_worker_that_went_to_a_draining_node_runs_from_its_move() -> None:
    talk = Talk(worker("w1"), client(w1="n0"), targets=())
    talk.hear(SessionConfirmedElsewhere(3.0, "w1", "n9"))
    talk.hear(TargetsChanged(4.0, (GREEN,)))
    talk.until(12.9)
    assert talk.told() == []
    talk.until(13.0)
    assert talk.peers() == {"c1": "pending"}


def test_the_timeout_of_an_earlier_connection_does_not_count_for_a_later_one() -> None:
    talk = Talk(client())
    talk.until(1.0)
    talk.hear(ConnectionLost(2.0, "c1"))
    talk.hear(SessionArrived(2.5, client()))
    talk.until(7.0)
    assert (talk.told(), talk.state.ledger.window.size) == (["c1", "c1"], 2.0)
    talk.until(7.6)
    assert (talk.told(), talk.state.ledger.window.size) == (["c1", "c1", "c1"], 1.0)
