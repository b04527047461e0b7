"""Settings for all tests; imports nothing of Twisted, so that the pure packages can be tested without it."""

from hypothesis import settings

from sigrouter.node.recursion import restore_limit

# A shared machine is slow at times; an example that takes long is no bug. A failure prints how to repeat it.
settings.register_profile("house", deadline=None, print_blob=True)
settings.load_profile("house")


def pytest_runtest_setup() -> None:
    # Some tests import Crossbar, which must not change what the others test.
    restore_limit()
