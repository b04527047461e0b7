"""Blue dies without a word: every session comes back at green by itself, with every message that was acknowledged."""

from pathlib import Path

import pytest

from tests.node.test_handover import assert_all_kept, assert_faultless, listen_to_the_rhythm
from tests.support.cluster import running_cluster
from tests.support.node_process import wait_until


@pytest.mark.timeout(240)
def test_after_kill_9_every_session_resumes_and_no_acknowledged_message_is_lost(tmp_path: Path) -> None:
    with running_cluster(tmp_path) as cluster:
        before = cluster.talk(100)
        cluster.start_green()
        listen_to_the_rhythm(cluster)
        cluster.traffic.mark()

        cluster.blue.kill()
        wait_until(
            lambda: cluster.traffic.report()["nodes"] == {"green": 200},
            60,
            lambda: f"not all came back: {cluster.traffic.report()}",
        )

        listen_to_the_rhythm(cluster)
        after = cluster.traffic.ends()
        final = cluster.traffic.finish()
        cluster.traffic.leave()

    assert_all_kept(before, after)
    assert_faultless(final)
    assert {end["resumed"] for end in after} == {1}
