"""Whether the machine gave the processes of a test the processor when they wanted it: else times prove nothing."""

import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

STARVED: Final = 0.5
"""Found by trial: above it a gap between messages is the machine's doing, below it the server's."""


class Starvation:
    """Counts, from now on, how long some processes were ready to run and had to wait, here or on a virtual machine's host."""

    def __init__(self, pids: Iterable[int]) -> None:
        self._pids = tuple(pids)
        self._waited_s = self._read()
        self._since = time.monotonic()

    def share(self) -> float:
        """Seconds that they waited, all together, for each second so far; 0 where the kernel does not tell.

        What the host took from this machine ("steal") counts as well: it may have been theirs.
        """
        return (self._read() - self._waited_s) / max(time.monotonic() - self._since, 1e-9)

    def _read(self) -> float:
        waited = stolen_s()
        for pid in self._pids:
            try:
                waited += int(Path(f"/proc/{pid}/schedstat").read_text(encoding="ascii").split()[1]) / 1e9
            except (OSError, IndexError):
                return 0.0
        return waited


def stolen_s() -> float:
    """Seconds, over all processors since the start, in which the host ran somebody else; 0 on a machine of its own."""
    fields = Path("/proc/stat").read_text(encoding="ascii").splitlines()[0].split()
    return int(fields[8]) / os.sysconf("SC_CLK_TCK") if len(fields) > 8 else 0.0
