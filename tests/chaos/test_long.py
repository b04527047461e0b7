"""Minutes of random faults, for several seeds: nothing acknowledged is lost, nothing doubled, nobody loses a session.

``SIGROUTER_TEST_CHAOS_SECONDS`` (600): how long things break, for each seed. ``SIGROUTER_TEST_CHAOS_SEEDS``: the seeds,
with commas; without them three new ones are taken, and printed. ``SIGROUTER_TEST_CHAOS_PAIRS`` (10).
"""

import os
import random
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.chaos.run import repeat, run
from tests.chaos.scenario import scenario

SECONDS: Final = float(os.environ.get("SIGROUTER_TEST_CHAOS_SECONDS", "600"))
PAIRS: Final = int(os.environ.get("SIGROUTER_TEST_CHAOS_PAIRS", "10"))
CHOSEN: Final = os.environ.get("SIGROUTER_TEST_CHAOS_SEEDS", "")
SEEDS: Final = [int(seed) for seed in CHOSEN.split(",")] if CHOSEN else random.sample(range(1_000_000), 3)


@pytest.mark.timeout(2 * SECONDS + 600)
@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_breaks_nothing_acknowledged_is_lost_and_nobody_loses_a_session(
    seed: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    planned = scenario(seed, SECONDS)
    with capsys.disabled():
        sys.stdout.write(f"\n{repeat(planned, PAIRS)}\n")
    story = run(planned, PAIRS, tmp_path)
    with capsys.disabled():
        sys.stdout.write(f"{story}\n")
