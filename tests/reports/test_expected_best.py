"""Expected best score at equal budget: closed form against drawing."""

import numpy as np
import pytest

from reports.search.record import expected_best


def test_the_closed_form_is_the_mean_over_draws():
    rng = np.random.default_rng(0)
    scores = rng.normal(0.7, 0.1, size=9)
    drawn = rng.choice(scores, size=(60_000, 9))
    for n, value in enumerate(expected_best(scores.tolist()), start=1):
        assert value == pytest.approx(drawn[:, :n].max(axis=1).mean(), abs=2e-3)
        costs = expected_best(scores.tolist(), sign=-1)
        assert costs[n - 1] == pytest.approx(drawn[:, :n].min(axis=1).mean(), abs=2e-3)


def test_a_trial_that_failed_costs_budget_and_is_the_worst():
    assert expected_best([0.5, 0.9, float("nan")]) == expected_best([0.5, 0.9, 0.5])
    assert expected_best([0.5, 0.9, float("nan")], sign=-1) == expected_best([0.5, 0.9, 0.9], sign=-1)
    assert expected_best([float("nan")] * 3) == [] and expected_best([]) == []


def test_more_trials_are_never_expected_to_find_less():
    curve = expected_best([0.5, 0.7, 0.9, 0.4])
    assert curve == sorted(curve) and curve[0] == pytest.approx(0.625) and curve[-1] < 0.9
