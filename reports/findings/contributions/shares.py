"""What scores, and differences to the reference, vary by: blocks, data sets in them, splits, initial weights.

Source: Bouthillier et al. 2021. What a table cannot tell apart is one source here, named as such. What networks differ
by in all blocks alike is taken out: they are chosen, not drawn.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from reports.statistics.arrays import Values
from reports.statistics.contributions.variance import Codes, components, error_weights
from reports.table.blocks import cells
from reports.table.status import Status
from reports.words.metrics import metric_of

_OWN = ("reference", "arm")


@dataclass(frozen=True)
class Shares:
    """What the scores of a study vary by, on one metric.

    ``table`` has one row per source, coarsest first: what it is, ``units`` (how many were seen),
    ``variance_score`` and ``variance_difference`` (of arm minus reference; NaN without one), averaged over
    ``arms`` arms, and ``share_error``: its share in the variance of a mean difference. No variance is below 0.
    """

    metric: str
    arms: int
    table: pd.DataFrame


def shares(frame: pd.DataFrame, reference: str | None, metric: str) -> Shares | None:
    """Split the variance of scores into its sources; None where the table has fewer than two levels of them.

    Parameters
    ----------
    frame
        The tidy rows, see :class:`reports.table.table.Table`; arms with a failed or missing cell are left out.
    reference
        Arm that the others are compared with.
    metric
        A metric whose values can be averaged over data sets; None is returned for another.
    """
    own = frame[frame["role"].isin(_OWN) & (frame["metric"] == metric)]
    if own.empty or not metric_of(metric).same_scale:
        return None
    wide = cells(own, metric)
    wide = wide[wide.columns[np.isfinite(wide.to_numpy(float)).all(axis=0)]]
    sources = _sources(own, wide)
    if len(sources) < 2 or not wide.shape[1]:
        return None
    places, fixed = list(sources.values()), _networks(own, wide)
    alone = components(wide.to_numpy(float), places, fixed).mean(axis=1)
    paired = np.full(len(places), np.nan)
    if reference in wide and wide.shape[1] > 1:
        d = wide.drop(columns=reference).sub(wide[reference], axis=0)
        paired = components(d.to_numpy(float), places, fixed).mean(axis=1)
    error = error_weights(places) * paired.clip(0)
    table = pd.DataFrame(
        {
            "source": list(sources),
            "units": [int(place.max()) + 1 for place in places],
            "variance_score": alone.clip(0),
            "variance_difference": paired.clip(0),
            "share_error": error / error.sum() if error.sum() > 0 else np.nan,
        }
    )
    return Shares(metric, wide.shape[1], table)


def _networks(frame: pd.DataFrame, wide: pd.DataFrame) -> Values | None:
    """Return which network every row lies in: the same ones in every block are chosen, and no chance."""
    if "network" not in frame or frame["network"].isna().any():
        return None
    known = frame.drop_duplicates("dataset").set_index("dataset")["network"]
    return pd.get_dummies(known.loc[wide.index.get_level_values("dataset")]).to_numpy(float)


def _sources(frame: pd.DataFrame, wide: pd.DataFrame) -> dict[str, Codes]:
    """Return where every row lies at each level that the table tells apart, coarsest first."""
    where = wide.index.to_frame(index=False)
    levels = {"block": ["block"], "data set": ["block", "dataset"]}
    if "split_digest" in frame:
        done = frame[frame["status"] == Status.OK].drop_duplicates(["dataset", "repeat"])
        where = where.merge(done[["dataset", "repeat", "split_digest"]], on=["dataset", "repeat"], how="left")
        if where["split_digest"].replace("", np.nan).notna().all():
            levels["split"] = ["block", "dataset", "split_digest"]
    last = "initial weights" if "split" in levels else "repeat (split, initial weights)"
    levels[last] = ["block", "dataset", "repeat"]
    names: dict[int, list[str]] = {}
    codes: dict[int, Codes] = {}
    for name, columns in levels.items():
        place = where.groupby(columns, sort=False).ngroup().to_numpy().astype(np.intp)
        units = int(place.max()) + 1 if len(place) else 0
        # as many places as at the level above: the two are one source to this table
        names.setdefault(units, []).append(name)
        codes[units] = place
    return {" + ".join(names[units]): place for units, place in codes.items() if units > 1}
