"""What one data set alone can say of an arm: paired differences over its repeats."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from reports.findings.results import Paired
from reports.statistics.arrays import Values
from reports.statistics.multiplicity import holm_of
from reports.statistics.pairs.differences import effect, mean_interval
from reports.statistics.pairs.signed import Exams, resampled_t
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


def feature_gains(
    frame: pd.DataFrame, metric: str, reference: str, exams_of: Mapping[str, Exams], *, alpha: float
) -> list[Paired]:
    """Return, on every data set, an arm minus the same arm on other features of genes: what its file is worth."""
    roles, wide = ordered_arms(frame), cells(frame, metric)
    pairs = [(controlled(arm, reference), arm) for arm, role in roles.items() if role == "control"]
    out = []
    for (block, dataset), rows in wide.groupby(level=["block", "dataset"]):
        where, exam = (str(block), str(dataset)), exams_of[str(dataset)]
        known, scores = [pair for pair in pairs if set(pair) <= set(wide)], _by_arm(rows)
        out += [replace(_pair(scores, metric, where, pair, 1 - alpha, exam), test=None) for pair in known]
    return out


def gains(
    frame: pd.DataFrame, metric: str, reference: str, exams_of: Mapping[str, Exams], *, alpha: float
) -> list[Paired]:
    """Return the reference arm's gain over the strongest control, on every data set.

    Strongest is the control with the highest mean over the repeats it finished on that data set and metric; choosing
    it after the fact favours the control, never the model. A p would not know of that choice, so none is given.
    Where the strongest control lacks a repeat, or any control lacks all of them, there is a note in place of a
    number: the controls that are left might be the weaker ones. Controls of features of genes do not count: they may
    read expression. ``exams_of`` is that of :func:`reports.statistics.pairs.signed.exams`.
    """
    roles, wide = ordered_arms(frame), cells(frame, metric)
    controls = [arm for arm, role in roles.items() if role == "control" and not controlled(arm, reference)]
    if reference not in wide or not set(controls) & set(wide):
        return []
    out = []
    for (block, dataset), rows in wide.reindex(columns=[reference, *controls]).groupby(level=["block", "dataset"]):
        where = (str(block), str(dataset))
        arms = (reference, _strongest(rows[controls]))
        pair = _pair(_by_arm(rows), metric, where, arms, 1 - alpha, exams_of[str(dataset)])
        out.append(replace(pair, test=None))
    return out


def _strongest(rows: pd.DataFrame) -> str:
    """Name the control that the reference has to beat on one data set; one that finished nothing could be any good."""
    finished = rows.where(np.isfinite(rows))
    means = finished.mean().fillna(np.inf)  # over what is finished: it ranks controls and is never shown
    # of two equal ones the incomplete, whose true mean may be higher
    return max(map(str, rows), key=lambda arm: (means[arm], finished[arm].isna().any()))


def paired_differences(
    frame: pd.DataFrame, metric: str, reference: str, exams_of: Mapping[str, Exams], *, alpha: float
) -> list[Paired]:
    """Return knocked-out arm minus reference on every data set with at least two paired repeats.

    The tests of one data set and metric are corrected together (Holm).
    """
    roles, wide = ordered_arms(frame), cells(frame, metric)
    if reference not in wide:
        return []
    others = [arm for arm in map(str, wide) if roles[arm] in ("arm", "baseline")]
    out = []
    for (block, dataset), rows in wide.groupby(level=["block", "dataset"]):
        where = (str(block), str(dataset))
        known, scores = exams_of[str(dataset)], _by_arm(rows)
        tried = [arm for arm in others if not np.isnan([scores[arm], scores[reference]]).all()]
        pairs = [_pair(scores, metric, where, (arm, reference), 1 - alpha, known) for arm in tried]
        adjusted = holm_of([pair.test.p if pair.test else None for pair in pairs])
        corrected = [replace(pair, p_holm=p) for pair, p in zip(pairs, adjusted, strict=True)]
        out += [pair for pair in corrected if pair.repeats >= 2 or pair.note]
    return out


def _by_arm(rows: pd.DataFrame) -> dict[str, Values]:
    """Return what every arm scored on one data set, ``[repeats]``."""
    return dict(zip(map(str, rows), rows.to_numpy(float).T, strict=True))


def _pair(
    by_arm: dict[str, Values],
    metric: str,
    where: tuple[str, str],
    arms: tuple[str, str],
    level: float,
    exam: Exams,
) -> Paired:
    arm, against = arms
    block, dataset = where
    scores = np.column_stack([by_arm[arm], by_arm[against]])
    scores = scores[~np.isnan(scores).all(axis=1)]
    trouble = _trouble(scores[:, 0], arm) or _trouble(scores[:, 1], against)
    if not len(scores):
        trouble = f"neither {arm} nor {against} was run"
    if trouble:
        nan = float("nan")
        return Paired(metric, dataset, block, arm, against, 0, nan, nan, nan, nan, trouble)
    d = np.round(scores[:, 0] - scores[:, 1], DECIMALS)
    size = effect(d, level)
    plain = Paired(metric, dataset, block, arm, against, size.n, size.mean, size.low, size.high, size.superior)
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
