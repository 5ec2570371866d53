"""What each part contributes, what scores vary by, where the order of arms flips: all of it described, none tested.

An order flips from one network to another, one exam to another, one metric to another. Source of the shares:
Bouthillier et al. 2021. What a table cannot tell apart is one source here, named as such. What networks differ by in
all blocks alike is taken out: they are chosen, not drawn.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from reports.findings.contributions.worth import Worth, worth
from reports.statistics.arrays import Values
from reports.statistics.contributions import Codes, components, error_weights
from reports.statistics.pairs.decision import margin_of
from reports.table.blocks import arm_levels, averaged, block_means, cells, ordered_arms
from reports.table.scores import Status
from reports.words.metrics import DECIMALS, metric_of

MIN_BLOCKS = 2  # that two arms share in two places; one block flips by chance
_COLUMNS = ["over", "one", "other", "here", "there", "ahead", "behind", "blocks", "beyond"]


@dataclass(frozen=True)
class Reversals:
    """Pairs of arms whose order flips.

    ``table`` has one row per pair and kind (``over``): arm ``one`` is ``ahead`` of ``other`` in ``here`` and ``behind``
    it in ``there``, mean differences over the ``blocks``, two or more, that both arms finished in both; ``beyond`` says
    whether both exceed the ``margin``, where the metric has one. ``compared`` counts the pairs of arms that were looked
    at, by kind.
    """

    table: pd.DataFrame
    compared: Mapping[str, int]
    margin: float | None = None


def reversals(frame: pd.DataFrame, metrics: tuple[str, ...], margin: float | None) -> Reversals:
    """List the pairs of arms whose order flips, the clearest first; of a pair the clearest flip alone.

    Two controls are no pair: nobody asks which of them is better.

    Parameters
    ----------
    frame
        The tidy rows, see :class:`reports.table.table.Table`.
    metrics
        Metrics, the primary one first: networks and exams are compared on it, and the others with it.
    margin
        Largest difference that does not matter, for metrics between 0 and 1.
    """
    roles, primary = ordered_arms(frame), metrics[0]
    eligible = np.array([[roles[a] != "control" or roles[b] != "control" for b in roles] for a in roles])
    eligible = np.triu(eligible, 1)
    tables, compared = [], {}
    for kind, means in _kinds(frame, metrics).items():
        seen = np.zeros_like(eligible)
        for here, there in combinations(means, 2):
            if kind == "metrics" and here != primary:
                continue
            ahead, behind, blocks = _differences(means[here], means[there], list(roles))
            known = eligible & (blocks >= MIN_BLOCKS)
            seen |= known
            measured = (here, there) if kind == "metrics" else (primary, primary)
            sizes = [margin_of(m, margin if m == primary else None) or 10.0**-DECIMALS for m in measured]
            tables.append(_flips(ahead, behind, blocks, known, sizes).assign(over=kind, here=here, there=there))
        if seen.any():
            compared[kind] = int(seen.sum())
    table = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=[*_COLUMNS, "size"])
    table = table.sort_values("size", ascending=False, kind="stable")
    names = dict(enumerate(roles))
    table = table.assign(first=table[["one", "other"]].min(axis=1), last=table[["one", "other"]].max(axis=1))
    table = table.drop_duplicates(["over", "first", "last"])
    table = table.assign(one=table["one"].map(names), other=table["other"].map(names))
    return Reversals(table[_COLUMNS].reset_index(drop=True), compared, margin_of(primary, margin))


def _kinds(frame: pd.DataFrame, metrics: tuple[str, ...]) -> dict[str, dict[str, pd.DataFrame]]:
    """Return what is compared, as block means ``[blocks, arms]`` of each network, exam and metric."""
    able = [m for m in metrics if metric_of(m).same_scale]
    if metrics[0] not in able:
        return {}
    return {
        "networks": _by_place(frame, metrics[0], "network"),
        "exams": _by_place(frame, metrics[0], "split"),
        "metrics": {m: block_means(frame, m) for m in able},
    }


def _by_place(frame: pd.DataFrame, metric: str, column: str) -> dict[str, pd.DataFrame]:
    """Return the block means ``[blocks, arms]`` inside each network, or under each exam; nothing without several."""
    rows = frame[frame["metric"] == metric]
    if column not in rows or rows[column].isna().any():
        return {}
    known = rows.groupby("dataset")[column].unique()
    if known.map(len).max() > 1 or rows[column].nunique() < 2:
        return {}
    of_sets = averaged(cells(frame, metric), ["block", "dataset"])
    places = of_sets.index.get_level_values("dataset").map({dataset: str(names[0]) for dataset, names in known.items()})
    return {str(name): averaged(of_sets[places == name], ["block"]) for name in sorted(set(places))}


def _differences(here: pd.DataFrame, there: pd.DataFrame, arms: list[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return how far each arm is ahead of each other in two places, and over how many blocks, ``[arms, arms]``."""
    blocks = here.index.intersection(there.index)
    scores = [means.reindex(index=blocks, columns=arms).to_numpy(float) for means in (here, there)]
    finished = np.isfinite(scores[0]) & np.isfinite(scores[1])
    known = [np.where(finished, values, np.nan) for values in scores]
    ahead, behind = (values[:, :, None] - values[:, None, :] for values in known)
    n = np.isfinite(ahead).sum(axis=0)
    return np.nansum(ahead, axis=0) / np.maximum(n, 1), np.nansum(behind, axis=0) / np.maximum(n, 1), n


def _flips(
    ahead: np.ndarray, behind: np.ndarray, blocks: np.ndarray, eligible: np.ndarray, least: list[float]
) -> pd.DataFrame:
    """List the flips between two places, the arm that is ahead in the first one as ``one``; arms by their number."""
    smaller = np.minimum(np.abs(ahead), np.abs(behind))
    one, other = np.nonzero(eligible & (ahead * behind < 0) & (smaller > 10.0**-DECIMALS))
    turn = ahead[one, other] < 0
    one, other = np.where(turn, other, one), np.where(turn, one, other)
    here, there = ahead[one, other], behind[one, other]
    size = np.minimum(here / least[0], -there / least[1])
    return pd.DataFrame(
        {"one": one, "other": other, "ahead": here, "behind": there, "blocks": blocks[one, other]}
        | {"beyond": size > 1, "size": size}
    )


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
    own = frame[frame["role"].isin(["reference", "arm"]) & (frame["metric"] == metric)]
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


@dataclass(frozen=True)
class Contributions:
    """What a study tells beyond its comparisons; empty where its table cannot.

    ``worths`` has one entry per metric of which every mixture of parts was measured.
    """

    worths: tuple[Worth, ...] = ()
    shares: Shares | None = None
    reversals: Reversals | None = None


def contributions(
    frame: pd.DataFrame,
    metrics: tuple[str, ...],
    *,
    reference: str | None,
    alpha: float,
    margin: float | None,
    tests: bool,
) -> Contributions:
    """Return what each part contributes and what scores vary by; nothing where a refusal forbids all comparisons.

    Of the metrics the primary one, which comes first, is told of alone, but for the worth of parts.
    """
    if not tests:
        return Contributions()
    levels = arm_levels(frame)
    worths = [worth(frame, levels, reference, metric, alpha) for metric in metrics] if reference else []
    return Contributions(
        tuple(w for w in worths if w is not None),
        shares(frame, reference, metrics[0]),
        reversals(frame, metrics, margin),
    )
