"""The sentences a report opens with: at most three, of at most 25 words each."""

from __future__ import annotations

from collections.abc import Sequence

from reports.findings.conclusions import CANNOT, alone, change, conflicts, decided
from reports.findings.controls.topology import Beyond
from reports.findings.results import Analysis, Conclusion
from reports.page.sentences.gains import gain_sentence
from reports.page.sentences.units import blocks_of
from reports.statistics.attainability import blocks_needed
from reports.table.blocks import unscaled
from reports.words.metrics import label
from reports.words.names import brief
from reports.words.numbers import at_level, count, interval, joined, signed

MOST_WORDS = 25
_NAMED = 3  # arms that are named one by one; of more, two and a count
_FORBIDDING = ("mixed digests", "search trials", "interim")
_ORDER = ("may go", "costs", "earns its keep", "better", "worse", "practically equal", "not worse", *CANNOT)


def summary(a: Analysis, beyond: Beyond | None = None) -> list[str]:
    """Say what may go, what earns its keep and what nobody can tell; and what the strongest control leaves of it."""
    return [sentence for sentence in (_parts(a), gain_sentence(a), _third(a, beyond)) if sentence]


def _parts(a: Analysis) -> str:
    forbidding = [r for r in a.refusals if r.rule in _FORBIDDING]
    if forbidding:
        what = "No verdict yet" if forbidding[0].rule == "interim" else "No arm is compared with another"
        return f"{what}: {_first_sentence(forbidding[0].message)}"
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


def _third(a: Analysis, beyond: Beyond | None) -> str:
    """Say what would mislead if it were left out, else what expression adds to topology."""
    return _torn(a) or _topology(a, beyond) or _few(a)


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
        return head.format(signed(size.mean)) + f" {interval(size)} over {count(size.n, 'block')}."
    if not gains:
        return ""
    lacking = len(a.datasets) - len(gains)
    left_out = f"; {count(lacking, 'data set')} left out for missing cells" if lacking else ""
    if unscaled(a.metric, a.datasets):
        won = sum(g.mean > 0 for g in gains)
        return head.format("to") + f" on {won} of {count(len(gains), 'data set')}{left_out}."
    if len(gains) == 1:
        g = gains[0]
        spread = f" {interval(g)} over {count(g.repeats, 'repeat')} of" if g.repeats > 1 else " on one repeat of"
        text = f"{head.format(signed(g.mean))}{spread} {brief(g.dataset)}"
        return f"{text}{left_out}."
    mean = sum(g.mean for g in gains) / len(gains)
    return head.format(signed(mean)) + f" on average over {count(len(gains), 'data set')}{left_out}."


def _few(a: Analysis) -> str:
    """Say that the blocks are too few for any word, and how many would do."""
    if any(r.rule == "blocks" for r in a.refusals) and len(a.blocks) > 1:
        needed = f"{at_level(a.alpha)}; {blocks_needed(a.alpha)} could"
        return f"{blocks_of(a, len(a.blocks))} cannot establish a difference{needed}."
    return ""


def _first_sentence(text: str) -> str:
    return text.partition(". ")[0].rstrip(".") + "."
