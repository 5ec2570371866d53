"""What N blocks can prove at best."""

from __future__ import annotations

import subprocess
import sys
from math import comb

import numpy as np
import pytest

from reports.statistics.attainability import blocks_needed, smallest_p
from reports.statistics.multiplicity import holm
from reports.statistics.pairs.signed import wilcoxon


def test_one_comparison_needs_six_blocks() -> None:
    assert blocks_needed(1) == 6


@pytest.mark.parametrize(("arms", "blocks"), [(3, 7), (4, 8), (5, 9), (6, 10), (8, 11), (10, 11)])
def test_blocks_for_all_pairs(arms: int, blocks: int) -> None:
    assert blocks_needed(comb(arms, 2)) == blocks


@pytest.mark.parametrize(("arms", "blocks"), [(3, 7), (4, 7), (5, 8), (6, 8), (8, 9), (9, 9), (10, 9)])
def test_blocks_against_a_reference(arms: int, blocks: int) -> None:
    assert blocks_needed(arms - 1) == blocks


def test_seven_cell_types_carry_a_reference_and_three_others() -> None:
    assert smallest_p(7, 3) < 0.05 <= smallest_p(7, 4)


@pytest.mark.parametrize(("blocks", "comparisons"), [(6, 1), (7, 3), (9, 5)])
def test_the_floor_is_what_the_best_outcome_gives(blocks: int, comparisons: int) -> None:
    best = wilcoxon(np.arange(1.0, blocks + 1.0)).p
    assert holm(np.full(comparisons, best)).min() == pytest.approx(smallest_p(blocks, comparisons))


@pytest.mark.parametrize(("blocks", "comparisons"), [(-1, 1), (7, 0)])
def test_senseless_sizes_are_refused(blocks: int, comparisons: int) -> None:
    with pytest.raises(ValueError, match="must be at least"):
        smallest_p(blocks, comparisons)


def test_the_floor_is_known_without_loading_scipy() -> None:
    code = "import sys, reports.statistics.attainability; sys.exit('scipy' in sys.modules or 'pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
