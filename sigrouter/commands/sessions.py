"""``sigrouter sessions``: who is confirmed on a node."""

import json
from typing import Any

import click

from sigrouter.commands import tables
from sigrouter.commands.admin_client import Run, ask_all
from sigrouter.commands.moments import moment
from sigrouter.protocol import uris


@click.command("sessions")
@click.argument("node_id", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def command(run: Run | None, *, node_id: str | None, as_json: bool) -> None:
    """List the sessions of NODE_ID, by default of the node that is asked."""
    arguments: dict[str, Any] = {"node_id": node_id} if node_id else {}
    answer = {"sessions": ask_all(run, uris.ADMIN_SESSIONS, "sessions", **arguments)}
    if as_json:
        click.echo(json.dumps(answer, indent=2))
        return
    tables.show(
        f"{len(answer['sessions'])} sessions",
        ("session", "user", "role", "state", "generation", "handover", "created (UTC)"),
        [
            (
                one["session_id"],
                one["user_id"],
                one["role"],
                one["state"],
                one["generation"],
                one["handover_id"],
                moment(one["created_at"]),
            )
            for one in answer["sessions"]
        ],
    )
