"""What repeats say against a study: those that arms lost, and validation that asks or ranks otherwise than the test."""

from __future__ import annotations

import pandas as pd

from reports.errors import listed
from reports.findings.results import Refusal
from reports.table.scores import WORST, Status
from reports.table.table import Table
from reports.words.metrics import label, metric_of
from reports.words.numbers import joined, signed

_LISTED = 4


def lost_repeats(frame: pd.DataFrame, metric: str) -> list[Refusal]:
    """Name the repeats that single arms lost, and warn where what is left may be what was easy."""
    rows = frame[frame["metric"] == metric]
    cells = rows.pivot(index=["dataset", "repeat"], columns="arm", values="status")  # noqa: PD010  a gap is kept
    out: list[Refusal] = []
    for arm in map(str, cells):
        out += _of_arm(arm, cells[arm])
    slow = [str(arm) for arm in cells if cells[arm].eq(Status.TIMEOUT).any()]
    if len(slow) == 1 and cells.shape[1] > 1:
        message = f"Only {slow[0]} lost cells to the time limit. Slow cells are no chance sample, so what is left may "
        message += "be what it finds easy: raise --timeout and run them again (--retry-failed)."
        out.append(Refusal("timeouts of one arm", slow[0], message, "warning"))
    return out


def _of_arm(arm: str, statuses: pd.Series) -> list[Refusal]:
    """Name the repeats that an arm lost on data sets of which it has others."""
    gone = ~statuses.isin([Status.OK, *WORST])
    gaps = statuses[gone & (~gone).groupby(level="dataset").transform("any")].fillna("not run")
    if gaps.empty:
        return []
    rows = gaps.rename("status").reset_index().to_dict("records")
    named = [f"repeat {row['repeat']} of {row['dataset']} ({row['status']})" for row in rows]
    message = f"{arm} lost {listed(named, _LISTED)}. Its comparisons leave these repeats out of both arms."
    out = [Refusal("lost repeats", arm, message, "warning")]
    share = gaps.groupby(level="dataset").size() / statuses.groupby(level="dataset").size()
    if most := sorted(map(str, share.index[share > 0.5])):
        message = f"{arm} lost more than half of its repeats on {listed(most, _LISTED)}: what is left may be what was "
        message += "easy. Run them again (--retry-failed) before its means are believed."
        out.append(Refusal("most repeats lost", arm, message, "warning"))
    return out


def other_exams(frame: pd.DataFrame) -> list[Refusal]:
    """Warn where validation asks otherwise than the test."""
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


def other_order(table: Table) -> list[Refusal]:
    """Warn where validation puts an arm across the reference, in means over data sets."""
    frame, metric, reference = table.frame, table.metric, table.reference
    if reference is None or table.validation.empty:
        return []
    rows = frame[(frame["metric"] == metric) & frame["status"].eq(Status.OK) & frame["role"].isin(("reference", "arm"))]
    both = rows.merge(table.validation, on=["arm", "dataset", "repeat"], suffixes=("_test", "_validation"))
    columns = ["value_validation", "value_test"]
    means = both.groupby(["dataset", "arm"])[columns].mean().groupby(level="arm").mean()
    if reference not in means.index:
        return []
    out, least = [], metric_of(metric).margin or 0.0
    for arm, (validation, test) in (means - means.loc[reference]).iterrows():
        if validation * test < 0 and min(abs(validation), abs(test)) > least:
            message = f"In {label(metric)}, means over data sets and repeats, validation has {arm} "
            message += f"{signed(validation)} from {reference} and the test {signed(test)}: "
            message += "what validation prefers, the test does not."
            out.append(Refusal("validation ranks otherwise", str(arm), message, "warning"))
    return out
