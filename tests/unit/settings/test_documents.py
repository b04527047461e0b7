"""The files that document the settings say what the code does."""

import re
import tomllib
from pathlib import Path

from sigrouter.settings import load
from sigrouter.settings.catalogue import FILE_VARIABLES, SETTINGS, SHORT_NAMES, VARIABLES

TOP = Path(__file__).parents[3]
DEFAULT_TOML = (TOP / "config" / "default.toml").read_text(encoding="utf-8")
EXAMPLE = (TOP / ".env.example").read_text(encoding="utf-8")


def test_the_default_file_holds_every_setting_with_its_default():
    stated = {
        f"{section}.{name}": tuple(value) if isinstance(value, list) else value
        for section, table in tomllib.loads(DEFAULT_TOML).items()
        for name, value in table.items()
    }
    assert stated == {setting.key: setting.default for setting in SETTINGS}
    assert list(stated) == [setting.key for setting in SETTINGS]


def test_loading_the_default_file_changes_nothing():
    assert load(DEFAULT_TOML, {}, "h") == load(None, {}, "h")


def test_the_example_environment_names_only_variables_that_exist():
    named = re.findall(r"^#?([A-Z][A-Z0-9_]*)=", EXAMPLE, re.MULTILINE)
    assert set(named) <= VARIABLES
    assert len(named) == len(set(named))


def test_the_example_environment_names_every_short_variable():
    named = set(re.findall(r"^#?([A-Z][A-Z0-9_]*)=", EXAMPLE, re.MULTILINE))
    assert set(SHORT_NAMES) | set(FILE_VARIABLES) <= named


def test_the_example_environment_as_it_stands_is_the_default():
    active = dict(re.findall(r"^([A-Z][A-Z0-9_]*)=(.*)$", EXAMPLE, re.MULTILINE))
    assert active
    assert load(None, active) == load(None, {})


def test_every_variable_is_of_one_setting():
    names = [name for setting in SETTINGS for name in (setting.variable, *setting.short)]
    assert len(names) == len(set(names))
