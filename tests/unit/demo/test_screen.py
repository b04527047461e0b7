"""The demo shows what happens with and without a terminal."""

import io

from rich.console import Console

from sigrouter.demo.ledger import Ledger
from sigrouter.demo.scene import NodeView, Scene
from sigrouter.demo.screen import Screen, line


def scene(phase: str = "Moving", seconds: float = 3.0, **nodes: int) -> Scene:
    ledger = Ledger()
    ledger.bind(0, client="client-0", worker="worker-0")
    for at in (1.0, 1.3):
        message = ledger.offer(0, "client", at)
        ledger.acknowledge(message, at)
        ledger.deliver("worker-0", message, at)
    ledger.deliver("worker-0", message, 1.4)
    views = tuple(NodeView(name, "ready", count) for name, count in nodes.items())
    return Scene(phase, views, ledger.report(final=False).as_mapping(), 80.2, (), seconds)


def test_a_line_holds_the_phase_the_nodes_and_the_figures() -> None:
    assert line(scene(blue=12, green=8)) == (
        "  3.0 s  Moving  [blue ready 12, green ready 8]  delivered 2 (80/s)  longest gap 300 ms  lost 0  doubled 1"
    )


def test_before_anybody_talks_all_figures_are_zero() -> None:
    assert line(Scene("Starting Redis", (), {}, 0.0, (), 0.0)).endswith(
        "delivered 0 (0/s)  longest gap 0 ms  lost 0  doubled 0"
    )


def test_without_a_terminal_there_is_a_line_for_each_phase_and_each_second() -> None:
    output = io.StringIO()
    with Screen(Console(file=output, width=300), 10) as screen:
        for phase, seconds in (("One", 0.0), ("One", 0.5), ("One", 1.1), ("Two", 1.2)):
            screen.show(scene(phase, seconds))
    assert [text.split()[2] for text in output.getvalue().splitlines()] == ["One", "One", "Two"]


def test_on_a_terminal_there_is_a_table_with_every_node() -> None:
    output = io.StringIO()
    with Screen(Console(file=output, width=100, force_terminal=True), 10) as screen:
        screen.show(scene(blue=12, green=8))
    shown = output.getvalue()
    assert all(word in shown for word in ("blue", "green", "12", "lost", "doubled", "10 clients"))
