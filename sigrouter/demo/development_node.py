"""A node of ours in development mode, as its own process on free ports, and tickets that it takes."""

import signal
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import jwt
from attrs import define, field

from sigrouter.demo.redis_process import free_port
from sigrouter.demo.server_process import ServerProcess
from sigrouter.services.development_keys import DevelopmentKeys, development_keys
from sigrouter.settings.model import AuthSettings

HOST: Final = "127.0.0.1"
PROGRAM: Final = "import sys; from sigrouter.cli import main; sys.exit(main())"
"""What the installed command does; it works wherever this interpreter's scripts are."""
TICKET_VALID_S: Final = 3600
ALGORITHM: Final = "RS256"


@define(eq=False)
class DevelopmentNode:
    """``sigrouter start`` with its files in ``directory``; several nodes with one ``state_dir`` share their keys.

    ``variables`` are further settings as environment variables.
    """

    name: str
    directory: Path
    stack: str = "default"
    state_dir: Path | None = None
    variables: Mapping[str, str] = field(factory=dict)
    processors: frozenset[int] = frozenset()
    port: int = field(factory=free_port, init=False)
    admin_port: int = field(factory=free_port, init=False)
    _process: ServerProcess | None = field(default=None, init=False)

    def start(self) -> None:
        """Start it; answers at once."""
        variables = {
            "SIGROUTER_NODE_NODE_ID": self.name,
            "SIGROUTER_NODE_STACK": self.stack,
            "SIGROUTER_NODE_PORT": str(self.port),
            "SIGROUTER_NODE_ADMIN_PORT": str(self.admin_port),
            "SIGROUTER_NODE_STATE_DIR": str(self._keys_directory),
            **self.variables,
        }
        # Nodes may share their keys' directory, but never Crossbar's.
        home = str(self.directory / "crossbar")
        command = [sys.executable, "-c", PROGRAM, "start", "--cbdir", home]
        self._process = ServerProcess(self.name, command, self.directory, variables, self.processors)
        self._process.start()

    @property
    def started(self) -> bool:
        """Whether :meth:`start` was called."""
        return self._process is not None

    @property
    def process(self) -> ServerProcess:
        """The process; only after :meth:`start`."""
        if self._process is None:
            raise RuntimeError(f"{self.name} was not started")
        return self._process

    @property
    def url(self) -> str:
        """Where peers connect."""
        return f"ws://{HOST}:{self.port}/ws"

    @property
    def ready_url(self) -> str:
        """What balancers ask."""
        return f"http://{HOST}:{self.admin_port}/ready"

    def wait_until_ready(self, timeout_s: float = 60.0) -> None:
        """Wait until ``/ready`` answers 200; raises :class:`~sigrouter.demo.server_process.ServerDidNotStart`."""
        self.process.wait_until_ready(self.ready_url, timeout_s)

    def drain(self) -> None:
        """SIGTERM, as a redeploy does it; the process ends by itself when its sessions have moved."""
        self.process.signal(signal.SIGTERM)

    def stop(self) -> None:
        """End it, in 5 s at most; not running is fine."""
        if self._process is not None:
            self._process.stop()

    def tickets(self, users: Sequence[tuple[str, str]]) -> tuple[str, ...]:
        """A JWT for each ``(user_id, role)``, good for an hour at every node with this ``state_dir``."""
        keys = development_keys(self._keys_directory)
        return tuple(ticket(keys, user_id, role) for user_id, role in users)

    @property
    def _keys_directory(self) -> Path:
        return self.state_dir or self.directory / "state"


def ticket(keys: DevelopmentKeys, user_id: str, role: str, valid_s: int = TICKET_VALID_S) -> str:
    """One JWT, signed with development keys; never to be logged."""
    now = int(time.time())
    claims = {"sub": user_id, "role": role, "aud": AuthSettings().audience, "iat": now, "exp": now + valid_s}
    return jwt.encode(claims, keys.private_key, algorithm=ALGORITHM, headers={"kid": keys.kid})
