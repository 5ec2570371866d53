"""The three plain sentences a report opens with."""

from __future__ import annotations

import math
from dataclasses import replace

from reports.findings.comparisons import MIN_BLOCKS
from reports.findings.results import Analysis, Finding, Paired
from reports.findings.summaries import whole
from reports.page.sentences.factors import established_effects
from reports.page.sentences.gains import gain_sentence, repeats_of, uncorrected
from reports.page.sentences.units import blocks_of
from reports.statistics.attainability import blocks_needed, smallest_p
from reports.statistics.pairs.differences import Effect
from reports.statistics.pairs.signed import MIN_SIGNED
from reports.table.blocks import unscaled
from reports.words.metrics import label
from reports.words.numbers import count, ends, interval, joined, number, p_value, signed, won

_Change = tuple[float, str]  # what an arm changes, and how it is told
_MANY = 4  # established differences that are named one by one
_FORBIDDING = ("mixed digests", "search trials", "interim")


def summary(analysis: Analysis, topology: str = "") -> list[str]:
    """Say in three sentences what a study found: gain over controls and topology, worth of parts, what N carries."""
    return [" ".join(filter(None, (gain_sentence(analysis), topology))), _parts(analysis), _design(analysis)]


def _parts(a: Analysis) -> str:
    forbidding = [r for r in a.refusals if r.rule in _FORBIDDING]
    if forbidding:
        return f"No arm is compared with another: {forbidding[0].message}"
    if len(a.arms) < 2:
        return "There is one arm, so nothing to compare it with."
    if a.reference is None:
        return _ladder(a)
    role = "arm" if "arm" in a.roles.values() else "baseline"
    others = [arm for arm in a.arms if a.roles[arm] == role]
    if not others:
        return f"No arm without a part of {a.reference} was run, so no part's worth is known."
    changes = _over_blocks(a, others) if len(a.blocks) > 1 else _over_repeats(a, others)
    left_out = [arm for arm in others if arm not in changes]
    if not changes:
        return f"Every comparison with {a.reference} lacks cells, failed or missing, so no change is sized here."
    suffix = f"; {joined(left_out)} left out for failed or missing cells" if left_out else ""
    return "".join((_extremes(a, changes), suffix, _worth(a, others), "."))


def _extremes(a: Analysis, changes: dict[str, _Change]) -> str:
    """Name the change that costs the reference most and the one that costs it least."""
    order = sorted(changes, key=lambda arm: (changes[arm][0], arm))
    name, (most, *_, least) = label(a.metric), [*order[:1], *order]
    (text_most, told_least), what = (changes[most][1], changes[least][1]), "changes"
    if unscaled(a.metric, a.datasets):
        text, more = f"In {name}, {most} wins {text_most} against {a.reference}", f"{least} {told_least}"
    elif a.levels.empty:  # rivals, not the reference without a part
        text, more, what = f"Against {a.reference}, {most} has {text_most} in {name}", f"{least} {told_least}", "arms"
    else:
        text, more = f"Changing {a.reference} to {most} moves {name} by {text_most}", f"to {least} by {told_least}"
    extremes = f" (the extremes of {len(order)} {what})" if len(order) > 2 else ""
    return f"{text}, {more}{extremes}" if len(order) > 1 else text


def _worth(a: Analysis, others: list[str]) -> str:
    """Say which change is an improvement, and where nothing speaks for a part; never other than the tests do."""
    better, worse, highs = _sure_over_blocks(a, others) if len(a.blocks) > 1 else _sure_over_repeats(a, others)
    text = ""
    if better:
        sure = "an improvement on this data set" if len(a.blocks) == 1 else "an established improvement"
        text = f"; changing to {joined(better)} is {sure}"
    if highs and not worse and all(high >= 0 for high in highs):
        needed = "needs what was changed" if a.roles[others[0]] == "arm" else "beats a baseline"
        text += f"; no interval lies below zero, so nothing on {label(a.metric)} shows that {a.reference} {needed}"
    return text + _elsewhere(a, others, worse)


def _elsewhere(a: Analysis, others: list[str], worse: list[str]) -> str:
    """Say where another metric established the loss that the primary one did not: a reader in a hurry stops here."""
    lost: dict[str, list[str]] = {}
    for f in a.findings:
        if f.metric != a.metric and f.arm in others and f.verdict == "lower" and f.arm not in worse:
            lost.setdefault(f.arm, []).append(label(f.metric))
    clauses = [
        f"{joined(arms)} {'is' if len(arms) == 1 else 'are'} established lower on {joined(list(metrics))}"
        for metrics, arms in _inverted(lost).items()
    ]
    return f"; yet {'; '.join(clauses)}" if clauses else ""


def _inverted(lists: dict[str, list[str]]) -> dict[tuple[str, ...], list[str]]:
    out: dict[tuple[str, ...], list[str]] = {}
    for name, members in lists.items():
        out.setdefault(tuple(members), []).append(name)
    return out


def _sure_over_blocks(a: Analysis, others: list[str]) -> tuple[list[str], list[str], list[float]]:
    """Return the arms established better, those established worse, and the upper ends of all intervals."""
    mine = [f for f in a.findings if f.metric == a.metric and f.arm in others]
    better = [f.arm for f in mine if f.verdict == "higher"]
    worse = [f.arm for f in mine if f.verdict == "lower"]
    return better, worse, [] if unscaled(a.metric, a.datasets) else [f.effect.high for f in mine if f.effect]


def _sure_over_repeats(a: Analysis, others: list[str]) -> tuple[list[str], list[str], list[float]]:
    """Do as for blocks with the only data set, by the tests and intervals over its repeats."""
    if len(a.datasets) > 1:
        return [], [], []
    mine = [p for p in a.paired if p.metric == a.metric and p.arm in others and not p.note]
    sure = [p for p in mine if p.p_holm is not None and p.p_holm < a.alpha]
    return [p.arm for p in sure if p.mean > 0], [p.arm for p in sure if p.mean < 0], [p.high for p in mine]


def _whole(a: Analysis) -> list[tuple[Finding, Effect]]:
    """Return the comparisons on the primary metric that lost no block: a size over survivors would mislead."""
    return [(f, f.effect) for f in a.findings if f.metric == a.metric and f.effect and not f.dropped]


def _lead(a: Analysis, size: Effect) -> float:
    """Return how far an arm lies ahead: on average, or in blocks won where there is no common scale."""
    return size.superior - 0.5 if unscaled(a.metric, a.datasets) else size.mean


def _sized(a: Analysis, size: Effect) -> str:
    if unscaled(a.metric, a.datasets):
        return won(size) + ("" if (size.superior * size.n).is_integer() else " (ties count half)")
    if size.n == 1:
        return f"{signed(size.mean)} on one block, without interval"
    return f"{signed(size.mean)} {interval(size)} over {count(size.n, 'block')}"


def _over_blocks(a: Analysis, others: list[str]) -> dict[str, _Change]:
    return {f.arm: (_lead(a, size), _sized(a, size)) for f, size in _whole(a) if f.arm in others}


def _over_repeats(a: Analysis, others: list[str]) -> dict[str, _Change]:
    """Size changes on the only block: with an interval over repeats, where it holds one data set."""
    out = _over_blocks(a, others)
    if len(a.datasets) > 1:
        return out
    for p in a.paired:
        if p.metric == a.metric and p.arm in others and not p.note:
            out[p.arm] = (p.mean, f"{signed(p.mean)} {interval(p)} over {repeats_of(p)} ({_scope(p)})")
    return out


def _scope(pair: Paired) -> str:
    p = f", adjusted p = {p_value(pair.p_holm)}" if pair.test else ""
    return f"this data set only{p}{uncorrected(pair)}"


def _ladder(a: Analysis) -> str:
    sized = _whole(a)
    mine = [f for f in a.findings if f.metric == a.metric]
    cut = [f"{f.arm} – {f.against}" for f in mine if f.dropped or not f.effect]
    suffix = f"; left out for failed or missing cells: {joined(cut)}" if cut else ""
    if not sized:
        return "No two arms have every block complete, so no difference is stated."
    f, size = max(sized, key=lambda pair: abs(_lead(a, pair[1])))
    ahead = _lead(a, size)
    if ahead == 0:
        return f"No two arms differ in {label(a.metric)} on the complete blocks{suffix}."
    up, down = (f.arm, f.against) if ahead > 0 else (f.against, f.arm)
    if unscaled(a.metric, a.datasets):
        wins = _sized(a, replace(size, superior=max(size.superior, 1 - size.superior)))
        return f"In {label(a.metric)}, the most one-sided pair is {up} against {down}: {up} wins {wins}{suffix}."
    spread = _spread(size, turned=ahead < 0) or "without interval"
    gap = f"{number(abs(size.mean))} {label(a.metric)} {spread} over {count(size.n, 'block')}"
    return f"{_leaders(a)}The widest gap is between {up} and {down}: {gap}{suffix}."


def _leaders(a: Analysis) -> str:
    """Name the two arms with the highest means, and what lies between them."""
    points = a.points[a.points["metric"] == a.metric]
    means = points[points["arm"].isin(whole(points))].groupby("arm")["value"].mean()
    if len(means) < 3:
        return ""
    one, two = means.sort_values(ascending=False, kind="stable").index[:2]
    f, size = next(((f, e) for f, e in _whole(a) if {f.arm, f.against} == {one, two}), (None, None))
    if f is None or size is None:
        return ""
    spread = _spread(size, turned=f.arm != one)
    best = f"{one} has the highest mean {label(a.metric)}, {number(means[one])}, {two} the next, {number(means[two])}"
    return f"{best} (difference {signed(abs(size.mean))}{spread and ' '}{spread}: {f.verdict}). "


def _spread(size: Effect, *, turned: bool) -> str:
    """Write the interval of a difference, or of the same the other way round; nothing where there is none."""
    if not math.isfinite(size.low):
        return ""
    return ends(-size.high, -size.low) if turned else ends(size.low, size.high)


def _design(a: Analysis) -> str:
    n = len(a.blocks)
    units = f"With N = {blocks_of(a, n)}"
    if any(r.rule in _FORBIDDING for r in a.refusals):
        return "Nothing is tested, and no number here should be quoted, until that is mended."
    main = _main_family(a)
    if not main:
        return f"{units} and nothing to compare on {label(a.metric)}, no claim about a difference is possible."
    if n < MIN_BLOCKS:
        only = "this data set" if len(a.datasets) == 1 else "these data sets"
        needed = f"one comparison needs at least {_needed(1, a.alpha)} blocks"
        return f"{units} no claim beyond {only} is possible, whatever the number of repeats; {needed}.{_alone(a)}"
    if n < MIN_SIGNED:
        return f"{units} pairwise tests are refused: one comparison needs {_needed(1, a.alpha)} blocks."
    m = len(main)
    floor = smallest_p(n, m)
    head = f"{units} and {count(m, 'comparison')} the smallest adjusted p any outcome could reach is {p_value(floor)}"
    if floor >= a.alpha:
        pairwise = "so this design cannot establish a difference between two arms"
        return f"{head}, {pairwise}; {count(_needed(m, a.alpha), 'block')} are needed.{established_effects(a)}"
    return f"{head}{_outcome(a, main)}.{established_effects(a)}"


def _needed(comparisons: int, alpha: float) -> int:
    return max(MIN_SIGNED, blocks_needed(comparisons, alpha))


def _outcome(a: Analysis, main: list[Finding]) -> str:
    """Say what a family of comparisons, enough blocks provided, established."""
    if all(f.test is None for f in main):
        return f", but no comparison has the {MIN_SIGNED} complete blocks a test needs"
    most = max(f.effect.n for f in main if f.effect)
    if smallest_p(most, len(main)) >= a.alpha:
        left = count(most, "block")
        return f", but failed or missing cells leave at most {left}, too few to establish any difference"
    sure = [f for f in main if f.verdict in ("higher", "lower")]
    if not sure:
        return "; no difference is established, which is not evidence that there is none"
    clauses = [f"{f.arm} {f.verdict} than {f.against} (adjusted p = {p_value(f.p_weaker)})" for f in sure]
    if len(sure) > _MANY and a.reference:
        clauses = [_together(a, sure, verdict) for verdict in dict.fromkeys(f.verdict for f in sure)]
    return f"; established at {a.alpha:g}, {len(sure)} of {len(main)}: {joined(clauses)}"


def _together(a: Analysis, sure: list[Finding], verdict: str) -> str:
    mine = [f for f in sure if f.verdict == verdict]
    number_of = "all" if len(mine) == len(sure) else str(len(mine))
    p = p_value(max(f.p_weaker or 0.0 for f in mine))
    return f"{number_of} {verdict} than {a.reference} (adjusted p at most {p})"


def _alone(a: Analysis) -> str:
    """Count what repeats of the only data set show: a statement on that data set, with the method it rests on."""
    mine = [p for p in a.paired if p.metric == a.metric and p.test]
    if len(a.datasets) > 1 or not mine:
        return ""
    small = sum(p.p_holm is not None and p.p_holm < a.alpha for p in mine)
    how = joined(list(dict.fromkeys(p.test.method for p in mine if p.test)))
    text = f"{small} of {count(len(mine), 'difference')} {'has' if small == 1 else 'have'} an adjusted p"
    return f" On this data set alone, {text} below {a.alpha:g} ({how})."


def _main_family(a: Analysis) -> list[Finding]:
    """Return the first family asked on the primary metric: knock-outs where there are any."""
    mine = [f for f in a.findings if f.metric == a.metric]
    return [f for f in mine if f.family == mine[0].family]
