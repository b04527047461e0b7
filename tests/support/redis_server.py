"""A real Redis server for tests: killed, paused and restarted at will, always on a port of its own."""

import os
import shutil
import signal
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sigrouter.demo.redis_process import RedisProcess

# Processes crash here, machines do not: files in memory survive that, and every answer waits for an fsync.
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


class RedisServer(RedisProcess):
    """A ``RedisProcess`` in a temporary directory of its own. ``close`` ends it and removes the directory."""

    def __init__(self, *, aof: bool = False, **settings: Any) -> None:
        super().__init__(directory=Path(tempfile.mkdtemp(prefix="sigrouter-redis-", dir=MEMORY)), aof=aof, **settings)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the process, paused or not, and remove its data."""
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    def restart(self, *, keep_data: bool, crash: bool = True) -> None:
        """Kill (or with ``crash=False`` stop) it and start it again on the same port, with or without its data."""
        self.kill() if crash else self.stop()
        if not keep_data:
            self.wipe()
        self.start()

    def wipe(self) -> None:
        """Remove its data; only while it does not run."""
        shutil.rmtree(self.directory, ignore_errors=True)
        self.directory.mkdir()

    def pause(self) -> None:
        """Freeze the process: connections stay open and nobody answers."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        os.kill(self.pid, signal.SIGCONT)
