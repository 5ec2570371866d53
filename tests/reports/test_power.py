"""How many blocks a difference needs: against simulation, and which part of the spread repeats can shrink."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from conftest import analyse
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.power import TTestPower

from reports.page.sections.conclusions import conclusion_exports, conclusions_context
from reports.statistics.attainability import blocks_needed
from reports.statistics.pairs.power import MIN_REPEATS, blocks_for, blocks_for_equality, power
from reports.table.table import Table

Study = Callable[..., Table]


def differences(between: float, within: float, blocks: int, repeats: int, sets: int = 1, seed: int = 0) -> pd.Series:
    rng = np.random.default_rng(seed)
    index = pd.MultiIndex.from_product(
        [range(blocks), range(sets), range(repeats)], names=["block", "dataset", "repeat"]
    )
    shift = np.repeat(rng.normal(0, between, blocks), sets * repeats)
    return pd.Series(shift + rng.normal(0, within, len(index)), index=index)


def test_the_number_of_blocks_is_the_solution_of_statsmodels_rounded_up() -> None:
    exact = TTestPower().solve_power(effect_size=0.01 / 0.02, power=0.8, alpha=0.05)
    assert blocks_for(0.01, 0.02) == int(np.ceil(exact)) == 34


def test_the_number_of_blocks_has_the_promised_power() -> None:
    n = blocks_for(0.01, 0.015)
    assert n is not None
    drawn = np.random.default_rng(1).normal(0.01, 0.015, size=(4000, n))
    assert np.mean(stats.ttest_1samp(drawn, 0.0, axis=1).pvalue < 0.05) == pytest.approx(0.8, abs=0.04)


@settings(max_examples=25, deadline=None)
@given(st.floats(0.001, 0.1), st.floats(1.0, 3.0), st.integers(1, 10))
def test_more_spread_and_more_comparisons_never_need_fewer_blocks(sd: float, more: float, m: int) -> None:
    base, wider, corrected = blocks_for(0.01, sd), blocks_for(0.01, sd * more), blocks_for(0.01, sd, comparisons=m)
    assert base is not None and wider is not None and corrected is not None
    assert base <= wider and base <= corrected


def test_never_fewer_blocks_than_an_exact_test_needs() -> None:
    assert blocks_for(0.01, 0.0) == blocks_for(0.01, 1e-5) == blocks_for(0.01, 0.003) == 6
    assert blocks_for(0.01, 0.0, comparisons=5) == 6  # max-T: the floor is the same for any number of arms
    assert blocks_for_equality(0.01, 0.0) == blocks_for_equality(0.01, 0.0, comparisons=9) == 5


@pytest.mark.parametrize("both_sides", [True, False])
def test_equality_has_the_promised_power(both_sides: bool) -> None:
    n = blocks_for_equality(0.01, 0.015, both_sides=both_sides)
    assert n is not None
    drawn = np.random.default_rng(2).normal(0.0, 0.015, size=(3000, n))
    above = stats.ttest_1samp(drawn, -0.01, axis=1, alternative="greater").pvalue
    below = stats.ttest_1samp(drawn, 0.01, axis=1, alternative="less").pvalue
    p_values = np.maximum(above, below) if both_sides else above
    assert np.mean(p_values < 0.05) == pytest.approx(0.8, abs=0.05)


def test_a_hopeless_spread_gives_no_number() -> None:
    assert blocks_for(0.0001, 1.0) is None


def test_nonsense_is_refused() -> None:
    for difference, sd in ((0.0, 0.1), (0.01, -1.0), (0.01, float("nan"))):
        with pytest.raises(ValueError, match="above 0"):
            blocks_for(difference, sd)


def test_variance_splits_into_blocks_and_repeats() -> None:
    estimate = power(differences(0.02, 0.03, blocks=400, repeats=4, sets=2), 0.01)
    assert estimate is not None and estimate.repeats == 4
    assert estimate.sd_between == pytest.approx(0.02, rel=0.15)
    assert estimate.sd_repeats == pytest.approx(0.03 / np.sqrt(8), rel=0.1)
    assert estimate.sd**2 == pytest.approx(estimate.sd_between**2 + estimate.sd_repeats**2)


def test_repeats_help_where_they_are_the_noise_and_not_where_blocks_differ() -> None:
    noisy = power(differences(0.0, 0.05, blocks=40, repeats=4), 0.01)
    varied = power(differences(0.05, 0.001, blocks=40, repeats=4), 0.01)
    assert noisy is not None and varied is not None
    assert noisy.needed is not None and noisy.needed_double is not None and varied.needed is not None
    assert noisy.needed_double < 0.8 * noisy.needed
    assert varied.needed_endless == pytest.approx(varied.needed, abs=1)


def test_too_few_repeats_are_not_split() -> None:
    estimate = power(differences(0.02, 0.02, blocks=10, repeats=MIN_REPEATS - 1), 0.01)
    assert estimate is not None and np.isnan(estimate.sd_between) and estimate.needed_endless is None
    assert estimate.needed is not None


def test_the_range_follows_the_interval_of_the_spread() -> None:
    few = power(differences(0.02, 0.0, blocks=6, repeats=1), 0.01)
    assert few is not None and few.needed_low is not None and few.needed is not None and few.needed_high is not None
    assert few.needed_low < few.needed < few.needed_high


def test_one_block_has_no_spread() -> None:
    assert power(differences(0.02, 0.02, blocks=1, repeats=5), 0.01) is None


@settings(max_examples=40, deadline=None)
@given(st.floats(0.0026, 0.2), st.integers(1, 45))
def test_one_block_less_would_not_do(sd: float, m: int) -> None:
    """Against the noncentral t taken directly; where it stops being a number the search must not drift off."""
    n, alpha = blocks_for(0.01, sd, comparisons=m), 0.05 / m
    assert n is not None

    def reached(blocks: int) -> float:
        return float(stats.nct.sf(stats.t.isf(alpha / 2, blocks - 1), blocks - 1, 0.01 / sd * np.sqrt(blocks)))

    assert reached(n) >= 0.8
    assert n == blocks_needed() or reached(n - 1) < 0.8


def test_a_study_plans_only_for_metrics_with_a_margin(study: Study) -> None:
    analysis = analyse(study())
    planned = {c.finding.metric for c in analysis.conclusions if c.power}
    assert planned == {"auroc"}
    context_rows = conclusions_context(analysis)["power"]
    assert len(context_rows) == 3 and all(
        {"Blocks to\nsee it", "for not\nworse", "for equal", "endless\nrepeats"} <= set(row) for row in context_rows
    )
    (rows,) = [table.numbers for table in conclusion_exports(analysis) if table.name == "power"]
    assert {"difference", "blocks", "repeats", "sd", "sd_between", "needed", "needed_equal"} <= set(rows)
    assert (rows["power"] == 0.8).all() and (rows["blocks"] == 7).all()
