"""``sigrouter drain``: hands a node's sessions over to the others, and waits until that is done."""

import json
from typing import Any, Final

import click

from sigrouter.commands.admin_client import Admin, ConnectionGone, Refused, Run, pages
from sigrouter.commands.admin_client import run as run_on_reactor
from sigrouter.commands.report import show
from sigrouter.commands.steps import steps_from_wire
from sigrouter.protocol import uris
from sigrouter.services.handover_report import report

FIRST_LOOK_S: Final = 0.5
SLOWEST_LOOK_S: Final = 3.0


@click.command("drain")
@click.option("--wait/--no-wait", default=True, show_default=True, help="Come back when the drain is over.")
@click.option("--reason", default="operator", show_default=True, help="Stands in the GOAWAYs and in the report.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def command(run: Run | None, *, wait: bool, reason: str, as_json: bool) -> None:
    """Hand the node's sessions over to the other nodes; its process goes on, empty, until it is stopped.

    A drain that runs already is joined. With --wait it ends with 0 when everything is handed over or at the deadline,
    and with 1 when the drain was turned back or the node is gone before that was seen.
    """
    answer, steps = (run or run_on_reactor)(lambda admin: _drain(admin, reason, wait=wait))
    finished = next((step for step in steps if step["step"] == "drain_finished"), None)
    if as_json:
        click.echo(json.dumps({**answer, "finished": finished and finished["detail"]}, indent=2))
    elif finished is None:
        click.echo(f"The node drains ({answer['state']}), handover {answer['handover_id']}.")
    else:
        show(answer["handover_id"], report(steps_from_wire(steps)))
    if finished is not None and finished["detail"].get("outcome") != "done":
        raise click.exceptions.Exit(1)


async def _drain(admin: Admin, reason: str, *, wait: bool) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    answer = await admin.call(uris.ADMIN_DRAIN, reason=reason)
    steps: list[dict[str, Any]] = []
    pause_s = FIRST_LOOK_S
    while wait and not any(step["step"] == "drain_finished" for step in steps):
        await admin.pause(pause_s)
        pause_s = min(SLOWEST_LOOK_S, pause_s * 1.5)  # The answer grows with each step, so it is asked for less often.
        steps = await _steps(admin, answer["handover_id"])
    return answer, steps


async def _steps(admin: Admin, handover_id: str) -> list[dict[str, Any]]:
    try:
        return await pages(admin, uris.ADMIN_HANDOVER, "steps", handover_id=handover_id)
    except Refused as refusal:
        # Nothing is written yet, or the store is away for a moment.
        if refusal.uri in (uris.ERROR_NOT_FOUND, uris.ERROR_UNAVAILABLE):
            return []
        raise
    except ConnectionGone:
        raise ConnectionGone(
            f"The node is gone before the end of its drain was seen; ask another one: sigrouter report {handover_id}"
        ) from None
