"""From cells to independent blocks: repeats averaged inside data sets, data sets inside blocks.

A cell that failed is -inf here and one that was never run is NaN, so that neither can slip into a mean: any
mean over a failed cell is -inf (the worst rank), any other over a missing one is NaN (left out, and named).
"""

from __future__ import annotations

from collections.abc import Sized
from dataclasses import dataclass

import numpy as np
import pandas as pd

from reports.table.status import Status
from reports.words.metrics import metric_of
from reports.words.names import in_order

_TINY = 1e-9
_ORDER = {"reference": 0, "arm": 1, "baseline": 2, "control": 3}


def ordered_arms(frame: pd.DataFrame) -> dict[str, str]:
    """Return the arms and their roles: reference, knock-outs, baselines, controls."""
    once = frame.drop_duplicates("arm")
    roles = dict(zip(once["arm"].astype(str), once["role"].astype(str), strict=True))
    return dict(sorted(roles.items(), key=lambda pair: (_ORDER[pair[1]], in_order(pair[0]), pair[0])))


def cells(frame: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Lay one metric out as ``[(block, dataset, repeat), arm]``; failed is -inf, never run is NaN.

    A repeat that any arm ran is expected of all of them: arms are paired by repeat or not compared.
    """
    rows = frame[frame["metric"] == metric]
    rows = rows.assign(value=rows["value"].where(rows["status"] == Status.OK, -np.inf))
    wide = rows.pivot_table(index=["block", "dataset", "repeat"], columns="arm", values="value", aggfunc="first")
    names = [arm for arm in ordered_arms(frame) if arm in wide]
    return wide[names].sort_index()


def averaged(values: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Average without forgiving anything: -inf and NaN both survive, -inf first, or a crash would hide behind a gap."""
    means = values.groupby(level=by).mean()  # of what is there, -inf included
    return means.mask(values.isna().groupby(level=by).any() & ~np.isneginf(means))


def block_means(frame: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Average one metric into independent units, ``[blocks, arms]``."""
    return over_blocks(cells(frame, metric), metric)


def unscaled(metric: str, datasets: Sized) -> bool:
    """Whether a metric has another scale on every one of the data sets, so that only wins are counted."""
    return not metric_of(metric).same_scale and len(datasets) > 1


def over_blocks(wide: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Average the cells, as :func:`cells` lays them out, into independent units, ``[blocks, arms]``.

    Raw AUPRC has another scale on every network: its geometric mean is taken over the data sets of a block, so that
    the ratio of two arms counts alike on each of them.
    """
    return of_blocks(averaged(wide, ["block", "dataset"]), metric)


def of_blocks(of_sets: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Average what a study scores on data sets, ``[(block, dataset), arm]``, into independent units."""
    if metric_of(metric).same_scale:
        return averaged(of_sets, ["block"])
    logs = of_sets.clip(lower=_TINY).transform(np.log).mask(np.isneginf(of_sets), -np.inf)
    means = averaged(logs, ["block"])
    return means.transform(np.exp).mask(np.isneginf(means), -np.inf)


def pair_of(wide: pd.DataFrame, arm: str, against: str) -> pd.DataFrame:
    """Take two arms out of the cells; what neither of them ran is not expected of either.

    An arm that was never measured on this metric has run nothing.
    """
    return wide.reindex(columns=[arm, against]).dropna(how="all")


def complete(means: pd.DataFrame, *, failures_worst: bool) -> pd.DataFrame:
    """Keep the blocks that every arm here has finished (or, second pass, at least tried)."""
    bad = means.isna() if failures_worst else ~np.isfinite(means)
    return means.loc[bad.sum(axis=1) == 0]


def dropped(means: pd.DataFrame) -> tuple[Dropped, ...]:
    """Name the blocks that :func:`complete` leaves out of the first pass, with the arms to blame."""
    out = []
    for block, row in means.iterrows():
        failed = tuple(str(a) for a in row.index[np.isneginf(row)])
        missing = tuple(str(a) for a in row.index[row.isna()])
        if failed:
            out.append(Dropped(str(block), failed, "failed"))
        if missing:
            out.append(Dropped(str(block), missing, "not run"))
    return tuple(out)


@dataclass(frozen=True)
class Dropped:
    """A block left out of a comparison because a cell of it is not there."""

    block: str
    arms: tuple[str, ...]
    why: str
