"""The traffic's process as seen from outside: ask, and wait for the answer."""

import json
import selectors
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

ANSWER_S: Final = 90.0


class TrafficError(Exception):
    """The traffic could not do what it was asked; the text says why."""


class TrafficProcess:
    """``python -m sigrouter.demo.traffic``; use it as a context manager. Its log goes to ``log_path``."""

    def __init__(self, log_path: Path) -> None:
        self._log_path = log_path
        self._buffer = b""

    def __enter__(self) -> Self:
        with self._log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "sigrouter.demo.traffic"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the parent, which lets the sessions end properly.
                bufsize=0,
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.communicate()

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    def start(self, url: str, clients: Sequence[str], workers: Sequence[str], rate: float = 2.0) -> None:
        """Connect and pair everybody; they talk when this returns. ``rate``: messages a second of each end."""
        self.ask("start", url=url, pairs=len(clients), rate=rate, clients=list(clients), workers=list(workers))

    def mark(self) -> None:
        """What is to be judged begins now."""
        self.ask("mark")

    def report(self) -> dict[str, Any]:
        """The figures so far."""
        return self.ask("report")

    def ends(self) -> list[dict[str, Any]]:
        """Every end and what became of it."""
        ends: list[dict[str, Any]] = self.ask("ends")["ends"]
        return ends

    def finish(self, settle_s: float = 20.0) -> dict[str, Any]:
        """Stop sending, wait until everything has arrived or ``settle_s`` are over; the final figures."""
        return self.ask("finish", settle_s=settle_s)

    def leave(self) -> None:
        """End all sessions."""
        self.ask("leave")

    def ask(self, do: str, **arguments: Any) -> dict[str, Any]:
        """One command and its answer, see :mod:`sigrouter.demo.traffic`. Raises :class:`TrafficError`."""
        self.order(do, **arguments)
        answer = self.answer(ANSWER_S)
        if answer is None:
            raise TrafficError(f"no answer to {do} within {ANSWER_S:.0f} s{self._log_tail()}")
        return answer

    def order(self, do: str, **arguments: Any) -> None:
        """One command, without waiting for its answer."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps({"do": do, **arguments}).encode() + b"\n")
        except BrokenPipeError:
            raise TrafficError(f"the traffic has ended{self._log_tail()}") from None

    def answer(self, timeout_s: float) -> dict[str, Any] | None:
        """The next answer, or ``None`` when there is none within the time."""
        assert self._process.stdout is not None
        deadline = time.monotonic() + timeout_s
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while b"\n" not in self._buffer:
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    return None
                data = self._process.stdout.read(1 << 20)
                if not data:
                    raise TrafficError(f"the traffic has ended{self._log_tail()}")
                self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise TrafficError(answer["error"])
        return answer

    def _log_tail(self) -> str:
        tail = self._log_path.read_text(encoding="utf-8", errors="replace")[-2000:].strip()
        return f": {tail}" if tail else ""
