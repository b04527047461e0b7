"""The bench's arithmetic: costs, medians, ratios, and what it says when the bar is not held."""

import io
import json
from typing import Any

import pytest
from rich.console import Console

from sigrouter.bench.measurement import Result, measure
from sigrouter.bench.report import as_json, show, within_bar
from sigrouter.bench.servers import Target


class Machine:
    """Servers whose CPU grows by a fixed cost for each message, and a generator that answers at once."""

    def __init__(self, costs_ms: dict[str, list[float]]) -> None:
        self.costs_ms = costs_ms
        self.used = dict.fromkeys(costs_ms, 0.0)
        self.round = dict.fromkeys(costs_ms, -1)  # the first one is the warm-up
        self.orders: list[tuple[str, str]] = []

    def obey(self, **order: Any) -> dict[str, Any]:
        name = order["target"]
        self.orders.append((order["do"], name))
        if order["do"] == "connect":
            return {"pairs": order["pairs"]}
        cost = self.costs_ms[name][max(self.round[name], 0)]
        self.used[name] += order["messages"] * cost / 1e6
        if order["do"] == "pace":
            self.round[name] += 1
        return {"messages": order["messages"], "seconds": order["messages"] / 4000, "p50_ms": 0.5, "p99_ms": 2.0}

    def target(self, name: str) -> Target:
        machine = self

        class Measured(Target):
            def cpu_seconds(self) -> float:
                return machine.used[name]

        return Measured(name, name, "ws://127.0.0.1:1/ws", (), ())


def measured(**costs_ms: list[float]) -> tuple[Machine, tuple[Result, ...]]:
    machine = Machine(costs_ms)
    rounds = len(next(iter(costs_ms.values())))
    targets = [machine.target(name) for name in costs_ms]
    generator: Any = machine
    return machine, measure(targets, generator, pairs=2, messages=4000, rounds=rounds, on_round=lambda *_: None)


def test_the_cost_of_a_thousand_messages_is_the_median_of_the_rounds() -> None:
    _, (ours, bare) = measured(sigrouter=[300.0, 900.0, 310.0], crossbar=[200.0, 200.0, 100.0])
    assert ours.middle("cpu_ms") == pytest.approx(310.0)
    assert bare.middle("cpu_ms") == pytest.approx(200.0)
    assert ours.middle("per_second") == pytest.approx(4000)
    assert ours.as_mapping()["medians"]["cpu_ms"] == pytest.approx(310.0)


def test_the_ratio_is_that_of_the_same_round() -> None:
    _, (ours, bare) = measured(sigrouter=[300.0, 900.0, 310.0], crossbar=[200.0, 200.0, 100.0])
    assert ours.ratio == pytest.approx(3.1)
    assert bare.ratio == 1.0


def test_servers_take_turns_in_going_first() -> None:
    machine, _ = measured(sigrouter=[1.0, 1.0], crossbar=[1.0, 1.0])
    floods = [name for do, name in machine.orders if do == "flood"][2:]  # after the warm-up
    assert floods == ["sigrouter", "crossbar", "crossbar", "sigrouter"]


@pytest.mark.parametrize(("cost", "within"), [(400.0, True), (401.0, False)])
def test_the_bar_is_twice_bare_crossbar(cost: float, within: bool) -> None:
    _, results = measured(sigrouter=[cost], crossbar=[200.0])
    assert within_bar(results) is within


def test_the_store_on_redis_is_shown_and_not_judged() -> None:
    _, results = measured(**{"sigrouter": [1.0], "sigrouter-redis": [900.0], "crossbar": [2.0]})
    assert within_bar(results)
    output = io.StringIO()
    show(Console(file=output, width=200), results, "sigrouter bench --redis", 2)
    assert "sigrouter, Redis" in output.getvalue()
    assert "450.00" in output.getvalue()
    assert "Again: sigrouter bench --redis" in output.getvalue()


def test_json_holds_every_round_and_the_command() -> None:
    _, results = measured(sigrouter=[300.0, 320.0], crossbar=[200.0, 200.0])
    document = json.loads(as_json(results, "sigrouter bench"))
    assert document["command"] == "sigrouter bench"
    assert [len(result["rounds"]) for result in document["results"]] == [2, 2]
    assert document["results"][0]["ratio"] == pytest.approx(1.55)
