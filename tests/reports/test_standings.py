"""What each arm reached, beside the reference and the strongest control: reported with or without a test."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import study_frame

from reports.findings.summaries import scores, standings

ARMS = {
    "full": ("reference", 0.9),
    "mine": ("arm", 0.8),
    "weak": ("control", 0.5),
    "strong": ("control", 0.7),
}


@pytest.mark.parametrize("blocks", [1, 3])
def test_own_arm_stands_beside_reference_and_strongest_control(blocks: int):
    frame = study_frame(blocks=blocks, arms=ARMS, noise=0.0)
    frame = frame[frame["part"] == "test"]
    table = standings(scores(frame, ("auroc",)), "auroc", "full").set_index("arm")
    assert set(table.index) == {"full", "mine", "strong"}
    assert table["difference"].round(6).to_dict() == {"full": 0.0, "mine": -0.1, "strong": -0.2}


def test_an_arm_that_lacks_a_block_has_no_mean():
    frame = study_frame(blocks=3, arms=ARMS, failed={("mine", "cell1")})
    frame = frame[frame["part"] == "test"]
    table = standings(scores(frame, ("auroc",)), "auroc", "full").set_index("arm")
    assert np.isnan(table.loc["mine", "mean"]) and np.isfinite(table.loc["full", "mean"])
