"""Settings for all tests; imports nothing of Twisted, so that the pure packages can be tested without it."""

import inspect

import pytest
from hypothesis import settings

from sigrouter.node.recursion import restore_limit

# A shared machine is slow at times; an example that takes long is no bug. A failure prints how to repeat it.
settings.register_profile("house", deadline=None, print_blob=True)
settings.load_profile("house")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    # The signal of a timeout would be raised inside the reactor, which logs it and goes on; there a thread has to end
    # the run. Everywhere else the signal fails one test, and what the test started is stopped.
    for item in items:
        if inspect.iscoroutinefunction(inspect.unwrap(getattr(item, "obj", None) or ord)):
            given = item.get_closest_marker("timeout")
            seconds = given.args[0] if given and given.args else float(config.getini("timeout"))
            item.add_marker(pytest.mark.timeout(seconds, method="thread"), append=False)


def pytest_runtest_setup() -> None:
    # Some tests import Crossbar, which must not change what the others test.
    restore_limit()
