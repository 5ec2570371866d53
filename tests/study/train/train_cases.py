"""Shared by the suites of trainings."""

import numpy as np

from study.train.cell import CellResult


def same(one: CellResult, other: CellResult) -> None:
    """Check that two results are equal, to the last bit."""
    assert one.record.ok and other.record.ok, (one.record.reason, other.record.reason)
    for name in ("scores", "curves", "best_epoch", "parameters"):
        assert getattr(one.record, name) == getattr(other.record, name), name
    assert one.predictions is not None and other.predictions is not None
    np.testing.assert_array_equal(one.predictions["score"], other.predictions["score"])
