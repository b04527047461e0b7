"""What of compat can be told without a node; the rest is tried on a real one in tests/node/test_node_lifecycle.py."""

from types import SimpleNamespace

from twisted.internet.abstract import FileDescriptor

from sigrouter.node import compat


def test_unsent_bytes_look_through_tls_and_count_what_is_queued_and_half_sent():
    plain = SimpleNamespace(dataBuffer=b"x" * 10, offset=4, _tempDataLen=100)
    assert compat.unsent_bytes(SimpleNamespace(transport=plain)) == 106
    assert compat.unsent_bytes(SimpleNamespace(transport=SimpleNamespace(transport=plain))) == 106
    assert compat.unsent_bytes(SimpleNamespace(transport=None)) == 0


def test_aborting_a_closed_socket_is_harmless():
    compat.abort(SimpleNamespace(transport=None))


def test_twisted_still_names_its_buffers_so():
    fresh = FileDescriptor(reactor=object())
    assert compat.unsent_bytes(SimpleNamespace(transport=fresh)) == 0
    fresh.connected = 1
    fresh.startWriting = lambda: None
    fresh.write(b"x" * 7)
    fresh.writeSequence([b"y" * 5])
    assert compat.unsent_bytes(SimpleNamespace(transport=fresh)) == 12
