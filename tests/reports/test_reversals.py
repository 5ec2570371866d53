"""Where the order of two arms flips between networks, exams and metrics."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from conftest import ARMS, analyse

from reports.findings.contributions.contributions import Reversals, reversals
from reports.page.sections.contributions import contribution_exports, contribution_sentences, contributions_context
from reports.table.table import Table

Study = Callable[..., Table]


CLOSE = {**ARMS, "fusion=early": ("arm", 0.775)}


def turned(frame: pd.DataFrame) -> pd.DataFrame:
    """Let early fusion, which is worse by .025, win by .025 on one network."""
    wins = frame["arm"].eq("fusion=early") & frame["network"].eq("STRING") & frame["metric"].eq("auroc")
    return frame.assign(value=frame["value"].where(~wins, frame["value"] + 0.05))


def flips(table: Table, metrics: tuple[str, ...] = ("auroc",)) -> Reversals:
    return reversals(table.frame, metrics, 0.005)


def test_a_flip_between_networks_is_listed_with_both_sides(study: Study) -> None:
    table = study(turned, arms=CLOSE)
    reversed_pairs = flips(table)
    assert reversed_pairs.compared == {"networks": 14}  # pairs of six arms, but for that of two controls
    (row,) = reversed_pairs.table[reversed_pairs.table["beyond"]].to_dict("records")
    assert {row["one"], row["other"]} == {"full", "fusion=early"}
    assert {row["here"], row["there"]} == {"STRING", "Specific"}
    wide = table.frame[table.frame["metric"] == "auroc"].pivot_table("value", ["network", "block"], "arm", "mean")
    means = (wide[row["one"]] - wide[row["other"]]).groupby("network").mean()
    assert (row["ahead"], row["behind"]) == pytest.approx((means[row["here"]], means[row["there"]]))
    assert row["ahead"] > 0 > row["behind"] and row["blocks"] == 7


def test_networks_are_compared_over_blocks_that_both_have(study: Study) -> None:
    table = study(turned, arms=CLOSE)
    frame = table.frame
    lacking = frame["network"].eq("STRING") & frame["block"].isin(["cell0", "cell1"])
    crashed = frame["arm"].eq("full") & frame["block"].eq("cell2") & frame["network"].eq("Specific")
    frame = frame.assign(status=frame["status"].mask(crashed, "oom"), value=frame["value"].mask(crashed, np.nan))
    reversed_pairs = reversals(frame[~lacking], ("auroc",), 0.005).table
    assert reversed_pairs.loc[reversed_pairs["beyond"], "blocks"].tolist() == [4]
    single = frame[frame["network"].eq("Specific") | frame["block"].eq("cell6")]
    assert reversals(single, ("auroc",), 0.005).compared == {}  # one block in common flips by chance


def test_exams_and_metrics_are_compared_and_a_column_that_varies_inside_a_data_set_is_no_exam(study: Study) -> None:
    table = study(turned, arms=CLOSE)
    exams = table.frame.assign(split=table.frame["network"].map({"STRING": "pairs", "Specific": "per_tf"}))
    assert set(reversals(exams, ("auroc",), 0.005).compared) == {"networks", "exams"}
    folds = table.frame.assign(split=table.frame["repeat"].astype(str))
    assert set(reversals(folds, ("auroc",), 0.005).compared) == {"networks"}
    over = reversals(table.frame, ("auroc", "auprc_ratio", "auprc"), 0.005)
    assert set(over.compared) == {"networks", "metrics"}
    by_metric = over.table[over.table["over"] == "metrics"]
    assert set(by_metric["here"]) <= {"auroc"} and set(by_metric["there"]) <= {"auprc_ratio"}
    assert reversals(table.frame, ("auprc",), 0.005).table.empty


def test_the_page_counts_flips_and_lists_those_beyond_the_margin(study: Study) -> None:
    analysis = analyse(study(turned, arms=CLOSE))
    sentences = contribution_sentences(analysis)
    assert "Between networks, the order of two arms flips in 1 of 14 pairs, 1 by more than ±0.01." in sentences
    (row,) = (r for r in contributions_context(analysis, [])["flips"] if r["Between"] == "networks")
    assert "(STRING)" in row["Ahead"] + row["Behind"] and row["Over"] == "7 blocks"
    assert "rank_reversals" in {table.name for table in contribution_exports(analysis)}
