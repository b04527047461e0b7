"""What an operator types, against a real node: each command in a process of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet.threads import deferToThread

from sigrouter.protocol import uris
from tests.node.test_cold_handover import bound
from tests.support.node_process import NodeProcess

NOT_FOUND = "sig.error.not_found"


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeProcess]:
    env = {"SIGROUTER_DRAIN_SETTLE_S": "0.2"}
    with NodeProcess(tmp_path_factory.mktemp("operator"), name="blue", env=env) as running:
        yield running


async def sigrouter(node: NodeProcess, *arguments: str, code: int = 0) -> str:
    """What a command prints; the node's environment tells it where to look."""

    def run() -> subprocess.CompletedProcess[str]:
        program = str(Path(sys.executable).parent / "sigrouter")
        environment = {**os.environ, **node.variables}
        return subprocess.run(
            [program, *arguments], env=environment, capture_output=True, text=True, timeout=60, check=False
        )

    done = await deferToThread(run)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


async def parsed(node: NodeProcess, *arguments: str) -> Any:
    return json.loads(await sigrouter(node, *arguments, "--json"))


@pytest.mark.timeout(120)
@pytest_twisted.ensureDeferred
async def test_an_operator_looks_kicks_drains_turns_back_and_reads_the_report(node: NodeProcess) -> None:
    client, worker = await bound(node)
    session_id = client.welcome["session_id"]

    assert [one["node_id"] for one in (await parsed(node, "nodes"))["nodes"]] == ["blue"]
    assert "blue" in await sigrouter(node, "nodes")
    listed = {one["session_id"] for one in (await parsed(node, "sessions"))["sessions"]}
    assert listed == {session_id, worker.welcome["session_id"]}
    shown = await parsed(node, "session", session_id)
    assert shown["pairs"][0]["peer_session_id"] == worker.welcome["session_id"]
    assert NOT_FOUND in await sigrouter(node, "session", "nobody", code=1)

    assert "no handover" in await sigrouter(node, "report", code=1)
    await sigrouter(node, "drain", "--no-wait", "--reason", "rehearsal")
    await sigrouter(node, "undrain")
    assert "rehearsal" in await sigrouter(node, "report")
    report = await parsed(node, "report", "--steps")
    assert {step["step"] for step in report["steps"]} >= {"drain_started", "drain_finished"}

    await sigrouter(node, "kick", session_id)
    await client.until(lambda: client.is_closed)
    assert client.close_reason == uris.CLOSE_KICKED
    lost = await worker.event(uris.EVENT_PAIR, lambda event: event["payload"]["state"] == "lost")
    assert lost["payload"]["reason"] == "kicked"


@pytest.mark.timeout(60)
@pytest_twisted.ensureDeferred
async def test_without_a_node_each_command_says_so(tmp_path: Path) -> None:
    without_ticket = NodeProcess(tmp_path)
    assert "ticket cannot be read" in await sigrouter(without_ticket, "nodes", code=1)
    nowhere = NodeProcess(tmp_path, env={"SIGROUTER_ADMIN_TICKET": "secret"})
    for command in (["nodes"], ["sessions"], ["drain"], ["report"]):
        assert "No node answers" in await sigrouter(nowhere, *command, code=1)
