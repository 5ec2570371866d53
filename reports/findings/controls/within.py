"""What one data set alone can say of an arm: paired differences over its repeats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd

from reports.findings.results import Paired
from reports.statistics.arrays import Values
from reports.statistics.multiplicity import holm_of
from reports.statistics.pairs.differences import effect, mean_interval
from reports.statistics.pairs.signed import Exams, exams, resampled_t
from reports.table.blocks import cells, ordered_arms
from reports.words.metrics import DECIMALS

OF_FEATURES = ("permuted_features", "random_features")  # controls that may read expression


def controlled(control: str, reference: str) -> str:
    """Return the arm that a control of features belongs to, by its name; empty for any other control.

    ``permuted_features`` is the reference's, ``mine (permuted_features)`` that of the arm ``mine``.
    """
    study, _, bare = control.rpartition(": ")
    for name in OF_FEATURES:
        if bare == name:
            return reference if not study or reference.startswith(f"{study}: ") else ""
        if bare.endswith(f" ({name})"):
            return control.removesuffix(f" ({name})")
    return ""


def within_data_sets(
    frame: pd.DataFrame, metrics: Sequence[str], reference: str | None, alpha: float
) -> tuple[tuple[Paired, ...], tuple[Paired, ...], tuple[Paired, ...]]:
    """Compare arms on every data set alone, metric by metric; nothing without a reference.

    Returns
    -------
    gains
        The reference arm minus the strongest control: that with the highest mean over the repeats it finished on that
        data set and metric; choosing it after the fact favours the control, never the model. A p would not know of
        that choice, so none is given. Where the strongest control lacks a repeat, or any control lacks all of them,
        there is a note in place of a number: the controls that are left might be the weaker ones. Controls of features
        of genes do not count: they may read expression.
    feature_gains
        An arm minus the same arm on other features of genes: what its file is worth. No p either.
    paired
        Knocked-out arm minus reference, with at least two paired repeats. The tests of one data set and metric are
        corrected together (Holm).
    """
    if reference is None:
        return (), (), ()
    gained: list[Paired] = []
    featured: list[Paired] = []
    paired: list[Paired] = []
    roles, exams_of = ordered_arms(frame), exams(frame)
    bases = {arm: controlled(arm, reference) for arm, role in roles.items() if role == "control"}
    controls = [arm for arm, base in bases.items() if not base]
    for metric in (one for one in metrics if one in set(frame["metric"])):
        wide = cells(frame, metric)
        measured, others = set(wide), [arm for arm in map(str, wide) if roles[arm] in ("arm", "baseline")]
        for (block, dataset), rows in wide.reindex(columns=[*roles]).groupby(level=["block", "dataset"]):
            scores = dict(zip(map(str, rows), rows.to_numpy(float).T, strict=True))
            where, exam = (str(block), str(dataset)), exams_of[str(dataset)]
            pair = partial(_pair, scores, metric, where, level=1 - alpha, exam=exam)
            own = [(base, arm) for arm, base in bases.items() if {arm, base} <= measured]
            featured += [replace(pair(arms), test=None) for arms in own]
            if reference not in measured:
                continue
            if measured & set(controls):
                gained.append(replace(pair((reference, _strongest(rows[controls]))), test=None))
            tried = [arm for arm in others if not np.isnan([scores[arm], scores[reference]]).all()]
            pairs = [pair((arm, reference)) for arm in tried]
            adjusted = holm_of([one.test.p if one.test else None for one in pairs])
            corrected = [replace(one, p_holm=p) for one, p in zip(pairs, adjusted, strict=True)]
            paired += [one for one in corrected if one.repeats >= 2 or one.note]
    return tuple(gained), tuple(featured), tuple(paired)


def _strongest(rows: pd.DataFrame) -> str:
    """Name the control that the reference has to beat on one data set; one that finished nothing could be any good."""
    finished = rows.where(np.isfinite(rows))
    means = finished.mean().fillna(np.inf)  # over what is finished: it ranks controls and is never shown
    # of two equal ones the incomplete, whose true mean may be higher
    return max(map(str, rows), key=lambda arm: (means[arm], finished[arm].isna().any()))


def _pair(
    by_arm: Mapping[str, Values],
    metric: str,
    where: tuple[str, str],
    arms: tuple[str, str],
    level: float,
    exam: Exams,
) -> Paired:
    arm, against = arms
    scores = np.column_stack([by_arm[arm], by_arm[against]])
    scores = scores[~np.isnan(scores).all(axis=1)]
    trouble = _trouble(scores[:, 0], arm) or _trouble(scores[:, 1], against)
    if not len(scores):
        trouble = f"neither {arm} nor {against} was run"
    if trouble:
        nan = float("nan")
        return Paired(metric, where[1], where[0], arm, against, 0, nan, nan, nan, nan, trouble)
    return over_repeats(scores[:, 0] - scores[:, 1], metric, where, arms, level, exam)


def over_repeats(
    difference: Values, metric: str, where: tuple[str, str], arms: tuple[str, str], level: float, exam: Exams
) -> Paired:
    """Size the differences of two arms, ``[repeats]``, on the block and data set ``where``, and test them."""
    d, (block, dataset) = np.round(difference, DECIMALS), where
    size = effect(d, level)
    plain = Paired(metric, dataset, block, *arms, size.n, size.mean, size.low, size.high, size.superior)
    if exam.ratio is None:
        return replace(plain, uncorrected=exam.why)
    low, high = mean_interval(d, level, ratio=exam.ratio)
    return replace(plain, low=low, high=high, ratio=exam.ratio, test=resampled_t(d, exam.ratio))


def _trouble(scores: Values, arm: str) -> str:
    """Say why no difference is given: a mean over the repeats that survived would flatter whoever crashes."""
    failed, missing = int(np.isneginf(scores).sum()), int(np.isnan(scores).sum())
    if failed:
        return f"{arm} failed {failed} of {len(scores)} repeats"
    return f"{arm} lacks {missing} of {len(scores)} repeats" if missing else ""
