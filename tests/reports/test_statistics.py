"""Each statistic against its definition; other people's code and simulated nulls have files of their own."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from reports.statistics.multiplicity import holm
from reports.statistics.pairs.differences import effect
from reports.statistics.pairs.ranks import conover, friedman, nemenyi
from reports.statistics.pairs.signed import sign_test, wilcoxon

ARMS = list("abcd")


def normal_blocks(rng: np.random.Generator, blocks: int, arms: int) -> pd.DataFrame:
    return pd.DataFrame(rng.normal(size=(blocks, arms)), columns=ARMS[:arms])


def test_wilcoxon_with_ties_and_zeros_enumerates_signs_of_the_rest() -> None:
    d = np.array([0.02, 0.02, -0.02, 0.05, 0.05, 0.09, 0.0])
    moved = d[d != 0]
    ranks = stats.rankdata(np.abs(moved))
    signs = np.array(np.meshgrid(*[[-1, 1]] * len(moved))).reshape(len(moved), -1)
    totals = np.abs(ranks @ signs)
    expected = np.mean(totals >= abs(ranks @ np.sign(moved)) - 1e-9)
    assert wilcoxon(d).p == pytest.approx(expected)


def test_wilcoxon_does_not_care_which_arm_comes_first() -> None:
    d = np.random.default_rng(3).normal(0.5, size=9)
    assert wilcoxon(d).p == pytest.approx(wilcoxon(-d).p)


def test_wilcoxon_refuses_five_blocks() -> None:
    with pytest.raises(ValueError, match="at least 6"):
        wilcoxon(np.ones(5))


def test_equal_arms_are_not_different() -> None:
    assert wilcoxon(np.zeros(8)).p == 1.0
    assert friedman(pd.DataFrame(np.ones((6, 3)), columns=ARMS[:3])).p == 1.0


def test_differences_of_a_billionth_are_ties() -> None:
    assert wilcoxon(np.full(8, 1e-9)).p == 1.0


def test_friedman_uses_permutation_below_ten_blocks_and_f_from_ten() -> None:
    rng = np.random.default_rng(4)
    small, large = friedman(normal_blocks(rng, 9, 3)), friedman(normal_blocks(rng, 10, 3))
    assert small.p_permutation is not None and small.p == small.p_permutation
    assert large.p_permutation is None and large.p == large.p_f


def test_friedman_permutation_agrees_with_full_enumeration() -> None:
    """Three blocks, three arms, perfect agreement: 6 of 216 rank tables are as extreme."""
    same = pd.DataFrame([[1.0, 2.0, 3.0]] * 3, columns=ARMS[:3])
    assert friedman(same).p == pytest.approx(6 / 216)


def test_perfect_agreement_has_w_one() -> None:
    test = friedman(pd.DataFrame([[1.0, 2.0, 3.0]] * 12, columns=ARMS[:3]))
    assert test.kendalls_w == pytest.approx(1.0) and np.isinf(test.f)
    assert test.p == pytest.approx(6.0**-11)  # one order of six, twelve times


def test_blocks_that_agree_with_ties_could_agree_by_chance_more_often() -> None:
    assert friedman(pd.DataFrame([[1.0, 1.0, 3.0]] * 12, columns=ARMS[:3])).p == pytest.approx(3.0**-11)


def test_holm_steps_down() -> None:
    assert holm(np.array([0.01, 0.04, 0.03])) == pytest.approx([0.03, 0.06, 0.06])


def test_sign_test_counts_blocks_only() -> None:
    assert sign_test(np.array([1e-3, 5.0, 0.1, 0.2, 9.0, 0.3])).p == pytest.approx(2 / 2**6)
    assert sign_test(np.zeros(6)).p == 1.0


def test_effect_against_hand_computation() -> None:
    size = effect(np.array([0.1, 0.3, -0.3, 0.4]))
    assert size.mean == pytest.approx(0.125)
    assert size.cohens_d == pytest.approx(0.125 / np.std([0.1, 0.3, -0.3, 0.4], ddof=1))
    assert size.rank_biserial == pytest.approx((1 + 2.5 + 4 - 2.5) / 10)
    assert size.superior == pytest.approx(0.75)
    assert size.hodges_lehmann == pytest.approx(0.15)
    low, high = stats.ttest_1samp([0.1, 0.3, -0.3, 0.4], 0).confidence_interval(0.95)
    assert (size.low, size.high) == (pytest.approx(low), pytest.approx(high))


def test_one_block_gives_no_interval() -> None:
    assert np.isnan(effect(np.array([0.2])).low)


@pytest.mark.parametrize(("test", "name"), [(nemenyi, "Nemenyi"), (conover, "Conover")])
def test_mean_ranks_refuse_incomplete_or_few_blocks(test: Callable[..., pd.DataFrame], name: str) -> None:
    rng = np.random.default_rng(5)
    holes = normal_blocks(rng, 8, 3)
    holes.iloc[0, 0] = np.nan
    for blocks in (holes, normal_blocks(rng, 4, 3), normal_blocks(rng, 8, 2)):
        with pytest.raises(ValueError, match=f"{name} needs"):
            test(blocks)


@pytest.mark.filterwarnings("error")
def test_conover_where_all_blocks_rank_alike_is_no_stronger_than_the_blocks_of_a_pair() -> None:
    """6 blocks, 3 arms: 2 / 2 ** 6 for each pair, times 3 for Holm; arms tied in every block do not differ."""
    same = pd.DataFrame([[1.0, 2.0, 3.0]] * 6, columns=ARMS[:3])
    assert conover(same).loc["a", ["b", "c"]].tolist() == pytest.approx([3 * 2 / 2**6] * 2)
    tied = conover(same.assign(b=1.0))
    assert tied.loc["a", "b"] == 1.0 and tied.loc["a", "c"] == pytest.approx(3 * 2 / 2**6)
    assert (conover(same * 0.0) == 1.0).all(axis=None)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 10_000))
def test_order_of_blocks_and_arms_changes_nothing(data: int, order: int) -> None:
    blocks = normal_blocks(np.random.default_rng(data), 7, 3).round(1)
    shuffled = blocks.sample(frac=1, random_state=order)[list(np.random.default_rng(order).permutation(ARMS[:3]))]
    assert friedman(shuffled) == friedman(blocks)
    assert wilcoxon((shuffled["a"] - shuffled["b"]).to_numpy()) == wilcoxon((blocks["a"] - blocks["b"]).to_numpy())
    for test in (nemenyi, conover):
        again, once = test(shuffled), test(blocks)
        pd.testing.assert_frame_equal(again.loc[once.index, once.columns], once)
