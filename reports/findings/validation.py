"""Where validation, which chooses epochs and arms, asks otherwise than the test or ranks arms otherwise."""

from __future__ import annotations

import pandas as pd

from reports.findings.results import Refusal
from reports.table.status import Status
from reports.table.table import Table
from reports.words.metrics import label, metric_of
from reports.words.numbers import joined, signed


def unlike_validation(table: Table) -> list[Refusal]:
    """Warn where validation asks otherwise than the test, and where it puts an arm across the reference."""
    return [*_exams(table.frame), *_order(table)]


def _exams(frame: pd.DataFrame) -> list[Refusal]:
    if "exam_differs" not in frame:
        return []
    notes = frame.loc[frame["exam_differs"].fillna("").ne(""), ["dataset", "exam_differs"]].drop_duplicates("dataset")
    return [
        Refusal(
            "validation asks otherwise",
            "the exam",
            f"On {joined(sorted(rows['dataset']))}, {text}. What validation chooses need not be best in the test.",
            "warning",
        )
        for text, rows in notes.groupby("exam_differs", sort=False)
    ]


def _order(table: Table) -> list[Refusal]:
    """Compare the sign of each arm's distance from the reference, means over data sets, in validation and test."""
    frame, metric, reference = table.frame, table.metric, table.reference
    if reference is None or table.validation.empty:
        return []
    rows = frame[
        (frame["metric"] == metric) & (frame["status"] == Status.OK) & frame["role"].isin(("reference", "arm"))
    ]
    both = rows.merge(table.validation, on=["arm", "dataset", "repeat"], suffixes=("_test", "_validation"))
    columns = ["value_validation", "value_test"]
    means = both.groupby(["dataset", "arm"])[columns].mean().groupby(level="arm").mean()
    if reference not in means.index:
        return []
    out, least = [], metric_of(metric).margin or 0.0
    for arm, (validation, test) in (means - means.loc[reference]).iterrows():
        if validation * test < 0 and min(abs(validation), abs(test)) > least:
            message = (
                f"In {label(metric)}, means over data sets and repeats, validation has {arm} {signed(validation)} from "
            )
            message += f"{reference} and the test {signed(test)}: what validation prefers, the test does not."
            out.append(Refusal("validation ranks otherwise", str(arm), message, "warning"))
    return out
