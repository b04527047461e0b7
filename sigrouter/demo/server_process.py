"""A server process of our own: started in its own directory, waited for, measured, and ended with all its children."""

import contextlib
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from attrs import define, field

from sigrouter.settings.catalogue import SHORT_NAMES

POLL_S: Final = 0.05
STOP_S: Final = 5.0
OUR_VARIABLES: Final = "SIGROUTER_"


class ServerDidNotStart(Exception):
    """The process ended, or was not ready in time; the text is the end of its log."""


@define(eq=False)
class ServerProcess:
    """One program with its children, in a process group of its own so that nothing outlives it.

    ``variables`` come on top of this process's environment, from which everything that sigrouter reads is taken out
    first. ``processors`` pins the program and its children (empty: anywhere).
    """

    name: str
    command: Sequence[str]
    directory: Path
    variables: Mapping[str, str] = field(factory=dict)
    processors: frozenset[int] = frozenset()
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def start(self) -> None:
        """Start it; answers at once."""
        self.directory.mkdir(parents=True, exist_ok=True)
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(OUR_VARIABLES) and name not in SHORT_NAMES
        }
        # Children inherit the processors, threads too; setting them on a running process would miss both.
        ours = os.sched_getaffinity(0) if self.processors else frozenset[int]()
        if self.processors:
            os.sched_setaffinity(0, self.processors)
        try:
            with self.log_path.open("ab") as log:
                self._process = subprocess.Popen(  # noqa: S603 - the command is ours, and no shell
                    self.command,
                    cwd=self.directory,
                    env={**inherited, **self.variables},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
        finally:
            if self.processors:
                os.sched_setaffinity(0, ours)

    @property
    def log_path(self) -> Path:
        """Where the program's output goes."""
        return self.directory / f"{self.name}.log"

    @property
    def pid(self) -> int:
        """The program's process id; only while it is started."""
        if self._process is None:
            raise RuntimeError(f"{self.name} was not started")
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the program itself still runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        """Its exit code once it has ended; negative: the signal that ended it."""
        return self._process.poll() if self._process is not None else None

    def wait_until_ready(self, url: str, timeout_s: float = 60.0) -> None:
        """Wait until a GET of ``url`` answers 200. Raises :class:`ServerDidNotStart`."""
        deadline = time.monotonic() + timeout_s
        while not answers(url):
            if not self.running or time.monotonic() > deadline:
                raise ServerDidNotStart(f"{self.name} is not ready: {self.log_tail()}")
            time.sleep(POLL_S)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the program (not to its children)."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)

    def stop(self) -> None:
        """End it with SIGTERM, and after 5 s with SIGKILL, children included; not running is fine."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.poll() is None:
            process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            pass
        finally:
            self._kill_group(process.pid)
            process.wait()

    def kill(self) -> None:
        """End it and its children with SIGKILL, as a crash of the whole pod would."""
        if self._process is not None:
            self._kill_group(self._process.pid)
            self._process.wait()

    @staticmethod
    def _kill_group(leader: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(leader, signal.SIGKILL)

    def cpu_seconds(self) -> float:
        """User and system seconds of the program, its children and theirs, the ended ones included; Linux only."""
        return cpu_seconds_of(self.pid) if self._process is not None else 0.0

    def log_tail(self) -> str:
        """The end of the output."""
        try:
            return self.log_path.read_text(encoding="utf-8", errors="replace")[-2000:].strip() or "no output"
        except OSError:
            return "no log"


def answers(url: str) -> bool:
    """Whether a GET of an ``http:`` URL answers 200 right now."""
    try:
        with urllib.request.urlopen(url, timeout=2) as response:  # noqa: S310 - callers pass our own http address
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def cpu_seconds_of(root: int) -> float:
    """User and system seconds of a process and all its descendants, from ``/proc``, in steps of a clock tick."""
    parents: dict[int, int] = {}
    ticks: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                # The name, in parentheses, may hold blanks; what follows it does not.
                values = (entry / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
            except OSError:
                continue
            parents[int(entry.name)] = int(values[1])
            ticks[int(entry.name)] = sum(int(value) for value in values[11:15])
    family = {root}
    while more := {pid for pid, parent in parents.items() if parent in family} - family:
        family |= more
    return sum(ticks.get(pid, 0) for pid in family) / os.sysconf("SC_CLK_TCK")
