"""The one tidy table a report is made of, read from a study's ``cells.parquet`` or from anyone's CSV.

Canonical form: one row per arm x dataset x repeat x metric. Reading refuses whatever would make a later
number wrong without a sound: text among the scores, empty cells nobody explained, rows that repeat a
measurement.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from reports.errors import ReportError
from reports.reading import canonical, read

__all__ = ["ROLES", "Table", "load"]

ROLES = ("reference", "arm", "baseline", "control")
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
    """

    frame: pd.DataFrame
    reference: str | None
    metric: str
    source: Path
    digest: str = ""
    units: str = ""


def load(
    path: str | Path,
    *,
    arm: str | None = None,
    block: str | Sequence[str] | None = None,
    metric: str | None = None,
    reference: str | None = None,
    dataset: str | Sequence[str] | None = None,
) -> Table:
    """Read the results of a study, or of anybody's experiment, and refuse what cannot be analysed.

    Parameters
    ----------
    path
        CSV or parquet. A table with the columns ``metric`` and ``value`` is long, any other has one column
        per metric.
    arm
        Column that names the method (default ``arm``, ``method``, or the one factor that varies).
    block
        Column or columns that together name the independent unit, e.g. the cell type (default ``block``,
        ``dataset``, or ``cell``).
    metric
        Primary metric (default: ``auroc`` where there is one, else the first).
    reference
        Arm that the others are compared with (default: the one whose ``role`` is ``reference``).
    dataset
        Column or columns that name what lies inside a block (default ``dataset``, or those of ``network`` and
        ``genes`` that vary).

    Raises
    ------
    ReportError
        Says what was given, what exists, the nearest match, the file and the row.
    """
    source = Path(path)
    raw = read(source)
    frame, units = canonical(raw, source, arm=arm, block=block, metric=metric, dataset=dataset)
    _reject_repeated(frame, source)
    _reject_two_arms_of_one_name(frame, source)
    reference = _reference(frame, reference, source)
    frame = _with_roles(frame, reference, source)
    primary = _primary(frame, metric, source)
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    return Table(frame.sort_values(KEYS, ignore_index=True), reference, primary, source, digest, units)


def _reject_repeated(frame: pd.DataFrame, source: Path) -> None:
    twice = frame.duplicated(KEYS, keep=False)
    if not twice.any():
        return
    key = frame.loc[twice, KEYS].iloc[0]
    same = frame.loc[twice & frame[KEYS].eq(key).all(axis=1), "row"].tolist()
    raise ReportError(
        f"{len(same)} rows measure the same thing: arm {key['arm']!r} on {key['dataset']!r}, repeat "
        f"{key['repeat']}, {key['metric']} (rows {', '.join(map(str, same[:6]))}). Name every column of the "
        "independent unit with --block (block=), name what lies inside a block with --dataset (dataset=), or add a "
        "column 'repeat'.",
        where=f"{source}, row {same[1]}",
    )


def _reject_two_arms_of_one_name(frame: pd.DataFrame, source: Path) -> None:
    if "arm_digest" not in frame:
        return
    several = frame.groupby("arm")["arm_digest"].nunique()
    if (several > 1).any():
        name = several.index[several > 1][0]
        found = sorted(frame.loc[frame["arm"] == name, "arm_digest"].dropna().astype(str).unique())
        raise ReportError(
            f"arm {name!r} stands for {len(found)} different models (digests {', '.join(found)}); "
            "give each arm its own name",
            where=str(source),
        )


def _reference(frame: pd.DataFrame, given: str | None, source: Path) -> str | None:
    arms = set(frame["arm"])
    if given is not None:
        if given not in arms:
            raise ReportError.unknown("reference arm", given, arms, where=str(source))
        return given
    named = sorted(frame.loc[frame["role"] == "reference", "arm"].unique())
    if len(named) > 1:
        raise ReportError(
            f"{len(named)} arms have the role 'reference' ({', '.join(named)}); say which with "
            "--reference (reference=)",
            where=str(source),
        )
    return named[0] if named else None


def _with_roles(frame: pd.DataFrame, reference: str | None, source: Path) -> pd.DataFrame:
    for name in frame["role"].unique():
        if name not in ROLES:
            raise ReportError.unknown("role", str(name), ROLES, where=str(source))
    several = frame.groupby("arm")["role"].nunique()
    if (several > 1).any():
        raise ReportError(f"arm {several.idxmax()!r} has more than one role", where=str(source))
    demoted = frame["role"].where(frame["role"] != "reference", "arm")
    return frame.assign(role=np.where(frame["arm"] == reference, "reference", demoted))


def _primary(frame: pd.DataFrame, metric: str | None, source: Path) -> str:
    metrics = list(dict.fromkeys(frame["metric"]))
    if metric is None:
        return "auroc" if "auroc" in metrics else str(metrics[0])
    if metric not in metrics:
        raise ReportError.unknown("metric", metric, metrics, where=str(source))
    return metric
