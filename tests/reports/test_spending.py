"""Looks before all blocks are in: what each may spend of the level, against published tables and by simulation."""

import numpy as np
import pytest
from scipy import stats

from reports.statistics.pairs.max_t import step_down
from reports.statistics.spending import look_levels, spent


def test_the_bounds_are_those_of_lan_and_demets():
    # five equal looks at .05, two-sided, as in Reboussin, DeMets, Kim & Lan 2000 and ldbounds
    bounds = [stats.norm.isf(level / 2) for level in look_levels([0.2, 0.4, 0.6, 0.8, 1.0])]
    np.testing.assert_allclose(bounds, [4.8769, 3.3569, 2.6803, 2.2898, 2.0310], atol=2e-4)


def test_one_look_spends_all_and_no_look_more_than_the_level():
    assert look_levels([1.0], 0.05) == pytest.approx((0.05,))
    assert spent(1.0, 0.1) == pytest.approx(0.1) and spent(0.05, 0.05) < 1e-15
    for looks in ([0.5, 1.0], [0.1, 0.2, 0.9, 1.0], [1 / 22, 1.0]):
        levels = look_levels(looks)
        assert all(level <= 0.05 + 1e-9 for level in levels) and list(levels) == sorted(levels)
        assert levels[-1] > 0.03, "the last look keeps most of the level"


@pytest.mark.parametrize("looks", [[0.5, 0.5], [0.9, 0.4]])
def test_looks_come_one_after_the_other(looks: list[float]):
    with pytest.raises(ValueError, match="one after the other"):
        look_levels(looks)


def test_a_share_beyond_all_blocks_is_refused():
    with pytest.raises(ValueError, match="share"):
        spent(1.2)


@pytest.mark.slow
@pytest.mark.parametrize("comparisons", [1, 4])
def test_planned_looks_find_no_more_than_there_is(comparisons: int):
    rng, blocks, looks = np.random.default_rng(11), 12, [6, 8, 10, 12]
    levels = dict(zip(looks, look_levels([n / blocks for n in looks]), strict=True))
    planned = careless = 0
    for _ in range(3000):
        null = rng.normal(size=(blocks, comparisons)) - 0.7 * rng.normal(size=(blocks, 1))
        least = {n: step_down(null[:n]).min() for n in looks}
        planned += any(least[n] < levels[n] for n in looks)
        careless += any(least[n] < 0.05 for n in looks)
    assert planned / 3000 <= 0.06 < careless / 3000
