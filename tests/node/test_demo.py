"""The demo tells the truth by its exit code, needs no terminal, and leaves nothing running."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.support.node_process import wait_until

PROGRAM = "import sys; from sigrouter.cli import main; sys.exit(main())"


@contextmanager
def demo(directory: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """The command as a process whose output is no terminal; its logs, and all its processes, are in ``directory``."""
    command = [sys.executable, "-c", PROGRAM, "demo", "--logs", str(directory), *arguments]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "COLUMNS": "200"}
    with (
        (directory / "demo.log").open("w") as output,
        subprocess.Popen(command, stdout=output, env=environment) as process,
    ):
        try:
            yield process
        finally:
            process.kill()
            for pid in running_in(directory):  # only if the demo failed to do it
                os.kill(pid, signal.SIGKILL)


def running_in(directory: Path) -> list[int]:
    """The processes that work in the directory or write to a file in it, except this one."""
    return [
        int(entry.name)
        for entry in Path("/proc").glob("[0-9]*")
        if int(entry.name) != os.getpid() and any(place.startswith(str(directory)) for place in places_of(entry))
    ]


def places_of(process: Path) -> Iterator[str]:
    """Where a process works and what it has open; what it closes while we look is not open."""
    try:
        files = [process / "cwd", *(process / "fd").iterdir()]
    except OSError:
        return
    for file in files:
        with suppress(OSError):
            yield str(file.readlink())


def said(directory: Path) -> str:
    return (directory / "demo.log").read_text()


@pytest.mark.timeout(180)
def test_the_demo_redeploys_and_ends_with_0_because_nobody_noticed(tmp_path: Path) -> None:
    with demo(tmp_path, "--pairs", "3", "--seconds", "1") as process:
        code = process.wait(150)
        assert code == 0, said(tmp_path)
        assert running_in(tmp_path) == []
    assert "6 of 6 sessions moved from blue to green" in said(tmp_path)
    assert "lost 0, doubled 0, out of order 0, refused 0" in said(tmp_path)
    assert said(tmp_path).rstrip().endswith("Nobody noticed.")


@pytest.mark.timeout(180)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_demo_ends_everything_that_it_started(number: signal.Signals, tmp_path: Path) -> None:
    with demo(tmp_path, "--pairs", "2", "--seconds", "600") as process:
        wait_until(lambda: "talk through blue" in said(tmp_path), 120, lambda: said(tmp_path))
        # The demo, Redis, the node's two processes, the traffic.
        wait_until(lambda: len(running_in(tmp_path)) >= 5, 10, lambda: str(running_in(tmp_path)))
        process.send_signal(number)
        assert process.wait(60) == 130
        wait_until(lambda: running_in(tmp_path) == [], 10, lambda: str(running_in(tmp_path)))
