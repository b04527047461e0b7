"""``sigrouter check``: says everything that is wrong with the settings and keys, or what is in force and why."""

import json
from typing import Any

import click

from sigrouter.services.authentication import JwtVerifier
from sigrouter.services.settings_source import read_settings_with_sources
from sigrouter.settings import Loaded
from sigrouter.settings.catalogue import SETTINGS, Setting
from sigrouter.settings.load import FROM_DEFAULT


@click.command("check")
@click.option("--changed", is_flag=True, help="Show only what differs from the defaults.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(*, changed: bool, as_json: bool) -> None:
    """Check the settings and the key files; show what is in force and where it came from.

    Ends with 1 and names every problem when there are any. Secrets are not shown.
    """
    loaded = read_settings_with_sources()
    # Unreadable key files raise the same error as wrong settings.
    kids = JwtVerifier.from_settings(loaded.settings.auth).kids
    shown = [one for one in SETTINGS if not changed or loaded.sources[one.key] != FROM_DEFAULT]
    if as_json:
        click.echo(json.dumps(_as_json(loaded, shown, kids), indent=2))
        return
    _show_table(loaded, shown)
    click.echo()
    if loaded.settings.development:
        click.echo(
            f"Development: no JWT keys are given, so the node makes its own in {loaded.settings.node.state_dir!r}."
        )
    else:
        click.echo(f"JWT keys: {', '.join(kid or '(without kid)' for kid in kids)}.")
    click.secho("The settings are good.", fg="green")


def _as_json(loaded: Loaded, shown: list[Setting], kids: tuple[str, ...]) -> dict[str, Any]:
    return {
        "development": loaded.settings.development,
        "jwt_kids": list(kids),
        "settings": {one.key: {"value": _value(loaded, one), "from": loaded.sources[one.key]} for one in shown},
    }


def _show_table(loaded: Loaded, shown: list[Setting]) -> None:
    rows = [(one.key, _text(_value(loaded, one)), loaded.sources[one.key]) for one in shown]
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(2)]
    for key, value, source in rows:
        click.echo(f"{key:<{widths[0]}}  {value:<{widths[1]}}  {source}")


def _value(loaded: Loaded, setting: Setting) -> Any:
    section = getattr(loaded.settings, setting.section)
    value = getattr(section, setting.name)
    if not setting.secret:
        return value
    return "(set, not shown)" if value else "(not set)"


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(value) or "(none)"
    return str(value) or "(empty)"
