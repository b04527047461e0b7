"""Every refusal has its own URI, says whether repeating helps, and gives nothing away."""

import ast
import inspect
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sigrouter.protocol import errors, uris

PARAMETERS = [pytest.param(refusal, id=refusal.__name__) for refusal in errors.ALL]


def make(refusal: type[errors.SigrouterError]) -> errors.SigrouterError:
    return errors.Recovery("expired") if refusal is errors.Recovery else refusal()


def error_uris() -> set[str]:
    return {value for name, value in vars(uris).items() if name.startswith("ERROR_")}


def test_the_catalogue_holds_every_class_of_the_module_once() -> None:
    classes = {
        value
        for value in vars(errors).values()
        if inspect.isclass(value) and issubclass(value, errors.SigrouterError) and value is not errors.SigrouterError
    }
    assert set(errors.ALL) == classes
    assert len(errors.ALL) == len(classes)


def test_every_error_uri_has_exactly_one_class() -> None:
    assert sorted(refusal.uri for refusal in errors.ALL) == sorted(error_uris())


@pytest.mark.parametrize("refusal", PARAMETERS)
def test_a_class_is_named_like_its_uri(refusal: type[errors.SigrouterError]) -> None:
    assert refusal.uri.removeprefix("sig.error.").replace("_", "") == refusal.__name__.lower()


@pytest.mark.parametrize("refusal", PARAMETERS)
def test_a_refusal_is_explained_to_the_reader(refusal: type[errors.SigrouterError]) -> None:
    assert refusal.__doc__
    assert refusal.__doc__ != errors.SigrouterError.__doc__
    assert "text" in vars(refusal), "the peer must not read another refusal's text"


@pytest.mark.parametrize("refusal", PARAMETERS)
def test_the_details_are_json_with_a_message(refusal: type[errors.SigrouterError]) -> None:
    details = json.loads(json.dumps(make(refusal).details()))
    assert details["message"] == refusal.text == str(make(refusal))


@pytest.mark.parametrize("refusal", PARAMETERS)
def test_only_a_refusal_that_passes_by_itself_says_when_to_come_back(refusal: type[errors.SigrouterError]) -> None:
    passing = {
        errors.Busy, errors.Draining, errors.MailboxFull, errors.Misrouted, errors.OutOfOrder, errors.RateLimited,
        errors.Unavailable,
    }  # fmt: skip
    details = make(refusal).details()
    assert ("retry_after_s" in details) == (refusal in passing)
    if refusal in passing:
        assert details["retry_after_s"] >= 0


def test_the_time_to_come_back_can_be_given_and_zero_is_a_time() -> None:
    assert errors.Busy(retry_after_s=2.5).details()["retry_after_s"] == 2.5
    assert errors.Busy(retry_after_s=0.0).details()["retry_after_s"] == 0.0
    assert errors.NotFound(retry_after_s=1.0).details()["retry_after_s"] == 1.0


def test_fields_reach_the_peer_beside_the_message() -> None:
    refusal = errors.OutOfOrder(expected=7)
    assert refusal.details() == {"message": "An earlier message is missing", "expected": 7, "retry_after_s": 0.0}
    assert errors.Invalid("capacity must not be negative", field="capacity").details() == {
        "message": "capacity must not be negative",
        "field": "capacity",
    }


@pytest.mark.parametrize("reason", sorted(errors.RECOVERY_REASONS))
def test_a_refused_recovery_tells_its_reason(reason: str) -> None:
    refusal = errors.Recovery(reason)
    assert refusal.reason == reason
    assert refusal.details() == {"message": "The session cannot be resumed", "reason": reason}


def test_a_recovery_cannot_be_refused_for_a_reason_that_no_client_knows() -> None:
    with pytest.raises(ValueError, match="bored"):
        errors.Recovery("bored")


@given(st.text(), st.dictionaries(st.sampled_from(["field", "expected", "limit_bytes"]), st.integers()))
def test_details_are_a_copy_that_can_be_changed(message: str, fields: dict[str, int]) -> None:
    refusal = errors.Invalid(message, **fields)
    refusal.details().clear()
    assert refusal.details() == {"message": message or errors.Invalid.text, **fields}


def test_the_base_answers_as_a_fault_of_the_server() -> None:
    assert errors.SigrouterError().uri == uris.ERROR_INTERNAL == errors.Internal.uri


def test_a_refusal_shows_no_more_in_its_repr_than_in_its_message() -> None:
    assert "hunter2" not in repr(errors.Authentication(hint="hunter2"))


def test_the_catalogue_is_in_the_order_of_the_alphabet() -> None:
    tree = ast.parse(Path(errors.__file__).read_text(encoding="utf-8"))
    names = [node.name for node in tree.body if isinstance(node, ast.ClassDef) and node.name != "SigrouterError"]
    assert names == sorted(names)
    assert [refusal.__name__ for refusal in errors.ALL] == names
