"""``sigrouter report``: what happened to every session in a handover."""

import json
from typing import Any

import click
from attrs import asdict

from sigrouter.commands import tables
from sigrouter.commands.admin_client import Admin, AdminError, Run, pages
from sigrouter.commands.admin_client import run as run_on_reactor
from sigrouter.commands.moments import duration, moment
from sigrouter.commands.steps import steps_from_wire
from sigrouter.protocol import uris
from sigrouter.services.handover_report import HandoverReport, report

MOST_LOST = 50


@click.command("report")
@click.argument("handover_id", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--steps", "with_steps", is_flag=True, help="With --json: add every step.")
@click.pass_obj
def command(run: Run | None, *, handover_id: str | None, as_json: bool, with_steps: bool) -> None:
    """Show HANDOVER_ID, by default the newest: how many sessions were kept, and where the others were lost.

    Ends with 2 if a session was lost.
    """
    # One conversation for both questions: a process has one reactor, and that runs once.
    handover_id, steps = (run or run_on_reactor)(lambda admin: _read(admin, handover_id))
    made = report(steps_from_wire(steps))
    if as_json:
        extra = {"steps": steps} if with_steps else {}
        click.echo(
            json.dumps({"handover_id": handover_id, **asdict(made), "kept_share": made.kept_share, **extra}, indent=2)
        )
    else:
        show(handover_id, made)
    if made.lost:
        raise click.exceptions.Exit(2)


async def _read(admin: Admin, handover_id: str | None) -> tuple[str, list[dict[str, Any]]]:
    if handover_id is None:
        known = (await admin.call(uris.ADMIN_HANDOVERS))["handovers"]
        if not known:
            raise AdminError("There has been no handover yet.")
        handover_id = str(known[0])
    return handover_id, await pages(admin, uris.ADMIN_HANDOVER, "steps", handover_id=handover_id)


def show(handover_id: str, made: HandoverReport) -> None:
    """Print a report for people."""
    started = f", started {moment(made.started_at / 1000)} UTC" if made.started_at else ""
    took = f", took {duration(made.duration_ms)}" if made.duration_ms else ""
    click.echo(f"Handover {handover_id}: {made.outcome}{started}{took}" + (f" ({made.reason})" if made.reason else ""))
    click.secho(f"{made.kept_share:.2%} kept", fg="red" if made.lost else "green")
    columns = ("role", "sessions", "kept", "stayed", "ended", "lost")
    tables.show("Sessions", columns, [[getattr(role, column) for column in columns] for role in made.roles])
    spreads = [*made.stages.items(), *([("GOAWAY -> confirmed, in all", made.gap)] if made.gap else [])]
    tables.show(
        "How long it took",
        ("stage", "sessions", "p50", "p99", "max"),
        [(name, one.count, duration(one.p50_ms), duration(one.p99_ms), duration(one.max_ms)) for name, one in spreads],
    )
    if made.lost:
        tables.show("Lost after", ("step", "sessions"), list(made.lost_at.items()))
        tables.show(
            f"The first {MOST_LOST} lost" if len(made.lost) > MOST_LOST else "Lost",
            ("session", "role", "last step", "at (UTC)", "node", "detail"),
            [
                (one.session_id, one.role, one.step, moment(one.at / 1000), one.node_id, json.dumps(dict(one.detail)))
                for one in made.lost[:MOST_LOST]
            ],
        )
