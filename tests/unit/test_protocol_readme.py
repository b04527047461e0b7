"""The wire specification and the code name the same URIs, refusals, reasons and steps."""

import re
from pathlib import Path

from sigrouter.protocol import errors, uris

SPECIFICATION = (Path(uris.__file__).parent / "README.md").read_text(encoding="utf-8")
MENTIONED = set(re.findall(r"(?<![\w.])sig\.[a-z]+(?:\.[a-z][a-z_]*)+", SPECIFICATION))
INTERNAL = {value for name, value in vars(uris).items() if name.startswith("AUTHENTICATE")}


def on_the_wire() -> set[str]:
    texts = {value for name, value in vars(uris).items() if name.isupper() and isinstance(value, str)}
    return texts - INTERNAL - {uris.REALM, uris.EVENT_PREFIX}


def test_every_uri_that_a_peer_can_meet_is_specified() -> None:
    assert on_the_wire() - MENTIONED == set()


def test_the_specification_names_no_uri_that_the_code_does_not_have() -> None:
    assert MENTIONED - on_the_wire() == set()


def test_what_the_node_calls_itself_is_no_part_of_the_specification() -> None:
    assert not INTERNAL & MENTIONED


def test_realm_and_protocol_version_are_those_of_the_code() -> None:
    assert f"realm `{uris.REALM}`" in SPECIFICATION
    assert f"Protocol version: {uris.PROTOCOL_VERSION}." in SPECIFICATION


def test_every_reason_of_a_refused_recovery_is_specified() -> None:
    listed = re.search(r"`sig\.error\.recovery` with `reason` ([a-z |]+)", SPECIFICATION)
    assert listed is not None
    assert set(listed.group(1).split(" | ")) & errors.RECOVERY_REASONS == errors.RECOVERY_REASONS


def test_every_refusal_is_specified_by_its_own_uri() -> None:
    assert {refusal.uri for refusal in errors.ALL} <= MENTIONED


def refusal_rows() -> dict[str, str]:
    return dict(re.findall(r"^\| `(sig\.error\.[a-z_]+)` \| .* \| (.*) \|$", SPECIFICATION, re.MULTILINE))


def test_the_table_of_refusals_has_one_row_for_each_class() -> None:
    rows = re.findall(r"^\| `(sig\.error\.[a-z_]+)` \|", SPECIFICATION, re.MULTILINE)
    assert sorted(rows) == sorted(refusal.uri for refusal in errors.ALL)


def test_the_table_says_yes_to_repeating_where_the_code_gives_a_time() -> None:
    promised = {uri for uri, repeat in refusal_rows().items() if repeat.startswith("yes")}
    assert promised == {refusal.uri for refusal in errors.ALL if refusal.default_retry_after_s is not None}
