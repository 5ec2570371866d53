"""From a table as somebody wrote it to canonical rows, or to what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial, reduce

import numpy as np
import pandas as pd

from reports.errors import ReportError
from reports.options import ReportOptions
from reports.table.blocks import FACTORS
from reports.table.columns import COSTS, KEPT, arm_columns, folded, offered, pick, places, refuse_wide, repeat_column
from reports.table.scores import Status, on_scale, scored, statuses, to_numbers
from reports.words.metrics import REPORTED, canonical_metric
from reports.words.names import plain_names, unprintable


def canonical(raw: pd.DataFrame, options: ReportOptions, *, decimal_commas: bool) -> tuple[pd.DataFrame, str]:
    """Return the rows under canonical names, metrics in one column, and which columns made its blocks."""
    refuse_wide(raw, options)
    raw = folded(raw).assign(row=np.arange(2, len(raw) + 2))
    long = {"metric", "value"} <= set(raw.columns)
    if "part" in raw:
        parts = raw["part"]
        raw = raw[parts.astype(str).str.strip().str.casefold() == "test"]
        if raw.empty:
            raise ReportError.unknown("part", "test", parts.dropna().astype(str))
    # the same defaults serve both layouts: a study's table simply has all the columns
    named = arm_columns(raw, options.arm)
    # one column names arms as they are, several make names like 'gnn=gat, fusion=late'
    texts = {column: _text(raw, column) for column in named}
    arms = texts[named[0]] if len(named) == 1 else _joined((f"{c}=" + text for c, text in texts.items()), ", ")
    blocks, inside = places(raw, options)
    repeat = repeat_column(raw, arms, named)
    units = _joined((_text(raw, column) for column in blocks), " / ")
    frame = pd.DataFrame(
        {
            "row": raw["row"],
            "arm": arms,
            "role": plain_names(raw["role"]).fillna("arm") if "role" in raw else "arm",
            "dataset": _datasets(_joined((_text(raw, column) for column in inside), " / "), units) if inside else units,
            "block": units,
            "repeat": _repeats(raw, repeat) if repeat else 0,
            "status": statuses(raw),
            "reason": raw["reason"].fillna("").astype(str) if "reason" in raw else "",
        }
    )
    extra = raw[[c for c in dict.fromkeys((*KEPT, *FACTORS)) if c in raw and _kept(raw[c], arms, named)]]
    levels = {c: plain_names(extra[c]) for c in FACTORS if c in extra}
    costs = {c: to_numbers(extra[c], decimal_commas=decimal_commas) for c in COSTS if c in extra}
    frame = frame.join(extra.assign(**levels, **costs))
    inside = [name for name in inside if name not in blocks]
    unit_names = " × ".join(blocks) + (f", each over {' × '.join(inside)}" if inside else "")
    score = partial(scored, decimal_commas=decimal_commas)
    rows = _long(frame, raw, score) if long else _melted(frame, raw, options.metric, (*named, *blocks), score)
    return on_scale(rows), unit_names


def _kept(column: pd.Series, arms: pd.Series, named: Sequence[str]) -> bool:
    """Whether a column stays beside the arms: crossed factors do, to be analysed as such."""
    if column.name in FACTORS and column.groupby(arms).nunique(dropna=False).max() > 1:
        return False  # an arm that has it both ways has no level of it
    return column.name not in named or (len(named) > 1 and column.name in FACTORS)


def _joined(parts: Iterable[pd.Series], link: str) -> pd.Series:
    return reduce(lambda name, part: name + link + part, parts)


def _datasets(inside: pd.Series, units: pd.Series) -> pd.Series:
    """Name data sets so that ``STRING`` of hESC and ``STRING`` of mESC stay two."""
    shared = units.groupby(inside).nunique().max() > 1
    return inside + " / " + units if shared else inside


def _text(raw: pd.DataFrame, column: str) -> pd.Series:
    names = plain_names(raw[column])
    empty = names.isna() | names.eq("")
    if empty.any():
        raise ReportError(f"column {column!r} is empty", where=f"row {raw.loc[empty, 'row'].iloc[0]}")
    for name in names.unique():
        if unprintable(name):
            message = f"{column} {name!r} holds a character that no page can show; delete it"
            raise ReportError(message, where=f"row {raw.loc[names == name, 'row'].iloc[0]}")
    return names


def _repeats(raw: pd.DataFrame, column: str) -> pd.Series:
    numbers = pd.to_numeric(raw[column], errors="coerce")
    wrong = numbers.isna() | (numbers % 1 != 0) | (numbers.abs() > 2**53)  # above it, a float is no exact count
    if wrong.any():
        first = raw[wrong].iloc[0]
        raise ReportError(f"{column} {str(first[column])!r} is not a whole number", where=f"row {first['row']}")
    return numbers.astype(int)


def _stated(raw: pd.DataFrame) -> pd.Series:
    """Mark the rows whose owner says what became of the run; an empty score of the others is a typing error."""
    if "status" not in raw:
        return pd.Series(False, index=raw.index)
    return raw["status"].fillna("").astype(str).str.strip().ne("")


def _long(frame: pd.DataFrame, raw: pd.DataFrame, score: Callable[..., pd.DataFrame]) -> pd.DataFrame:
    nameless = raw["metric"].isna()
    frame = score(frame, raw["value"], "value", _stated(raw) & ~nameless)
    unknown = frame.loc[nameless & (frame["status"] == Status.OK), "row"]
    if len(unknown):
        raise ReportError("column 'metric' is empty", where=f"row {unknown.iloc[0]}")
    written = plain_names(raw.loc[~nameless, "metric"])
    if written.empty:
        raise ReportError("no cell of this study was finished: there is nothing to report")
    metrics = {name: canonical_metric(name) for name in written.unique()}
    _refuse_one_metric_of_two_names(metrics, "metrics")
    # a cell that died before it was scored failed on every metric, whichever way the ledger wrote it down
    died = frame[nameless].merge(pd.DataFrame({"metric": list(metrics.values())}), how="cross")
    known = frame[~nameless].assign(metric=written.map(metrics))
    return pd.concat([known, died], ignore_index=True) if len(died) else known.reset_index(drop=True)


def _melted(
    frame: pd.DataFrame,
    raw: pd.DataFrame,
    metric: str | None,
    keys: Sequence[str],
    score: Callable[..., pd.DataFrame],
) -> pd.DataFrame:
    columns = [str(c) for c in raw.columns if c not in ("row", "repeat", *keys)]
    metrics = {column: canonical_metric(column) for column in columns}
    names = REPORTED if metric is None else (canonical_metric(metric),)
    metrics = {column: name for want in names for column, name in metrics.items() if name == want}
    if metric is not None and not metrics:
        column = pick(raw, metric, "metric")
        metrics = {column: canonical_metric(column)}
    _refuse_one_metric_of_two_names(metrics, "columns")
    if not metrics:
        raise ReportError(
            f"no column is a known metric ({', '.join(REPORTED)}); say which with --metric. "
            f"{offered(raw[columns], 'metric')}"
        )
    stated = _stated(raw)
    parts = [score(frame, raw[column], name, stated).assign(metric=name) for column, name in metrics.items()]
    return pd.concat(parts, ignore_index=True)


def _refuse_one_metric_of_two_names(metrics: dict[str, str], what: str) -> None:
    first: dict[str, str] = {}
    for written, name in metrics.items():
        other = first.setdefault(name.casefold(), written)
        if other != written:
            raise ReportError(f"{what} {other!r} and {written!r} are both {name}; rename or delete one of them")
