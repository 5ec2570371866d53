"""Two kinds of failures: caused by the arm, it counts as worst; lost otherwise, the repeat is left out of the pair."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import analyse

from reports.table.blocks import block_means, cells, over_blocks, pair_of
from reports.table.table import Table

pytestmark = pytest.mark.slow  # whole reports, one a test

Study = Callable[..., Table]


def with_status(status: str, where: str) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def change(frame: pd.DataFrame) -> pd.DataFrame:
        hit = frame.eval(where)
        if not status:
            return frame[~hit]
        return frame.assign(status=frame["status"].mask(hit, status), value=frame["value"].mask(hit))

    return change


def of(analysis: Any, arm: str) -> Any:
    return next(f for f in analysis.findings if f.arm == arm and f.metric == "auroc")


def messages(analysis: Any, rule: str) -> list[str]:
    return [r.message for r in analysis.refusals if r.rule == rule]


ONE = "arm == 'gnn=none' and repeat == 0 and dataset == 'STRING-cell0'"


AS_KILLED = [pytest.param(status, marks=pytest.mark.slow) for status in ("timeout", "error", "damaged")]


@pytest.mark.parametrize("status", ["killed", *AS_KILLED, ""])
def test_a_lost_repeat_leaves_the_pair_and_not_the_block(study: Study, status: str):
    analysis = analyse(study(with_status(status, ONE)))
    without_gnn = of(analysis, "gnn=none")
    assert (
        without_gnn.effect.n == 7
        and without_gnn.failures == 0
        and without_gnn.dropped == ()
        and without_gnn.verdict == "lower"
    )
    (message,) = messages(analysis, "lost repeats")
    assert f"gnn=none lost repeat 0 of STRING-cell0 ({status or 'not run'})" in message
    assert of(analysis, "fusion=early").effect.mean == of(analyse(study()), "fusion=early").effect.mean


@pytest.mark.parametrize("status", ["oom", "diverged"])
def test_a_failure_caused_by_the_arm_is_the_worst_of_its_block(study: Study, status: str):
    analysis = analyse(study(with_status(status, ONE)))
    without_gnn = of(analysis, "gnn=none")
    assert without_gnn.effect.n == 6 and without_gnn.failures == 1 and messages(analysis, "lost repeats") == []


def test_the_other_arm_loses_the_same_repeat(study: Study):
    """The repeat that is lost was a hard one: the arm must not gain what the reference lost in it."""

    def hard(frame: pd.DataFrame) -> pd.DataFrame:
        worse = frame["value"] - 0.3 * (frame["repeat"].eq(0) & frame["metric"].eq("auroc"))
        return with_status("killed", "arm == 'gnn=none' and repeat == 0")(frame.assign(value=worse))

    table = study(hard, noise=1e-4)
    wide = cells(table.frame, "auroc")
    means = over_blocks(pair_of(wide, "gnn=none", "full"), "auroc")
    assert np.allclose(means["gnn=none"] - means["full"], -0.06, atol=1e-3)
    with_all = block_means(table.frame, "auroc")
    assert np.allclose(with_all["fusion=early"] - with_all["full"], -0.01, atol=1e-3)


def test_a_gap_of_the_reference_hides_no_crash(study: Study):
    def both(frame: pd.DataFrame) -> pd.DataFrame:
        crashed = with_status("oom", "arm == 'gnn=none' and repeat == 0 and block == 'cell0'")(frame)
        return with_status("killed", "arm == 'full' and repeat == 0 and block == 'cell0'")(crashed)

    without_gnn = of(analyse(study(both)), "gnn=none")
    assert without_gnn.failures == 1 and without_gnn.effect.n == 6
    means = over_blocks(pair_of(cells(study(both).frame, "auroc"), "gnn=none", "full"), "auroc")
    assert np.isneginf(means.loc["cell0", "gnn=none"]) and np.isfinite(means.loc["cell0", "full"])


def test_a_block_without_a_common_repeat_is_missing(study: Study):
    without_gnn = of(
        analyse(study(with_status("killed", "arm == 'gnn=none' and dataset == 'STRING-cell0'"))), "gnn=none"
    )
    assert without_gnn.effect.n == 6 and [(d.block, d.why) for d in without_gnn.dropped] == [("cell0", "missing")]


def test_most_repeats_lost_and_timeouts_of_one_arm_are_warned_of(study: Study):
    lost = "arm == 'gnn=none' and repeat < 2 and dataset == 'STRING-cell0'"
    analysis = analyse(study(with_status("timeout", lost)))
    assert "more than half of its repeats on STRING-cell0" in messages(analysis, "most repeats lost")[0]
    assert "Only gnn=none lost cells to the time limit" in messages(analysis, "timeouts of one arm")[0]
    everyone = analyse(study(with_status("timeout", "repeat == 0 and dataset == 'STRING-cell0'")))
    assert messages(everyone, "timeouts of one arm") == [] and messages(everyone, "most repeats lost") == []


def test_a_lost_run_of_six_costs_no_power(study: Study):
    """Seven cell types, one cell of one arm lost in two of them: every block still counts."""
    lost = "arm == 'gnn=none' and repeat == 1 and dataset in ['STRING-cell0', 'Specific-cell4']"
    without_gnn = of(analyse(study(with_status("killed", lost))), "gnn=none")
    assert without_gnn.effect.n == 7 and without_gnn.p is not None and without_gnn.verdict == "lower"
