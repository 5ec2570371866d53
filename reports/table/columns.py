"""Which column of a result table says what: found by its name in any case, or by what its owner called it."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from reports.errors import ReportError, listed, meant, nearest
from reports.options import Columns, ReportOptions
from reports.table.blocks import FACTORS
from reports.table.scores import numeric
from reports.words.metrics import METRICS, PRIMARY, canonical_metric, squashed
from reports.words.names import plain
from reports.words.numbers import joined

# Read for costs, provenance and refusals when the table has them; nothing else of a user's file is kept.
COSTS = ("seconds", "peak_memory_mb", "parameters", "test_share")
KEPT = (
    *(*FACTORS, *COSTS),
    *("study", "arm_digest", "network", "split", "cell"),
    *("data_digest", "split_digest", "code_digest", "protocol", "versions", "trial"),
    *("exam_differs", "best_epoch"),
)
# how benchmark tables say where a score was measured: networks and gene sets of one cell type share its cells
CELL_TYPE, WITHIN = ("cell", "cell_type"), ("network", "genes")
ARM, REPEAT_ALIASES = ("arm", "method", "model"), ("seed", "run")
_SOUGHT = {  # by what is left of a name that somebody wrote otherwise
    squashed(name): name
    for name in (
        *(*ARM, "role", "block", "dataset", *CELL_TYPE, *WITHIN, "repeat", *REPEAT_ALIASES),
        *("part", "metric", "value", "status", "reason", *KEPT),
    )
}
# what a report reads for what it records: nobody names arms, units or metrics by it
_RECORDED = {
    *map(squashed, ("row", "part", "metric", "value", "status", "reason", "role")),
    *(squashed(name) for name in KEPT if name not in (*FACTORS, "network", "split", "cell")),
}


def folded(raw: pd.DataFrame) -> pd.DataFrame:
    """Give the columns that a report looks for their usual names, whatever their capitals."""
    columns_of: dict[str, list[str]] = {}
    for column in map(str, raw.columns):
        if squashed(column) in _SOUGHT:
            columns_of.setdefault(_SOUGHT[squashed(column)], []).append(column)
    for columns in columns_of.values():
        _refuse_several(columns)
    return raw.rename(columns={columns[0]: name for name, columns in columns_of.items()})


def _refuse_several(columns: Sequence[str]) -> None:
    if len(columns) > 1:
        named = " and ".join(map(repr, columns))
        raise ReportError(f"columns {named} differ in case or punctuation only; rename all but one")


def pick(raw: pd.DataFrame, title: str, what: str) -> str:
    """Return the column of the table that its owner named."""
    columns = [str(c) for c in raw.columns if c != "row"]
    title = plain(title)
    if not title:
        raise ReportError(f"--{what} holds an empty name. {offered(raw, what)}")
    alike = [c for c in columns if c == title] or [c for c in columns if squashed(c) == squashed(title)]
    if not alike:
        hint = meant(nearest(title, columns))
        raise ReportError(f"unknown {what} column {title!r}.{hint} {offered(raw, what)}")
    _refuse_several(alike)
    return alike[0]


def _first(raw: pd.DataFrame, usual: Sequence[str], what: str) -> str:
    """Return the first of the usual names that a column of the table has."""
    if (column := next((name for name in usual if name in raw), None)) is not None:
        return column
    names = " or ".join(map(repr, usual))
    raise ReportError(f"no column {names}; say which one names the {what} with --{what}. {offered(raw, what)}")


def offered(raw: pd.DataFrame, what: str) -> str:
    """List the columns of the table that an option may mean: words for arms, numbers for a metric."""
    names = [str(c) for c in raw.columns if tells_apart(str(c)) and c not in ("repeat", *REPEAT_ALIASES)]
    if what in ("arm", "metric"):
        fit = [c for c in names if numeric(raw[c]) == (what == "metric")]
    else:
        fit = [c for c in names if canonical_metric(c) not in METRICS]
    return f"Columns that could be meant: {listed(fit or names)}."


def tells_apart(column: str) -> bool:
    """Whether a column can tell two runs apart: not what a report reads as score, cost or provenance."""
    return squashed(column) not in _RECORDED


def refuse_wide(raw: pd.DataFrame, options: ReportOptions) -> None:
    """Refuse a table, as its owner wrote it, with a column for each of its arms or of its data sets."""
    columns = [str(c) for c in raw.columns]
    present = set(map(squashed, columns))
    if options.metric is not None or {"metric", "value"} <= present:
        return
    index = [c for c in columns if c.startswith("Unnamed: ")]  # of rows, saved with them: it names nothing
    spread = [c for c in columns if squashed(c) not in _SOUGHT and c not in index]
    rest = [c for c in columns if c not in spread]
    known = any(canonical_metric(c) in METRICS for c in columns)
    if known or len(spread) < 2 or rest == index or not all(numeric(raw[c]) for c in spread):
        return
    keys = repr(rest[0] if len(rest) == 1 else rest)
    for named, usual, what, name, option in (
        (options.arm, (*ARM, *FACTORS), "arm", "arm", "arm"),
        (options.block, ("block", "dataset", *CELL_TYPE), "data set", "dataset", "block"),
    ):
        if named is None and not present & set(map(squashed, usual)):
            raise ReportError(
                f"no column names the {what}; say which one does with --{option}. If the columns {joined(spread, 13)} "
                f"are one {what} each, make them rows with pandas, and name the metric that they hold: "
                f"df.melt({keys}, var_name={name!r}, value_name={PRIMARY!r})."
            )


def arm_columns(raw: pd.DataFrame, option: Columns) -> list[str]:
    """Find what names the arms; where factors alone vary, their levels do."""
    if option is not None:
        return _picked(raw, option, "arm")
    factors = [factor for factor in FACTORS if _varies(raw, factor)]
    # a model of one name with factors that vary: the factors make the arms
    usual = [name for name in ARM if name in raw and (name != "model" or _varies(raw, name) or not factors)]
    return usual[:1] or factors or [_first(raw, ARM, "arm")]


def _picked(raw: pd.DataFrame, option: str | Sequence[str], what: str) -> list[str]:
    """Return the columns that an option names; a comma parts them, unless it stands in the name of one."""
    names = option if not isinstance(option, str) else [option] if plain(option) in raw else option.split(",")
    columns = [pick(raw, name, what) for name in names or [""]]
    twice = next((name for name in columns if columns.count(name) > 1), None)
    if twice is not None:
        raise ReportError(f"--{what} names column {twice!r} twice; once is enough")
    return columns


def places(raw: pd.DataFrame, options: ReportOptions) -> tuple[list[str], list[str]]:
    """Find the columns that name the independent unit, and those that name what lies inside one."""
    block, dataset = options.block, options.dataset
    # data sets of one cell type share its cells, so the cell type goes first wherever it is known of each of them
    cells = [name for name in CELL_TYPE if not (name == "cell" and "arm_digest" in raw) and _holds(raw, name)]
    blocks = [_first(raw, ("block", *cells, "dataset"), "block")] if block is None else _named(raw, block, "block")
    if dataset is not None:
        inside = _named(raw, dataset, "dataset")
        if block is not None and set(inside) <= set(blocks):
            raise ReportError(
                f"{' × '.join(map(repr, inside))} is named as the unit, with --block, and as what lies inside one, "
                "with --dataset; leave one of the two out"
            )
        return blocks, inside
    return blocks, ["dataset"] if "dataset" in raw else [c for c in WITHIN if c not in blocks and _varies(raw, c)]


def _named(raw: pd.DataFrame, option: str | Sequence[str], what: str) -> list[str]:
    columns = _picked(raw, option, what)
    if {"cell", "block", "arm_digest"} <= set(raw.columns):
        # in a study's own table 'cell' is what was trained; whoever asks for the cell type means its block
        columns = ["block" if name == "cell" else name for name in columns]
    return list(dict.fromkeys(columns))


def _holds(raw: pd.DataFrame, cell: str) -> bool:
    """Whether every data set lies in one cell type; a column that is not there speaks against nothing."""
    if cell not in raw or "dataset" not in raw:
        return True
    return bool(raw.groupby("dataset")[cell].nunique().max() <= 1)


def repeat_column(raw: pd.DataFrame, arms: pd.Series, named: Sequence[str]) -> str | None:
    """Find what numbers the repeats: whole numbers that its arms, ``named`` by other columns, share.

    A run that no two arms share numbers the rows of the table; to pair arms by it would pair none.
    """
    if "repeat" in raw:
        return "repeat"
    for name in REPEAT_ALIASES:
        if _varies(raw, name) and name not in named:
            whole = pd.to_numeric(raw[name], errors="coerce").mod(1).eq(0).all()
            shared = arms.groupby(raw[name]).nunique().max() > 1 or arms.nunique() < 2
            if whole and shared:
                return name
    return None


def _varies(raw: pd.DataFrame, column: str) -> bool:
    return column in raw and len(raw[column].unique()) > 1
