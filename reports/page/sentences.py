"""The three plain sentences a report of a study opens with."""

from __future__ import annotations

import math
from dataclasses import dataclass

from reports.findings.comparisons import MIN_BLOCKS
from reports.glossary import label
from reports.results import Analysis, Finding, Paired
from reports.statistics.attainability import blocks_needed, smallest_p
from reports.statistics.over_blocks import MIN_SIGNED
from reports.wording import count, interval, joined, number, p_value, signed

__all__ = ["summary"]


@dataclass(frozen=True)
class _Change:
    """A difference from the reference, and how it is told."""

    value: float
    told: str
    high: float = math.nan  # upper end of the interval, if there is one


_FORBIDDING = ("mixed digests", "search trials")


def summary(analysis: Analysis) -> list[str]:
    """Say in three sentences what a study found: gain over controls, worth of parts, what N carries."""
    return [_controls(analysis), _parts(analysis), _design(analysis)]


def _controls(a: Analysis) -> str:
    if a.reference is None:
        return "No reference arm is named in this table, so there is no gain over a control to state."
    if "control" not in a.roles.values():
        return (
            f"There is no control arm in this table, so nothing here shows that {a.reference} needs "
            "expression data to reach its scores."
        )
    second = next((m for m in ("auprc", "auprc_ratio", "auroc") if m in a.metrics and m != a.metric), None)
    said = [_gain(a, m) for m in (a.metric, second) if m is not None]
    told = "; ".join(text for text in said if text)
    return f"Over the strongest control, {a.reference} {told or 'cannot be placed: its cells are incomplete'}."


def _gain(a: Analysis, metric: str) -> str:
    found = [g for g in a.gains if g.metric == metric and not g.note]
    if not found:
        return ""
    lost = [g for g in found if g.mean < 0]
    changes = [g.mean for g in found]
    mean = sum(changes) / len(changes)
    change = f"{'gains' if mean >= 0 else 'loses'} {number(abs(mean))} {label(metric)}"
    if len(found) == 1:
        g = found[0]
        told = f"{signed(g.mean)} {interval(g)} to {g.against}; {_repeats(g)} on {g.dataset}{_uncorrected(g)}"
        text = f"{change} (difference {told})"
    else:
        text = f"{change} on average over {count(len(found), 'data set')}"
        text += f" (from {signed(min(changes))} to {signed(max(changes))})"
    if not lost:
        return text
    where = "every one of them" if len(lost) == len(found) > 1 else joined([g.dataset for g in lost])
    return f"{text}, and loses to a rule that never reads expression on {where}"


def _repeats(pair: Paired) -> str:
    return count(pair.repeats, "paired repeat")


def _parts(a: Analysis) -> str:
    forbidding = [r for r in a.refusals if r.rule in _FORBIDDING]
    if forbidding:
        return f"No arm is compared with another: {forbidding[0].message}"
    if a.reference is None:
        return _ladder(a)
    role = "arm" if "arm" in a.roles.values() else "baseline"
    others = [arm for arm in a.arms if a.roles[arm] == role]
    if not others:
        return f"No arm without a part of {a.reference} was run, so no part's worth is known."
    changes = _over_blocks(a, others) if len(a.blocks) > 1 else _over_repeats(a, others)
    left_out = [arm for arm in others if arm not in changes]
    suffix = f"; {joined(left_out)} failed or lacks cells and is left out of this order" if left_out else ""
    if not changes:
        return f"No arm finished every cell beside {a.reference}, so no part's worth is stated."
    return _extremes(a, changes) + suffix + "."


def _extremes(a: Analysis, changes: dict[str, _Change]) -> str:
    """Name the change that costs the reference most and the one that costs it least."""
    order = sorted(changes, key=lambda arm: (changes[arm].value, arm))
    name, most, least = label(a.metric), order[0], order[-1]
    text = f"Changing {a.reference} to {most} moves {name} by {changes[most].told}"
    if len(order) > 1:
        text += f", to {least} by {changes[least].told}"
    others = f" (the extremes of {len(order)} changes)" if len(order) > 2 else ""
    highs = [change.high for change in changes.values()]
    if any(high < 0 for high in highs) or any(math.isnan(high) for high in highs):
        return text + others
    return f"{text}{others}: no interval lies below zero, so nothing here shows that a part earns its keep"


def _over_blocks(a: Analysis, others: list[str]) -> dict[str, _Change]:
    out = {}
    for f in a.findings:
        if f.metric == a.metric and f.arm in others and f.effect and not f.dropped:
            told = f"{signed(f.effect.mean)} {interval(f.effect)} over {count(f.effect.n, 'block')}"
            out[f.arm] = _Change(f.effect.mean, told, f.effect.high)
    return out


def _over_repeats(a: Analysis, others: list[str]) -> dict[str, _Change]:
    out = {}
    for f in a.findings:
        if f.metric == a.metric and f.arm in others and f.effect and not f.dropped:
            out[f.arm] = _Change(f.effect.mean, f"{signed(f.effect.mean)} on one block, without interval")
    mine = [p for p in a.paired if p.metric == a.metric and p.arm in others and not p.note]
    if len(a.datasets) > 1:
        return out
    for p in mine:
        told = f"{signed(p.mean)} {interval(p)} over {_repeats(p)} ({_scope(p)})"
        out[p.arm] = _Change(p.mean, told, p.high)
    return out


def _scope(pair: Paired) -> str:
    p = f", adjusted p = {p_value(pair.p_holm)}" if pair.test else ""
    return f"this data set only{p}{_uncorrected(pair)}"


def _uncorrected(pair: Paired) -> str:
    return ", interval not corrected for shared edges" if pair.uncorrected else ""


def _ladder(a: Analysis) -> str:
    found = [f for f in a.findings if f.metric == a.metric and f.effect]
    if not found:
        return "No two arms share a complete block, so no difference is stated."
    f = max(found, key=lambda f: abs(f.effect.mean) if f.effect else 0.0)
    size = f.effect
    if size is None or size.mean == 0:
        return f"No two arms differ in mean {label(a.metric)} on the complete blocks."
    up, down = (f.arm, f.against) if size.mean > 0 else (f.against, f.arm)
    low, high = (size.low, size.high) if size.mean > 0 else (-size.high, -size.low)
    spread = f"[{signed(low)}, {signed(high)}]" if math.isfinite(low) else "without interval"
    return (
        f"The widest gap is between {up} and {down}: {number(abs(size.mean))} {label(a.metric)} "
        f"{spread} over {count(size.n, 'block')}."
    )


def _design(a: Analysis) -> str:
    n = len(a.blocks)
    units = f"With N = {count(n, 'independent block')}"
    if any(r.rule in _FORBIDDING for r in a.refusals):
        return "Nothing is tested, and no number here should be quoted, until that is mended."
    if n < MIN_BLOCKS:
        only = "this data set" if len(a.datasets) == 1 else "these data sets"
        needed = f"one comparison needs at least {blocks_needed(1, a.alpha)} blocks"
        return f"{units} no claim beyond {only} is possible, whatever the number of repeats; {needed}.{_alone(a)}"
    main = _main_family(a)
    if n < MIN_SIGNED or not main:
        return f"{units} pairwise tests are refused: one comparison needs {blocks_needed(1, a.alpha)} blocks."
    m = len(main)
    floor, enough = smallest_p(n, m), blocks_needed(m, a.alpha)
    head = f"{units} and {count(m, 'comparison')} the smallest Holm p any outcome could reach is {p_value(floor)}"
    if floor >= a.alpha:
        return f"{head}, so this design cannot establish any difference; {enough} blocks are needed."
    if all(f.test is None for f in main):
        return f"{head}, but no comparison has the {MIN_SIGNED} complete blocks a test needs."
    sure = [f for f in main if f.verdict in ("higher", "lower")]
    if not sure:
        return f"{head}; no difference is established, which is not evidence that there is none."
    told = [f"{f.arm} {f.verdict} than {f.against} (p = {p_value(f.p_holm)})" for f in sure]
    return f"{head}; established at {a.alpha:g}, {len(sure)} of {m}: {joined(told)}."


def _alone(a: Analysis) -> str:
    """Count what repeats of the only data set show: a statement on that data set, with the method it rests on."""
    mine = [p for p in a.paired if p.metric == a.metric and p.test]
    if len(a.datasets) > 1 or not mine:
        return ""
    small = sum(p.p_holm is not None and p.p_holm < a.alpha for p in mine)
    how = joined(list(dict.fromkeys(p.test.method for p in mine if p.test)))
    told = f"{small} of {count(len(mine), 'difference')} {'has' if small == 1 else 'have'} an adjusted p"
    return f" On this data set alone, {told} below {a.alpha:g} ({how})."


def _main_family(a: Analysis) -> list[Finding]:
    """Return the first family asked on the primary metric: knock-outs where there are any."""
    mine = [f for f in a.findings if f.metric == a.metric]
    return [f for f in mine if f.family == mine[0].family]
