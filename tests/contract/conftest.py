"""The implementations that the contract suite runs on."""

from collections.abc import Iterator

import pytest

from tests.contract.case import CaseTimes, StoreCase
from tests.contract.memory_case import MemoryCase
from tests.contract.redis_case import RedisCase

CASES: list[type[StoreCase]] = [MemoryCase, RedisCase]


@pytest.fixture(params=CASES)
def case_type(request: pytest.FixtureRequest) -> type[StoreCase]:
    """An implementation's case, not yet made."""
    chosen: type[StoreCase] = request.param
    return chosen


@pytest.fixture
def case(case_type: type[StoreCase]) -> Iterator[StoreCase]:
    """A fresh, open case."""
    case = case_type(CaseTimes())
    case.run(case.open())
    yield case
    case.run(case.close())
