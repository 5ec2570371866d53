"""From cells to independent blocks: repeats averaged inside data sets, data sets inside blocks; and the levels of arms.

A cell that ran out of memory or diverged is -inf here; one that was killed, timed out, ended in an error or was never
run is NaN. Neither can slip into a mean: any mean over a failed cell is -inf (the worst rank). A repeat that one of the
arms compared lacks is left out for all of them; where none is left, the mean is NaN (left out, and named).
"""

from __future__ import annotations

from collections.abc import Sequence, Sized
from dataclasses import dataclass

import numpy as np
import pandas as pd

from reports.table.scores import WORST
from reports.words.metrics import metric_of
from reports.words.names import in_order

_TINY = 1e-9
ROLES = ("reference", "arm", "baseline", "control")  # in the order of tables and figures
# the columns of a study's table that say how an arm is made; a table of plug-ins adds theirs
FACTORS = [
    "scorer",
    "bucketing",
    "gnn",
    "pair_encoder",
    "pair_features",
    "fusion",
    "contrast",
    "negatives",
    "optimizer",
]


def ordered_arms(frame: pd.DataFrame) -> dict[str, str]:
    """Return the arms and their roles: reference, knock-outs, baselines, controls."""
    once = frame.drop_duplicates("arm")
    roles = dict(zip(once["arm"].astype(str), once["role"].astype(str), strict=True))
    return dict(sorted(roles.items(), key=lambda pair: (ROLES.index(pair[1]), in_order(pair[0]), pair[0])))


def cells(frame: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Lay one metric out as ``[(block, dataset, repeat), arm]``; failed is -inf, lost or never run is NaN.

    A repeat that any arm ran is expected of all of them: arms are paired by repeat or not compared.
    """
    rows = frame[frame["metric"] == metric]
    scored = rows["value"].mask(rows["status"].isin(WORST), -np.inf)
    keys = ["block", "dataset", "repeat"]
    wide = rows.assign(value=scored).pivot(index=keys, columns="arm", values="value")  # noqa: PD010  a gap is kept
    names = [arm for arm in ordered_arms(frame) if arm in wide]
    return wide[names].sort_index()


def averaged(values: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Average without forgiving anything: -inf and NaN both survive, -inf first, or a crash would hide behind a gap."""
    means = values.groupby(level=by).mean()  # of what is there, -inf included
    if not values.isna().to_numpy().any():
        return means
    return means.mask(values.isna().groupby(level=by).any() & ~np.isneginf(means))


def block_means(frame: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Average one metric into independent units, ``[blocks, arms]``, over the repeats that all arms have."""
    return over_blocks(paired(cells(frame, metric)), metric)


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
    """Take two arms out of the cells, over the repeats that both have; what neither ran is not expected of either.

    An arm that was never measured on this metric has run nothing.
    """
    return paired(wide.reindex(columns=[arm, against]).dropna(how="all"))


def paired(wide: pd.DataFrame) -> pd.DataFrame:
    """Leave out the repeats of a data set that one of its arms lacks; keep all, with gaps, where none would be left.

    A repeat in which an arm failed stays: no gap of another arm may hide a failure.
    """
    if not wide.isna().to_numpy().any():
        return wide
    place = [wide.index.get_level_values("block"), wide.index.get_level_values("dataset")]
    tried = wide.notna().groupby(place).transform("any")
    failed = wide.eq(-np.inf).any(axis=1)
    common = (wide.notna() | ~tried).all(axis=1) | failed
    some_left = common.groupby(place).transform("any")
    complete = wide[common | ~some_left]
    # beside a failure, which is the worst whatever it is held against, a gap takes the arm's mean elsewhere
    means = wide.where(np.isfinite(wide)).groupby(place).transform("mean").loc[complete.index]
    return complete.where(complete.notna() | ~failed.loc[complete.index].to_numpy()[:, None], means)


def complete(means: pd.DataFrame, *, failures_worst: bool) -> pd.DataFrame:
    """Keep the blocks that every arm here has finished (or, second pass, at least tried)."""
    bad = means.isna() if failures_worst else ~np.isfinite(means)
    return means.loc[bad.sum(axis=1) == 0]


def dropped(means: pd.DataFrame) -> tuple[Dropped, ...]:
    """Name the blocks that :func:`complete` leaves out of the first pass, with the arms to blame."""
    out = []
    for block, row in means[~np.isfinite(means).all(axis=1)].iterrows():
        for why, lacking in (("failed", np.isneginf(row)), ("missing", row.isna())):
            if lacking.any():
                out.append(Dropped(str(block), tuple(map(str, row.index[lacking])), why))
    return tuple(out)


@dataclass(frozen=True)
class Dropped:
    """A block left out of a comparison because a cell of it is not there."""

    block: str
    arms: tuple[str, ...]
    why: str


def arm_levels(frame: pd.DataFrame) -> pd.DataFrame:
    """Lay out the factors that vary among the reference and knocked-out arms, ``[arm, factor]``.

    A setting that was crossed, ``gnn.gat.heads``, is called by as much of its name as tells it apart: ``heads``.
    """
    own = frame[frame["role"].isin(["reference", "arm"])].drop_duplicates("arm")
    own = own.set_index("arm")[[c for c in FACTORS if c in frame]].astype(str)
    own = own.reindex([arm for arm in ordered_arms(frame) if arm in own.index])
    varied = own[[c for c in own if len(own[c].unique()) > 1]]
    return varied.set_axis(short_names(list(map(str, varied))), axis=1)


def short_names(names: Sequence[str]) -> list[str]:
    """Return the last parts of dotted names, as many as tell each from all others."""
    parts = [name.split(".") for name in names]
    for n in range(1, max(map(len, parts), default=1)):
        short = [".".join(part[-n:]) for part in parts]
        if len(set(short)) == len(short):
            return short
    return list(names)
