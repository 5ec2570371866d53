"""From a file to canonical rows: finds the columns of a result table, or says what is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from reports.errors import ReportError
from reports.glossary import METRICS
from reports.levels import FACTORS

__all__ = ["canonical", "read"]

Columns = str | Sequence[str] | None
FAILED = ("oom", "diverged", "timeout", "error", "killed")
# Read for costs, provenance and refusals when the table has them; nothing else of a user's file is kept.
KEPT = (
    *FACTORS,
    *("study", "arm_digest", "network", "split", "cell", "seconds", "peak_memory_mb", "parameters"),
    *("data_digest", "split_digest", "test_share", "code_digest", "protocol", "versions", "trial"),
)

SUFFIXES = (".csv", ".parquet")
# how benchmark tables say where a score was measured: networks and gene sets of one cell type share its cells
CELL_TYPE, WITHIN = ("cell",), ("network", "genes")


def read(source: Path) -> pd.DataFrame:
    """Read the table of a study from CSV or parquet, as it stands."""
    if not source.is_file():
        beside = sorted(p.name for p in source.parent.glob("*") if p.suffix in SUFFIXES)[:12]
        raise ReportError.unknown("table", source.name, beside, where=str(source.parent))
    if source.suffix not in SUFFIXES:
        raise ReportError("not a table; give a .csv or .parquet file, or the folder of a study.", where=str(source))
    try:
        if source.suffix == ".parquet":
            raw = pd.read_parquet(source)
        else:
            # "none" and "NA" are names of levels here; only an empty field is a missing one
            raw = pd.read_csv(source, keep_default_na=False, na_values=[""])
    except (ValueError, OSError) as error:
        raise ReportError(f"not a readable table: {error}", where=str(source)) from error
    if raw.empty:
        raise ReportError("the table has no rows", where=str(source))
    return raw


def canonical(
    raw: pd.DataFrame,
    source: Path,
    *,
    arm: str | None,
    block: Columns,
    metric: str | None,
    dataset: Columns,
) -> tuple[pd.DataFrame, str]:
    """Return the rows of a study under canonical names, metrics in one column, and which columns made its blocks."""
    long = {"metric", "value"} <= set(raw.columns)
    raw = raw.assign(row=np.arange(2, len(raw) + 2))
    if "part" in raw:
        raw = _test_part(raw, source)
    # the same defaults serve both layouts: a study's table simply has all the columns
    arm_column = _pick(raw, arm, ("arm", "method", *_varied_factor(raw)), "arm", source)
    blocks = _places(raw, block, ("block", "dataset", *CELL_TYPE), "block", source)
    inside = _places(raw, dataset, ("dataset",), "dataset", source) if dataset or "dataset" in raw else []
    inside = inside or [c for c in WITHIN if c not in blocks and _varies(raw, c)]
    units = _joined(raw, blocks, source)
    frame = pd.DataFrame(
        {
            "row": raw["row"],
            "arm": _text(raw, arm_column, source),
            "role": raw["role"].astype(str) if "role" in raw else "arm",
            "dataset": _datasets(_joined(raw, inside, source), units) if inside else units,
            "block": units,
            "repeat": _repeats(raw, source),
            "status": raw["status"].fillna("ok").astype(str) if "status" in raw else "ok",
            "reason": raw["reason"].fillna("").astype(str) if "reason" in raw else "",
        }
    )
    kept = raw[[c for c in KEPT if c in raw and c != arm_column]]
    frame = frame.join(kept)
    inside = [name for name in inside if name not in blocks]
    made = " × ".join(blocks) + (f", each over {' × '.join(inside)}" if inside else "")
    rows = _long(frame, raw, source) if long else _melted(frame, raw, metric, (arm_column, *blocks), source)
    return rows, made


def _test_part(raw: pd.DataFrame, source: Path) -> pd.DataFrame:
    part = raw[raw["part"] == "test"]
    if part.empty:
        raise ReportError.unknown("part", "test", raw["part"].dropna().astype(str), where=str(source))
    return part


def _pick(raw: pd.DataFrame, given: str | None, usual: Sequence[str], what: str, source: Path) -> str:
    columns = [str(c) for c in raw.columns if c != "row"]
    if given is not None:
        if given not in columns:
            raise ReportError.unknown(f"{what} column", given, columns, where=str(source))
        return given
    for name in usual:
        if name in columns:
            return name
    raise ReportError(
        f"no column {' or '.join(map(repr, usual))}; say which one names the {what} with --{what} ({what}=). "
        f"Columns: {', '.join(columns)}.",
        where=str(source),
    )


def _varied_factor(raw: pd.DataFrame) -> list[str]:
    """Return the factor that a table without named arms varies: its levels are the arms."""
    varied = [factor for factor in FACTORS if _varies(raw, factor)]
    return varied if len(varied) == 1 else []


def _varies(raw: pd.DataFrame, column: str) -> bool:
    return column in raw and len(raw[column].unique()) > 1


def _places(raw: pd.DataFrame, given: Columns, usual: Sequence[str], what: str, source: Path) -> list[str]:
    named = [given] if given is None or isinstance(given, str) else given
    if {"cell", "block", "arm_digest"} <= set(raw.columns):
        # in a study's own table 'cell' is what was trained; whoever asks for the cell type means its block
        named = ["block" if name in CELL_TYPE else name for name in named]
    return [_pick(raw, name, usual, what, source) for name in named]


def _joined(raw: pd.DataFrame, columns: Sequence[str], source: Path) -> pd.Series:
    name, *more = (_text(raw, column, source) for column in columns)
    for part in more:
        name = name + " / " + part
    return name


def _datasets(inside: pd.Series, units: pd.Series) -> pd.Series:
    """Name data sets so that ``STRING`` of hESC and ``STRING`` of mESC stay two."""
    shared = units.groupby(inside).nunique().max() > 1
    return inside + " / " + units if shared else inside


def _text(raw: pd.DataFrame, column: str, source: Path) -> pd.Series:
    empty = raw[column].isna()
    if empty.any():
        raise ReportError(f"column {column!r} is empty", where=f"{source}, row {raw.loc[empty, 'row'].iloc[0]}")
    return raw[column].astype(str)


def _repeats(raw: pd.DataFrame, source: Path) -> pd.Series:
    if "repeat" not in raw:
        return pd.Series(0, index=raw.index)
    numbers = pd.to_numeric(raw["repeat"], errors="coerce")
    wrong = numbers.isna() | (numbers % 1 != 0)
    if wrong.any():
        first = raw[wrong].iloc[0]
        raise ReportError(f"repeat {first['repeat']!r} is not a whole number", where=f"{source}, row {first['row']}")
    return numbers.astype(int)


def _numbers(column: pd.Series, rows: pd.Series, failed: pd.Series, name: str, source: Path) -> pd.Series:
    numbers = pd.to_numeric(column, errors="coerce").astype(float)
    wrong = ~numbers.abs().lt(np.inf) & ~failed
    if wrong.any():
        at = int(np.flatnonzero(wrong)[0])
        given = column.iloc[at]
        said = "is empty" if pd.isna(given) else f"is {given!r}, not a finite number"
        raise ReportError(
            f"{name} {said}; a failed run needs a column 'status' that says so ({', '.join(FAILED)})",
            where=f"{source}, row {rows.iloc[at]}",
        )
    return numbers.where(~failed)


def _long(frame: pd.DataFrame, raw: pd.DataFrame, source: Path) -> pd.DataFrame:
    frame = frame.assign(metric=raw["metric"], value=raw["value"])
    # a metric can be undefined on a finished cell (no TF with both classes): that is a gap, not a typing
    # error
    undefined = (frame["status"] == "ok") & frame["value"].isna() & ("cell" in raw)
    frame["status"] = frame["status"].where(~undefined, "undefined")
    frame["reason"] = frame["reason"].where(~undefined, "the metric is undefined on this cell")
    failed = frame["status"] != "ok"
    frame["value"] = _numbers(frame["value"], frame["row"], failed, "value", source)
    nameless = frame["metric"].isna()
    if (nameless & ~failed).any():
        raise ReportError("column 'metric' is empty", where=f"{source}, row {frame.loc[nameless, 'row'].iloc[0]}")
    metrics = list(dict.fromkeys(frame.loc[~nameless, "metric"].astype(str)))
    if not metrics:
        raise ReportError("no cell of this study was finished: there is nothing to report", where=str(source))
    # a cell that died before it was scored failed on every metric, whichever way the ledger wrote it down
    died = frame[nameless].drop(columns="metric").merge(pd.DataFrame({"metric": metrics}), how="cross")
    known = frame[~nameless].assign(metric=frame.loc[~nameless, "metric"].astype(str))
    return pd.concat([known, died], ignore_index=True) if len(died) else known.reset_index(drop=True)


def _melted(
    frame: pd.DataFrame, raw: pd.DataFrame, metric: str | None, keys: Sequence[str], source: Path
) -> pd.DataFrame:
    columns = [str(c) for c in raw.columns if c not in ("row", "repeat", *keys)]
    if metric is not None:
        metrics = [_pick(raw, metric, (), "metric", source)]
    else:
        metrics = [name for name in METRICS if name in columns]
    if not metrics:
        raise ReportError(
            f"no column is a known metric ({', '.join(METRICS)}); say which with --metric (metric=). "
            f"Columns: {', '.join(columns)}.",
            where=str(source),
        )
    failed = frame["status"] != "ok"
    parts = [
        frame.assign(metric=name, value=_numbers(raw[name], frame["row"], failed, name, source)) for name in metrics
    ]
    return pd.concat(parts, ignore_index=True)
