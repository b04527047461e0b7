"""``sigrouter start``: run a node that follows the settings and drains when it is told to stop."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import click

from sigrouter.settings.problems import SettingsError

DEFAULT_STATE_DIR: Final = ".sigrouter"
USAGE_ERROR: Final = 2
CONFIG_VARIABLE: Final = "SIGROUTER_CONFIG"


@click.command("start")
@click.option(
    "--cbdir", type=click.Path(file_okay=False), help="Crossbar's node directory; default: the clone's .crossbar."
)
@click.option("--config", type=click.Path(exists=True, dir_okay=False), help="The settings file (TOML).")
@click.option("--host", help="Address of the public WebSocket.")
@click.option("--port", type=int, help="Port of the public WebSocket.")
@click.option("--admin-port", type=int, help="Port of /health, /ready and the operators' WebSocket.")
@click.option("--state-dir", type=click.Path(file_okay=False), help="What this node keeps; its own for each node.")
@click.option("--loglevel", type=click.Choice(["error", "warn", "info", "debug", "trace"]), help="How much is logged.")
def command(cbdir: str | None, **options: Any) -> None:
    """Run a node until SIGTERM or SIGINT, then drain; exit with 0 if all of that was clean."""
    own_state = options["state_dir"] is not None or _given("SIGROUTER_NODE_STATE_DIR", "STATE_DIR")
    # The worker is another process in another directory: what was said here reaches it through the environment.
    os.environ.update(variables(options))
    sys.exit(run(cbdir, own_state=own_state))


def variables(options: Mapping[str, Any]) -> dict[str, str]:
    """The environment variables that say what the command line's options say."""
    said = {
        "SIGROUTER_NODE_HOST": options["host"],
        "SIGROUTER_NODE_PORT": options["port"],
        "SIGROUTER_NODE_ADMIN_PORT": options["admin_port"],
        "SIGROUTER_NODE_STATE_DIR": options["state_dir"] and Path(options["state_dir"]).resolve(),
        "SIGROUTER_NODE_LOG_LEVEL": options["loglevel"],
        CONFIG_VARIABLE: options["config"] and Path(options["config"]).resolve(),
    }
    return {name: str(value) for name, value in said.items() if value is not None}


def run(cbdir: str | None, *, own_state: bool) -> int:
    """Check, prepare and run the node of this process's environment; its exit code."""
    from sigrouter.node.configuration import check_endpoints, render, template  # noqa: PLC0415 - Crossbar loads slowly
    from sigrouter.node.directory import CONFIGURATION, prepare  # noqa: PLC0415 - Crossbar loads slowly
    from sigrouter.node.sources import read_settings  # noqa: PLC0415 - Crossbar loads slowly

    try:
        settings = read_settings()
        problems = check_endpoints(settings, render(template(), settings))
        if problems:
            raise SettingsError(problems)
        os.environ["SIGROUTER_NODE_STATE_DIR"] = str(Path(settings.node.state_dir).resolve())
        directory = prepare(cbdir, settings.node, own_state=own_state)
    except SettingsError as error:
        for problem in error.problems:
            click.echo(problem, err=True)
        return USAGE_ERROR
    except OSError as error:
        click.echo(f"The node directory cannot be prepared: {error}", err=True)
        return USAGE_ERROR
    arguments = ["start", "--cbdir", str(directory), "--config", CONFIGURATION, "--loglevel", settings.node.log_level]
    return _run_crossbar(arguments)


def _run_crossbar(arguments: list[str]) -> int:
    # Importing any of these chooses the process's reactor, so it happens here and not at the top.
    from autobahn.twisted.choosereactor import install_reactor  # noqa: PLC0415 - see above

    reactor = install_reactor()
    from crossbar.node.main import main  # noqa: PLC0415 - see above

    from sigrouter.node.personality import Personality  # noqa: PLC0415 - see above

    try:
        main("sigrouter", arguments, reactor, Personality)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    for fault in Personality.outcome.faults:
        click.echo(fault, err=True)
    return Personality.outcome.exit_code


def _given(*names: str) -> bool:
    return any(os.environ.get(name, "").strip() for name in names)
