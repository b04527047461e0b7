"""``sigrouter undrain``: turns a drain back."""

import json

import click

from sigrouter.commands.admin_client import Run, ask
from sigrouter.protocol import uris


@click.command("undrain")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def command(run: Run | None, *, as_json: bool) -> None:
    """Let the node serve again. Ends with 1 if it does not drain, or when it is too late."""
    answer = ask(run, uris.ADMIN_UNDRAIN)
    if as_json:
        click.echo(json.dumps(answer, indent=2))
    else:
        click.echo("The node serves again." if answer["undrained"] else "There is no drain that could be turned back.")
    if not answer["undrained"]:
        raise click.exceptions.Exit(1)
