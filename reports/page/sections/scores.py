"""The scores as the page shows them: every arm on every data set, which cells are finished, and what they cost."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np
import pandas as pd

from reports.findings.results import Analysis
from reports.findings.summaries import TALL, best_two
from reports.words.metrics import label
from reports.words.numbers import count, number


def score_tables(a: Analysis) -> list[dict[str, Any]]:
    """Give every metric its table; with one data set the metrics share one, as columns."""
    tables = [_scores(a, metric) for metric in a.metrics]
    measured = {tuple(row["name"] for row in table["rows"]) for table in tables}
    if len(a.datasets) > 1 or len(measured) > 1:
        return tables
    rows = [
        {**first, "cells": [table["rows"][i]["cells"][0] for table in tables]}
        for i, first in enumerate(tables[0]["rows"])
    ]
    heads = [{"name": t["metric"], "role": ""} for t in tables]
    return [{"metric": "", "primary": True, "heads": heads, "rows": rows, "means": []}]


def _scores(a: Analysis, metric: str) -> dict[str, Any]:
    """Lay out one metric; the means of networks stand first, or last where data sets stand below each other."""
    data = a.scores[a.scores["metric"] == metric]
    arms = [arm for arm in a.arms if arm in set(data["arm"])]
    columns = {str(dataset): _column(rows) for dataset, rows in data.groupby("dataset")}
    means = _means(a, metric)
    named = {arm: {"name": arm, "role": "" if a.roles[arm] == "arm" else a.roles[arm]} for arm in arms}
    table = {"metric": label(metric), "primary": metric == a.metric, "means": []}
    if len(columns) > TALL:
        rows, below = (
            [{"name": name, "role": "", "cells": [column[arm] for arm in arms]} for name, column in part.items()]
            for part in (columns, means)
        )
        return {**table, "heads": list(named.values()), "rows": rows, "means": below}
    wide = means | columns  # what papers print comes first: the last columns of a wide table are out of sight
    body = [{**named[arm], "cells": [column[arm] for column in wide.values()]} for arm in arms]
    return {**table, "heads": [{"name": name, "role": ""} for name in wide], "rows": body}


def _column(rows: pd.DataFrame) -> dict[str, dict[str, str]]:
    marks = best_two(rows.set_index("arm")["mean"])
    return {row["arm"]: _cell(row, marks.get(row["arm"], "")) for row in rows.to_dict("records")}


def _means(a: Analysis, metric: str) -> dict[str, dict[str, dict[str, str]]]:
    """Show the mean of every arm over each network of several data sets, by the network's name."""
    out = {}
    for network, rows in a.averages[a.averages["metric"] == metric].groupby("network", sort=False):
        mean = rows.set_index("arm")["mean"]
        marks = best_two(mean)
        head = f"Mean of {network} ({count(int(rows['datasets'].max()), 'data set')})"
        out[head] = {str(arm): {"text": number(x), "spread": "", "mark": marks.get(arm, "")} for arm, x in mean.items()}
    return out


def _cell(row: dict[Hashable, Any], mark: str) -> dict[str, str]:
    if np.isfinite(row["mean"]):
        spread = f" ± {number(row['sd'])}" if np.isfinite(row["sd"]) else ""
        return {"text": number(row["mean"]), "spread": spread, "mark": mark}
    total = row["finished"] + row["failed"] + row["missing"]
    what = f"{row['failed']} of {total} failed" if row["failed"] else f"{row['missing']} of {total} missing"
    return {"text": what, "spread": "", "mark": "gap"}


def completeness_context(a: Analysis) -> dict[str, Any]:
    """Gather how many cells of every arm on every data set are finished, failed and missing, with the reasons."""
    table = a.completeness
    bad = table[(table["failed"] > 0) | (table["missing"] > 0)]
    rows = [
        {
            "Arm": r.arm,
            "Data set": r.dataset,
            "Repeats": f"{r.finished} finished, {r.failed} failed, {r.missing} missing",
            "Reason": r.reasons or "no row in the table",
        }
        for r in bad.itertuples()
    ]
    cells = {(r.arm, r.dataset): r for r in table.itertuples()}
    matrix = [{"arm": arm, "cells": [_count(cells.get((arm, d))) for d in a.datasets]} for arm in a.arms]
    return {"total": len(table), "rows": rows, "matrix": matrix}


def _count(cell: Any) -> dict[str, str]:
    if cell is None:
        return {"text": "–", "mark": "gap"}
    parts = [f"{cell.finished} ok", f"{cell.failed} failed", f"{cell.missing} missing"]
    shown = [part for part, n in zip(parts, (1, cell.failed, cell.missing), strict=True) if n]
    return {"text": ", ".join(shown), "mark": "gap" if len(shown) > 1 else ""}
