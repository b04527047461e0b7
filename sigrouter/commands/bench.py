"""``sigrouter bench``: what one relayed message costs the server, beside bare Crossbar in the same run."""

import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import click
from rich.console import Console

from sigrouter.bench.measurement import GeneratorProcess, Round, measure, processors_for_both
from sigrouter.bench.peers import BenchError
from sigrouter.bench.report import as_json, show, within_bar
from sigrouter.bench.servers import crossbar_node, memory_node, redis_node
from sigrouter.demo.redis_process import RedisDidNotStart, RedisNotFound
from sigrouter.demo.server_process import ServerDidNotStart


@click.command("bench")
@click.option("--pairs", default=20, show_default=True, type=click.IntRange(1, 500), help="Pairs that talk, both ways.")
@click.option(
    "--messages", default=8000, show_default=True, type=click.IntRange(4), help="Messages to each server and round."
)
@click.option("--rounds", default=5, show_default=True, type=click.IntRange(1), help="Rounds; the median counts.")
@click.option("--redis", is_flag=True, help="Measure a node with a Redis of its own as well.")
@click.option("--json", "as_document", is_flag=True, help="Print JSON, with every round.")
def command(*, pairs: int, messages: int, rounds: int, redis: bool, as_document: bool) -> None:
    """Measure messages/s, latency and server CPU of the relay between paired sessions.

    Starts its own servers on free ports of 127.0.0.1 and ends them. Exit code 1: the node in memory costs more than
    twice as much as bare Crossbar; 2: the measurement failed.
    """
    if messages < 2 * pairs:
        raise click.BadParameter("at least one message for each end, two for each pair", param_hint="--messages")
    line = f"sigrouter bench --pairs {pairs} --messages {messages} --rounds {rounds}{' --redis' if redis else ''}"
    progress = Console(stderr=True, highlight=False)

    def tell(number: int, name: str, one: Round) -> None:
        progress.print(f"round {number} of {rounds}, {name}: {one.cpu_ms:.0f} ms of CPU for 1000 messages")

    for_servers, for_generator = processors_for_both()
    try:
        with tempfile.TemporaryDirectory(prefix="sigrouter-bench-") as name, ExitStack() as running:
            directory = Path(name)
            targets = [running.enter_context(memory_node(directory, pairs, for_servers))]
            if redis:
                targets.append(running.enter_context(redis_node(directory, pairs, for_servers)))
            targets.append(running.enter_context(crossbar_node(directory, for_servers)))
            generator = running.enter_context(GeneratorProcess(for_generator))
            results = measure(targets, generator, pairs=pairs, messages=messages, rounds=rounds, on_round=tell)
    except (BenchError, ServerDidNotStart, RedisNotFound, RedisDidNotStart) as problem:
        progress.print(f"The bench failed: {problem}", style="red", markup=False)
        sys.exit(2)
    if as_document:
        click.echo(as_json(results, line))
    else:
        show(Console(highlight=False), results, line, pairs)
    sys.exit(0 if within_bar(results) else 1)
