"""The one tidy table a report is made of, read from a study's ``cells.parquet`` or from anyone's CSV.

Canonical form: one row per arm x dataset x repeat x metric. Reading refuses whatever would make a later
number wrong without a sound: text among the scores, empty cells nobody explained, rows that repeat a
measurement.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from reports.errors import ReportError, listed
from reports.options import DEFAULTS, Planned, ReportOptions
from reports.table.blocks import ROLES
from reports.table.canonical import canonical
from reports.table.columns import tells_apart
from reports.table.files import read
from reports.table.scores import FAILED, Status
from reports.words.metrics import METRICS, PRIMARY, canonical_metric, metric_of, squashed
from reports.words.names import alike, plain, plain_names

_TINY = 0.01  # a metric of unknown range that is nowhere as large is written in units of its own
KEYS = ["arm", "dataset", "repeat", "metric"]


@dataclass(frozen=True)
class Table:
    """The measurements of one study, in the form every statistic here expects.

    Attributes
    ----------
    frame
        One row per arm x dataset x repeat x metric: ``arm, role, dataset, block, repeat, metric, value,
        status`` and, where the study wrote them, factors, digests and costs. ``value`` is NaN exactly where
        ``status`` is not ``ok``.
    reference
        Name of the full model the other arms are compared with; None compares all pairs.
    metric
        The primary metric: the one the three opening sentences speak of.
    source
        File the table was read from.
    digest
        SHA-256 of that file.
    units
        Columns that name the independent unit, and what lies inside it.
    undefined
        Metric, data set and number of repeats of every exam that does not define the metric (within-TF AUROC where
        no TF has both classes): no arm is asked for it.
    validation
        ``arm, dataset, repeat, value`` of the primary metric in validation, as a study's table has it; else empty.
    unit
        What the primary metric is measured in, where its scale is not known and tiny; its name says so, too.
    planned
        What the study set out to measure; None for a table of which nobody said so.
    """

    frame: pd.DataFrame
    reference: str | None
    metric: str
    source: Path
    digest: str = ""
    units: str = ""
    undefined: tuple[tuple[str, str, int], ...] = ()
    validation: pd.DataFrame = field(default_factory=pd.DataFrame)
    unit: float = 1.0
    planned: Planned | None = None


def load(path: str | Path, options: ReportOptions = DEFAULTS) -> Table:
    """Read the results of a study, or of anybody's experiment, and refuse what cannot be analysed.

    Parameters
    ----------
    path
        Parquet, or text parted by commas, semicolons or tabs. A table with the columns ``metric`` and ``value`` is
        long, any other has one column per metric. Names of columns and of known metrics may be in any case.
    options
        Which columns name arms, units and data sets; the primary metric and the reference arm.

    Raises
    ------
    ReportError
        Says what was given, what exists, the nearest match, the file and the row.
    """
    source = Path(path)
    try:
        table = _load(source, options)
    except ReportError as error:
        raise ReportError(error.message, where=", ".join(filter(None, (str(source), error.where)))) from error.__cause__
    low, high = metric_of(table.metric).bounds
    if options.margin is not None and options.margin >= (high - low) / 2:
        message = f"{options.margin:g} is half of what {table.metric} can be, or more: any two arms would be equal."
        raise ReportError(message, where="margin")
    return table


def _load(source: Path, options: ReportOptions) -> Table:
    """Read a table as :func:`load` does; errors name the row alone."""
    raw, decimal_commas = read(source)
    frame, units = canonical(raw, options, decimal_commas=decimal_commas)
    _reject_alike(frame)
    _reject_repeated(frame, raw)
    _reject_two_arms_of_one_name(frame)
    reference = _reference(frame, options.reference)
    frame = _with_roles(frame, reference)
    primary = _primary(frame, options.metric)
    frame, undefined = _without_undefined(frame, primary)
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    frame, validation = frame.sort_values(KEYS, ignore_index=True), _validation(raw, primary)
    frame, primary, unit = _in_units(frame, primary)
    return Table(frame, reference, primary, source, digest, units, undefined, validation, unit)


def _in_units(frame: pd.DataFrame, primary: str) -> tuple[pd.DataFrame, str, float]:
    """Write a metric of unknown, tiny scale in units of its own: differences are known, and printed, to decimals.

    Returns the rows, the name of the primary metric, and its unit.
    """
    largest = frame["value"].abs().groupby(frame["metric"]).max().drop(list(METRICS), errors="ignore")
    units = {str(name): 10.0 ** math.floor(math.log10(size)) for name, size in largest.items() if 0 < size < _TINY}
    names = {name: f"{name} [{unit:.0e}]" for name, unit in units.items()}
    values = frame["value"] / frame["metric"].map(lambda name: units.get(name, 1.0)).astype(float)
    frame = frame.assign(value=values, metric=frame["metric"].map(lambda name: names.get(name, name)))
    return frame, names.get(primary, primary), units.get(primary, 1.0)


def _validation(raw: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return what a study's own table says of validation; nobody else's is asked for it."""
    columns = ["arm", "dataset", "repeat", "value"]
    if not {*columns, "part", "metric", "arm_digest"} <= set(raw):
        return pd.DataFrame(columns=columns)
    rows = raw.loc[(raw["part"] == "validation") & (raw["metric"] == metric), columns]
    numbers = {name: pd.to_numeric(rows[name], errors="coerce") for name in ("repeat", "value")}  # text in a CSV
    rows = rows.assign(**numbers).dropna()
    return rows.assign(**{name: plain_names(rows[name]) for name in ("arm", "dataset")})


def _reject_repeated(frame: pd.DataFrame, raw: pd.DataFrame) -> None:
    twice = frame.duplicated(KEYS, keep=False)
    if not twice.any():
        return
    key = frame.loc[twice, KEYS].iloc[0]
    same = frame.loc[twice & frame[KEYS].eq(key).all(axis=1), "row"].tolist()
    raise ReportError(
        f"{len(same)} rows measure the same thing: arm {key['arm']!r} on {key['dataset']!r}, repeat "
        f"{key['repeat']}, {key['metric']} (rows {listed(list(map(str, same)), 6)}). "
        f"{_advice(raw, same[:2], set(frame['metric']))}",
        where=f"row {same[1]}",
    )


def _advice(raw: pd.DataFrame, rows: Sequence[int], metrics: Collection[str]) -> str:
    """Say how two rows come to be one: repetitions first, for whoever makes seeds units invents evidence."""
    one, other = (raw.iloc[row - 2].fillna("").astype(str) for row in rows)
    unlike, both = [str(column) for column in raw.columns[one.ne(other)]], f"{rows[0]} and {rows[1]}"
    if not unlike:
        return f"Rows {both} are the same; delete one."
    scores = {*metrics, *METRICS}
    apart = [c for c in unlike if canonical_metric(c) not in scores and tells_apart(c)]
    named = f"column{'s' if len(apart) > 1 else ''} {', '.join(map(repr, apart))}"
    text = (
        f"Rows {both} differ in {named}. " if apart else f"Only scores and records of the run tell rows {both} apart. "
    )
    return text + (
        "Repetitions are numbered in a column 'repeat' (or 'seed', 'run': whole numbers that arms share); what lies "
        "inside a unit is named with --dataset, what makes another arm with --arm; only what makes another independent "
        "unit, with --block."
    )


def _reject_alike(frame: pd.DataFrame) -> None:
    """Refuse names that one reader takes for one unit and a test for two independent ones; a study names its own."""
    if "arm_digest" in frame:
        return
    for column, what in (("block", "blocks"), ("dataset", "data sets")):
        for names in alike(frame[column]):
            (one, row), (other, other_row) = ((n, frame.loc[frame[column] == n, "row"].iloc[0]) for n in names)
            raise ReportError(
                f"{what} {one!r} (row {row}) and {other!r} (row {other_row}) differ in capitals or spaces only; write "
                "one name, or two that differ in more",
                where=f"row {other_row}",
            )


def _reject_two_arms_of_one_name(frame: pd.DataFrame) -> None:
    if "arm_digest" not in frame:
        return
    several = frame.groupby("arm")["arm_digest"].nunique()
    if (several > 1).any():
        name = several.index[several > 1][0]
        digests = sorted(frame.loc[frame["arm"] == name, "arm_digest"].dropna().astype(str).unique())
        raise ReportError(
            f"arm {name!r} stands for {len(digests)} different models (digests {', '.join(digests)}); "
            "give each arm its own name"
        )


def _reference(frame: pd.DataFrame, name: str | None) -> str | None:
    arms = set(frame["arm"])
    if name is not None:
        if plain(name) not in arms:
            raise ReportError.unknown("reference arm", name, arms)
        return plain(name)
    named = sorted(frame.loc[frame["role"] == "reference", "arm"].unique())
    if len(named) > 1:
        message = f"{len(named)} arms have the role 'reference' ({', '.join(named)}); say which with --reference"
        raise ReportError(message)
    return named[0] if named else None


def _with_roles(frame: pd.DataFrame, reference: str | None) -> pd.DataFrame:
    for name in frame["role"].unique():
        if name not in ROLES:
            raise ReportError.unknown("role", str(name), ROLES)
    several = frame.groupby("arm")["role"].nunique()
    if (several > 1).any():
        raise ReportError(f"arm {several.idxmax()!r} has more than one role")
    demoted = frame["role"].where(frame["role"] != "reference", "arm")
    return frame.assign(role=np.where(frame["arm"] == reference, "reference", demoted))


def _primary(frame: pd.DataFrame, metric: str | None) -> str:
    metrics = list(dict.fromkeys(frame["metric"]))
    if metric is None:
        return PRIMARY if PRIMARY in metrics else str(metrics[0])
    metric = plain(metric)
    alike = [name for name in metrics if squashed(name) == squashed(metric)]
    meant = [name for name in metrics if name == canonical_metric(metric)] or alike
    if len(meant) != 1:
        raise ReportError.unknown("metric", metric, metrics)
    return meant[0]


def _without_undefined(frame: pd.DataFrame, primary: str) -> tuple[pd.DataFrame, tuple[tuple[str, str, int], ...]]:
    """Ask no arm for a metric on an exam that gives it to none; where one arm has it, nobody escapes."""
    exam = ["metric", "dataset", "repeat"]
    keys = [frame[key] for key in exam]
    nobody = frame["value"].isna().groupby(keys).transform("all")
    # a cell that failed there must not be forgotten with it: another metric has to hold it still
    scored = frame["value"].notna().groupby([frame["dataset"], frame["repeat"]]).transform("any")
    kept_in_mind = frame["status"].eq(Status.UNDEFINED) | scored
    gone = nobody & frame["status"].eq(Status.UNDEFINED).groupby(keys).transform("any")
    gone &= kept_in_mind.groupby(keys).transform("all")
    defined = frame[~gone]
    # a score that only some arms lack is refused, unless a study wrote down that the run finished without it
    empty = defined[defined["status"] == Status.UNDEFINED]
    if len(empty) and "arm_digest" not in defined:
        row = empty.iloc[0]
        raise ReportError(
            f"{row['metric']} of arm {row['arm']!r} on {row['dataset']!r} is empty though its status is 'ok', and "
            f"other arms have one there; if it failed, its status must say so ({', '.join(FAILED)})",
            where=f"row {row['row']}",
        )
    if primary not in set(defined["metric"]):
        raise ReportError(f"{primary} is undefined on every exam; choose another primary metric with --metric")
    lost = sorted(set(frame["arm"]) - set(defined["arm"]))
    if lost:
        raise ReportError(f"arm {lost[0]!r} has no metric that is defined where it was run")
    counts = frame[gone].drop_duplicates(exam).groupby(["metric", "dataset"], as_index=False).size()
    return defined, tuple((str(metric), str(dataset), int(n)) for metric, dataset, n in counts.itertuples(index=False))
