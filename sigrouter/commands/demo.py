"""``sigrouter demo``: redeploys a small cluster before your eyes."""

import signal
import sys
import tempfile
from contextlib import nullcontext
from pathlib import Path
from types import FrameType

import click
from rich.console import Console

from sigrouter.demo.redeployment import DemoFailed, Outcome, Redeployment
from sigrouter.demo.redis_process import RedisDidNotStart, RedisNotFound
from sigrouter.demo.screen import Screen
from sigrouter.demo.server_process import ServerDidNotStart
from sigrouter.demo.traffic_process import TrafficError

INTERRUPTED = 130
ENDING = (signal.SIGINT, signal.SIGTERM)
PROBLEMS = (DemoFailed, RedisDidNotStart, RedisNotFound, ServerDidNotStart, TrafficError)


@click.command("demo")
@click.option(
    "--pairs", default=20, show_default=True, type=click.IntRange(1, 500), help="Clients, and as many workers."
)
@click.option(
    "--seconds",
    default=5.0,
    show_default=True,
    type=click.FloatRange(0, 3600),
    help="How long they talk before and after.",
)
@click.option(
    "--logs",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep all logs in this directory.  [default: nowhere]",
)
def command(*, pairs: int, seconds: float, logs: Path | None) -> None:
    """Start a Redis, a blue node and pairs that talk; then a green node; then send SIGTERM to blue.

    Everything runs on free ports of 127.0.0.1 and ends with the command. Exit code 0: nothing was lost, doubled or
    out of order, and every session went on at green.
    """
    for number in ENDING:
        signal.signal(number, _interrupt)
    console = Console(highlight=False)
    if logs is not None:
        logs.mkdir(parents=True, exist_ok=True)
    place = nullcontext(str(logs)) if logs else tempfile.TemporaryDirectory(prefix="sigrouter-demo-")
    try:
        with place as directory, Screen(console, pairs) as screen:
            outcome = Redeployment(Path(directory).resolve(), pairs, seconds, screen.show).play()
    except PROBLEMS as problem:
        console.print(f"The demo failed: {problem}", style="red", markup=False)
        sys.exit(1)
    except KeyboardInterrupt:
        console.print("Interrupted; everything that was started has ended.")
        sys.exit(INTERRUPTED)
    tell(console, outcome)
    sys.exit(0 if outcome.success else 1)


def tell(console: Console, outcome: Outcome) -> None:
    """The summary."""
    ledger = outcome.ledger
    console.print(
        f"{outcome.moved} of {outcome.sessions} sessions moved from blue to green and kept their id and their pair; "
        f"blue left in {outcome.drain_s:.1f} s with exit code {outcome.blue_exit_code}.\n"
        f"{ledger['delivered']} messages delivered of {ledger['acknowledged']} acknowledged: lost {ledger['lost']}, "
        f"doubled {ledger['doubled']}, out of order {ledger['disordered']}, refused {ledger['refused']}.\n"
        f"The longest silence of any pair was {ledger['worst_gap']['max']:.0f} ms (each speaks every 250 ms)."
    )
    for detail in (*ledger["details"], *outcome.faults):
        console.print(f"  {detail}", style="red", markup=False)
    verdict = "Nobody noticed." if outcome.success else "This must not happen; the lines above say what did."
    console.print(verdict, style="bold green" if outcome.success else "bold red")


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    # The impatient second Ctrl-C must not interrupt the clean-up, which takes some seconds at most.
    for number in ENDING:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt
