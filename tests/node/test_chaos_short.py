"""A short chaos run, always the same one: handover, crash, Redis and network overlap, and nothing is lost."""

from pathlib import Path
from typing import Final

import pytest

from tests.chaos.run import run
from tests.chaos.scenario import scenario

SEED: Final = 1109
SECONDS: Final = 22.0
PAIRS: Final = 6


@pytest.mark.timeout(400)
def test_a_short_chaos_run_loses_and_doubles_nothing(tmp_path: Path) -> None:
    run(scenario(SEED, SECONDS), PAIRS, tmp_path)
