"""The menu of URIs is well-formed, unique, and closed to peers where it must be."""

import ast
import re
from pathlib import Path

import pytest

from sigrouter.protocol import uris

ROOT = Path(__file__).parents[3]
CATALOGUE = Path(uris.__file__)
WIRE = {
    name: value
    for name, value in vars(uris).items()
    if name.isupper() and isinstance(value, str) and name not in {"REALM", "EVENT_PREFIX"}
}
FAMILIES = {
    "SESSION": "sig.session.",
    "CHANNEL": "sig.channel.",
    "PAIR": "sig.pair.",
    "WORKER": "sig.worker.",
    "ADMIN": "sig.admin.",
    "INTERNAL": "sig.internal.",
    "EVENT": "sig.event.",
    "CLOSE": "sig.close.",
    "ERROR": "sig.error.",
}
LITERAL = re.compile(r"^(sig\.(session|channel|pair|worker|admin|internal|event|close|error|room|rtc|chat)\.[a-z_.]*)$")


def test_the_menu_is_not_empty() -> None:
    assert len(WIRE) > 40


@pytest.mark.parametrize(("name", "uri"), WIRE.items())
def test_a_uri_is_lower_case_words_joined_by_dots(name: str, uri: str) -> None:
    assert re.fullmatch(r"sig(\.[a-z][a-z_]*)+", uri), name


@pytest.mark.parametrize(("name", "uri"), WIRE.items())
def test_a_uri_is_exactly_a_string_because_autobahn_compares_the_type(name: str, uri: str) -> None:
    assert type(uri) is str, name


def test_no_two_names_share_a_uri() -> None:
    assert len(set(WIRE.values())) == len(WIRE)


@pytest.mark.parametrize(("name", "uri"), WIRE.items())
def test_a_name_and_its_uri_say_the_same(name: str, uri: str) -> None:
    family, _, rest = ("INTERNAL", "", name) if name.startswith("AUTHENTICATE") else name.partition("_")
    assert uri == FAMILIES[family] + rest.lower()


def test_every_event_is_below_the_prefix_that_a_client_subscribes_to() -> None:
    events = {uri for name, uri in WIRE.items() if name.startswith("EVENT_")}
    assert events
    assert all(uri.startswith(uris.EVENT_PREFIX) for uri in events)
    assert not any(uri.startswith(uris.EVENT_PREFIX) for uri in WIRE.values() if uri not in events)


def test_what_the_node_calls_itself_is_apart_from_what_peers_call() -> None:
    internal = {name for name, uri in WIRE.items() if uri.startswith("sig.internal.")}
    assert internal
    assert all(name.startswith("AUTHENTICATE") for name in internal)


def test_the_names_in_the_catalogue_are_final() -> None:
    tree = ast.parse(CATALOGUE.read_text(encoding="utf-8"))
    loose = [ast.unparse(node) for node in tree.body if isinstance(node, ast.Assign)]
    assert loose == []
    annotated = [node for node in tree.body if isinstance(node, ast.AnnAssign)]
    assert {ast.unparse(node.annotation) for node in annotated} <= {"Final[str]", "Final[int]"}


def test_a_uri_is_written_in_the_catalogue_and_nowhere_else_in_the_code() -> None:
    strays = []
    for package in ("sigrouter", "components"):
        for path in sorted((ROOT / package).rglob("*.py")):
            if path == CATALOGUE:
                continue
            tree = ast.parse(path.read_text(encoding="utf-8"))
            strays += [
                f"{path.relative_to(ROOT)}:{node.lineno}: {node.value}"
                for node in ast.walk(tree)
                if isinstance(node, ast.Constant) and isinstance(node.value, str) and LITERAL.match(node.value)
            ]
    assert strays == []
