"""What each part of the reference is worth: exact Shapley values over every mixture of its parts.

A part is *there* where its factor has the reference's level. It is *out* at the level ``none`` or ``off`` where the
factor was run with one, else at the mean over its other levels: no level is picked after its scores are seen. An arm in
which a factor cannot act stands for all levels of that factor.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, product

import numpy as np
import pandas as pd

from reports.findings.factorial import IDLE
from reports.statistics.arrays import Values
from reports.statistics.contributions import shapley_weights
from reports.statistics.pairs.max_t import simultaneous
from reports.table.blocks import Dropped, block_means, complete, dropped
from reports.words.metrics import metric_of

OUT = ("none", "off")
MIN_BLOCKS = 2  # one block gives no interval


@dataclass(frozen=True)
class Worth:
    """What the parts of the reference are worth on one metric, over independent blocks.

    Attributes
    ----------
    metric
        Name of the metric.
    whole, stripped
        Mean of the reference, and of the model with all parts out.
    parts
        ``factor, there, out``, Shapley ``value`` with ``low`` and ``high``, ``leave_one_out`` (the part is the first to
        go) and ``add_one_in`` (it is the last); the largest value first. The last row, without a factor, is the
        total. All intervals hold together.
    pairs
        ``one, other``, Shapley interaction ``value`` with ``low`` and ``high``; a family of their own.
    blocks
        Complete blocks that this rests on.
    left_out
        Blocks that lack a cell.
    """

    metric: str
    whole: float
    stripped: float
    parts: pd.DataFrame
    pairs: pd.DataFrame
    blocks: int
    left_out: tuple[Dropped, ...] = ()


def worth(frame: pd.DataFrame, levels: pd.DataFrame, reference: str, metric: str, alpha: float) -> Worth | None:
    """Return what each part of the reference is worth; None where some mixture of the parts was not run.

    Parameters
    ----------
    frame
        The tidy rows, see :class:`reports.table.table.Table`.
    levels
        Which level of every varied factor each arm has, ``[arms, factors]``.
    reference
        The arm in which all parts are there.
    metric
        A metric whose values can be averaged over data sets; None is returned for another.
    alpha
        What the intervals of a family may err by together.
    """
    if reference not in levels.index or not metric_of(metric).same_scale:
        return None
    there = {str(factor): str(level) for factor, level in levels.loc[reference].items()}
    out = _levels_out(levels, there)
    mixtures = _mixtures(levels, there, out) if len(out) > 1 else None
    if mixtures is None:
        return None
    used = sorted({arm for arms in mixtures for arm in arms})
    means = block_means(frame[frame["arm"].isin(used)], metric).reindex(columns=used)
    whole = complete(means, failures_worst=False)
    if len(whole) < MIN_BLOCKS:
        return None
    scores = np.column_stack([whole[list(arms)].mean(axis=1) for arms in mixtures])
    pairs = pd.DataFrame(combinations(out, 2), columns=["one", "other"])
    return Worth(
        metric,
        float(scores[:, -1].mean()),
        float(scores[:, 0].mean()),
        _parts(scores, there, out, alpha),
        pairs.assign(**_with_interval(scores @ shapley_weights(len(out), 2), alpha)),
        len(whole),
        dropped(means),
    )


def _levels_out(levels: pd.DataFrame, there: dict[str, str]) -> dict[str, tuple[str, ...]]:
    """Return the levels that stand for a part being out, by factor; ``there`` are those of the reference."""
    out = {}
    for factor, own in there.items():
        others = sorted(set(levels[factor]) - {own, IDLE})
        if others and own != IDLE:
            out[factor] = tuple(level for level in others if level in OUT) or tuple(others)
    return out


def _mixtures(
    levels: pd.DataFrame, there: dict[str, str], out: dict[str, tuple[str, ...]]
) -> list[tuple[str, ...]] | None:
    """Return for every subset of parts, as a bit mask, the arms that have just these; None where one was not run."""
    mixtures = []
    for subset in range(2 ** len(out)):
        choices = [(there[f],) if subset >> i & 1 else others for i, (f, others) in enumerate(out.items())]
        arms = [_arm(levels, dict(zip(out, point, strict=True))) for point in product(*choices)]
        if None in arms:
            return None
        mixtures.append(tuple(arm for arm in arms if arm is not None))
    return mixtures


def _arm(levels: pd.DataFrame, point: dict[str, str]) -> str | None:
    """Return the one arm that has these levels, as far as its factors act."""
    fits = np.logical_and.reduce([levels[f].isin([level, IDLE]) for f, level in point.items()])
    return str(levels.index[fits][0]) if fits.sum() == 1 else None


def _parts(scores: Values, there: dict[str, str], out: dict[str, tuple[str, ...]], alpha: float) -> pd.DataFrame:
    last = scores.shape[1] - 1
    by_block = np.column_stack([scores @ shapley_weights(len(out)), scores[:, last] - scores[:, 0]])
    means = scores.mean(axis=0)
    table = pd.DataFrame(
        {
            "factor": [*out, ""],
            "there": [*(there[f] for f in out), ""],
            "out": [*(" / ".join(others) for others in out.values()), ""],
            **_with_interval(by_block, alpha),
        }
    )
    bits = [1 << i for i in range(len(out))]
    first, final = ([means[last] - means[last - bit] for bit in bits], [means[bit] - means[0] for bit in bits])
    table = table.assign(leave_one_out=[*first, np.nan], add_one_in=[*final, np.nan])
    order = np.argsort(-table["value"].to_numpy()[:-1], kind="stable")
    return table.iloc[[*order, len(out)]].reset_index(drop=True)


def _with_interval(by_block: Values, alpha: float) -> dict[str, Values]:
    """Return the mean over blocks of every column with intervals that hold together, ``[blocks, values]``."""
    return dict(zip(("value", "low", "high"), simultaneous(by_block, alpha), strict=True))
