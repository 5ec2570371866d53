"""What a study gained over its controls, in one sentence: a mean where every data set has its number, else counts."""

from __future__ import annotations

from reports.findings.results import Analysis, Paired
from reports.table.blocks import unscaled
from reports.words.metrics import DECIMALS, label
from reports.words.names import brief
from reports.words.numbers import count, joined, number, signed


def gain_sentence(a: Analysis) -> str:
    """Say on how many data sets the reference arm beats its strongest control, and by how much."""
    if a.reference is None:
        return ""
    reference = brief(a.reference)
    if "control" not in a.roles.values():
        return f"There is no control arm in this table, so nothing here shows that {reference} needs expression."
    if not a.gains and a.feature_gains:
        return f"Only features of genes have a control here: nothing shows that {reference} needs expression."
    gains = [g for g in a.gains if g.metric == a.metric and not g.note]
    if not gains:
        return f"{reference} cannot be held against a control: their cells are incomplete."
    tie = 10.0**-DECIMALS
    won, lost = [g for g in gains if g.mean > tie], [g for g in gains if g.mean < -tie]
    ahead = len(won) > len(lost) or (len(won) == len(lost) and sum(g.mean for g in gains) > 0)
    where = f"on {_sets(a, won if ahead else lost)}{_mean(a, gains, ahead=ahead)}"
    verb = "beats" if ahead else "loses to"
    if not won and not lost:
        verb, where = "is level with", f"on {_sets(a, gains)}"
    return f"{reference} {verb} the strongest control ({_controls(gains)}) {where}."


def feature_lines(a: Analysis) -> list[str]:
    """Say of every arm what its features from a file are worth over those of other genes, on the primary metric."""
    lines, pairs = [], dict.fromkeys((g.arm, g.against) for g in a.feature_gains if g.metric == a.metric)
    for arm, against in pairs:
        gains = [g for g in a.feature_gains if (g.arm, g.against, g.metric) == (arm, against, a.metric)]
        known = [g.mean for g in gains if not g.note]
        if not known:
            lines.append(f"{arm} over {against}: not known, cells are incomplete.")
            continue
        won = sum(mean > 0 for mean in known)
        among = f"{won} of {count(len(known), 'data set')}"
        missing = f"; {count(len(gains) - len(known), 'data set')} not known" if len(known) < len(gains) else ""
        span = f"{label(a.metric)} by {signed(min(known))} to {signed(max(known))}"
        lines.append(f"{arm} over {against}: above on {among}, {span}{missing}.")
    return lines


def _controls(gains: list[Paired]) -> str:
    names = list(dict.fromkeys(g.against for g in gains))
    return joined([brief(name) for name in names], 2) if len(names) < 3 else count(len(names), "control")


def _sets(a: Analysis, gains: list[Paired]) -> str:
    if len(a.datasets) == 1:
        return brief(a.datasets[0])
    return f"{'all' if len(gains) == len(a.datasets) else f'{len(gains)} of'} {len(a.datasets)} data sets"


def _mean(a: Analysis, gains: list[Paired], *, ahead: bool) -> str:
    """Write the mean: not over scales, nor over the data sets that survived, which would flatter whoever crashes."""
    if len(gains) < len(a.datasets):
        return f"; {count(len(a.datasets) - len(gains), 'data set')} not known"
    if unscaled(a.metric, a.datasets):
        return ""
    mean = sum(g.mean for g in gains) / len(gains)
    size = f"{number(abs(mean))} {label(a.metric)}{' on average' if len(gains) > 1 else ''}"
    if (mean > 0) == ahead or (mean == 0 and not ahead):
        return f", by {size}"
    return f", yet {'gains' if mean > 0 else 'loses'} {size}"
