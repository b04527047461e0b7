"""Tables on the terminal: with rich where it is installed, else as aligned text."""

from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec

import click


def show(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table; ``None`` stands as an empty cell."""
    cells = [["" if cell is None else str(cell) for cell in row] for row in rows]
    if find_spec("rich") is not None:
        _show_rich(title, columns, cells)
    else:
        _show_plain(title, columns, cells)


def _show_rich(title: str, columns: Sequence[str], rows: list[list[str]]) -> None:
    # Optional, so mypy need not find it.
    console, rich_table, rich_text = (import_module(f"rich.{name}") for name in ("console", "table", "text"))
    table = rich_table.Table(title=title, title_justify="left", title_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(rich_text.Text(cell) for cell in row))  # Text: an id in brackets is no markup
    console.Console().print(table)


def _show_plain(title: str, columns: Sequence[str], rows: list[list[str]]) -> None:
    lines = [list(columns), *rows]
    widths = [max(len(line[index]) for line in lines) for index in range(len(columns))]
    click.echo(title)
    for line in lines:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
