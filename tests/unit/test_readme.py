"""What the documents for newcomers say exists: commands, files, settings, imports."""

import ast
import importlib
import re
from pathlib import Path

import pytest

from sigrouter.cli import COMMANDS
from sigrouter.settings import Settings
from sigrouter.settings.catalogue import SETTINGS, SHORT_NAMES

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
DOCUMENTS = sorted(
    path for path in ROOT.rglob("*.md") if not {".tox", ".venv", "node_modules"} & set(path.relative_to(ROOT).parts)
)


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_link_into_the_tree_leads_somewhere(document: Path) -> None:
    links = re.findall(r"\]\((?!https?:|#|mailto:)([^)#]+)", document.read_text(encoding="utf-8"))
    assert [link for link in links if not (document.parent / link).exists()] == []


def test_the_second_command_is_what_ci_runs() -> None:
    first, second = blocks(README, "")[:2]
    assert first.strip().endswith("sigrouter start")
    runs = [line for line in (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines() if "exec" in line]
    assert runs == [f'exec {second.strip()} "$@"']


def test_both_scripts_can_be_run() -> None:
    assert all((ROOT / script).stat().st_mode & 0o111 for script in ("tests/run", ".ci/run"))


def test_every_command_that_is_named_exists() -> None:
    named = set(re.findall(r"`(?:\.venv/bin/)?sigrouter ([a-z]+)|bin/sigrouter ([a-z]+)", README + CONTRIBUTING))
    assert {first or second for first, second in named} <= set(COMMANDS)


def test_every_variable_in_the_table_is_a_setting_with_that_default() -> None:
    rows = re.findall(r"^\| (`[A-Z_`, ]+`) \| (.*?) \|", README, re.MULTILINE)
    assert rows
    defaults = {one.key: one.default for one in SETTINGS}
    for names, default in rows:
        variables = re.findall(r"[A-Z_]+", names)
        assert [name for name in variables if name not in SHORT_NAMES] == []
        for name, shown in zip(variables, default.split(", "), strict=False):
            if shown not in {"none", "any", "made up"}:
                assert str(defaults[SHORT_NAMES[name]]).removesuffix(".0") == shown.strip("`"), name


def test_the_values_that_the_text_names_are_the_defaults() -> None:
    settings = Settings()
    assert f"port {settings.node.port} for WebSockets and {settings.node.admin_port} for `/health`" in README


def test_the_client_in_the_readme_imports_what_exists_and_handles_what_happens() -> None:
    sources = blocks(README, "python")
    assert sources
    for source in sources:
        tree = ast.parse(source)
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module and node.module != "sigrouter.client.asyncio":
                module = importlib.import_module(node.module)
                assert all(hasattr(module, name.name) for name in node.names)
            if isinstance(node, ast.MatchClass) and isinstance(node.cls, ast.Name):
                event = getattr(importlib.import_module("sigrouter.client.events"), node.cls.id)
                fields = {field.name for field in event.__attrs_attrs__}
                assert set(node.kwd_attrs) <= fields


def test_every_tox_environment_that_is_named_exists_and_the_default_ones_are_told() -> None:
    tox = (ROOT / "tox.ini").read_text(encoding="utf-8")
    environments = set(re.findall(r"^\[testenv:([a-z]+)\]", tox, re.MULTILINE))
    table = CONTRIBUTING.partition("| tox environment |")[2]
    assert (
        set(re.findall(r"`([a-z]+)`", "".join(re.findall(r"^\| (`[a-z`, ]+`) \|", table, re.MULTILINE))))
        == environments
    )
    default = re.search(r"^env_list = (.*)$", tox, re.MULTILINE)
    assert default is not None
    first, second, third = default.group(1).split(", ")
    assert f"`tox` alone is `{first}`, `{second}` and `{third}`" in CONTRIBUTING
