"""The question first: one plain paragraph for each part, with the conclusion the data allow."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from reports.findings.factorial import IDLE
from reports.findings.results import Analysis, Conclusion, Finding
from reports.page.sentences.factors import analysed, interactions, main_effect, method_of
from reports.page.sentences.units import blocks_of
from reports.table.blocks import unscaled
from reports.words.metrics import label
from reports.words.numbers import confidence, count, interval, joined, number, p_value, signed, won

MOST = 6  # answers in one paragraph; of more, the extremes are told and the rest counted


@dataclass(frozen=True)
class Answer:
    """One comparison in words: the numbers, the conclusion, and what it rests on."""

    text: str
    word: str
    note: str


@dataclass(frozen=True)
class Question:
    """One paragraph of the report: a factor or a family of comparisons, and the answers to it."""

    name: str
    lead: str
    answers: tuple[Answer, ...]
    tail: str = ""


def questions(a: Analysis) -> list[Question]:
    """Word what a study asked of each factor on its primary metric, or of each arm where it has no factors."""
    mine = _main(a)
    if not mine:
        return []
    by_factor, several = _by_factor(a, mine)
    if not by_factor:
        return [_plain(a, mine), *_together(a)]
    out = [_factor(a, factor, members) for factor, members in by_factor.items()]
    if several:
        verb = "changes" if len(several) == 1 else "change"
        lead = f"{count(len(several), 'arm')} {verb} several parts at once: "
        lead += f"{_tally(several)}. They stand with all comparisons below."
        out.append(Question("Combinations", lead, ()))
    return [*out, *_together(a)]


def _together(a: Analysis) -> list[Question]:
    """Ask whether what one factor is worth depends on another, where a design can tell."""
    whole, effects = analysed(a), interactions(a)
    if whole is None or not effects:
        return []
    lead = f"Does what one factor is worth depend on another? On {label(a.metric)}, {method_of(whole)}."
    unsure = any(word == "cannot tell" for _, word in effects)
    tail = "An interaction that is not established is not shown to be absent." if unsure else ""
    return [Question("Factors together", lead, tuple(Answer(text, word, "") for text, word in effects), tail)]


def _main(a: Analysis) -> list[Conclusion]:
    mine = [c for c in a.conclusions if c.finding.metric == a.metric]
    return [c for c in mine if c.finding.family == mine[0].finding.family]


def _by_factor(a: Analysis, mine: Sequence[Conclusion]) -> tuple[dict[str, list[Conclusion]], list[Conclusion]]:
    """Sort comparisons by the one factor that changed; an arm that changes several answers for none of them."""
    known = set(a.levels.index)
    if a.reference not in known or any(c.finding.arm not in known for c in mine):
        return {}, []
    alone: dict[str, list[Conclusion]] = {str(factor): [] for factor in a.levels}
    settings: list[Conclusion] = []
    several: list[Conclusion] = []
    for c in mine:
        changed = _changed(a, c.finding.arm)
        if len(changed) > 1:
            several.append(c)
        else:
            (alone[changed[0]] if changed else settings).append(c)
    questions_of = {factor: members for factor, members in alone.items() if members}
    return ({**questions_of, "settings": settings} if questions_of and settings else questions_of), several


def _changed(a: Analysis, arm: str) -> list[str]:
    """Return the factors an arm changes; one that merely cannot act any more is not a change of its own."""
    one, reference = (a.levels.loc[name].to_dict() for name in (arm, str(a.reference)))
    differs = [str(f) for f in a.levels if one[f] != reference[f]]
    return [f for f in differs if IDLE not in (one[f], reference[f])] or differs


def _factor(a: Analysis, factor: str, members: list[Conclusion]) -> Question:
    if factor in a.levels:
        names = {c.finding.arm: str(a.levels.loc[c.finding.arm, factor]) for c in members}
        # two arms of one level differ in something that is no factor: their own names tell them apart
        names = names if len(set(names.values())) == len(names) else {arm: arm for arm in names}
        base = str(a.levels.loc[str(a.reference), factor])
    else:
        names, base = {c.finding.arm: c.finding.arm for c in members}, str(a.reference)
    with_what = joined(list(names.values()), MOST)
    lead = f"{with_what} in place of {base}: {_units(a, members)}, {_measure(a)}."
    answers, tail = _answers(a, members, names)
    return Question(factor, lead, answers, " ".join(text for text in (tail, main_effect(a, factor)) if text))


def _plain(a: Analysis, mine: list[Conclusion]) -> Question:
    names = {c.finding.arm: c.finding.arm for c in mine} if a.reference else {}
    whom = f"against {a.reference}" if a.reference else "of one arm with another"
    lead = f"{count(len(mine), 'comparison')} {whom}: {_units(a, mine)}, {_measure(a)}."
    answers, tail = _answers(a, mine, names)
    return Question("Arms", lead, answers, tail)


def _measure(a: Analysis) -> str:
    return f"{'blocks won' if unscaled(a.metric, a.datasets) else 'paired difference'} in {label(a.metric)}"


def _units(a: Analysis, members: Sequence[Conclusion]) -> str:
    sizes = sorted({c.finding.effect.n if c.finding.effect else 0 for c in members})
    least = f"{sizes[0]} to " if len(sizes) > 1 else ""
    return f"{least}{blocks_of(a, sizes[-1])}"


def _answers(a: Analysis, members: list[Conclusion], names: dict[str, str]) -> tuple[tuple[Answer, ...], str]:
    tail, shown = "", members
    if len(members) > MOST:
        ranked = sorted((c for c in members if c.finding.effect), key=_mean)
        shown = [ranked[0], ranked[-1]] if len(ranked) > 1 else ranked
        tail = f"These are the extremes of {len(members)} comparisons: {_tally(members)}."
    unsure = [c for c in shown if c.word == "cannot tell"]
    reasons = {c.why for c in unsure}
    shared = reasons.pop() if len(reasons) == 1 and len(unsure) > 1 else ""
    if shared:
        tail = f"{tail} Why the data cannot tell: {shared}.".strip()
    return tuple(_answer(a, c, names, quiet=bool(shared)) for c in shown), tail


def _mean(c: Conclusion) -> float:
    size = c.finding.effect
    if size is None:
        return 0.0
    return size.mean if math.isfinite(size.mean) else size.superior


def _tally(members: Sequence[Conclusion]) -> str:
    counted = Counter(c.word for c in members)
    return ", ".join(f"{n} {word}" for word, n in counted.most_common())


def _answer(a: Analysis, c: Conclusion, names: dict[str, str], *, quiet: bool) -> Answer:
    f = c.finding
    name = names.get(f.arm, f"{f.arm} − {f.against}")
    if f.effect is None:
        return Answer(f"{name}: no complete block", c.word, "")
    if alone := _alone(a, f):
        beyond = " beyond this data set" if c.word == "cannot tell" else ""
        return Answer(f"{name} {signed(f.effect.mean)} ({alone})", c.word, beyond)
    p = f"adjusted p = {p_value(f.p_weaker)}" if f.test else "not tested"
    if not math.isfinite(f.effect.mean):  # a metric with another scale on every data set
        return Answer(f"{name} wins {won(f.effect)} ({p})", c.word, _note(c, a.alpha, quiet=quiet))
    spread = interval(f.effect)
    spread = f"{confidence(a.alpha)} interval {spread}" if spread.startswith("[") else spread
    text = f"{name} {signed(f.effect.mean)} ({spread}; {p}"
    if f.effect.n > 1:
        text += f"; probability of improvement {number(f.effect.superior, 2)}"
    return Answer(f"{text})", c.word, _note(c, a.alpha, quiet=quiet))


def _alone(a: Analysis, f: Finding) -> str:
    """Say what repeats show where there is one data set and nothing else to go by; no verdict rests on it."""
    key = (f.metric, f.arm, f.against)
    pairs = [p for p in a.paired if (p.metric, p.arm, p.against) == key and p.test]
    if len(a.datasets) > 1 or not pairs:
        return ""
    level, p = confidence(a.alpha), f"adjusted p = {p_value(pairs[0].p_holm)}"
    return f"on this data set alone: {level} interval {interval(pairs[0])}; {p}; {count(pairs[0].repeats, 'repeat')}"


def _note(c: Conclusion, alpha: float, *, quiet: bool) -> str:
    if c.finding.torn and c.word == "cannot tell":
        return " (most blocks say one thing, their mean another)"
    equal = c.equivalence
    close = c.p_equal is not None and c.p_equal < alpha
    if equal is not None and close:
        within = f"within ±{equal.margin:g}, adjusted p = {p_value(c.p_equal)}"
        return f" ({within})" if c.word == "practically equal" else f", yet practically equal ({within})"
    if c.word != "cannot tell" or quiet:
        return ""
    if equal is None:
        return f" ({c.why})"
    return f" (neither a difference nor equality within ±{equal.margin:g} is shown)"
