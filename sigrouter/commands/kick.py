"""``sigrouter kick``: ends a session, wherever it is."""

import json

import click

from sigrouter.commands.admin_client import Run, ask
from sigrouter.protocol import uris


@click.command("kick")
@click.argument("session_id")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def command(run: Run | None, *, session_id: str, as_json: bool) -> None:
    """End SESSION_ID for good: its tokens are revoked, its pairs released. Ends with 1 if it was over already."""
    answer = ask(run, uris.ADMIN_KICK, session_id=session_id)
    if as_json:
        click.echo(json.dumps(answer, indent=2))
    else:
        over, unknown = f"Session {session_id} is over.", f"There is no living session {session_id}."
        click.echo(over if answer["kicked"] else unknown)
    if not answer["kicked"]:
        raise click.exceptions.Exit(1)
