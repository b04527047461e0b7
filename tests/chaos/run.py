"""One chaos run from start to verdict."""

import time
from pathlib import Path
from typing import Final

from sigrouter.protocol import uris
from tests.chaos.execution import END_S, execute
from tests.chaos.judgement import Evidence, complaints
from tests.chaos.scenario import Scenario
from tests.chaos.stage import Stage, running_stage
from tests.support.cluster import Operator
from tests.support.node_process import wait_until

RATE: Final = 4.0
SETTLE_S: Final = 90.0
SPARE_S: Final = 1800.0
"""How much longer than the faults the peers' JWTs are good for."""


def run(planned: Scenario, pairs: int, directory: Path) -> str:
    """The journal of the run. Raises ``AssertionError`` with it, and with how to repeat it."""
    with running_stage(directory) as stage:
        try:
            found = _play(stage, planned, pairs)
        except BaseException as error:
            error.add_note(_story(stage, planned, pairs))
            raise
        story = _story(stage, planned, pairs)
        assert not found, "\n\n".join([*found, story])
        return story


def repeat(planned: Scenario, pairs: int) -> str:
    """The command that runs the same faults again."""
    return (
        f"SIGROUTER_TEST_CHAOS_SEEDS={planned.seed} SIGROUTER_TEST_CHAOS_SECONDS={planned.seconds:g} "
        f"SIGROUTER_TEST_CHAOS_PAIRS={pairs} tox -e chaos"
    )


def _play(stage: Stage, planned: Scenario, pairs: int) -> list[str]:
    before = stage.talk(pairs, RATE, planned.seconds + SPARE_S)
    stage.wait_for_answers(SETTLE_S)
    stage.began = time.monotonic()
    stage.note("everybody talks")
    execute(stage, planned)
    stage.note("no more faults")
    wait_until(
        lambda: all(stage.is_up(node) for node in stage.living),
        SETTLE_S,
        lambda: f"not all nodes serve again: {stage.balancer.states()}",
    )
    stage.wait_for_answers(SETTLE_S)
    final = stage.traffic.finish(SETTLE_S)
    stage.note("everything has arrived" if not final["ledger"]["unanswered"] else "the traffic has not settled")
    after = stage.traffic.ends()
    kept = {end["session_id"]: _pairs_of(stage, end["session_id"]) for end in before}
    # A connection that nobody closed would count on top of these.
    connections = _wait_for_connections(stage, 2 * pairs)
    stage.traffic.leave()
    connections += _wait_for_connections(stage, 0)
    _stop_all(stage)
    logs = {node.name: node.log for node in stage.nodes}
    logs["the traffic"] = (stage.directory / "traffic.log").read_text(encoding="utf-8", errors="replace")
    evidence = Evidence(
        before=before,
        after=after,
        final=final,
        pairs=kept,
        exit_codes={node.name: node.server.exit_code for node in stage.told_to_stop},
        logs=logs,
    )
    return [*complaints(evidence), *connections]


def _pairs_of(stage: Stage, session_id: str) -> dict[str, str]:
    """What the server says."""
    operator = Operator(stage.living[0])
    found = operator.call(uris.ADMIN_SESSION, session_id=session_id)
    operator.socket.close()
    return {pair["pair_id"]: pair["peer_session_id"] for pair in found["pairs"]}


def _wait_for_connections(stage: Stage, count: int) -> list[str]:
    """What is wrong with the number of connections, if it does not become right."""

    def sessions() -> dict[str, int]:
        operator = Operator(stage.living[0])
        nodes = operator.call(uris.ADMIN_NODES)["nodes"]
        operator.socket.close()
        return {node["node_id"]: node["sessions"] for node in nodes}

    try:
        wait_until(
            lambda: sum(sessions().values()) == count, SETTLE_S, lambda: f"{count} connections, not {sessions()}"
        )
    except AssertionError as error:
        return [str(error)]
    return []


def _stop_all(stage: Stage) -> None:
    nodes = stage.living
    for node in nodes:
        stage.terminate(node)
    for node in nodes:
        node.wait(END_S)


def _story(stage: Stage, planned: Scenario, pairs: int) -> str:
    logs = f"The logs are in {stage.directory}."
    return "\n".join(["What was done:", *stage.journal, logs, f"To repeat: {repeat(planned, pairs)}"])
