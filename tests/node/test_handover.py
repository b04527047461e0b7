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
from tests.support.starvation import STARVED, Starvation

pytestmark = pytest.mark.timeout(240)

GAP_P99_MS: Final = 500.0
WORST_GAP_P99_MS: Final = 1000.0
BUDGET_S: Final = 30.0
PLAIN_BUDGET_S: Final = 17.0
RHYTHM_S: Final = 2.0
"""How long the pairs talk undisturbed before and after, so that there is a rhythm for a gap to stand out of."""


@frozen
class Redeploy:
    """One way in which blue is told to go; it is gone within ``budget_s`` and its exit code is ``exits``."""

    name: str
    pairs: int
    tell: Callable[[NodeProcess], None]
    way: Way = "sigrouter"
    budget_s: float = BUDGET_S
    exits: int = 0


@frozen
class Redeployed:
    """What came of it: every end before and after, the ledger's final figures, the steps that the handover recorded,
    and how long the traffic and green waited for a processor meanwhile, in seconds for each second."""

    how: Redeploy
    code: int
    took_s: float
    before: list[dict[str, Any]]
    after: list[dict[str, Any]]
    final: dict[str, Any]
    steps: list[dict[str, Any]]
    starvation: float
    log: str


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
    Redeploy("SIGTERM, 100 pairs", 100, NodeProcess.terminate),
    Redeploy("SIGINT", 20, NodeProcess.interrupt),
    Redeploy("sigrouter drain", 20, drain_command, budget_s=2 * BUDGET_S),
    # Crossbar's own SIGTERM ends with 1 even after a perfect drain; ours is the way that ends with 0.
    Redeploy("crossbar start, SIGTERM", 20, NodeProcess.terminate, "crossbar", PLAIN_BUDGET_S, exits=1),
)


@pytest.fixture(scope="module", params=REDEPLOYS, ids=lambda redeploy: redeploy.name)
def redeployed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Redeployed:
    how: Redeploy = request.param
    with running_cluster(tmp_path_factory.mktemp("redeploy"), blue_way=how.way) as cluster:
        before = cluster.talk(how.pairs)
        cluster.start_green()
        listen_to_the_rhythm(cluster)
        cluster.traffic.mark()

        starvation = Starvation([cluster.traffic.pid, cluster.green.worker_pid])
        started = time.monotonic()
        how.tell(cluster.blue)
        code = cluster.blue.wait(how.budget_s + 10)
        took_s, waited = time.monotonic() - started, starvation.share()

        listen_to_the_rhythm(cluster)
        after = cluster.traffic.ends()
        final = cluster.traffic.finish()
        steps = cluster.steps(cluster.green)
        cluster.traffic.leave()
        return Redeployed(how, code, took_s, before, after, final, steps, waited, cluster.blue.log)


def test_all_sessions_and_pairs_are_kept_and_go_on_at_green(redeployed: Redeployed) -> None:
    assert len(redeployed.after) == 2 * redeployed.how.pairs
    assert {end["node_id"] for end in redeployed.before} == {"blue"}
    assert_all_kept(redeployed.before, redeployed.after)


def test_no_message_is_lost_doubled_reordered_or_misdelivered(redeployed: Redeployed) -> None:
    assert_faultless(redeployed.final)


def test_each_session_connects_once_and_follows_the_handover(redeployed: Redeployed) -> None:
    assert {end["name"]: end["failures"] for end in redeployed.after if end["attempts"] != 1} == {}
    assert {end["handovers"] for end in redeployed.after} == {1}


def test_no_client_is_sent_away_before_its_worker_is_ready(redeployed: Redeployed) -> None:
    assert_no_client_left_before_its_worker_was_ready(redeployed.after, redeployed.steps)


def test_blue_ends_within_its_budget_with_the_right_exit_code(redeployed: Redeployed) -> None:
    assert redeployed.code == redeployed.how.exits, redeployed.log[-4000:]
    assert redeployed.took_s <= redeployed.how.budget_s


def test_no_pair_waits_longer_than_half_a_second_for_the_next_message(redeployed: Redeployed) -> None:
    """At p99 over all gaps; and the worst gap of each pair within twice that, so that no bad pair hides behind good ones."""
    if redeployed.starvation > STARVED:
        pytest.skip(f"the machine was too busy: {redeployed.starvation:.2f} s of waiting in each second")
    assert redeployed.final["ledger"]["gap"]["p99"] <= GAP_P99_MS, shown(redeployed.final)
    assert redeployed.final["ledger"]["worst_gap"]["p99"] <= WORST_GAP_P99_MS, shown(redeployed.final)


def listen_to_the_rhythm(cluster: Cluster) -> None:
    """Let every end say a few words."""
    ledger = cluster.traffic.report()["ledger"]
    wanted = ledger["acknowledged"] + int(RHYTHM_S * 2 * 2 * ledger["pairs"])
    deadline = time.monotonic() + 15 * RHYTHM_S
    while cluster.traffic.report()["ledger"]["acknowledged"] < wanted:
        assert time.monotonic() < deadline, shown(cluster.traffic.report())
        time.sleep(0.1)  # Each look costs the process that plays the peers some of its time.


def assert_all_kept(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> None:
    """The same sessions, the same pairs, all at green, and none was anywhere else meanwhile."""
    assert {end["node_id"] for end in after} == {"green"}
    assert [fault for end in after for fault in end["faults"]] == []
    for old, new in zip(before, after, strict=True):
        assert (new["name"], new["session_id"]) == (old["name"], old["session_id"])
        assert new["sessions"] == [old["session_id"]]
        assert_same_pairs(old, new)
    pairs = [end["pair_id"] for end in after if end["way"] == "client"]
    assert len(set(pairs)) == len(pairs)
    assert sorted(pairs) == sorted(end["pair_id"] for end in after if end["way"] == "worker")


def assert_same_pairs(old: dict[str, Any], new: dict[str, Any]) -> None:
    """One pair, the same one, with the same peer; green's answer to ``ready`` has told the end so anew."""
    assert list(old["pairs"]) == [old["pair_id"]]
    assert new["pairs"] == old["pairs"]


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
