"""The sections on cells: which are finished, and what they cost."""

from __future__ import annotations

from typing import Any

from reports.findings.results import Analysis
from reports.page.tables.exports import cost_table


def completeness_context(a: Analysis) -> dict[str, Any]:
    """Gather which cells are finished, failed and missing, with the reasons."""
    table = a.completeness
    bad = table[(table["failed"] > 0) | (table["missing"] > 0)]
    rows = [
        {
            "arm": r.arm,
            "dataset": r.dataset,
            "counts": f"{r.finished} finished, {r.failed} failed, {r.missing} missing",
            "reasons": r.reasons or "no row in the table",
        }
        for r in bad.itertuples()
    ]
    return {"total": len(table), "rows": rows, **_matrix(a)}


def _matrix(a: Analysis) -> dict[str, Any]:
    """Lay out how many cells of every arm on every data set are finished, failed and missing."""
    cells = {(r.arm, r.dataset): r for r in a.completeness.itertuples()}
    body = [{"arm": arm, "cells": [_count(cells.get((arm, d))) for d in a.datasets]} for arm in a.arms]
    return {"datasets": a.datasets, "matrix": body}


def _count(cell: Any) -> dict[str, str]:
    if cell is None:
        return {"text": "–", "mark": "gap"}
    parts = [f"{cell.finished} ok", f"{cell.failed} failed", f"{cell.missing} missing"]
    shown = [part for part, n in zip(parts, (1, cell.failed, cell.missing), strict=True) if n]
    return {"text": ", ".join(shown), "mark": "gap" if len(shown) > 1 else ""}


def costs_context(a: Analysis) -> dict[str, Any]:
    """Gather what every arm cost; empty where nothing was recorded."""
    if a.costs.empty:
        return {}
    text = cost_table(a)
    return {"heads": list(text), "rows": [{"arm": arm, "cells": list(row)} for arm, row in text.T.items()]}
