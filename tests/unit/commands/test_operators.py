"""The operators' commands: what they ask the node, what they print, and how they end."""

import json
from typing import Any

import pytest
from attrs import define, field
from click.testing import CliRunner, Result
from twisted.internet.defer import Deferred

from sigrouter.commands import drain, kick, nodes, report, session, sessions, tables, undrain
from sigrouter.commands.admin_client import ConnectionGone, Conversation, Refused
from sigrouter.protocol import uris


@define
class FakeNode:
    """Answers calls from a list of answers for each procedure; the last one stays."""

    answers: dict[str, list[Any]]
    calls: list[tuple[str, dict[str, Any]]] = field(factory=list)
    pauses: list[float] = field(factory=list)
    conversations: int = 0

    async def call(self, procedure: str, **arguments: Any) -> dict[str, Any]:
        self.calls.append((procedure, arguments))
        answers = self.answers[procedure]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        return dict(answer)

    async def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)

    def __call__(self, conversation: Conversation[Any], /) -> Any:
        self.conversations += 1
        assert self.conversations == 1, "a process has one reactor, which runs once"
        results: list[Any] = []
        Deferred.fromCoroutine(conversation(self)).addBoth(results.append)
        if hasattr(results[0], "raiseException"):
            results[0].raiseException()
        return results[0]


def invoke(command: Any, node: FakeNode, *arguments: str) -> Result:
    node.conversations = 0
    return CliRunner().invoke(command.command, arguments, obj=node)


def wire(session_id: str, step: str, at: int, role: str = "client", **detail: Any) -> dict[str, Any]:
    return {"session_id": session_id, "role": role, "step": step, "at": at, "node_id": "blue", "detail": detail}


STARTED = wire("", "drain_started", 1000, "node", reason="deploy")
DONE = wire("", "drain_finished", 4000, "node", outcome="done")
KEPT = [wire("c1", "goaway_sent", 2000), wire("c1", "confirmed", 2500)]
LOST = [wire("[c2]", "goaway_sent", 2000), wire("[c2]", "cut", 3000, phase="told")]
NODE = {
    "node_id": "blue-1", "stack": "blue", "state": "ready", "url": "ws://b", "sessions": 3, "started_at": 1.0, "lease_until": 2.0,
}  # fmt: skip


def test_nodes_are_listed() -> None:
    node = FakeNode({uris.ADMIN_NODES: [{"nodes": [NODE]}]})
    shown = invoke(nodes, node)
    assert shown.exit_code == 0
    assert "blue-1" in shown.output
    assert "1970-01-01 00:00:01" in shown.output
    assert json.loads(invoke(nodes, node, "--json").output) == {"nodes": [NODE]}


def test_sessions_of_the_node_or_of_a_named_one_are_listed() -> None:
    record = {
        "session_id": "s1", "user_id": "u1", "role": "client", "state": "connected", "generation": 2, "handover_id": "",
        "created_at": 0.0,
    }  # fmt: skip
    node = FakeNode({uris.ADMIN_SESSIONS: [{"sessions": [record]}]})
    assert "s1" in invoke(sessions, node).output
    assert json.loads(invoke(sessions, node, "n2", "--json").output) == {"sessions": [record]}
    assert [arguments for _, arguments in node.calls] == [{}, {"node_id": "n2"}]


def test_a_session_is_shown_with_its_pairs_and_its_announcement() -> None:
    pair = {"pair_id": "p1", "peer_session_id": "s2", "peer_user_id": "u2", "peer_state": "away"}
    answer = {
        "session": {"session_id": "s1", "created_at": 1.0},
        "pairs": [pair],
        "worker": {"abilities": ["speech", "vision"], "capacity": 4},
    }
    node = FakeNode({uris.ADMIN_SESSION: [answer]})
    shown = invoke(session, node, "s1")
    assert all(text in shown.output for text in ("s1", "p1", "speech, vision", "1970-01-01"))
    assert json.loads(invoke(session, node, "s1", "--json").output) == answer
    node.answers[uris.ADMIN_SESSION] = [{"session": {"session_id": "s1"}, "pairs": [], "worker": None}]
    assert "Pairs" not in invoke(session, node, "s1").output


def test_a_refusal_is_told_in_words_and_ends_with_one() -> None:
    shown = invoke(session, FakeNode({uris.ADMIN_SESSION: [Refused(uris.ERROR_NOT_FOUND, "No such session")]}), "s9")
    assert shown.exit_code == 1
    assert "No such session (sig.error.not_found)" in shown.output


@pytest.mark.parametrize(("kicked", "code"), [(True, 0), (False, 1)])
def test_kick_says_whether_there_was_anybody(kicked: bool, code: int) -> None:
    node = FakeNode({uris.ADMIN_KICK: [{"kicked": kicked}]})
    assert invoke(kick, node, "s1").exit_code == code
    shown = invoke(kick, node, "s1", "--json")
    assert (shown.exit_code, json.loads(shown.output)) == (code, {"kicked": kicked})


@pytest.mark.parametrize(("undrained", "code"), [(True, 0), (False, 1)])
def test_undrain_says_whether_it_was_in_time(undrained: bool, code: int) -> None:
    node = FakeNode({uris.ADMIN_UNDRAIN: [{"undrained": undrained}]})
    assert invoke(undrain, node).exit_code == code
    assert json.loads(invoke(undrain, node, "--json").output) == {"undrained": undrained}


def test_drain_waits_until_the_end_is_recorded_and_shows_the_report() -> None:
    node = FakeNode(
        {
            uris.ADMIN_DRAIN: [{"handover_id": "h1", "state": "settling"}],
            uris.ADMIN_HANDOVER: [
                Refused(uris.ERROR_NOT_FOUND, "No such handover"),
                Refused(uris.ERROR_UNAVAILABLE, "The store is unavailable"),
                {"steps": [STARTED]},
                {"steps": [STARTED, *KEPT, DONE]},
            ],
        }
    )
    shown = invoke(drain, node, "--reason", "deploy")
    assert shown.exit_code == 0
    assert node.calls[0] == (uris.ADMIN_DRAIN, {"reason": "deploy"})
    assert node.pauses == sorted(node.pauses)
    assert len(node.pauses) == 4
    assert "100.00% kept" in shown.output


def test_drain_without_waiting_says_what_goes_on() -> None:
    node = FakeNode({uris.ADMIN_DRAIN: [{"handover_id": "h1", "state": "settling"}]})
    assert "h1" in invoke(drain, node, "--no-wait").output
    answer = {"handover_id": "h1", "state": "settling", "finished": None}
    assert json.loads(invoke(drain, node, "--no-wait", "--json").output) == answer


def test_a_drain_that_was_turned_back_ends_with_one() -> None:
    turned = wire("", "drain_finished", 4000, "node", outcome="undrained")
    node = FakeNode(
        {uris.ADMIN_DRAIN: [{"handover_id": "h1", "state": "moving"}], uris.ADMIN_HANDOVER: [{"steps": [turned]}]}
    )
    shown = invoke(drain, node, "--json")
    assert (shown.exit_code, json.loads(shown.output)["finished"]["outcome"]) == (1, "undrained")


@pytest.mark.parametrize(
    ("failure", "words"),
    [(ConnectionGone("gone"), "sigrouter report h1"), (Refused(uris.ERROR_FORBIDDEN, "Not allowed"), "Not allowed")],
)
def test_a_drain_whose_end_cannot_be_seen_does_not_pass_for_a_success(failure: Exception, words: str) -> None:
    node = FakeNode({uris.ADMIN_DRAIN: [{"handover_id": "h1", "state": "moving"}], uris.ADMIN_HANDOVER: [failure]})
    shown = invoke(drain, node)
    assert shown.exit_code == 1
    assert words in shown.output


def test_the_newest_handover_is_reported_and_a_loss_ends_with_two() -> None:
    steps = [STARTED, *KEPT, *LOST, DONE]
    node = FakeNode({uris.ADMIN_HANDOVERS: [{"handovers": ["h2", "h1"]}], uris.ADMIN_HANDOVER: [{"steps": steps}]})
    shown = invoke(report, node)
    assert shown.exit_code == 2
    assert node.calls[-1] == (uris.ADMIN_HANDOVER, {"handover_id": "h2"})
    assert all(text in shown.output for text in ("50.00% kept", "500 ms", "took 3.0 s", "[c2]", "cut"))


def test_a_report_as_json_holds_everything_and_the_steps_on_demand() -> None:
    node = FakeNode({uris.ADMIN_HANDOVER: [{"steps": [STARTED, *KEPT, DONE]}]})
    made = json.loads(invoke(report, node, "h1", "--json").output)
    assert (made["handover_id"], made["kept_share"], made["gap"]["p99_ms"]) == ("h1", 1.0, 500)
    assert "steps" not in made
    assert len(json.loads(invoke(report, node, "h1", "--json", "--steps").output)["steps"]) == 4


def test_without_a_handover_there_is_nothing_to_report() -> None:
    shown = invoke(report, FakeNode({uris.ADMIN_HANDOVERS: [{"handovers": []}]}))
    assert shown.exit_code == 1
    assert "no handover yet" in shown.output


def test_a_running_handover_is_reported_as_far_as_it_is() -> None:
    shown = invoke(report, FakeNode({uris.ADMIN_HANDOVER: [{"steps": [wire("c1", "goaway_sent", 5)]}]}), "h1")
    assert shown.exit_code == 0
    assert "Handover h1: running" in shown.output


def test_a_table_can_do_without_rich(capsys: pytest.CaptureFixture[str]) -> None:
    tables._show_plain("Title", ("a", "long name"), [["1", "2"], ["333", ""]])
    assert capsys.readouterr().out == "Title\na    long name\n1    2\n333\n"
