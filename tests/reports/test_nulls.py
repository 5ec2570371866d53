"""Simulated nulls: no test that a report offers cries wolf more often than it says, at any size it is used at.

Every rate is held against 0.06 plus two Monte-Carlo standard errors of a rate of 0.05: the level is 0.05, and
0.06 is what the specification tolerates.
"""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
import pytest

from reports.equivalence import MARGIN, tost
from reports.factorial import factorial
from reports.statistics import friedman, sign_test, wilcoxon

pytestmark = pytest.mark.slow

LEVEL, TOLERATED = 0.05, 0.06
SIZES = (5, 7, 10, 22)


def holds(rejected: list[bool]) -> None:
    error = np.sqrt(LEVEL * (1 - LEVEL) / len(rejected))
    assert np.mean(rejected) <= TOLERATED + 2 * error, f"{np.mean(rejected):.3f} over {len(rejected)} nulls"


def drawn(blocks: int, arms: int, seed: int) -> np.ndarray:
    """Equal arms on blocks that differ, ``[blocks, arms]``."""
    rng = np.random.default_rng(seed)
    return rng.normal(0.7, 0.05, size=(blocks, 1)) + rng.normal(0, 0.02, size=(blocks, arms))


def difference(blocks: int, seed: int) -> np.ndarray:
    values = drawn(blocks, 2, seed)
    return values[:, 0] - values[:, 1]


@pytest.mark.parametrize("blocks", [6, *SIZES[1:]])
def test_exact_wilcoxon(blocks: int) -> None:
    """Five blocks are refused; six is the smallest size it is offered at."""
    holds([wilcoxon(difference(blocks, seed)).p < LEVEL for seed in range(1500)])


def test_five_blocks_have_no_wilcoxon() -> None:
    with pytest.raises(ValueError, match="at least 6"):
        wilcoxon(np.zeros(5))


@pytest.mark.parametrize(("blocks", "nulls"), [(7, 150), (22, 1500)])
def test_wilcoxon_on_scores_rounded_as_papers_print_them(blocks: int, nulls: int) -> None:
    """Three decimals make ties and zeros: signs are permuted below 14 blocks, approximated from there."""
    holds([wilcoxon(np.round(difference(blocks, seed) / 4, 3)).p < LEVEL for seed in range(nulls)])


@pytest.mark.parametrize("blocks", SIZES)
def test_sign_test(blocks: int) -> None:
    holds([sign_test(difference(blocks, seed)).p < LEVEL for seed in range(1000)])


@pytest.mark.parametrize(("blocks", "arms"), [(5, 3), (5, 5), (7, 3)])
def test_permutation_friedman(blocks: int, arms: int) -> None:
    tests = [friedman(pd.DataFrame(drawn(blocks, arms, seed))) for seed in range(120)]
    assert all(test.p_permutation is not None for test in tests)
    holds([test.p < LEVEL for test in tests])


@pytest.mark.parametrize("blocks", [10, 22])
@pytest.mark.parametrize("arms", [3, 5])
def test_iman_davenport(blocks: int, arms: int) -> None:
    tests = [friedman(pd.DataFrame(drawn(blocks, arms, seed))) for seed in range(600)]
    assert all(test.p_permutation is None for test in tests)
    holds([test.p < LEVEL for test in tests])


@pytest.mark.parametrize("blocks", SIZES)
@pytest.mark.parametrize("spread", [0.2, 0.02])
def test_equality_of_arms_that_differ_by_the_margin(blocks: int, spread: float) -> None:
    """A true difference at the margin's very edge is the hardest one not to call equal."""
    holds([tost(MARGIN + spread * difference(blocks, seed), MARGIN) < LEVEL for seed in range(1500)])


@pytest.mark.parametrize("blocks", SIZES)
def test_factors_together(blocks: int) -> None:
    """Seven effects of three factors, all null; one level varies three times as much as the others."""
    levels = product(("gat", "gcn", "none"), ("early", "late"), ("on", "off"))
    design = pd.DataFrame(levels, columns=["gnn", "fusion", "contrast"], index=[f"arm{i}" for i in range(12)])
    scale = np.where(design["gnn"] == "gat", 3.0, 1.0)
    rejected: list[bool] = []
    for seed in range(30):
        values = 0.7 + (drawn(blocks, 12, seed) - 0.7) * scale
        found = factorial(pd.DataFrame(values, columns=design.index), design, "auroc")
        assert found is not None and len(found.effects) == 7
        rejected += (found.effects["p"] < LEVEL).tolist()
    holds(rejected)
