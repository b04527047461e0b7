"""A server process is started, measured and ended with everything it started itself."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sigrouter.demo.server_process import ServerDidNotStart, ServerProcess, answers, cpu_seconds_of

CHILD = "import subprocess,sys;p=subprocess.Popen([sys.executable,'-c','import time;time.sleep(60)']);print(p.pid,flush=True);p.wait()"
SERVER = """
import http.server
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
"""


@contextmanager
def started(directory: Path, code: str, **arguments: object) -> Iterator[ServerProcess]:
    process = ServerProcess("program", [sys.executable, "-c", code], directory, **arguments)  # type: ignore[arg-type]  # fields by name
    process.start()
    try:
        yield process
    finally:
        process.stop()


def first_line(process: ServerProcess) -> str:
    while "\n" not in process.log_path.read_text():
        assert process.running, process.log_tail()
    return process.log_path.read_text().splitlines()[0]


def gone(pid: int) -> bool:
    """A killed process takes a moment to go; wait for it."""
    deadline = time.monotonic() + 10
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    return not alive(pid)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_stopping_a_program_ends_its_children_too(tmp_path: Path) -> None:
    with started(tmp_path, CHILD) as process:
        child = int(first_line(process))
        assert alive(child)
    assert gone(child)


def test_killing_a_program_ends_its_children_too(tmp_path: Path) -> None:
    with started(tmp_path, CHILD) as process:
        child = int(first_line(process))
        process.kill()
        assert process.exit_code == -signal.SIGKILL
        assert gone(child)


def test_a_program_that_answers_is_ready(tmp_path: Path) -> None:
    with started(tmp_path, SERVER) as process:
        url = f"http://127.0.0.1:{first_line(process)}/ready"
        process.wait_until_ready(url)
        assert answers(url)
    assert not answers(url)


def test_a_program_that_ends_at_once_is_reported_with_its_output(tmp_path: Path) -> None:
    with (
        started(tmp_path, "print('no such setting')") as process,
        pytest.raises(ServerDidNotStart, match="no such setting"),
    ):
        process.wait_until_ready("http://127.0.0.1:1/ready")


def test_the_environment_is_this_ones_without_what_sigrouter_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIGROUTER_NODE_PORT", "1")
    monkeypatch.setenv("REDIS_HOST", "elsewhere")
    code = (
        "import os;print(os.getenv('SIGROUTER_NODE_PORT'),os.getenv('REDIS_HOST'),os.getenv('PORT'),flush=True);input()"
    )
    with started(tmp_path, code, variables={"PORT": "4001"}) as process:
        process._process.wait()  # type: ignore[union-attr]  # it was started
        assert first_line_of_ended(process) == "None None 4001"


def first_line_of_ended(process: ServerProcess) -> str:
    return process.log_path.read_text().splitlines()[0]


def test_a_program_is_pinned_and_this_process_stays_where_it_was(tmp_path: Path) -> None:
    before = os.sched_getaffinity(0)
    processor = min(before)
    code = "import os;print(sorted(os.sched_getaffinity(0)),flush=True);import time;time.sleep(60)"
    with started(tmp_path, code, processors=frozenset({processor})) as process:
        assert first_line(process) == str([processor])
    assert os.sched_getaffinity(0) == before


def test_the_processor_time_of_a_family_counts_its_children(tmp_path: Path) -> None:
    busy = "import time\nwhile time.process_time()<0.3: pass\nprint('done',flush=True)\ntime.sleep(60)"
    code = f"import subprocess,sys;subprocess.Popen([sys.executable,'-c',{busy!r}]).wait()"
    with started(tmp_path, code) as process:
        first_line(process)
        assert process.cpu_seconds() >= 0.3
    assert process.cpu_seconds() == 0.0
    assert cpu_seconds_of(os.getpid()) > 0.0
