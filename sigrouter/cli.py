"""The command ``sigrouter``. Its commands are imported when they are called, so that help and completion are quick."""

from collections.abc import Mapping
from difflib import get_close_matches
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final

import click

from sigrouter import __version__
from sigrouter.settings.problems import SettingsError

COMMANDS: Final[Mapping[str, str]] = {
    "start": "Run a node.",
    "check": "Check the settings and show what is in force.",
    "token": "Make a JWT for development and tests.",
    "keys": "Make development keys and print the public ones (JWKS).",
    "drain": "Hand a node's sessions over to the other nodes.",
    "undrain": "Turn a drain back.",
    "report": "Show what happened to every session in a handover.",
    "nodes": "List the nodes.",
    "sessions": "List the sessions of a node.",
    "session": "Show one session.",
    "kick": "End a session.",
    "demo": "Redeploy a small cluster before your eyes.",
    "bench": "Measure this machine, beside bare Crossbar.",
}
"""Each command's line of help; the command itself is ``command`` in ``sigrouter.commands.<name>``."""


class LazyGroup(click.Group):
    """Lists commands without importing them, and turns wrong settings into sentences for every one."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        """The names of the commands that are installed, in the order of ``COMMANDS``."""
        return [name for name in COMMANDS if _module_exists(name)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  # click's signature
        """The command, imported now; ``None`` when there is no such one."""
        if cmd_name not in COMMANDS or not _module_exists(cmd_name):
            return None
        command: click.Command = import_module(f"sigrouter.commands.{cmd_name}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Like click's, with a hint at the nearest name."""
        name = args[0]
        if not name.startswith("-") and self.get_command(ctx, name) is None:
            near = get_close_matches(name, self.list_commands(ctx), n=1)
            hint = f" Did you mean '{near[0]}'?" if near else f" See '{ctx.command_path} --help'."
            ctx.fail(f"There is no command '{name}'.{hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The commands with their lines of help, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name]) for name in self.list_commands(ctx)])

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; wrong settings end it with 1 and all problems on stderr."""
        try:
            return super().invoke(ctx)
        except SettingsError as error:
            show_problems(error)
            ctx.exit(1)


def show_problems(error: SettingsError) -> None:
    """Print all problems on stderr."""
    count = len(error.problems)
    click.secho(f"{count} problem{'s' if count > 1 else ''} with the settings:", fg="red", err=True)
    for problem in error.problems:
        click.echo(f"  - {problem}", err=True)


def _module_exists(name: str) -> bool:
    return find_spec(f"sigrouter.commands.{name}") is not None


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="sigrouter")
def main() -> None:
    """A signaling server that can be redeployed at any moment without anyone noticing.

    Settings come from the environment and from the TOML file that SIGROUTER_CONFIG names.
    """
