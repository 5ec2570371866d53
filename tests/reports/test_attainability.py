"""What N blocks can prove at best."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from reports.statistics.attainability import FEWEST, blocks_needed, smallest_p
from reports.statistics.pairs.max_t import step_down
from reports.statistics.pairs.signed import wilcoxon


@pytest.mark.parametrize(("alpha", "blocks"), [(0.05, 6), (0.1, 6), (0.01, 8), (0.03125, 7), (0.9, 6)])
def test_the_blocks_that_a_level_needs(alpha: float, blocks: int) -> None:
    assert blocks_needed(alpha) == blocks
    assert smallest_p(blocks) < alpha
    assert blocks == FEWEST or alpha <= smallest_p(blocks - 1)


@pytest.mark.parametrize("blocks", [6, 7, 9])
@pytest.mark.parametrize("comparisons", [1, 3, 9])
def test_the_floor_is_what_the_best_outcome_gives_for_any_number_of_arms(blocks: int, comparisons: int) -> None:
    best = np.random.default_rng(0).uniform(0.9, 1.1, (blocks, comparisons))
    assert step_down(best) == pytest.approx(np.full(comparisons, smallest_p(blocks)))
    assert wilcoxon(best[:, 0]).p == pytest.approx(smallest_p(blocks))


def test_no_block_proves_nothing_and_fewer_are_refused() -> None:
    assert smallest_p(0) == smallest_p(1) == 1.0
    with pytest.raises(ValueError, match="at least 0"):
        smallest_p(-1)


@pytest.mark.parametrize("alpha", [0.0, 1.0, -0.1])
def test_senseless_levels_are_refused(alpha: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        blocks_needed(alpha)


def test_the_floor_is_known_without_loading_scipy() -> None:
    code = "import sys, reports.statistics.attainability; sys.exit('scipy' in sys.modules or 'pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
