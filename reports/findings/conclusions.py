"""Conclusions: what each comparison says in one word, and how large a study every word would take."""

from __future__ import annotations

import pandas as pd

from reports.findings.factorial import IDLE, Factorial, factorial
from reports.findings.results import Analysis, Conclusion, Finding, Paired, Word
from reports.statistics.attainability import blocks_needed
from reports.statistics.pairs.decision import Decision, blocks_for_equal, margin_of
from reports.statistics.pairs.power import Power, power
from reports.table.blocks import arm_levels, block_means, cells, pair_of, unscaled
from reports.words.metrics import label
from reports.words.numbers import at_level, count

CANNOT = ("the data cannot tell", "the design cannot tell", "too few cells finished")


def conclude(
    frame: pd.DataFrame, compared: list[Finding], *, alpha: float, refused: str = "", margin: float | None = None
) -> tuple[Conclusion, ...]:
    """Conclude on every finding of the primary metric.

    ``refused`` says why nothing in this table can be decided, and is empty where it can; a ``margin`` as the user
    states it stands in the place of the metric's own.
    """
    levels = arm_levels(frame)
    sizes = pd.Series([f.family for f in compared]).value_counts()
    wide = {metric: cells(frame, metric) for metric in {f.metric for f in compared}}
    out = []
    for f in compared:
        no_scale = unscaled(f.metric, frame["dataset"].unique())
        width = None if no_scale else margin_of(f.metric, margin)
        of_part = _differ_in_parts(levels, f.arm, f.against)
        n = len(f.blocks)
        term: Word = "refused" if refused else word(f.decision, n=n, alpha=alpha, of_part=of_part, lost=_lost(f))
        why = refused or (_why(f, width, alpha, no_scale=no_scale) if term in CANNOT else "")
        plan = None if width is None else _power(wide[f.metric], f, width, alpha, int(sizes[f.family]))
        out.append(Conclusion(f, term, width, plan, why, _note(f, term, width, alpha)))
    return tuple(out)


def _differ_in_parts(levels: pd.DataFrame, arm: str, against: str) -> bool:
    """Return whether one arm is the other with a part left out or exchanged; other models are rivals."""
    if not levels.shape[1] or not {arm, against} <= set(levels.index):
        return False
    return "scorer" not in levels or str(levels.loc[arm, "scorer"]) == str(levels.loc[against, "scorer"])


def _lost(f: Finding) -> int:
    """Return the number of blocks that a comparison lacks cells of."""
    return len({dropped.block for dropped in f.dropped})


def word(decision: Decision, *, n: int, alpha: float, of_part: bool, lost: int = 0) -> Word:
    """Return the one word of a comparison; a difference that is not established is not yet equality.

    A part may go where the arm without it is shown to be less than a margin worse, be it also shown to be worse.

    Parameters
    ----------
    decision
        What is established, see :func:`reports.statistics.pairs.decision.decide`.
    n
        Blocks that both arms finished.
    alpha
        Level of the family.
    of_part
        Whether the arm is the reference with a part left out or exchanged, so that the word speaks of the part.
    lost
        Blocks that either arm did not finish: what they might have shown is no fault of the design.
    """
    not_worse = decision.p_not_worse is not None and decision.p_not_worse < alpha
    equal = decision.p_equal is not None and decision.p_equal < alpha
    if decision.verdict == "higher":
        return "costs" if of_part else "better"
    if of_part and not_worse:
        return "may go"
    if decision.verdict == "lower":
        return "earns its keep" if of_part else "worse"
    if equal:
        return "practically equal"
    if not_worse:
        return "not worse"
    needed = blocks_needed(alpha)
    if n >= needed:
        return "the data cannot tell"
    return "too few cells finished" if n + lost >= needed else "the design cannot tell"


def crossed(
    frame: pd.DataFrame, metrics: tuple[str, ...], *, reference: str | None, alpha: float, tests: bool
) -> tuple[Factorial, ...]:
    """Say what the factors that a study varied did together, on each metric; simple effects are told at ``alpha``."""
    table = arm_levels(frame)
    if not tests or table.shape[1] < 2:
        return ()
    arms = frame[frame["arm"].isin(table.index)]
    analyses = [
        factorial(block_means(arms, metric), table, metric, reference=reference, alpha=alpha) for metric in metrics
    ]
    return tuple(f for f in analyses if f is not None)


def change(a: Analysis, arm: str) -> str:
    """Say what an arm changes of the reference: 'gnn: gat → none'; its name where no factor says it."""
    if a.reference not in a.levels.index or arm not in a.levels.index:
        return arm
    one, base = (a.levels.loc[name].to_dict() for name in (arm, a.reference))
    differs = [f for f in a.levels if one[f] != base[f]]
    # a factor that merely cannot act any more is not a change of its own
    acting = [f for f in differs if IDLE not in (one[f], base[f])] or differs
    if "scorer" in acting:  # a model of one's own, or a known method: its name says more than its kind
        return arm
    twins = sum(levels == one for levels in a.levels.to_dict("index").values()) > 1  # other settings tell them apart
    return arm if twins or not acting else ", ".join(f"{f}: {base[f]} → {one[f]}" for f in acting)


def decided(a: Analysis) -> list[Conclusion]:
    """Return the conclusions on what is asked, the lowest arm first."""
    return sorted(a.conclusions, key=lambda c: (lead(a, c.finding), c.finding.arm))


def lead(a: Analysis, f: Finding) -> float:
    """Return how far an arm lies ahead: on average, or in blocks won where there is no common scale."""
    if f.effect is None:
        return float("inf")
    return f.effect.superior - 0.5 if unscaled(a.metric, a.datasets) else f.effect.mean


def conflicts(a: Analysis, f: Finding) -> tuple[list[str], list[str]]:
    """Name the other metrics on which the whole interval of an arm lies above and below zero."""
    mine = [o for o in a.findings if (o.arm, o.against) == (f.arm, f.against) and o.metric != a.metric]
    return [label(o.metric) for o in mine if o.side == "above"], [label(o.metric) for o in mine if o.side == "below"]


def alone(a: Analysis, f: Finding) -> Paired | None:
    """Return what repeats show where there is one data set and nothing else to go by; no word rests on it."""
    key = (f.metric, f.arm, f.against)
    pairs = [p for p in a.paired if (p.metric, p.arm, p.against) == key and not p.note]
    return pairs[0] if len(a.datasets) == 1 and pairs else None


def _why(f: Finding, margin: float | None, alpha: float, *, no_scale: bool) -> str:
    """Say what kept a comparison from being decided."""
    n = len(f.blocks)
    if not n:
        lost = "failed" if f.failures else "are missing"
        return f"no block is complete: cells {lost} on {count(f.failures or _lost(f), 'block')}"
    if n < blocks_needed(alpha):
        lost = f"; {n} of {n + _lost(f)} are complete" if f.dropped else f"; here are {n}"
        least, equal = f"a difference needs {blocks_needed(alpha)} blocks{at_level(alpha)}", blocks_for_equal(alpha)
        return f"{least}{'' if n >= equal else f', equality {equal}'}{lost}"
    if f.failures:
        return "no difference is shown, and failed cells are not equal to finished ones"
    if no_scale:
        return f"no difference is shown, and {label(f.metric)} has another scale on every network, hence no margin"
    if margin is None:
        return f"no difference is shown, and no margin is stated for {label(f.metric)} (--margin)"
    return f"neither a difference nor equality within ±{margin:g} is shown"


def _note(f: Finding, term: Word, margin: float | None, alpha: float) -> str:
    """Say what else is established beside the word."""
    if term == "may go" and f.verdict == "lower":
        return f"lower, by less than {margin:g}"
    equal = f.decision.p_equal is not None and f.decision.p_equal < alpha
    if equal and term in ("better", "worse", "costs"):
        return f"by less than {margin:g}"
    return ""


def _power(wide: pd.DataFrame, f: Finding, margin: float, alpha: float, comparisons: int) -> Power | None:
    """Plan the next study from arm minus reference, on the blocks that both finished."""
    pair = pair_of(wide, f.arm, f.against)
    pair = pair[pair.index.get_level_values("block").isin([block for block, _ in f.blocks])]
    return power(pair[f.arm] - pair[f.against], margin, alpha=alpha, comparisons=comparisons)
