"""A node that is told to stop before its store was ever there."""

from pathlib import Path

import pytest

from sigrouter.demo.redis_process import free_port
from tests.support.node_process import NodeProcess


@pytest.mark.timeout(90)
def test_a_node_that_never_reached_redis_stops_at_once_and_cleanly(tmp_path: Path) -> None:
    node = NodeProcess(tmp_path, redis_port=free_port())
    node.start()
    try:
        node.wait_for_log("Redis cannot be reached")
        node.wait_for_log("Site starting")
        node.terminate()
        assert node.wait(timeout_s=15) == 0
        assert "was killed" not in node.log
        assert "Unhandled" not in node.log
        assert "Traceback" not in node.log
    finally:
        node.kill()
