"""Shows what the bench measured, as a table for people or as JSON."""

import json
import os
import platform
from collections.abc import Sequence
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from sigrouter.bench.measurement import BARE, PACE_PER_S, Result

BAR: Final = 2.0
NAMES: Final = {
    "sigrouter": "sigrouter, memory",
    "sigrouter-redis": "sigrouter, Redis",
    BARE: "bare Crossbar",
}


def as_json(results: Sequence[Result], command: str) -> str:
    """Everything, rounds included, and where it was measured."""
    document: dict[str, Any] = {
        "command": command,
        "machine": machine(),
        "bar": BAR,
        "results": [result.as_mapping() for result in results],
    }
    return json.dumps(document, indent=2)


def machine() -> str:
    """What the figures depend on, in words."""
    interpreter = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{os.cpu_count()} processors, {platform.machine()}, {interpreter}"


def show(console: Console, results: Sequence[Result], command: str, pairs: int) -> None:
    """The medians with their least and greatest round, and the ratio to bare Crossbar of the same round."""
    rounds = len(results[0].rounds)
    table = Table(
        title=f"Relay between {pairs} pairs, both ways, 300 bytes: medians of {rounds} rounds (least - greatest)"
    )
    table.add_column("server")
    for heading in (
        "messages/s",
        "CPU ms per 1000",
        "ratio",
        f"CPU ms per 1000 at {PACE_PER_S:.0f}/s",
        "ratio",
        f"p50 ms at {PACE_PER_S:.0f}/s",
        "p99 ms",
    ):
        table.add_column(heading, justify="right")
    for result in results:
        bare = result.name == BARE
        table.add_row(
            NAMES.get(result.name, result.name),
            _spread(result, "per_second", 0),
            _spread(result, "cpu_ms", 0),
            "1" if bare else f"{result.ratio:.2f}",
            _spread(result, "paced_cpu_ms", 0),
            "1" if bare else f"{result.paced_ratio:.2f}",
            _spread(result, "p50_ms", 2),
            _spread(result, "p99_ms", 2),
        )
    console.print(table)
    console.print(
        "sigrouter: every message numbered, acknowledged once it is in the receiver's log, recoverable. "
        "Bare Crossbar: acknowledged publish, at most once.\n"
        "CPU: user and system time of all server processes (Redis included) while every end sends as soon as it is "
        f"answered; the load generator is a process of its own.\n{machine()}. Again: {command}",
        highlight=False,
    )


def within_bar(results: Sequence[Result]) -> bool:
    """Whether our node in memory costs at most twice what bare Crossbar does, for each message."""
    return all(result.ratio <= BAR for result in results if result.name == "sigrouter")


def _spread(result: Result, figure: str, digits: int) -> str:
    values = [getattr(one, figure) for one in result.rounds]
    return f"{result.middle(figure):.{digits}f} ({min(values):.{digits}f} - {max(values):.{digits}f})"
