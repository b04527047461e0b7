"""``sigrouter nodes``: who is in the cluster, in which state and of which stack."""

import json

import click

from sigrouter.commands import tables
from sigrouter.commands.admin_client import Run, ask
from sigrouter.commands.moments import moment
from sigrouter.protocol import uris


@click.command("nodes")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def command(run: Run | None, *, as_json: bool) -> None:
    """List the living nodes of the cluster."""
    answer = ask(run, uris.ADMIN_NODES)
    if as_json:
        click.echo(json.dumps(answer, indent=2))
        return
    tables.show(
        f"{len(answer['nodes'])} nodes",
        ("node", "stack", "state", "sessions", "started (UTC)", "url"),
        [
            (node["node_id"], node["stack"], node["state"], node["sessions"], moment(node["started_at"]), node["url"])
            for node in answer["nodes"]
        ],
    )
