"""Simulated nulls of factors together: no mean effect, but an effect of each level in each block.

Larger simulations than a suite can carry gave these shares of p < .05 (range over four designs with 2 or 3 factors,
combinations or 15 to 20 % of the cells missing, and over all effects). Flipped signs, 2,000 studies each (standard
error .005): .021 to .037 at 6 blocks, .038 to .062 at 7 (the .062 again with 6,000: .048), .040 to .056 at 10, .045
to .059 at 22; with one level three times as variable, 4,000 studies at 14 and 17 blocks, .046 to .054. Without
standardising each flip up to .065.
"""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
import pytest
from test_nulls import LEVEL, SIZES, holds

from reports.findings.factorial import factorial
from reports.statistics.factors.levels import simple_effects

FACTORS = {"gnn": ("gat", "gcn", "none"), "fusion": ("early", "late")}
DESIGN = pd.DataFrame(list(product(*FACTORS.values())), columns=list(FACTORS), index=[f"arm{i}" for i in range(6)])


def nulls(blocks: int, seed: int, gaps: float = 0.0) -> pd.DataFrame:
    """Block means without any effect; a share ``gaps`` of the cells was not run, whatever they would have scored."""
    rng = np.random.default_rng(seed)
    values = rng.normal(0.7, 0.05, (blocks, 1)) + rng.normal(0, 0.01, (blocks, len(DESIGN)))
    for factor in DESIGN:
        codes, uniques = pd.factorize(DESIGN[factor])
        values += rng.normal(0, 0.01, (blocks, len(uniques)))[:, codes]
    values[rng.random(values.shape) < gaps] = np.nan
    return pd.DataFrame(values, columns=DESIGN.index)


@pytest.mark.slow
@pytest.mark.parametrize("blocks", [6, *SIZES[1:]])
@pytest.mark.parametrize(("arms", "gaps"), [(5, 0.0), (6, 0.2)])
def test_flipped_signs(blocks: int, arms: int, gaps: float) -> None:
    """Five blocks are refused; six is the smallest size they are offered at."""
    rejected: list[bool] = []
    for seed in range(80):
        fit = factorial(nulls(blocks, seed, gaps).iloc[:, :arms], DESIGN.iloc[:arms], "auroc")
        if fit is not None and not fit.message:
            rejected += (fit.effects["p"] < LEVEL).tolist()
    assert len(rejected) > 150
    holds(float(np.mean(rejected)), len(rejected))


@pytest.mark.slow
@pytest.mark.parametrize("blocks", SIZES[1:])
def test_a_family_of_simple_effects(blocks: int) -> None:
    """Asked without waiting for an interaction: the error of a family is held."""
    smallest = []
    for seed in range(100):
        simple = simple_effects(nulls(blocks, seed), DESIGN, FACTORS, [("gnn", "fusion")], {})
        smallest += simple.groupby("factor")["p"].min().tolist()
    holds(float(np.mean(np.array(smallest) < LEVEL)), len(smallest))
