"""``sigrouter session``: everything that the store knows of one session."""

import json
from typing import Any

import click

from sigrouter.commands import tables
from sigrouter.commands.admin_client import Run, ask
from sigrouter.commands.moments import moment
from sigrouter.protocol import uris


@click.command("session")
@click.argument("session_id")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def command(run: Run | None, *, session_id: str, as_json: bool) -> None:
    """Show SESSION_ID: its record, its pairs, and, of a worker, its announcement."""
    answer = ask(run, uris.ADMIN_SESSION, session_id=session_id)
    if as_json:
        click.echo(json.dumps(answer, indent=2))
        return
    record = [(name, _shown(name, value)) for name, value in answer["session"].items()]
    tables.show(f"Session {session_id}", ("", ""), record)
    if answer["worker"]:
        tables.show("Worker", ("", ""), [(name, _shown(name, value)) for name, value in answer["worker"].items()])
    if answer["pairs"]:
        columns = ("pair_id", "peer_session_id", "peer_user_id", "peer_state")
        tables.show("Pairs", columns, [[pair.get(column) for column in columns] for pair in answer["pairs"]])


def _shown(name: str, value: Any) -> Any:
    if name.endswith("_at"):
        return moment(value)
    return ", ".join(map(str, value)) if isinstance(value, list) else value
