"""What a study gained over its controls, in one sentence: a mean where every data set has its number, else counts."""

from __future__ import annotations

from reports.findings.results import Analysis, Paired
from reports.table.blocks import unscaled
from reports.words.metrics import BESIDE, label
from reports.words.numbers import count, interval, joined, number, signed


def gain_sentence(a: Analysis) -> str:
    """Say how far the reference arm lies above the best rule that never reads expression."""
    if a.reference is None:
        return "No reference arm is named in this table, so there is no gain over a control to state."
    if "control" not in a.roles.values():
        return (
            f"There is no control arm in this table, so nothing here shows that {a.reference} needs "
            "expression data to reach its scores."
        )
    metrics = [a.metric, *_second(a)]
    withheld = [_withheld(a, metric) for metric in metrics]
    parts = [_gain(a, metric) for metric in metrics]
    if len(set(withheld)) == 1:
        return f"Over the strongest control, {a.reference} {'; '.join(parts)}{withheld[0]}."
    parts = [f"{text}{why}" for text, why in zip(parts, withheld, strict=True)]
    return f"Over the strongest control, {a.reference} {'; '.join(parts)}."


def _second(a: Analysis) -> list[str]:
    return [str(m) for m in BESIDE if m in a.metrics and m != a.metric and not unscaled(m, a.datasets)][:1]


def _gain(a: Analysis, metric: str) -> str:
    gains = _known(a, metric)
    if not gains:
        return f"cannot be placed in {label(metric)}"
    lost = [g.dataset for g in gains if g.mean < 0]
    text = (
        _mean(gains, metric) if len(gains) == len(a.datasets) and not unscaled(metric, a.datasets) else _wins(a, metric)
    )
    if not lost:
        return text
    where = "every one of them" if len(lost) == len(a.datasets) > 1 else joined(lost)
    return f"{text}, and loses to a rule that never reads expression on {where}"


def _known(a: Analysis, metric: str) -> list[Paired]:
    return [g for g in a.gains if g.metric == metric and not g.note]


def _mean(gains: list[Paired], metric: str) -> str:
    changes = [g.mean for g in gains]
    mean = sum(changes) / len(changes)
    change = f"{'gains' if mean >= 0 else 'loses'} {number(abs(mean))} {label(metric)}"
    if len(gains) == 1:
        g = gains[0]
        return f"{change} over {g.against} on {g.dataset} ({interval(g)}; {repeats_of(g)}{uncorrected(g)})"
    return f"{change} on average over {count(len(gains), 'data set')} ({_span(changes)})"


def _wins(a: Analysis, metric: str) -> str:
    """Count data sets: a mean over those that survived would flatter whoever crashes, one over scales says nothing."""
    changes = [g.mean for g in _known(a, metric)]
    won = sum(change > 0 for change in changes)
    if changes and max(changes) < 0:
        text = f"loses {label(metric)} on {len(changes)} of {count(len(a.datasets), 'data set')}"
    else:
        text = f"gains {label(metric)} on {won} of {count(len(a.datasets), 'data set')}"
    return text if unscaled(metric, a.datasets) else f"{text} ({_span(changes)})"


def _span(changes: list[float]) -> str:
    if len(changes) == 1:
        return f"difference {signed(changes[0])}"
    return f"from {signed(min(changes))} to {signed(max(changes))}"


def _withheld(a: Analysis, metric: str) -> str:
    """Name the data sets on which there is no gain to state, and why."""
    known = {g.dataset for g in _known(a, metric)}
    unknown = [dataset for dataset in a.datasets if dataset not in known]
    if not unknown:
        return ""
    notes = {g.dataset: g.note for g in a.gains if g.metric == metric}
    why = {notes.get(dataset, "no cells that can be compared") for dataset in unknown}
    reason = why.pop() if len(why) == 1 else "failed or missing cells"
    where = f"; not known on {joined(unknown)}" if known else ""
    return f"{where} ({reason})"


def repeats_of(pair: Paired) -> str:
    """Write over how many repeats a study paired two arms on one data set."""
    return count(pair.repeats, "paired repeat")


def uncorrected(pair: Paired) -> str:
    """Say that an interval takes repeats that share edges for independent ones; nothing where not so."""
    return ", interval not corrected for shared edges" if pair.uncorrected else ""
