"""The tidy table: one row per cell, part and metric; everything a report needs and nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from components.core.metrics import METRICS
from study.plan.plan import Row
from study.spec.files import write_atomically
from study.train.cell import Result

__all__ = ["TABLE", "tidy", "write_table"]

TABLE = "cells.parquet"


def tidy(rows: Sequence[Row], results: Mapping[str, Result]) -> pd.DataFrame:
    """Return the table of all finished cells, failures included with missing values."""
    records: list[dict[str, Any]] = []
    for row in rows:
        if (result := results.get(row.cell)) is not None:
            known = {**_identity(row), **_outcome(result)}
            records += [{**known, "part": p, "metric": metric, "value": value} for p, metric, value in _values(result)]
    return pd.DataFrame(records)


def write_table(rows: Sequence[Row], results: Mapping[str, Result], out: Path) -> Path:
    """Write ``OUT/cells.parquet`` and return its path."""
    frame = tidy(rows, results)
    path = out / TABLE
    write_atomically(path, lambda temporary: frame.to_parquet(temporary, index=False))
    return path


def _identity(row: Row) -> dict[str, Any]:
    named = {name: value for name, value in vars(row).items() if name not in ("levels", "settings")}
    return {**named, **row.levels}


def _outcome(result: Result) -> dict[str, Any]:
    return {
        "status": result.status,
        "reason": result.reason,
        "seconds": result.seconds,
        "peak_memory_mb": result.peak_memory_mb,
        "parameters": result.parameters,
        "best_epoch": result.best_epoch,
        "device": result.device,
        "split_digest": result.facts.get("split_digest", ""),
        "test_share": result.facts.get("test_share", float("nan")),
        "versions": json.dumps(result.versions, sort_keys=True),
    }


def _values(result: Result) -> list[tuple[str, str, float]]:
    if result.status != "ok":
        return [(part, metric, float("nan")) for part in ("validation", "test") for metric in METRICS]
    return [
        (part, metric, float("nan") if value is None else value)
        for part, scores in result.scores.items()
        for metric, value in scores.items()
    ]
