"""The sentences a report opens with: at most three, of at most 25 words each."""

from __future__ import annotations

from collections.abc import Sequence

from reports.findings.conclusions import CANNOT, alone, change, conflicts, decided
from reports.findings.controls.topology import Beyond
from reports.findings.results import Analysis, Conclusion, Paired
from reports.statistics.attainability import blocks_needed
from reports.table.blocks import unscaled
from reports.words.metrics import DECIMALS, label
from reports.words.names import brief
from reports.words.numbers import at_level, count, interval, joined, number, signed

MOST_WORDS = 25
_NAMED = 3  # arms that are named one by one; of more, two and a count
_FORBIDDING = ("mixed digests", "search trials", "interim")
_ORDER = ("may go", "costs", "earns its keep", "better", "worse", "practically equal", "not worse", *CANNOT)


def blocks_of(a: Analysis, n: int) -> str:
    """Write '7 independent blocks', or '14 blocks taken as independent' where whoever asked for them did so."""
    if any(r.rule == "independence" for r in a.refusals):
        return f"{count(n, 'block')} taken as independent"
    return count(n, "independent block")


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
    names = list(dict.fromkeys(g.against for g in gains))
    controls = joined([*map(brief, names)], 2) if len(names) < 3 else count(len(names), "control")
    return f"{reference} {verb} the strongest control ({controls}) {where}."


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


def summary(a: Analysis, beyond: Beyond | None = None) -> list[str]:
    """Say what may go, what earns its keep and what nobody can tell; and what the strongest control leaves of it."""
    # last what would mislead if it were left out, else what expression adds to topology
    last = _torn(a) or _topology(a, beyond) or _few(a)
    return [*filter(None, (_parts(a), gain_sentence(a), last))]


def _parts(a: Analysis) -> str:
    forbidding = [r for r in a.refusals if r.rule in _FORBIDDING]
    if forbidding:
        what = "No verdict yet" if forbidding[0].rule == "interim" else "No arm is compared with another"
        return f"{what}: {forbidding[0].message.partition('. ')[0].rstrip('.')}."  # its first sentence
    mine = decided(a)
    if not mine:
        return "There is one arm, so nothing to compare it with."
    if len(a.blocks) == 1:
        return _one_block(a, mine)
    groups = {word: [c for c in mine if c.word == word] for word in _ORDER}
    groups = {word: members for word, members in groups.items() if members}
    text = "; ".join(f"{word}: {_names(a, members)}" for word, members in groups.items())
    if len(groups) == 1 and len(mine) > _NAMED and a.reference:
        return _all(a, len(mine), mine[0].word)
    if len(text.split()) > MOST_WORDS:
        thing = "pair" if a.reference is None else "arm" if a.levels.empty else "part"
        text = "; ".join(f"{word}: {count(len(members), thing)}" for word, members in groups.items())
    head = "" if a.reference is None or not a.levels.empty else f"Against {brief(a.reference)}, "
    return f"{head}{text if head else text[0].upper() + text[1:]}."


def _all(a: Analysis, n: int, word: str) -> str:
    """Say the one word that holds for every comparison."""
    reference = brief(a.reference or "")
    sentences = {
        "may go": f"Each of the {n} parts may go",
        "earns its keep": f"Each of the {n} parts earns its keep",
        "costs": f"Each of the {n} parts costs {label(a.metric)}",
        "practically equal": f"All {n} arms are practically equal to {reference}",
        **{word: f"All {n} arms are {word} than {reference}" for word in ("better", "worse", "not worse")},
    }
    return sentences.get(word, f"Of all {n} comparisons {word}") + "."


def _names(a: Analysis, members: Sequence[Conclusion]) -> str:
    than = "than" if members[0].word in ("better", "not worse") else "–"
    names = [
        change(a, c.finding.arm).replace(": ", " ") if a.reference else f"{c.finding.arm} {than} {c.finding.against}"
        for c in members
    ]
    return joined(names, _NAMED)


def _one_block(a: Analysis, mine: Sequence[Conclusion]) -> str:
    """Count what repeats of the only data set show: a statement on that data set."""
    pairs = [pair for c in mine if (pair := alone(a, c.finding)) is not None and pair.test]
    where = "this data set" if len(a.datasets) == 1 else "this block"
    if not pairs:
        return f"One block carries no claim beyond {where}, whatever the number of repeats."
    small = sum(pair.p_holm is not None and pair.p_holm < a.alpha for pair in pairs)
    differs = "differs" if small == 1 else "differ"
    differ = f"{small} of {count(len(pairs), 'arm')} {differs} from {brief(a.reference or '')}"
    return f"On {where} alone, {differ}; no claim goes beyond it."


def _torn(a: Analysis) -> str:
    """Name an arm with a word on the primary metric that another metric contradicts."""
    for c in decided(a):
        above, below = conflicts(a, c.finding)
        higher = c.word in ("costs", "better")
        against = below if higher else above
        if against and (higher or c.word in ("earns its keep", "worse")):
            ways = ("better", "worse") if higher else ("worse", "better")
            name = brief(c.finding.arm) if a.reference else f"{brief(c.finding.arm)} against {brief(c.finding.against)}"
            return f"{name} is {ways[0]} on {label(a.metric)}, {ways[1]} on {joined(against, 3)}."
    return ""


def _topology(a: Analysis, beyond: Beyond | None) -> str:
    """Say on the primary metric what expression adds to topology; nothing where that is not known."""
    gains = [g for g in beyond.gains if g.metric == a.metric] if beyond else []
    size = (beyond.effects or {}).get(a.metric) if beyond else None
    head = f"On top of topology, expression adds {{}} {label(a.metric)}"
    if size is not None:
        return head.format(signed(size.mean)) + f" {interval(size.low, size.high)} over {count(size.n, 'block')}."
    if not gains:
        return ""
    lacking = len(a.datasets) - len(gains)
    left_out = f"; {count(lacking, 'data set')} left out for missing cells" if lacking else ""
    if unscaled(a.metric, a.datasets):
        won = sum(g.mean > 0 for g in gains)
        return head.format("to") + f" on {won} of {count(len(gains), 'data set')}{left_out}."
    if len(gains) == 1:
        g = gains[0]
        where = f"{interval(g.low, g.high)} over {count(g.repeats, 'repeat')}" if g.repeats > 1 else "on one repeat"
        return f"{head.format(signed(g.mean))} {where} of {brief(g.dataset)}{left_out}."
    mean = sum(g.mean for g in gains) / len(gains)
    return head.format(signed(mean)) + f" on average over {count(len(gains), 'data set')}{left_out}."


def _few(a: Analysis) -> str:
    """Say that the blocks are too few for any word, and how many would do."""
    if any(r.rule == "blocks" for r in a.refusals) and len(a.blocks) > 1:
        needed = f"{at_level(a.alpha)}; {blocks_needed(a.alpha)} could"
        return f"{blocks_of(a, len(a.blocks))} cannot establish a difference{needed}."
    return ""
