"""Every statistic of a report against other code: pingouin, autorank, baycomp, statsmodels, scipy directly."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pandas as pd
import pingouin
import pytest
import statsmodels.api as sm
from autorank import autorank
from baycomp import two_on_single
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.anova import AnovaRM
from statsmodels.stats.descriptivestats import sign_test as sign_test_of_statsmodels
from statsmodels.stats.weightstats import DescrStatsW

from reports.findings.comparisons import _paired_t
from reports.findings.factorial import factorial
from reports.statistics.multiplicity import holm
from reports.statistics.pairs.decision import equivalence
from reports.statistics.pairs.differences import effect, mean_interval
from reports.statistics.pairs.ranks import conover, friedman, nemenyi
from reports.statistics.pairs.signed import resampled_t, sign_test, wilcoxon

few = settings(max_examples=8, deadline=None, derandomize=True)
seeds = st.integers(0, 10_000)
ties = st.sampled_from([2, 6])  # decimals: with two there are ties and zeros


def scores(seed: int, blocks: int, arms: int, decimals: int = 6) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    values = rng.normal(0.7, 0.03, (blocks, 1)) + rng.normal(0, 0.02, (blocks, arms)) + 0.01 * np.arange(arms)
    return pd.DataFrame(np.round(values, decimals), columns=list("abcdefghij")[:arms])


def difference(seed: int, n: int, decimals: int = 6) -> np.ndarray:
    return np.round(np.random.default_rng(seed).normal(0.004, 0.01, n), decimals)


def long(blocks: pd.DataFrame) -> pd.DataFrame:
    return blocks.rename_axis("block").reset_index().melt("block", var_name="arm", value_name="value")


@few
@given(seeds, st.integers(5, 22), st.integers(3, 10), ties)
def test_friedman(seed: int, n: int, k: int, decimals: int) -> None:
    """Pingouin's F has other degrees of freedom; an ANOVA on ranks within blocks has Iman and Davenport's."""
    blocks = scores(seed, n, k, decimals)
    mine, by_chi2 = friedman(blocks), pingouin.friedman(blocks.copy())
    assert [mine.chi2, mine.p_chi2, mine.kendalls_w] == pytest.approx(by_chi2[["Q", "p_unc", "W"]].iloc[0].tolist())
    assert mine.f == pytest.approx(pingouin.friedman(blocks.copy(), method="f")["F"].iloc[0])
    on_ranks = AnovaRM(long(blocks.rank(axis=1)), "value", "block", within=["arm"]).fit().anova_table
    assert mine.p_f == pytest.approx(on_ranks["Pr > F"].iloc[0], rel=1e-6)
    if mine.p_permutation is not None and mine.p_chi2 > 0.001:
        assert mine.p_permutation == pytest.approx(mine.p_f, abs=0.08)  # another null distribution, of the same thing


@few
@given(seeds, st.integers(6, 22))
def test_wilcoxon_without_ties(seed: int, n: int) -> None:
    d = difference(seed, n)
    by_pingouin = pingouin.wilcoxon(d, np.zeros(n), method="exact").iloc[0]
    assert [wilcoxon(d).statistic, wilcoxon(d).p] == pytest.approx(by_pingouin[["W_val", "p_val"]].tolist())
    assert effect(d).rank_biserial == pytest.approx(by_pingouin["RBC"])


@few
@given(seeds, st.integers(6, 12))
def test_wilcoxon_with_ties_visits_every_pattern_of_signs(seed: int, n: int) -> None:
    d = difference(seed, n, decimals=2)
    if d.any():
        every = stats.wilcoxon(d, method=stats.PermutationMethod(n_resamples=9_999))
        mine = wilcoxon(d)
        assert [mine.statistic, mine.p] == pytest.approx([every.statistic, every.pvalue])


@few
@given(seeds, st.integers(480, 500))
def test_wilcoxon_of_many_blocks(seed: int, n: int) -> None:
    d = difference(seed, n, decimals=2)
    by_pingouin = pingouin.wilcoxon(d, np.zeros(n), method="asymptotic", correction=False).iloc[0]
    mine = wilcoxon(d)
    assert [mine.statistic, mine.p] == pytest.approx(by_pingouin[["W_val", "p_val"]].tolist())
    assert effect(d).rank_biserial == pytest.approx(by_pingouin["RBC"])


def test_wilcoxon_has_one_p_on_either_side_of_its_limit() -> None:
    d = np.random.default_rng(3).normal(0.1, 1, 290).round(1)
    assert wilcoxon(d).p == pytest.approx(stats.wilcoxon(d, method="asymptotic").pvalue, rel=0.02)


@few
@given(seeds, st.integers(6, 30), ties)
def test_sign_test(seed: int, n: int, decimals: int) -> None:
    d = difference(seed, n, decimals)
    if d.any():
        assert sign_test(d).p == pytest.approx(sign_test_of_statsmodels(d)[1])


@few
@given(seeds, st.integers(3, 30))
def test_paired_t_its_interval_and_effect(seed: int, n: int) -> None:
    d = difference(seed, n)
    by_statsmodels, by_pingouin = DescrStatsW(d), pingouin.ttest(d, 0.0).iloc[0]
    assert _paired_t(d) == pytest.approx(by_statsmodels.ttest_mean(0.0)[1]) == pytest.approx(by_pingouin["p_val"])
    assert mean_interval(d, 0.9) == pytest.approx(by_statsmodels.tconfint_mean(0.1))
    assert abs(effect(d).cohens_d) == pytest.approx(by_pingouin["cohen_d"])
    assert [effect(d).low, effect(d).high] == pytest.approx(list(by_statsmodels.tconfint_mean()))


@few
@given(seeds, st.integers(3, 12), ties)
def test_hodges_lehmann_and_wins_by_brute_force(seed: int, n: int, decimals: int) -> None:
    d = difference(seed, n, decimals).tolist()
    pairs = sorted((d[i] + d[j]) / 2 for i, j in product(range(n), repeat=2) if i <= j)
    middle = (pairs[(len(pairs) - 1) // 2] + pairs[len(pairs) // 2]) / 2
    assert effect(np.array(d)).hodges_lehmann == pytest.approx(middle)
    assert effect(np.array(d)).superior == pytest.approx((sum(x > 0 for x in d) + sum(x == 0 for x in d) / 2) / n)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=8))
def test_holm(p: list[float]) -> None:
    assert holm(np.array(p)) == pytest.approx(pingouin.multicomp(p, method="holm")[1])


@few
@given(seeds, st.integers(5, 22))
def test_equality(seed: int, n: int) -> None:
    d = difference(seed, n)
    mine = equivalence(d, 0.01)
    assert mine.p_equal == pytest.approx(pingouin.tost(d, np.zeros(n), bound=0.01, paired=True)["pval"].iloc[0])
    assert mine.p_not_worse == pytest.approx(DescrStatsW(d).ttest_mean(-0.01, alternative="larger")[1])


@few
@given(seeds, st.integers(5, 22), st.integers(3, 10))
def test_conover_is_a_pooled_t_test_on_ranks_and_no_smaller_than_a_sign_test(seed: int, n: int, k: int) -> None:
    blocks = scores(seed, n, k)
    ranks = long(blocks.rank(axis=1))
    arms, units = (pd.get_dummies(ranks[name], dtype=float) for name in ("arm", "block"))
    fitted = sm.OLS(ranks["value"], pd.concat([arms, units.iloc[:, 1:]], axis=1).to_numpy()).fit()
    pairs = list(combinations(range(k), 2))
    contrasts = np.zeros((len(pairs), k + n - 1))
    for row, (one, other) in enumerate(pairs):
        contrasts[row, [one, other]] = 1.0, -1.0
    own = [sign_test_of_statsmodels(blocks.iloc[:, one] - blocks.iloc[:, other])[1] for one, other in pairs]
    expected = pingouin.multicomp(np.maximum(fitted.t_test(contrasts).pvalue, own), method="holm")[1]
    mine = conover(blocks)
    assert [mine.iloc[pair] for pair in pairs] == pytest.approx(expected.tolist())
    pd.testing.assert_frame_equal(mine, mine.T)


@few
@given(seeds, st.integers(5, 22), st.integers(3, 10))
def test_nemenyi_and_its_critical_difference(seed: int, n: int, k: int) -> None:
    blocks = scores(seed, n, k)
    ranked = autorank(blocks, alpha=0.05, force_mode="nonparametric")
    assert friedman(blocks).p_chi2 == pytest.approx(ranked.pvalue)
    means, p = ranked.rankdf["meanrank"], nemenyi(blocks)
    for one, other in combinations(blocks, 2):
        gap = abs(means[one] - means[other])
        assert (p.loc[one, other] < 0.05) == (gap > ranked.cd) or gap == pytest.approx(ranked.cd, rel=0.01)


@few
@given(seeds, st.integers(2, 4), st.integers(2, 5))
def test_corrected_resampled_t_on_repeated_cross_validation(seed: int, runs: int, folds: int) -> None:
    """Benavoli's posterior is Nadeau and Bengio's t: its mass below zero is the one-sided p."""
    d = difference(seed, runs * folds)
    below, above = two_on_single(np.zeros(len(d)), d, runs=runs)
    mine = resampled_t(d, 1 / (folds - 1))
    assert mine is not None and mine.p == pytest.approx(2 * min(below, above))


@few
@given(seeds, st.integers(3, 30), st.floats(0.05, 0.6))
def test_corrected_resampled_t_by_its_definition(seed: int, n: int, share: float) -> None:
    d = difference(seed, n)
    mean = sum(d) / n
    variance = sum((x - mean) ** 2 for x in d) / (n - 1)
    error = (variance * (1 / n + share / (1 - share))) ** 0.5
    mine = resampled_t(d, share / (1 - share))
    assert mine is not None
    assert mine.statistic == pytest.approx(mean / error)
    assert mine.p == pytest.approx(2 * stats.t.cdf(-abs(mean / error), n - 1))
    low, high = mean_interval(d, ratio=share / (1 - share))
    assert (mine.p < 0.05) == (low > 0 or high < 0)
    plain = resampled_t(d, 0.0)
    assert plain is not None and plain.p == pytest.approx(stats.ttest_rel(d, np.zeros(n)).pvalue)
    assert plain.p <= mine.p


@settings(max_examples=3, deadline=None, derandomize=True)
@given(seeds, st.integers(5, 22))
def test_factors_together(seed: int, n: int) -> None:
    levels = pd.DataFrame(product(("gat", "gcn", "none"), ("early", "late", "multi")), columns=["gnn", "fusion"])
    design = levels.set_axis([f"arm{i}" for i in range(9)])
    means = scores(seed, n, 9).set_axis(design.index, axis=1)
    mine = factorial(means, design, "auroc")
    assert mine is not None
    rows = long(means).join(design, on="arm")
    theirs = pingouin.rm_anova(rows, dv="value", within=["gnn", "fusion"], subject="block", effsize="np2")
    for ours, column in (("f", "F"), ("p_uncorrected", "p_unc"), ("epsilon", "eps"), ("p", "p_GG_corr")):
        assert mine.effects[ours].tolist() == pytest.approx(theirs[column].tolist()), column
    assert mine.effects["partial_eta2"].tolist() == pytest.approx(theirs["np2"].tolist())
    assert mine.effects["p_holm"].tolist() == pytest.approx(
        pingouin.multicomp(theirs["p_GG_corr"].tolist(), method="holm")[1].tolist()
    )
