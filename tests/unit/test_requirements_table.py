"""tests/REQUIREMENTS.md names every requirement once, and only tests that exist."""

import ast
import re
from collections import Counter
from pathlib import Path

import pytest
from attrs import frozen

ROOT = Path(__file__).parents[2]
TABLE = ROOT / "tests" / "REQUIREMENTS.md"
# The numbers leave gaps between the chapters, so that a chapter can grow.
CHAPTERS = {1: 6, 10: 19, 20: 24, 30: 36, 40: 44, 50: 53, 60: 66, 70: 75, 80: 80}
NUMBERS = [f"R{number}" for first, last in CHAPTERS.items() for number in range(first, last + 1)]
STATES = {"proved", "partly", "open"}


@frozen
class Row:
    """One line of the table."""

    number: str
    what: str
    state: str
    tests: tuple[str, ...]
    rest: str


def rows() -> list[Row]:
    found = []
    for line in TABLE.read_text(encoding="utf-8").splitlines():
        if not re.match(r"\| R\d+ ", line):
            continue
        number, what, state, evidence = (cell.strip() for cell in line.strip().strip("|").split("|"))
        found.append(Row(number, what, state, tuple(re.findall(r"`(tests/[^`]+)`", evidence)), evidence))
    return found


def functions(path: Path) -> set[str]:
    """Test functions as ``name`` and methods as ``Class::name``; hypothesis' state machines as ``Class``."""
    names = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.ClassDef):
            names.add(node.name)
            names |= {
                f"{node.name}::{method.name}"
                for method in node.body
                if isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef)
            }
        elif isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return names


def test_every_requirement_stands_in_the_table_once() -> None:
    assert Counter(row.number for row in rows()) == Counter(NUMBERS)


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.number)
def test_a_row_says_what_and_how_far(row: Row) -> None:
    assert row.what
    assert row.state in STATES


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.number)
def test_what_is_called_proved_names_its_proof_and_what_is_open_says_so(row: Row) -> None:
    if row.state == "open":
        assert not row.tests, "a requirement with tests is at least partly proved"
        assert row.rest, "an open requirement says when it is due"
    else:
        assert row.tests
    if row.state == "partly":
        assert "open:" in row.rest


@pytest.mark.parametrize("test", sorted({test for row in rows() for test in row.tests}))
def test_a_named_test_exists(test: str) -> None:
    file, _, function = test.partition("::")
    path = ROOT / file
    assert path.is_file(), f"{file} does not exist"
    assert path.name.startswith("test_"), f"pytest would not collect {file}"
    if function:
        assert function in functions(path)
    else:
        assert any(name.split("::")[-1].lower().startswith("test") for name in functions(path)), f"no test in {file}"
