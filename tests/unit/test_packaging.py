"""What an installation needs is in the package, and each command exists."""

import ast
import importlib
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest

import sigrouter

ROOT = Path(__file__).parents[2]
SETUP = ROOT / "setup.py"


def setup_arguments() -> dict[str, Any]:
    """The keyword arguments of setup() that are literals."""
    calls = [
        node
        for node in ast.walk(ast.parse(SETUP.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "setup"
    ]
    assert len(calls) == 1
    found = {}
    for keyword in calls[0].keywords:
        try:
            found[str(keyword.arg)] = ast.literal_eval(keyword.value)
        except ValueError:
            continue
    return found


def data_files(package: str) -> list[str]:
    return sorted(
        path.relative_to(ROOT / package).as_posix()
        for path in (ROOT / package).rglob("*")
        if path.is_file() and path.suffix not in {".py", ".pyc"}
    )


@pytest.mark.parametrize("package", ["sigrouter", "components"])
def test_every_file_that_is_not_python_is_installed_too(package: str) -> None:
    patterns = setup_arguments()["package_data"].get(package, [])
    missing = [name for name in data_files(package) if not any(fnmatch(name, pattern) for pattern in patterns)]
    assert missing == []


def test_every_pattern_of_package_data_matches_something() -> None:
    for package, patterns in setup_arguments()["package_data"].items():
        idle = [pattern for pattern in patterns if not any(fnmatch(name, pattern) for name in data_files(package))]
        assert idle == []


@pytest.mark.parametrize("package", ["sigrouter", "components"])
def test_every_folder_with_code_is_a_package(package: str) -> None:
    folders = {path.parent for path in (ROOT / package).rglob("*.py")}
    assert [str(folder) for folder in sorted(folders) if not (folder / "__init__.py").is_file()] == []


def test_the_version_stands_in_the_package_as_in_the_packaging() -> None:
    assert setup_arguments()["version"] == sigrouter.__version__


def test_every_command_that_is_installed_can_be_called() -> None:
    for entry in setup_arguments()["entry_points"]["console_scripts"]:
        module, _, function = entry.partition("=")[2].partition(":")
        assert callable(getattr(importlib.import_module(module), function))
