"""Step-down max-T and the intervals that fit it: by hand, what changes nothing, and coverage by simulation."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from reports.statistics.pairs.max_t import DRAWN, EXACT_BLOCKS, half_widths, sign_patterns, step_down

Draw = Callable[[np.random.Generator, tuple[int, int]], np.ndarray]
some = settings(max_examples=25, deadline=None)
seeds = st.integers(0, 10_000)


def differences(seed: int, blocks: int, comparisons: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    shared = rng.normal(0, 0.01, (blocks, 1))  # of the reference, which all comparisons share
    return np.round(shared + rng.normal(0.004, 0.01, (blocks, comparisons)), 6)


def t_of(column: np.ndarray) -> float:
    d = column[np.isfinite(column)]
    if not d.any():
        return 0.0
    return abs(d.mean()) / (d.std(ddof=1) / np.sqrt(len(d))) if np.ptp(d) else np.inf


def by_hand(d: np.ndarray) -> list[float]:
    """Visit every pattern of signs of whole blocks, and take Student's t anew under each."""
    observed = [t_of(column) for column in d.T]
    order = sorted(range(len(observed)), key=lambda j: -observed[j])
    p, largest = [0.0] * len(observed), 0.0
    for at, j in enumerate(order):
        rest, reached = order[at:], 0
        for signs in product((1, -1), repeat=len(d)):
            flipped = d * np.array(signs)[:, None]
            reached += max(t_of(flipped[:, i]) for i in rest) >= observed[j] * (1 - 1e-7)
        largest = p[j] = max(largest, reached / 2 ** len(d))
    return p


@settings(max_examples=12, deadline=None)
@given(seeds, st.integers(3, 7), st.integers(1, 3))
def test_every_pattern_of_signs_by_hand(seed: int, blocks: int, comparisons: int) -> None:
    d = differences(seed, blocks, comparisons)
    assert step_down(d) == pytest.approx(by_hand(d))


def test_a_comparison_that_lacks_a_block_by_hand() -> None:
    d = differences(4, 7, 3)
    d[2, 1] = d[5, 1] = np.nan
    assert step_down(d) == pytest.approx(by_hand(d))


def test_one_comparison_is_the_sign_flip_test_of_scipy() -> None:
    d = differences(8, 9, 1)
    test = stats.permutation_test((d[:, 0],), np.mean, permutation_type="samples", n_resamples=np.inf)
    assert step_down(d)[0] == pytest.approx(test.pvalue)


@some
@given(seeds, st.integers(5, 9), st.integers(2, 5))
def test_order_sign_and_unit_change_nothing(seed: int, blocks: int, comparisons: int) -> None:
    d, rng = differences(seed, blocks, comparisons), np.random.default_rng(seed)
    p, width = step_down(d), half_widths(d)
    rows, columns = rng.permutation(blocks), rng.permutation(comparisons)
    for same in (d[rows], -d, d * 1000.0):
        assert step_down(same) == pytest.approx(p)
    assert step_down(d[:, columns]) == pytest.approx(p[columns])
    assert half_widths(d[rows]) == pytest.approx(width)
    assert half_widths(-d) == pytest.approx(width)
    assert half_widths(d[:, columns]) == pytest.approx(width[columns])
    assert half_widths(d * 1000.0) == pytest.approx(width * 1000.0)


@some
@given(seeds, st.integers(6, 9))
def test_an_arm_like_the_reference_costs_the_others_nothing(seed: int, blocks: int) -> None:
    d = differences(seed, blocks, 3)
    more = np.column_stack([d, np.zeros(blocks)])
    assert step_down(more)[:3] == pytest.approx(step_down(d)) and step_down(more)[3] == 1.0
    assert half_widths(more)[:3] == pytest.approx(half_widths(d))
    assert half_widths(more)[3] == 0.0


@some
@given(seeds, st.integers(5, 9), st.integers(1, 4))
def test_more_comparisons_never_make_a_p_smaller_or_an_interval_narrower(seed: int, blocks: int, m: int) -> None:
    d = differences(seed, blocks, m + 1)
    assert (step_down(d)[:m] >= step_down(d[:, :m]) - 1e-12).all()
    assert (half_widths(d)[:m] >= half_widths(d[:, :m]) - 1e-12).all()


@pytest.mark.parametrize("blocks", [5, 6, 7, 10])
@pytest.mark.parametrize("comparisons", [1, 3, 7, 45])
def test_the_smallest_p_is_that_of_the_blocks_for_any_number_of_arms(blocks: int, comparisons: int) -> None:
    spread = 1 + 0.01 * np.random.default_rng(1).normal(size=(blocks, comparisons))
    assert step_down(-0.05 * spread) == pytest.approx(np.full(comparisons, 2 / 2**blocks))
    assert step_down(np.full((blocks, comparisons), 0.05)).min() == pytest.approx(2 / 2**blocks)


@pytest.mark.parametrize("blocks", [2, 3, 5])
def test_an_arm_of_few_blocks_leaves_the_intervals_of_others_alone(blocks: int) -> None:
    d = np.random.default_rng(0).normal(0.02, 0.01, (8, 3))
    lacking = d.copy()
    lacking[blocks:, 2] = np.nan
    one, *_, few = half_widths(lacking)
    assert half_widths(d)[0] <= one < 1.5 * half_widths(d)[0]
    spread = np.std(d[:blocks, 2], ddof=1) / np.sqrt(blocks)
    assert few == pytest.approx(stats.t.ppf(1 - 0.05 / 6, blocks - 1) * spread)


@pytest.mark.parametrize("constant", [0.1 + 0.2, 1e-7, 1e9 / 3])
def test_a_constant_difference_leaves_the_intervals_of_others_alone(constant: float) -> None:
    d = np.random.default_rng(0).normal(0.02, 0.01, (7, 2))
    *others, none = half_widths(np.column_stack([d, np.full(7, constant)]))
    assert others == pytest.approx(half_widths(d)) and none == pytest.approx(0.0, abs=1e-9 * constant)


def test_blocks_that_are_lacking_raise_the_smallest_p() -> None:
    d = -0.05 * (1 + 0.01 * np.random.default_rng(1).normal(size=(8, 2)))
    d[:2, 1] = np.nan
    first, second = step_down(d)
    assert first >= 2 / 2**8 and second >= 2 / 2**6
    d[:, 1] = np.nan
    assert step_down(d)[1] == 1.0 and np.isnan(half_widths(d)[1]) and np.isfinite(half_widths(d)[0])


def test_equal_arms_have_p_one_and_no_width() -> None:
    assert step_down(np.zeros((7, 2))).tolist() == [1.0, 1.0]
    assert half_widths(np.zeros((7, 2))).tolist() == [0.0, 0.0]
    assert np.isnan(half_widths(np.array([[0.1, np.nan]]))).all()


def test_every_pattern_up_to_a_size_and_drawn_ones_beyond() -> None:
    every = sign_patterns(7, EXACT_BLOCKS, DRAWN)
    assert every.shape == (64, 7) and (every[0] == 1).all() and len(np.unique(every, axis=0)) == 64
    drawn = sign_patterns(EXACT_BLOCKS + 1, EXACT_BLOCKS, DRAWN)
    assert drawn.shape == (DRAWN, EXACT_BLOCKS + 1) and (drawn[0] == 1).all()
    assert np.abs(drawn.mean(axis=0)).max() < 5 / np.sqrt(DRAWN)


def test_drawn_patterns_agree_with_all_patterns(monkeypatch: pytest.MonkeyPatch) -> None:
    d = differences(3, 14, 4)
    p, width = step_down(d), half_widths(d)
    monkeypatch.setattr("reports.statistics.pairs.max_t.EXACT_BLOCKS", 13)
    assert len(sign_patterns(14, 13, DRAWN)) == DRAWN
    assert step_down(d) == pytest.approx(p, abs=0.015) and half_widths(d) == pytest.approx(width, rel=0.03)


@pytest.mark.parametrize("blocks", [7, 10, 22])
def test_the_interval_of_one_comparison_is_close_to_student_s(blocks: int) -> None:
    ratio = []
    for seed in range(40):
        d = differences(seed, blocks, 1)
        student = stats.t.ppf(0.975, blocks - 1) * d[:, 0].std(ddof=1) / np.sqrt(blocks)
        ratio.append(half_widths(d)[0] / student)
    assert min(ratio) >= 1 - 1e-9  # several are not surer than one alone
    assert np.median(ratio) < {7: 1.15, 10: 1.08, 22: 1.05}[blocks]


def test_few_blocks_have_student_s_interval_by_bonferroni() -> None:
    d = differences(2, 5, 3)
    error = d.std(axis=0, ddof=1) / np.sqrt(5)
    assert half_widths(d, 0.1) == pytest.approx(stats.t.ppf(1 - 0.1 / 2 / 3, 4) * error)


def gaussian(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    return rng.normal(size=size)


def uneven(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    return rng.normal(size=size) * np.where(np.arange(size[1]) % 2, 3.0, 1.0)


def heavy(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    return rng.standard_t(2.2, size=size)


def coverage(draw: Draw, blocks: int, comparisons: int, studies: int) -> float:
    """Return how often all intervals of a study hold at once; every arm shares the reference's noise."""
    rng, held = np.random.default_rng(100 * blocks + comparisons), 0
    for _ in range(studies):
        scores = draw(rng, (blocks, comparisons + 1))
        d = scores[:, 1:] - scores[:, :1]  # true differences: 0
        held += bool((np.abs(d.mean(axis=0)) <= half_widths(d)).all())
    return held / studies


_CASES = [*product((gaussian, uneven, heavy), (3, 5, 7, 10, 22), (1, 3, 7))]
_QUICK = {(gaussian, 7, 1), (gaussian, 7, 7), (heavy, 7, 3), (uneven, 5, 3), (gaussian, 3, 7)}
COVERED = pytest.mark.parametrize(
    ("draw", "blocks", "comparisons"),
    [pytest.param(*case, marks=() if case in _QUICK else pytest.mark.slow) for case in _CASES],
)


@COVERED
def test_simultaneous_intervals_hold_together(draw: Draw, blocks: int, comparisons: int) -> None:
    studies = 300 if blocks > 16 else 1000
    error = np.sqrt(0.95 * 0.05 / studies)
    assert coverage(draw, blocks, comparisons, studies) >= 0.92 - 2 * error
