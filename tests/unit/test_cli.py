"""The frame of the command: quick help, and sentences instead of tracebacks."""

import subprocess
import sys
from importlib.util import find_spec

import click
import pytest

from sigrouter import __version__
from sigrouter.cli import COMMANDS, main
from tests.unit.commands.running import run

INSTALLED = [name for name in COMMANDS if find_spec(f"sigrouter.commands.{name}")]


def test_the_help_lists_the_installed_commands_each_with_a_line():
    result = run("--help")
    assert result.exit_code == 0
    lines = result.stdout.split("Commands:")[1].strip().splitlines()
    assert [line.split()[0] for line in lines] == INSTALLED
    for line in lines:
        assert COMMANDS[line.split()[0]] in line


def test_help_and_list_import_no_command_and_no_network_code():
    code = (
        "import sys\nfrom click.testing import CliRunner\nfrom sigrouter.cli import main\n"
        "assert CliRunner().invoke(main, ['--help']).exit_code == 0\n"
        "heavy = ('twisted', 'autobahn', 'crossbar', 'jwt', 'cryptography', 'sigrouter.commands.')\n"
        "print([name for name in sys.modules if name.startswith(heavy)])"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=50, check=True)
    assert answer.stdout.strip() == "[]"


@pytest.mark.parametrize("name", INSTALLED)
def test_every_command_loads_by_its_name_and_explains_itself(name):
    command = main.get_command(click.Context(main), name)
    assert isinstance(command, click.Command)
    assert command.name == name
    assert run(name, "--help").exit_code == 0


def test_a_mistyped_command_gets_a_hint():
    result = run("chekc")
    assert result.exit_code == 2
    assert "There is no command 'chekc'. Did you mean 'check'?" in result.stderr
    assert "See 'main --help'." in run("zzzzzz").stderr


def test_a_module_that_is_no_command_is_none():
    assert main.get_command(click.Context(main), "__init__") is None
    assert "There is no command" in run("__init__").stderr


def test_an_option_that_does_not_exist_is_named_as_one():
    assert "No such option" in run("--versoin").stderr


def test_the_version_is_told():
    assert run("--version").stdout == f"sigrouter, version {__version__}\n"


def test_wrong_settings_end_any_command_with_all_problems_in_words():
    for arguments in (("check",), ("token", "--user", "a"), ("keys",)):
        result = run(*arguments, PORT="x", LOG_LEVEL="loud")
        assert result.exit_code == 1
        assert result.stdout == ""
        assert "2 problems with the settings:" in result.stderr
        assert "  - node.port = 'x' (from PORT in the environment)" in result.stderr
        assert "  - node.log_level = 'loud'" in result.stderr
    assert "1 problem with the settings:" in run("check", PORT="x").stderr
