"""Simulated nulls: no test of a report exceeds its nominal error rate, at any size it is used at.

The level is 0.05, and 0.06 is what the specification tolerates. Where the reported p falls as a statistic grows, many
thousand nulls are drawn at once and a search finds the one at which the reported p crosses the level; where one table
holds every p that can be reported, that table is used. Either way the reported function is called.
Tests of the deciding statistic are in test_max_t and test_decisions; those here are reported beside it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from itertools import combinations, product

import numpy as np
import pandas as pd
import pytest
from _pytest.mark.structures import ParameterSet
from scipy import stats

from reports.findings.comparisons import _paired_t
from reports.findings.factorial import factorial
from reports.statistics.multiplicity import holm
from reports.statistics.pairs.decision import MIN_TOST, adjusted, equivalence
from reports.statistics.pairs.ranks import conover, friedman, nemenyi
from reports.statistics.pairs.signed import resampled_t, sign_test, wilcoxon
from reports.words.metrics import MARGIN

LEVEL, TOLERATED = 0.05, 0.06
SIZES = (5, 7, 10, 22)


def slow(*values: object) -> list[ParameterSet]:
    """Mark the cases that are left to continuous integration; one of each test is always run."""
    return [pytest.param(value, marks=pytest.mark.slow) for value in values]


AT_ANY_SIZE = pytest.mark.parametrize("blocks", [7, *slow(5, 10, 22)])
WHERE_TESTED = pytest.mark.parametrize("blocks", [7, *slow(6, 10, 22)])
NULLS = 10_000
Shape = Callable[..., np.ndarray]


def holds(rate: float, nulls: int, tolerated: float = TOLERATED) -> None:
    """Hold a rate against 0.06 plus two Monte-Carlo standard errors of a rate of 0.05."""
    error = np.sqrt(LEVEL * (1 - LEVEL) / nulls)
    assert rate <= tolerated + 2 * error, f"{rate:.3f} over {nulls} nulls"


def share_rejected(statistic: np.ndarray, reported: Callable[[int], float]) -> float:
    """Return the share of nulls with a reported p below the level, where p falls as the statistic grows."""
    order = np.argsort(statistic, kind="stable")
    first, end = 0, len(order)
    while first < end:
        middle = (first + end) // 2
        first, end = (first, middle) if reported(order[middle]) < LEVEL else (middle + 1, end)
    for at in np.random.default_rng(9).integers(len(order), size=6):  # the monotony is checked
        if abs(int(at) - first) > 0.03 * len(order) and statistic[order[at]] != statistic[order[first - 1]]:
            assert (reported(order[at]) < LEVEL) == (at >= first)
    return 1 - first / len(order)


def normal(rng: np.random.Generator, size: tuple[int, ...]) -> np.ndarray:
    """Equal arms on blocks that differ, ``[nulls, blocks, arms]``."""
    return rng.normal(0.7, 0.05, size=(*size[:2], 1)) + rng.normal(0, 0.02, size=size)


def uneven(rng: np.random.Generator, size: tuple[int, ...]) -> np.ndarray:
    """Arms of one median and unlike spread: the first varies three times as much as the others."""
    return 0.7 + rng.normal(0, 0.02, size=size) * np.where(np.arange(size[-1]) == 0, 3.0, 1.0)


def heavy(rng: np.random.Generator, size: tuple[int, ...]) -> np.ndarray:
    """Equal arms with tails in which the variance is barely finite, and noisier blocks beside calm ones."""
    return 0.7 + 0.01 * rng.standard_t(2.5, size=size) * rng.uniform(0.2, 3.0, size=(*size[:2], 1))


SHAPES = pytest.mark.parametrize("shape", [normal, *slow(uneven, heavy)])


def ranks_of(values: np.ndarray) -> np.ndarray:
    return values.argsort(axis=-1).argsort(axis=-1) + 1.0


def signed_ranks(difference: np.ndarray) -> np.ndarray:
    """Return the smaller rank sum of ``[nulls, blocks, pairs]``, as the Wilcoxon test counts it."""
    ranks = np.abs(difference).argsort(axis=1).argsort(axis=1) + 1
    above = np.where(difference > 0, ranks, 0).sum(axis=1)
    return np.minimum(above, ranks[0, :, 0].sum() - above)


def p_by_rank_sum(blocks: int) -> np.ndarray:
    """Compute the reported p once for every possible rank sum."""
    p = []
    for rank_sum in range(blocks * (blocks + 1) // 4 + 1):
        signs, left = np.ones(blocks), rank_sum
        for rank in range(blocks, 0, -1):
            if rank <= left:
                signs[rank - 1], left = -1.0, left - rank
        test = wilcoxon(signs * np.arange(1, blocks + 1) / 100)
        assert test.statistic == rank_sum and test.method == "Wilcoxon, exact"
        p.append(test.p)
    return np.array(p)


def families(values: np.ndarray) -> dict[str, np.ndarray]:
    """Take the differences ``[nulls, blocks, pairs]`` to the first arm, and of all pairs of arms."""
    one, other = np.array(list(combinations(range(values.shape[-1]), 2))).T
    return {"reference": values[..., 1:] - values[..., :1], "all pairs": values[..., one] - values[..., other]}


@SHAPES
@WHERE_TESTED
def test_exact_wilcoxon_and_its_families(blocks: int, shape: Shape) -> None:
    """Five blocks are refused; six is the smallest size it is offered at."""
    table, rng = p_by_rank_sum(blocks), np.random.default_rng(blocks)
    for arms in (2, 3, 5, 10):
        nulls = NULLS // arms
        for differences in families(shape(rng, (nulls, blocks, arms))).values():
            p = table[signed_ranks(differences)]
            holds(np.mean([holm(family).min() < LEVEL for family in p]), nulls)


def test_five_blocks_have_no_wilcoxon() -> None:
    with pytest.raises(ValueError, match="at least 6"):
        wilcoxon(np.zeros(5))


@pytest.mark.parametrize(("blocks", "nulls"), [(7, 150), pytest.param(22, 1500, marks=pytest.mark.slow)])
def test_wilcoxon_on_scores_rounded_as_papers_print_them(blocks: int, nulls: int) -> None:
    """Three decimals make ties and zeros: signs are permuted below 14 blocks, approximated from there."""
    values = normal(np.random.default_rng(blocks), (nulls, blocks, 2))
    rounded = np.round((values[..., 0] - values[..., 1]) / 4, 3)
    holds(np.mean([wilcoxon(d).p < LEVEL for d in rounded]), nulls)


@SHAPES
@WHERE_TESTED
def test_sign_test_and_its_families(blocks: int, shape: Shape) -> None:
    table = np.array([sign_test(np.where(np.arange(blocks) < wins, 1.0, -1.0)).p for wins in range(blocks + 1)])
    rng = np.random.default_rng(blocks)
    for arms in (2, 5):
        for differences in families(shape(rng, (NULLS // arms, blocks, arms))).values():
            p = table[(differences > 0).sum(axis=1)]
            holds(np.mean([holm(family).min() < LEVEL for family in p]), NULLS // arms)


@SHAPES
@AT_ANY_SIZE
def test_paired_t_as_sensitivity(blocks: int, shape: Shape) -> None:
    values = shape(np.random.default_rng(blocks), (NULLS, blocks, 2))
    d = values[..., 0] - values[..., 1]
    t = np.abs(stats.ttest_1samp(d, 0.0, axis=1).statistic)
    holds(share_rejected(t, lambda i: _paired_t(d[i])), NULLS)


# every size with arms that are exchangeable, the null hypothesis of tests of ranks; the largest with others, too
_RANKED = [*product(SIZES, (3, 5, 10), (normal,)), *product((22,), (3, 5, 10), (uneven, heavy))]
RANKED = pytest.mark.parametrize(
    ("blocks", "arms", "shape"),
    [pytest.param(*case, marks=() if case == (7, 3, normal) else pytest.mark.slow) for case in _RANKED],
)


def rank_nulls(blocks: int, arms: int, shape: Shape) -> tuple[np.ndarray, np.ndarray]:
    values = shape(np.random.default_rng(100 * blocks + arms), (NULLS, blocks, arms))
    return values, ranks_of(values).sum(axis=1)


@RANKED
def test_friedman(blocks: int, arms: int, shape: Shape) -> None:
    values, sums = rank_nulls(blocks, arms, shape)

    def reported(i: int) -> float:
        test = friedman(pd.DataFrame(values[i]))
        assert (test.p_permutation is None) == (blocks >= 10)
        return test.p

    holds(share_rejected((sums**2).sum(axis=1), reported), NULLS)


@RANKED
def test_nemenyi_over_all_pairs(blocks: int, arms: int, shape: Shape) -> None:
    values, sums = rank_nulls(blocks, arms, shape)
    holds(share_rejected(np.ptp(sums, axis=1), lambda i: nemenyi(pd.DataFrame(values[i])).to_numpy().min()), NULLS)


@pytest.mark.parametrize("worth", [(0.0, 0.0, 0.0, 0.0), (0.0, 0.0, 1.0, 2.0)])
@AT_ANY_SIZE
def test_equal_arms_alone_and_among_others_that_differ(blocks: int, worth: tuple[float, ...]) -> None:
    """Conover's own p would be below the level in 1 to 4 of 10 studies, once the other two arms differ."""
    values = normal(np.random.default_rng(blocks), (200, blocks, 4)) + np.array(worth)
    equal = [pair for pair in combinations(range(4), 2) if worth[pair[0]] == worth[pair[1]]]
    for test in (nemenyi, conover):
        smallest_p = [min(p.loc[pair] for pair in equal) for p in map(test, map(pd.DataFrame, values))]
        holds(np.mean(np.array(smallest_p) < LEVEL), len(values))


@SHAPES
@AT_ANY_SIZE
@pytest.mark.parametrize("spread", [0.2, 0.02])
def test_equality_of_arms_that_differ_by_the_margin(blocks: int, spread: float, shape: Shape) -> None:
    """A true difference at the margin's very edge is the hardest one not to call equal."""
    values = shape(np.random.default_rng(blocks), (NULLS, blocks, 2))
    d = MARGIN + spread * (values[..., 0] - values[..., 1])
    room = (MARGIN - np.abs(d.mean(axis=1))) / d.std(axis=1, ddof=1)

    def reported(i: int) -> float:
        (p,) = adjusted([(equivalence(d[i], MARGIN).p_equal, blocks)])
        assert p is not None and blocks >= MIN_TOST
        return p

    holds(share_rejected(room, reported), NULLS)


@lru_cache
def resplit(features: int, worth: float, datasets: int) -> np.ndarray:
    """Train two rankers of equal worth on random splits of small data sets; differences in AUROC ``[sets, repeats]``.

    Each has ``features`` of its own, on which edges and non-edges (60 each) lie ``worth`` apart. They are split
    53/13/33, as in a study's exams.
    """
    rng = np.random.default_rng(features)
    pairs, trained, tested = 60, 32, 20
    inputs = rng.normal(size=(2, 2, datasets, pairs, features))  # [ranker, class, data set, pair, feature]
    inputs[:, 1] += worth
    auroc = np.empty((2, datasets, max(SIZES)))
    for repeat in range(max(SIZES)):
        order = rng.random((1, 2, datasets, pairs, 1)).argsort(axis=3)  # both rankers sit the same exam
        dealt = np.take_along_axis(inputs, order, axis=3)
        centre = dealt[..., :trained, :].mean(axis=3)
        scores = np.einsum("rcdpf,rdf->rdcp", dealt[..., -tested:, :], centre[:, 1] - centre[:, 0])
        ranks = ranks_of(scores.reshape(2, datasets, 2 * tested))
        auroc[..., repeat] = (ranks[..., tested:].sum(axis=-1) - tested * (tested + 1) / 2) / tested**2
    return auroc[0] - auroc[1]


@pytest.mark.parametrize("repeats", [3, *slow(*SIZES)])
@pytest.mark.parametrize(("features", "worth", "tolerated"), [(5, 0.6, TOLERATED), (1, 0.3, 0.08)])
def test_corrected_resampled_t_on_one_data_set(repeats: int, features: int, worth: float, tolerated: float) -> None:
    """Near guessing (AUROC .58) the correction falls somewhat short, as the page states."""
    nulls, share = 2500, 20 / (20 + 32)
    d = resplit(features, worth, nulls)[:, :repeats]
    t = np.abs(d.mean(axis=1)) / np.maximum(d.std(axis=1, ddof=1), 1e-9)

    def reported(i: int, ratio: float) -> float:
        test = resampled_t(d[i], ratio)
        return 1.0 if test is None else test.p

    holds(share_rejected(t, lambda i: reported(i, share / (1 - share))), nulls, tolerated)
    if repeats >= 5:  # what is corrected: the plain t test over repeats
        assert share_rejected(t, lambda i: reported(i, 0.0)) > 0.15


@AT_ANY_SIZE
def test_factors_together(blocks: int) -> None:
    """Seven effects of three factors, all null; one level varies three times as much as the others."""
    levels = product(("gat", "gcn", "none"), ("early", "late"), ("on", "off"))
    design = pd.DataFrame(levels, columns=["gnn", "fusion", "contrast"], index=[f"arm{i}" for i in range(12)])
    scale = np.where(design["gnn"] == "gat", 3.0, 1.0)
    rejected: list[bool] = []
    for values in normal(np.random.default_rng(blocks), (30, blocks, 12)):
        fit = factorial(pd.DataFrame(0.7 + (values - 0.7) * scale, columns=design.index), design, "auroc")
        assert fit is not None and len(fit.effects) == 7
        rejected += (fit.effects["p"] < LEVEL).tolist()
    holds(np.mean(rejected), len(rejected))
