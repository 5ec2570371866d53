"""The suites that check knockout's own levels, run over these."""

import numpy as np
from knockout_example.hits import hits_at_100

from knockout.testing import contract

TestRoles = contract("scorer", "example_roles", width=4)
TestSimplified = contract("gnn", "example_sgc", widths=[6, 4])
TestFocal = contract("optimizer", "example_focal")
TestRanks = contract("example_scale", "ranks")
TestGate = contract("example_gate", "sigmoid")


def test_hits_count_the_best_hundred():
    labels = np.arange(300) % 2
    assert hits_at_100(labels.astype(float), labels, np.zeros((300, 2), dtype=int)) == 1.0
