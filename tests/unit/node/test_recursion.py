"""Brackets from a stranger must not kill the process; each case runs in a process of its own."""

import subprocess
import sys

import pytest

CROSSBAR = "import crossbar.worker.router; from sigrouter.node import recursion; "
NESTED = "import json, sys; json.loads({text!r} * 200_000)"


def run(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=50, check=False)


def test_crossbar_still_raises_the_limit_so_that_this_file_is_still_needed() -> None:
    assert int(run(CROSSBAR + "import sys; print(sys.getrecursionlimit())").stdout.split()[-1]) > 10_000


@pytest.mark.parametrize("text", ["[", '{"a":'])
def test_with_the_limit_restored_deep_nesting_is_an_error_and_not_the_end(text: str) -> None:
    ended = run(CROSSBAR + "recursion.restore_limit(); " + NESTED.format(text=text))
    assert ended.returncode == 1
    assert "RecursionError" in ended.stderr


def test_without_it_the_process_dies() -> None:
    ended = run(CROSSBAR + NESTED.format(text="["))
    assert ended.returncode < 0, "this python needs no such protection: the file can go"
