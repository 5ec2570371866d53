"""The tidy table: one row per cell, part and metric; everything a report needs and nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.core.metrics import METRICS, own_words
from components.core.registry import FACTORS
from study.spec.files import write_atomically
from study.spec.folder import OutFolder
from study.spec.records import CellRecord, CellRow

if TYPE_CHECKING:  # `status` asks what a table is told, and waits for no pandas
    import pandas as pd

OUTCOME = (
    *("status", "reason", "seconds", "peak_memory_mb", "parameters", "best_epoch", "device", "split_digest"),
    *("test_share", "exam_differs", "versions"),
)  # what the table has of a record beside its scores


def tidy(rows: Sequence[CellRow], records: Mapping[str, CellRecord]) -> pd.DataFrame:
    """Return the table of all finished cells, failures included with missing values."""
    import pandas as pd

    lines: list[dict[str, Any]] = []
    for row in rows:
        if (record := records.get(row.cell)) is not None:
            cell = line_of(row, record)
            lines += [{**cell, "part": part, "metric": name, "value": value} for part, name, value in _values(record)]
    frame = pd.DataFrame(lines)
    frame.attrs |= told(rows)  # parquet keeps it
    return frame


def told(rows: Sequence[CellRow]) -> dict[str, Any]:
    """Return what a report must be told of a table, since it knows no plug-in and no design.

    Metrics of plug-ins, and factors beside the usual ones: those of plug-ins, and settings that the design crosses.
    """
    crossed = [name for name in (rows[0].levels if rows else ()) if "." in name]
    factors = [name for name, factor in FACTORS.items() if factor.acts] + crossed
    return {name: value for name, value in {"metrics": own_words(), "factors": factors}.items() if value}


def write_table(rows: Sequence[CellRow], records: Mapping[str, CellRecord], out: Path) -> Path:
    """Write the tidy table of an output folder and return its path."""
    frame, path = tidy(rows, records), OutFolder(out).table
    write_atomically(path, lambda temporary: frame.to_parquet(temporary, index=False))
    return path


def line_of(row: CellRow, record: CellRecord) -> dict[str, Any]:
    """Return what the table says of a cell beside its scores."""
    return {
        **row.model_dump(exclude={"version", "levels", "settings", "training"}),
        "protocol": json.dumps(row.training, sort_keys=True),
        **row.levels,
        **{name: getattr(record, name) for name in OUTCOME},
        "status": str(record.status),
        "test_share": float("nan") if record.test_share is None else record.test_share,
        "versions": json.dumps(record.versions, sort_keys=True),
    }


def scores_of(record: CellRecord) -> list[tuple[str, str, float | None]]:
    """Return part, metric and value of each score of a cell; None where it is undefined."""
    return [(part, name, value) for part, scores in record.scores.items() for name, value in scores.items()]


def _values(record: CellRecord) -> list[tuple[str, str, float]]:
    if not record.ok:
        return [(part, metric, float("nan")) for part in ("validation", "test") for metric in METRICS]
    return [(part, metric, float("nan") if value is None else value) for part, metric, value in scores_of(record)]
