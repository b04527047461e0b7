"""The bench counts right, over real servers; what it measured is judged by people, on a quiet machine."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from sigrouter.bench.measurement import GeneratorProcess
from sigrouter.bench.peers import BenchError
from sigrouter.bench.servers import crossbar_node
from sigrouter.commands.bench import command


@pytest.mark.timeout(120)
def test_a_short_bench_relays_every_message_through_all_servers() -> None:
    run = CliRunner().invoke(
        command, ["--pairs", "2", "--messages", "240", "--rounds", "1", "--redis", "--json"], catch_exceptions=False
    )
    # 1 only says that so few messages on a busy machine cost more than the bar.
    assert run.exit_code in (0, 1), run.output
    document = json.loads(run.stdout)
    assert [result["name"] for result in document["results"]] == ["sigrouter", "sigrouter-redis", "crossbar"]
    for result in document["results"]:
        (only,) = result["rounds"]
        assert min(only["per_second"], only["p50_ms"], only["p99_ms"]) > 0
        assert only["cpu_ms"] >= 0


@pytest.mark.timeout(60)
def test_what_the_generator_cannot_do_voids_the_measurement(tmp_path: Path) -> None:
    with crossbar_node(tmp_path, frozenset()) as target, GeneratorProcess(frozenset()) as generator:
        connect = {"do": "connect", "target": "crossbar", "kind": "crossbar", "pairs": 1, "tickets": ()}
        assert generator.obey(**connect, url=target.url) == {"pairs": 1}
        assert generator.obey(do="flood", target="crossbar", messages=10)["messages"] == 10
        with pytest.raises(BenchError, match="unknown command"):
            generator.obey(do="nothing", target="crossbar")
        with pytest.raises(BenchError, match="refused"):
            generator.obey(**connect, url="ws://127.0.0.1:1/ws")


def test_more_ends_than_messages_is_a_mistake_in_the_command() -> None:
    run = CliRunner().invoke(command, ["--pairs", "10", "--messages", "10"])
    assert run.exit_code == 2
    assert "at least one message for each end" in run.output
