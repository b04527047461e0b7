"""A real node for tests, started as users start it, in a directory and on ports of its own."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, Literal, Self

import jwt
from attrs import define, field

from sigrouter.demo.redis_process import free_port
from sigrouter.demo.server_process import ServerProcess, answers
from sigrouter.node.configuration import render, template
from sigrouter.services.development_keys import development_keys
from sigrouter.services.settings_source import read_settings

Way = Literal["sigrouter", "crossbar"]
WAYS: Final[tuple[Way, ...]] = ("sigrouter", "crossbar")
REPOSITORY: Final = Path(__file__).parents[2]
POLL_S: Final = 0.02


@define(eq=False)
class NodeProcess:
    """One node: its controller and its worker. Use it in a ``with``, or end it with :meth:`kill`.

    ``way``: ``sigrouter start`` or plain ``crossbar start``. ``state_dir`` holds the development keys: nodes that share it
    take each other's JWTs and tokens. ``redis_port``: share a real Redis; without it the store is this node's memory.
    ``env``: further variables, over all others. ``config``: another Crossbar configuration than the shipped one; the
    settings are written into it, unless ``rendered`` is false. ``loglevel`` is Crossbar's.
    """

    directory: Path
    way: Way = "sigrouter"
    name: str = "node-1"
    stack: str = "default"
    redis_port: int | None = None
    env: Mapping[str, str] = field(factory=dict)
    config: Mapping[str, Any] | None = None
    rendered: bool = True
    loglevel: str = "info"
    state_dir: Path | None = None
    port: int = field(factory=free_port)
    admin_port: int = field(factory=free_port)
    _server: ServerProcess | None = field(default=None, init=False)

    def __enter__(self) -> Self:
        try:
            self.start()
            self.wait_ready()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self.kill()

    # ---- Starting --------------------------------------------------------------------------------

    def start(self) -> None:
        """Start it and answer at once; also again after its end."""
        self.cbdir.mkdir(parents=True, exist_ok=True)
        configuration = self.config if self.config is not None else template()
        if self.rendered:
            configuration = render(configuration, read_settings(self.variables))
        (self.cbdir / "config.json").write_text(json.dumps(configuration, indent=2))
        self._server = ServerProcess(self.name, self.command, self.directory, self.variables)
        self._server.start()

    @property
    def command(self) -> list[str]:
        """What an operator would type."""
        program = str(Path(sys.executable).parent / self.way)
        level = ["--loglevel", self.loglevel] if self.way == "crossbar" else []
        return [program, "start", "--cbdir", str(self.cbdir), *level]

    @property
    def variables(self) -> dict[str, str]:
        """The node's settings as environment variables."""
        redis = {"REDIS_HOST": "127.0.0.1", "REDIS_PORT": str(self.redis_port)} if self.redis_port else {}
        return {
            "SIGROUTER_NODE_NODE_ID": self.name,
            "SIGROUTER_NODE_STACK": self.stack,
            "SIGROUTER_NODE_PORT": str(self.port),
            "SIGROUTER_NODE_ADMIN_PORT": str(self.admin_port),
            "SIGROUTER_NODE_STATE_DIR": str(self.keys_directory),
            "SIGROUTER_NODE_LOG_LEVEL": self.loglevel,
            "PYTHONPATH": str(REPOSITORY),
            **redis,
            **self.env,
        }

    @property
    def cbdir(self) -> Path:
        """Crossbar's node directory."""
        return self.directory / "cbdir"

    @property
    def keys_directory(self) -> Path:
        """The state directory."""
        return self.state_dir or self.directory / "state"

    # ---- Talking ---------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """The public WebSocket."""
        return f"ws://127.0.0.1:{self.port}/ws"

    @property
    def admin_url(self) -> str:
        """The operators' WebSocket."""
        return f"ws://127.0.0.1:{self.admin_port}/admin"

    def page(self, path: str) -> str:
        """The URL of a page on the admin transport, such as ``ready``."""
        return f"http://127.0.0.1:{self.admin_port}/{path}"

    @property
    def is_ready(self) -> bool:
        """Whether ``/ready`` answers 200 right now."""
        return answers(self.page("ready"))

    def wait_ready(self, timeout_s: float = 45.0) -> None:
        """Wait for ``/ready``. Raises ``ServerDidNotStart`` with the end of the log."""
        self.server.wait_until_ready(self.page("ready"), timeout_s)

    def ticket(self, user: str = "user-1", role: str = "client", **claims: Any) -> str:
        """A JWT that this node takes, signed with its development key."""
        keys = development_keys(self.keys_directory)
        payload = {"sub": user, "role": role, "aud": "sigrouter", "exp": int(time.time()) + 600, **claims}
        return jwt.encode(payload, keys.private_key, algorithm="RS256", headers={"kid": keys.kid})

    # ---- Ending ----------------------------------------------------------------------------------

    def terminate(self) -> None:
        """SIGTERM to the controller, as Kubernetes does."""
        self.server.signal(signal.SIGTERM)

    def interrupt(self) -> None:
        """SIGINT to the controller, as Ctrl-C does."""
        self.server.signal(signal.SIGINT)

    def kill(self) -> None:
        """SIGKILL to controller and worker at once: a crash. Harmless after the end."""
        if self._server is not None:
            self._server.kill()

    def wait(self, timeout_s: float = 30.0) -> int:
        """The exit code, once it has ended. Raises ``subprocess.TimeoutExpired``."""
        deadline = time.monotonic() + timeout_s
        while (code := self.server.exit_code) is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(self.command, timeout_s, self.log.encode()[-4000:])
            time.sleep(POLL_S)
        return code

    # ---- Looking ---------------------------------------------------------------------------------

    @property
    def server(self) -> ServerProcess:
        """The process; only after :meth:`start`."""
        if self._server is None:
            raise RuntimeError(f"{self.name} was not started")
        return self._server

    @property
    def log(self) -> str:
        """Everything that controller and worker have written to stdout and stderr."""
        path = self.directory / f"{self.name}.log"
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    def wait_for_log(self, text: str, timeout_s: float = 30.0) -> None:
        """Wait until the log holds ``text``."""
        wait_until(lambda: text in self.log, timeout_s, lambda: f"no {text!r} in the log:\n{self.log[-4000:]}")

    @property
    def worker_pid(self) -> int:
        """The process id of the router worker."""
        children = Path(f"/proc/{self.server.pid}/task/{self.server.pid}/children").read_text().split()
        return int(children[0])

    def cpu_seconds(self) -> float:
        """User and system seconds of controller and worker since they started."""
        return self.server.cpu_seconds()


def wait_until(condition: Callable[[], bool], timeout_s: float, complaint: Callable[[], str]) -> None:
    """Wait for a condition outside this process, which nothing can tell us about but looking."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(complaint())
        time.sleep(POLL_S)
