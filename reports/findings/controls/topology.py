"""What expression adds to topology: the reference arm's scores and its noise control's, each stacked on topology's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from reports.findings.controls.audit import is_control
from reports.findings.controls.within import over_repeats
from reports.findings.results import Analysis, Paired
from reports.statistics.pairs.differences import Effect, effect
from reports.statistics.pairs.signed import Exams
from reports.statistics.stacking import measured, stack
from reports.words.metrics import metric_of

TOPOLOGY, NOISE = "topology", "noise"
_PAIR = ["part", "fold", "tf", "target", "label"]
Predicted = Callable[[str, str], Mapping[int, pd.DataFrame]]


@dataclass(frozen=True)
class Beyond:
    """What is left for expression once the graph of training edges has said what it can.

    Attributes
    ----------
    scores
        One row per data set x repeat x metric: topology ``alone``, ``with_reference``, ``with_noise``.
    gains
        With the reference minus with noise, on each data set and metric, paired over repeats.
    effects
        The same over blocks, by metric; none for a metric without a common scale, or with one block.
    note
        Why there is nothing of this; empty where there is.
    """

    scores: pd.DataFrame
    gains: tuple[Paired, ...] = ()
    effects: Mapping[str, Effect] | None = None
    note: str = ""


def beyond_topology(a: Analysis, predicted: Predicted | None) -> Beyond:
    """Return what the reference arm adds to topology that the same arm on noise does not.

    On each fold of each exam a logistic regression over validation pairs joins topology's score with an arm's, and
    scores the test pairs: the arm may add, but not take away, what topology knows.

    ``predicted`` returns what an arm predicted on a data set, by repeat: ``tf, target, label, score, part, fold``; None
    if nobody knows.
    """
    arms = {name: _control(a, name) for name in (TOPOLOGY, NOISE)}
    lacking = [name for name, arm in arms.items() if arm is None]
    if a.reference is None or lacking:
        what = f"the control {' and '.join(lacking)}" if lacking else "a reference arm"
        return Beyond(pd.DataFrame(), note=f"this table lacks {what}")
    if predicted is None:
        return Beyond(pd.DataFrame(), note="no predictions lie beside this table")
    rows = [row for dataset in a.datasets for row in _of_dataset(predicted, dataset, a.reference, arms)]
    if not rows:
        return Beyond(pd.DataFrame(), note="no repeat has validation predictions of all three arms")
    scores = pd.DataFrame(rows)
    scores = scores[scores["metric"].isin(a.metrics)]
    gains = _gains(a, scores)
    return Beyond(scores, gains, _over_blocks(a, gains))


def _control(a: Analysis, name: str) -> str | None:
    """Return the arm that is this control; None where there is none, or one in each of several studies."""
    named = [arm for arm in a.roles if is_control(a, arm, name)]
    return named[0] if len(named) == 1 else None


def _of_dataset(
    predicted: Predicted, dataset: str, reference: str, arms: Mapping[str, str | None]
) -> list[dict[str, object]]:
    tables = [predicted(str(arm), dataset) for arm in (arms[TOPOLOGY], reference, arms[NOISE])]
    rows: list[dict[str, object]] = []
    for repeat in sorted(set.intersection(*map(set, tables))):
        ordered = [table[repeat].sort_values(_PAIR[:4], kind="stable", ignore_index=True) for table in tables]
        alone, full, noise = ordered
        same = alone[_PAIR].equals(full[_PAIR]) and alone[_PAIR].equals(noise[_PAIR])
        if not (alone["part"] == "validation").any() or not same:
            continue
        test = alone[alone["part"] == "test"]
        scores = {
            "alone": test["score"].to_numpy(),
            "with_reference": _stacked(alone, full),
            "with_noise": _stacked(alone, noise),
        }
        labels, tfs = test["label"].to_numpy(), test["tf"].to_numpy()
        values = {name: measured(of, labels, tfs) for name, of in scores.items()}
        for metric in values["alone"]:
            numbers = {name: of[metric] for name, of in values.items()}
            rows.append({"dataset": dataset, "repeat": repeat, "metric": metric, **numbers})
    return rows


def _stacked(alone: pd.DataFrame, arm: pd.DataFrame) -> np.ndarray:
    """Return the test scores of topology and an arm together, fold by fold, in the order of the table."""
    both = np.column_stack([alone["score"], arm["score"]]).astype(float)
    validation, fold = (alone["part"] == "validation").to_numpy(), alone["fold"].to_numpy()
    labels, scores = alone["label"].to_numpy(), np.empty(len(alone))
    for number in np.unique(fold):
        fits, scored = validation & (fold == number), ~validation & (fold == number)
        scores[scored] = stack(both[fits], labels[fits], both[scored])
    return scores[~validation]


def _gains(a: Analysis, scores: pd.DataFrame) -> tuple[Paired, ...]:
    of_sets = {(g.dataset, g.metric): g for g in a.gains}  # block, and what shared edges add to the variance
    gains = []
    for (dataset, metric), rows in scores.groupby(["dataset", "metric"], sort=False):
        known = of_sets.get((str(dataset), str(metric)))
        d = (rows["with_reference"] - rows["with_noise"]).to_numpy()
        if known is None or not np.isfinite(d).all():
            continue
        arms = f"{TOPOLOGY} + {a.reference}", f"{TOPOLOGY} + {NOISE}"
        exam = Exams(known.ratio, known.uncorrected)
        gain = over_repeats(d, str(metric), (known.block, str(dataset)), arms, 1 - a.alpha, exam)
        gains.append(replace(gain, test=None))  # the page shows no p of it
    return tuple(gains)


def _over_blocks(a: Analysis, gains: tuple[Paired, ...]) -> dict[str, Effect]:
    effects = {}
    for metric in dict.fromkeys(gain.metric for gain in gains):
        mine = pd.Series({(g.block, g.dataset): g.mean for g in gains if g.metric == metric})
        blocks = mine.groupby(level=0).mean()
        if len(blocks) > 1 and metric_of(metric).same_scale:
            effects[metric] = effect(np.asarray(blocks, dtype=np.float64), 1 - a.alpha)
    return effects
