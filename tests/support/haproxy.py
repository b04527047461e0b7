"""Runs a real HAProxy with the project's own configuration in front of some nodes."""

import csv
import io
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from attrs import frozen

TEMPLATE: Final = Path(__file__).parents[2] / "config" / "haproxy.cfg"
SERVER_LINE: Final = re.compile(r"^ *server .*\n", re.MULTILINE)
START_TIMEOUT_S: Final = 10.0


@frozen
class Backend:
    """A node behind the balancer: its WebSocket's port and the port that answers ``/ready``, both on 127.0.0.1."""

    name: str
    port: int
    admin_port: int


class HAProxy:
    """One HAProxy process, on a port that the kernel chose; use it as a context manager.

    Nothing but the ``server`` lines differs from ``config/haproxy.cfg``, so what the tests prove holds for that file.
    """

    def __init__(self, backends: Sequence[Backend], directory: Path) -> None:
        self._backends = tuple(backends)
        self._directory = directory
        self._socket_path = directory / "haproxy.sock"
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"ws://127.0.0.1:{self.port}/ws"

    def start(self) -> Self:
        """Start and wait until the runtime socket answers; raises ``RuntimeError`` with HAProxy's own words."""
        program = shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin:/usr/local/sbin")
        if program is None:
            raise RuntimeError("haproxy is not installed (Debian: apt-get install haproxy)")
        servers = "".join(f"    server {b.name} 127.0.0.1:{b.port} port {b.admin_port}\n" for b in self._backends)
        configuration = self._directory / "haproxy.cfg"
        configuration.write_text(SERVER_LINE.sub("", TEMPLATE.read_text(encoding="utf-8")) + servers, encoding="utf-8")
        # The listening socket is handed over open: no port is guessed, so none can be taken by somebody else meanwhile.
        with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
            self.port = listener.getsockname()[1]
            environment = {
                **os.environ,
                "HAPROXY_LISTEN": f"fd@{listener.fileno()}",
                "HAPROXY_SOCKET": str(self._socket_path),
            }
            self._process = subprocess.Popen(
                [program, "-db", "-f", str(configuration)],
                env=environment,
                pass_fds=[listener.fileno()],
                stdout=subprocess.DEVNULL,
                stderr=(self._directory / "haproxy.log").open("wb"),
            )
        self._wait_until(self._answers, "haproxy answers on its socket")
        return self

    def stop(self) -> None:
        """End the process, by its own id."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def command(self, text: str) -> str:
        """One command on the runtime socket, as in ``echo TEXT | socat - SOCKET``."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(5)
            connection.connect(str(self._socket_path))
            connection.sendall(text.encode() + b"\n")
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
        return answer.decode().strip()

    def set_state(self, backend: str, state: str) -> None:
        """``state``: ``ready``, ``maint`` or ``drain``."""
        answer = self.command(f"set server nodes/{backend} state {state}")
        if answer:
            raise RuntimeError(answer)

    def states(self) -> dict[str, str]:
        """The state of each backend as HAProxy shows it: ``UP``, ``DOWN``, ``MAINT`` ..."""
        return {row["svname"]: row["status"] for row in self._rows()}

    def connections(self) -> dict[str, int]:
        """The live connections of each backend."""
        return {row["svname"]: int(row["scur"]) for row in self._rows()}

    def wait_for(self, backend: str, state: str, timeout_s: float = 15.0) -> None:
        """Wait until the backend's state begins with ``state``."""
        self._wait_until(lambda: self.states()[backend].startswith(state), f"{backend} is {state}", timeout_s)

    def _rows(self) -> list[dict[str, str]]:
        table = csv.DictReader(io.StringIO(self.command("show stat").removeprefix("# ")))
        return [row for row in table if row["pxname"] == "nodes" and row["svname"] != "BACKEND"]

    def _answers(self) -> bool:
        if self._process is not None and self._process.poll() is not None:
            raise RuntimeError((self._directory / "haproxy.log").read_text(encoding="utf-8"))
        try:
            return "Name: HAProxy" in self.command("show info")
        except OSError:
            return False

    def _wait_until(self, holds: Callable[[], bool], what: str, timeout_s: float = START_TIMEOUT_S) -> None:
        deadline = time.monotonic() + timeout_s
        while not holds():
            if time.monotonic() > deadline:
                raise TimeoutError(f"not within {timeout_s} s: {what}")
            time.sleep(0.02)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
