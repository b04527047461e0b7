"""Both front ends of the SDK against real nodes: the same scenarios, each in a process of its own."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sigrouter.demo.redis_process import free_port
from tests.component.client_scenarios import REDEPLOY, SCENARIOS
from tests.support.node_process import REPOSITORY, NodeProcess
from tests.support.redis_server import RedisServer

FRAMEWORKS = ("asyncio", "twisted")


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeProcess]:
    with NodeProcess(tmp_path_factory.mktemp("node"), loglevel="warn") as running:
        yield running


def scenario(framework: str, name: str, node: NodeProcess) -> "subprocess.Popen[str]":
    tickets = [node.ticket("client", "client"), node.ticket("worker", "worker")]
    return subprocess.Popen(
        [sys.executable, "-m", "tests.component.client_scenarios", framework, name, node.url, *tickets],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(process: "subprocess.Popen[str]") -> None:
    try:
        output, _ = process.communicate(timeout=55)
    finally:
        process.kill()
    assert process.returncode == 0, output
    assert "Unhandled error" not in output
    assert "never retrieved" not in output
    assert "never awaited" not in output


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("name", SCENARIOS)
def test_against_a_real_node(node: NodeProcess, framework: str, name: str) -> None:
    finish(scenario(framework, name, node))


@pytest.mark.timeout(120)
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_pair_talks_through_a_redeploy_without_a_gap(tmp_path: Path, framework: str) -> None:
    with RedisServer() as redis:
        nodes = {}
        for name in ("blue", "green"):
            port = free_port()
            url = f"ws://127.0.0.1:{port}/ws"
            nodes[name] = NodeProcess(
                tmp_path / name,
                name=name,
                stack=name,
                redis_port=redis.port,
                port=port,
                state_dir=tmp_path / "state",
                env={"SIGROUTER_NODE_URL": url},
                loglevel="warn",
            )
        with nodes["blue"] as blue:
            process = scenario(framework, REDEPLOY, blue)
            assert process.stdout is not None
            try:
                told = process.stdout.readline()
                assert '"paired": "blue"' in told, told
                with nodes["green"]:
                    blue.terminate()
                    finish(process)
                    assert blue.wait(40) == 0
            finally:
                process.kill()


def test_one_front_end_does_not_bring_the_other() -> None:
    for chosen, other in (("asyncio", "twisted.internet.reactor"), ("twisted", "autobahn.asyncio.websocket")):
        code = f"import sys, sigrouter.client.{chosen}; sys.exit({other!r} in sys.modules)"
        assert subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=False, timeout=30).returncode == 0
