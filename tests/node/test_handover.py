"""Blue is redeployed under live traffic: every session and every pair goes on at green, nothing is lost or doubled."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from attrs import frozen

from tests.support.cluster import Cluster, running_cluster
from tests.support.node_process import NodeProcess, Way

GAP_P99_MS: Final = 500.0
BUDGET_S: Final = 30.0
PLAIN_BUDGET_S: Final = 17.0
RHYTHM_S: Final = 2.0
"""How long the pairs talk undisturbed before and after, so that there is a rhythm for a gap to stand out of."""


@frozen
class Redeploy:
    """One way in which blue is told to go; ``exits``: the process ends by itself, with this code."""

    name: str
    pairs: int
    tell: Callable[[NodeProcess], None]
    way: Way = "sigrouter"
    budget_s: float = BUDGET_S
    exits: int | None = 0


def drain_command(node: NodeProcess) -> None:
    """``sigrouter drain``, as the pod's preStop hook calls it; then SIGTERM, as Kubernetes does afterwards."""
    program = str(Path(sys.executable).parent / "sigrouter")
    environment = {**os.environ, **node.variables}
    done = subprocess.run(
        [program, "drain"], env=environment, cwd=node.directory, capture_output=True, timeout=60, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    node.terminate()


REDEPLOYS: Final = (
    Redeploy("SIGTERM with 100 pairs", 100, NodeProcess.terminate),
    Redeploy("SIGINT", 20, NodeProcess.interrupt),
    Redeploy("sigrouter drain", 20, drain_command, budget_s=2 * BUDGET_S),
    # Crossbar's own SIGTERM ends with 1 even after a perfect drain; ours is the way that ends with 0.
    Redeploy("crossbar start and SIGTERM", 20, NodeProcess.terminate, "crossbar", PLAIN_BUDGET_S, exits=1),
)


@pytest.mark.timeout(240)
@pytest.mark.parametrize("redeploy", REDEPLOYS, ids=lambda redeploy: redeploy.name)
def test_a_redeploy_keeps_every_session_every_pair_and_every_message(redeploy: Redeploy, tmp_path: Path) -> None:
    with running_cluster(tmp_path, blue_way=redeploy.way) as cluster:
        before = cluster.talk(redeploy.pairs)
        assert {end["node_id"] for end in before} == {"blue"}
        cluster.start_green()
        listen_to_the_rhythm(cluster)
        cluster.traffic.mark()

        started = time.monotonic()
        redeploy.tell(cluster.blue)
        code = cluster.blue.wait(redeploy.budget_s + 10)
        took = time.monotonic() - started

        listen_to_the_rhythm(cluster)
        after = cluster.traffic.ends()
        final = cluster.traffic.finish()
        steps = cluster.steps(cluster.green)
        cluster.traffic.leave()

    assert code == redeploy.exits, cluster.blue.log[-4000:]
    assert took <= redeploy.budget_s
    assert_all_kept(before, after)
    assert_faultless(final)
    assert {end["name"]: end["failures"] for end in after if end["attempts"] > 1} == {}
    assert {end["handovers"] for end in after} == {1}
    assert_no_client_left_before_its_worker_was_ready(after, steps)
    assert final["ledger"]["gap"]["p99"] <= GAP_P99_MS, shown(final)
    assert final["ledger"]["worst_gap"]["p99"] <= GAP_P99_MS, shown(final)


def listen_to_the_rhythm(cluster: Cluster) -> None:
    """Let every end say a few words."""
    wanted = cluster.traffic.report()["ledger"]["acknowledged"]
    wanted += int(RHYTHM_S * 2 * 2 * cluster.traffic.report()["ledger"]["pairs"])
    deadline = time.monotonic() + 10 * RHYTHM_S
    while cluster.traffic.report()["ledger"]["acknowledged"] < wanted:
        assert time.monotonic() < deadline, cluster.traffic.report()


def assert_all_kept(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> None:
    """The same sessions, the same pairs, all at green, and none was anywhere else meanwhile."""
    assert {end["node_id"] for end in after} == {"green"}
    assert [fault for end in after for fault in end["faults"]] == []
    for old, new in zip(before, after, strict=True):
        assert (new["name"], new["session_id"], new["pair_id"]) == (old["name"], old["session_id"], old["pair_id"])
        assert new["sessions"] == [old["session_id"]]
    pairs = [end["pair_id"] for end in after if end["way"] == "client"]
    assert len(set(pairs)) == len(pairs)
    assert sorted(pairs) == sorted(end["pair_id"] for end in after if end["way"] == "worker")


def assert_faultless(final: dict[str, Any]) -> None:
    """The ledger found nothing, and there was something to find it in."""
    assert final["ledger"]["offered"] > 0
    assert final["ledger"]["faultless"], shown(final)
    assert final["faults"] == []


def shown(final: dict[str, Any]) -> str:
    """The whole report: pytest would shorten it."""
    return json.dumps(final, indent=1)


def assert_no_client_left_before_its_worker_was_ready(ends: list[dict[str, Any]], steps: list[dict[str, Any]]) -> None:
    """As the handover recorded it: a worker is confirmed at green before its client gets a GOAWAY, and each gets one."""
    session_of = {(end["way"], end["pair_id"]): end["session_id"] for end in ends}
    told = {step["session_id"]: step["at"] for step in steps if step["step"] == "goaway_sent"}
    confirmed: dict[str, int] = {}
    for step in steps:
        if step["step"] == "confirmed":
            confirmed[step["session_id"]] = min(step["at"], confirmed.get(step["session_id"], step["at"]))
    assert {end["session_id"] for end in ends} == told.keys() == confirmed.keys()
    assert sum(step["step"] == "goaway_sent" for step in steps) == len(ends)
    for (way, pair_id), session_id in session_of.items():
        if way == "client":
            assert confirmed[session_of["worker", pair_id]] <= told[session_id]
