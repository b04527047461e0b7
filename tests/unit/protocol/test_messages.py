"""Peer input is typed or refused, and a refusal names the field."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sigrouter.protocol import messages
from sigrouter.protocol.errors import Invalid
from sigrouter.protocol.messages import Announcement, Hello, Message, PairRequest, Position

WINDOW = 256

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=300),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
ARGUMENTS = st.dictionaries(
    st.sampled_from(
        [
            "payload",
            "pair_id",
            "number",
            "acked",
            "abilities",
            "deadline_s",
            "capacity",
            "positions",
            "channel",
            "epoch",
            "seq",
            "recovery_token",
            "stack",
            "sdk",
            "node_id",
            "other",
        ]
    ),
    JSON,
)
PARSERS: tuple[Callable[[dict[str, Any]], object], ...] = (
    messages.nothing,
    messages.hello,
    lambda arguments: messages.message(arguments, WINDOW),
    lambda arguments: messages.pair_request(arguments, 60.0, 600.0, 64),
    lambda arguments: messages.announcement(arguments, 1000, 64),
    lambda arguments: messages.optional_id(arguments, "node_id"),
    lambda arguments: messages.required_id(arguments, "node_id"),
    messages.sessions_page,
    messages.handover_page,
    messages.ready_position,
    messages.mailbox_position,
    messages.recovery,
)


def refused(parse: Callable[..., object], *arguments: object) -> str:
    """The field that the refusal names."""
    with pytest.raises(Invalid) as caught:
        parse(*arguments)
    return str(caught.value.fields["field"])


@given(ARGUMENTS, st.sampled_from(PARSERS))
def test_whatever_a_peer_sends_is_parsed_or_refused_with_a_field(
    arguments: dict[str, Any], parse: Callable[[dict[str, Any]], object]
) -> None:
    try:
        parse(arguments)
    except Invalid as refusal:
        assert refusal.fields["field"]


def test_a_message_with_everything_is_taken_as_it_is() -> None:
    arguments = {"payload": {"a": [1]}, "pair_id": "p", "number": 3, "acked": 2}
    assert messages.message(arguments, WINDOW) == Message({"a": [1]}, "p", 3, 2)


def test_a_message_needs_a_payload_only_and_that_may_be_null() -> None:
    assert messages.message({"payload": None}, WINDOW) == Message(None, "", None, 0)


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({}, "payload"),
        ({"payload": 1, "pair_id": 5}, "pair_id"),
        ({"payload": 1, "pair_id": "x" * 257}, "pair_id"),
        ({"payload": 1, "number": 0}, "number"),
        ({"payload": 1, "number": True}, "number"),
        ({"payload": 1, "number": "1"}, "number"),
        ({"payload": 1, "number": 258, "acked": 1}, "number"),
        ({"payload": 1, "number": 1, "acked": -1}, "acked"),
        ({"payload": 1, "number": 2**53, "acked": 2**53}, "acked"),
        ({"payload": 1, "number": 1, "aked": 1}, "aked"),
    ],
)
def test_a_wrong_message_is_refused(arguments: dict[str, Any], field: str) -> None:
    assert refused(messages.message, arguments, WINDOW) == field


def test_the_furthest_number_of_the_window_is_taken() -> None:
    assert messages.message({"payload": 1, "number": 257, "acked": 1}, WINDOW).number == 257


def test_hello_leaves_foreign_keys_alone_and_fills_in_what_is_missing() -> None:
    assert messages.hello({"x_cb_node": 1, "stack": "green"}) == Hello("", "green", "")
    assert messages.hello(None) == Hello("", "", "")
    assert refused(messages.hello, [1]) == "authextra"
    assert refused(messages.hello, {"recovery_token": "x" * 8193}) == "recovery_token"


def test_a_pair_request_has_a_default_deadline_and_a_longest_one() -> None:
    assert messages.pair_request({}, 60.0, 600.0, 64) == PairRequest(frozenset(), 60.0)
    wanted = {"abilities": ["en", "de", "en"], "deadline_s": 0}
    assert messages.pair_request(wanted, 60.0, 600.0, 64) == PairRequest(frozenset({"en", "de"}), 0.0)
    for wrong in (-1, 601, "5", True, float("nan")):
        assert refused(messages.pair_request, {"deadline_s": wrong}, 60.0, 600.0, 64) == "deadline_s"


@pytest.mark.parametrize("abilities", ["en", [""], ["x" * 257], [1], ["a", "b", "c"]])
def test_abilities_are_a_short_list_of_short_texts(abilities: object) -> None:
    assert refused(messages.announcement, {"abilities": abilities, "capacity": 1}, 10, 2) == "abilities"


def test_an_announcement_needs_a_capacity_in_range() -> None:
    assert messages.announcement({"capacity": 0}, 10, 2) == Announcement(frozenset(), 0)
    assert refused(messages.announcement, {}, 10, 2) == "capacity"
    assert refused(messages.announcement, {"capacity": 11}, 10, 2) == "capacity"


def test_identifiers_are_optional_or_required_as_asked() -> None:
    assert messages.optional_id({}, "node_id") == ""
    assert messages.required_id({"node_id": "blue"}, "node_id") == "blue"
    assert refused(messages.required_id, {}, "node_id") == "node_id"
    assert refused(messages.required_id, {"node_id": ""}, "node_id") == "node_id"


def test_positions_tell_who_acknowledges() -> None:
    assert messages.ready_position({}) is None
    assert messages.ready_position({"positions": {"mailbox": None}}) == Position("", 0)
    assert messages.ready_position({"positions": {}}) == Position("", 0)
    assert messages.ready_position({"positions": {"mailbox": {"epoch": "e", "seq": 7}}}) == Position("e", 7)
    assert messages.mailbox_position({}) is None
    assert messages.mailbox_position({"positions": {"mailbox": None}}) is None
    assert refused(messages.ready_position, {"positions": [1]}) == "positions"
    assert refused(messages.mailbox_position, {"positions": {"mailbox": 3}}) == "positions"
    assert refused(messages.mailbox_position, {"positions": {"mailbox": {"epoch": "e"}}}) == "seq"


def test_recovery_names_a_channel_and_a_position() -> None:
    arguments = {"channel": "mailbox", "epoch": "e", "seq": 2}
    assert messages.recovery(arguments) == ("mailbox", Position("e", 2))
    assert refused(messages.recovery, {"channel": "mailbox"}) == "seq"


def test_no_arguments_means_none() -> None:
    messages.nothing({})
    assert refused(messages.nothing, {"x": 1}) == "x"


def test_long_lists_are_asked_for_in_pages() -> None:
    assert messages.sessions_page({}) == ("", 0)
    assert messages.sessions_page({"node_id": "blue", "after": 150}) == ("blue", 150)
    assert messages.handover_page({"handover_id": "h1"}) == ("h1", 0)
    assert messages.handover_page({"handover_id": "h1", "after": 400}) == ("h1", 400)
    assert refused(messages.handover_page, {}) == "handover_id"
    assert refused(messages.handover_page, {"handover_id": "h1", "after": -1}) == "after"
    assert refused(messages.sessions_page, {"after": "150"}) == "after"
