"""Who is refused after the authenticator has said yes."""

import json

import pytest

from sigrouter.node.guard import refuse_operators
from sigrouter.protocol import uris


def test_an_operator_joins_over_the_operators_transport_only():
    refusal = refuse_operators(uris.AUTHENTICATE, "admin")
    assert refusal is not None
    assert refusal.reason == uris.ERROR_AUTHENTICATION
    assert json.loads(refusal.message) == {"message": "Authentication error"}
    assert refuse_operators(uris.AUTHENTICATE_ADMIN, "admin") is None


@pytest.mark.parametrize("role", ["client", "worker", "service"])
def test_others_are_left_to_the_authenticator(role: str):
    assert refuse_operators(uris.AUTHENTICATE, role) is None
