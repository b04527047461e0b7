"""Runs ``sigrouter`` in this process with nothing set but what a test sets."""

from click.testing import CliRunner, Result

from sigrouter.cli import main
from sigrouter.settings.catalogue import VARIABLES


def run(*arguments: str, **environment: str) -> Result:
    """The result of ``sigrouter ARGUMENTS``; an unexpected exception is raised."""
    nothing: dict[str, str | None] = dict.fromkeys(VARIABLES)
    return CliRunner().invoke(main, arguments, env={**nothing, **environment}, catch_exceptions=False)
