"""Shows the demo: a live table on a terminal, plain lines anywhere else."""

from types import TracebackType
from typing import Final, Self

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from sigrouter.demo.scene import Scene

LINE_EVERY_S: Final = 1.0


class Screen:
    """Use it as a context manager and show it scenes."""

    def __init__(self, console: Console, pairs: int) -> None:
        self._console = console
        self._pairs = pairs
        self._live = Live(console=console, refresh_per_second=10) if console.is_terminal else None
        self._phase = ""
        self._line_at = float("-inf")

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, scene: Scene) -> None:
        """Draw it; without a terminal a line for each new phase and each second."""
        if self._live is not None:
            self._live.update(Group(_heading(scene, self._pairs), _nodes(scene), _figures(scene)))
        elif scene.phase != self._phase or scene.seconds - self._line_at >= LINE_EVERY_S:
            self._phase, self._line_at = scene.phase, scene.seconds
            self._console.print(line(scene), highlight=False, markup=False, soft_wrap=True)


def line(scene: Scene) -> str:
    """One scene on one line."""
    nodes = ", ".join(f"{node.name} {node.state} {node.sessions}" for node in scene.nodes)
    return (
        f"{scene.seconds:5.1f} s  {scene.phase}  [{nodes}]  delivered {scene.figure('delivered')} "
        f"({scene.per_second:.0f}/s)  longest gap {scene.worst_gap_ms:.0f} ms  "
        f"lost {scene.figure('lost')}  doubled {scene.figure('doubled')}"
    )


def _heading(scene: Scene, pairs: int) -> Text:
    return Text.assemble(
        ("sigrouter demo", "bold"),
        f"   {pairs} clients talk to {pairs} workers   {scene.seconds:.0f} s\n",
        (scene.phase, "cyan"),
    )


def _nodes(scene: Scene) -> Table:
    table = Table("node", "state")
    table.add_column("sessions", justify="right")
    table.add_column("", min_width=40)
    most = max(1, sum(node.sessions for node in scene.nodes))
    for node in scene.nodes:
        bar = Text("█" * round(40 * node.sessions / most), style=node.name)
        table.add_row(Text(node.name, style=node.name), node.state, str(node.sessions), bar)
    return table


def _figures(scene: Scene) -> Table:
    table = Table("delivered", "messages/s", "longest gap of a pair", "lost", "doubled", "out of order")
    faults = [scene.figure(name) for name in ("lost", "doubled", "disordered")]
    table.add_row(
        str(scene.figure("delivered")),
        f"{scene.per_second:.0f}",
        f"{scene.worst_gap_ms:.0f} ms",
        *(Text(str(count), style="red" if count else "green") for count in faults),
    )
    return table
