"""A paragraph for a paper's methods section, made of what was computed and nothing else."""

from __future__ import annotations

import re
from collections import Counter
from importlib.metadata import version
from math import isfinite

from reports.findings.results import Analysis
from reports.page.sections.contributions import contribution_methods
from reports.page.sections.factorial import together
from reports.page.sentences.summary import blocks_of
from reports.statistics.pairs.signed import MIN_SIGNED
from reports.table.blocks import unscaled
from reports.words.metrics import label
from reports.words.numbers import confidence, count, joined, level

_LIBRARIES = {"scipy": "SciPy", "statsmodels": "statsmodels", "scikit-posthocs": "scikit-posthocs"}
_ESCAPES = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "−": "$-$",
    "–": "--",
    "±": r"$\pm$",
    "χ": r"$\chi$",
    "²": r"$^2$",
    "á": r"\'a",
    "š": r"\v{s}",
}


def methods(a: Analysis) -> str:
    """Say how a study was made and analysed, in words that can be pasted into a paper."""
    parts = [_design(a), _planned(a), _units(a), _globals(a), _pairs(a), together(a), contribution_methods(a)]
    parts += [_equality(a), _failures(a), _software(a)]
    return " ".join(part for part in parts if part)


def as_latex(text: str) -> str:
    """Return a text about a study with everything escaped that LaTeX would read as a command."""
    return "".join(_ESCAPES.get(sign, sign) for sign in text)


def _design(a: Analysis) -> str:
    kinds = [("arm", "arm"), ("baseline", "baseline"), ("control", "control")]
    numbers = [(sum(role == kind for role in a.roles.values()), name) for kind, name in kinds]
    counts = [count(n, name) for n, name in numbers if n]
    against = f"{a.reference} was compared with {joined(counts)}" if a.reference and counts else ""
    against = against or (f"{len(a.arms)} arms were compared" if len(a.arms) > 1 else f"{a.arms[0]} was scored")
    where = f"on {count(len(a.datasets), 'data set')} with {_repeats(a)} per data set"
    paired = ", paired by repeat" if a.repeats > 1 and len(a.arms) > 1 else ""
    others = [label(m) for m in a.metrics if m != a.metric]
    more = f"; {joined(others, 12)} {'was' if len(others) == 1 else 'were'} also computed" if others else ""
    return f"{against} {where}{paired}. The primary metric was {label(a.metric)}{more}."


def _planned(a: Analysis) -> str:
    """Say what was registered, and how looks at a growing study share the level."""
    text = ""
    if a.registration and a.registration.content and not a.registration.broken:
        text = f"The question was registered on {a.registration.date} (SHA-256 {a.registration.digest[:12]}"
        text += f"; {count(len(a.deviations), 'deviation')})." if a.deviations else ")."
    if a.look and a.look.alpha is not None:
        looks = joined([*map(str, a.look.looks)])
        text += f" Verdicts were to be read at {looks} of {count(a.look.planned, 'block')} and at the end; the level "
        text += "is spent by Lan and DeMets' function in the manner of O'Brien and Fleming, with the share of blocks "
        text += f"as information: {level(a.alpha)} at this look of {a.look.finished}."
    return text.strip()


def _repeats(a: Analysis) -> str:
    """Count what was to be run on each data set: repeats that failed are repeats."""
    counts = a.scores[["finished", "failed", "missing"]].sum(axis=1).groupby(a.scores["dataset"]).max()
    low, high = int(counts.min()), int(counts.max())
    return count(low, "repeat") if low == high else f"{low} to {high} repeats"


def _units(a: Analysis) -> str:
    n, confident = len(a.blocks), confidence(a.alpha)
    if n == 1:
        known = any(isfinite(p.low) for p in (*a.paired, *a.gains))
        text = (
            f"Differences are means over the repeats of each data set with {confident} t intervals{_overlap(a)}; there"
        )
        return f"{text if known else 'There'} was one independent block, hence no test across data sets."
    inside = ["repeats within data sets"] * (a.repeats > 1) + ["data sets within blocks"] * _several(a)
    averaged = f"; {joined(inside)} were averaged before any comparison" if inside else ""
    unit = f"The independent unit was the block (N = {n})"
    if any(r.rule == "independence" for r in a.refusals):
        unit = f"The units of analysis were {blocks_of(a, n)}"
    text = f"{unit}{averaged}."
    if any(f.effect and isfinite(f.effect.low) for f in a.findings):
        text += f" Differences are paired means over blocks with simultaneous {confident} intervals (max-T)."
    if any(unscaled(f.metric, a.datasets) for f in a.findings):
        within = " (by the geometric mean over the data sets of a block)" if _several(a) else ""
        text += f" In {label('auprc')}, which has another scale on every network, blocks won were counted{within}."
    return text


def _several(a: Analysis) -> bool:
    """Whether a block holds more than one data set."""
    return bool((a.scores.groupby("block")["dataset"].nunique() > 1).any())


def _overlap(a: Analysis) -> str:
    """Say how repeats that split the same edges anew were treated."""
    known = [p for p in a.paired if p.ratio]
    if not known:
        plain = any(p.uncorrected for p in a.paired)
        return ", not corrected for edges that repeats may share" if plain else ""
    tested = " and p, Holm-corrected within each data set and metric," if any(p.test for p in known) else ""
    return f"; these{tested} are corrected for the edges that re-split repeats share (Nadeau and Bengio, 2003)"


def _globals(a: Analysis) -> str:
    if not a.globals:
        return ""
    how = {"Friedman by permutation": "p by permutation", "Iman–Davenport F": "p by the Iman–Davenport F"}
    how["exact, all blocks agree"] = "p exactly, where all blocks agree"
    used = [how[method] for method in dict.fromkeys(g.test.method for g in a.globals)]
    text = f"Whether any arm differed was asked with the Friedman test ({joined(used)}) and Kendall's W"
    ranked = any(g.nemenyi is not None for g in a.globals)
    return text + ("; mean ranks were compared with the Nemenyi and the Conover test (secondary)." if ranked else ".")


def _pairs(a: Analysis) -> str:
    if len(a.blocks) == 1 or not a.findings:
        return ""
    tested = [f for f in a.findings if f.p is not None]
    if not tested:
        most = max((f.effect.n for f in a.findings if f.effect), default=0)
        why = f": no two arms share {MIN_SIGNED} complete blocks" if most < MIN_SIGNED else ""
        why = f": that takes at least {MIN_SIGNED} blocks" if len(a.blocks) < MIN_SIGNED else why
        return f"No pairwise test was made{why}."
    # a comparison that could not be tested is one of its family all the same
    sizes = sorted(Counter(f.family for f in a.findings if f.verdict != "described").values())
    size = count(sizes[0], "comparison") if sizes[0] == sizes[-1] else f"{sizes[0]} to {sizes[-1]} comparisons"
    text = f"On {label(a.metric)}, {size} {'was' if sizes[-1] == 1 else 'were'} tested two-sided at the level "
    text += f"{a.alpha:g} by step-down max-T (Westfall and Young, 1993), the signs of whole blocks flipped jointly, "
    text += "which holds the family-wise error; other metrics are described by intervals"
    methods = dict.fromkeys(f.sensitivity.signed.method.partition(",")[0] for f in tested if f.sensitivity)
    beside = joined([method for method in methods if method != "no block differs"] or ["signed-rank"])
    return f"{text}. As sensitivity, {beside} and paired t tests with Holm's correction are given."


def _equality(a: Analysis) -> str:
    margins = sorted({c.margin for c in a.conclusions if c.finding.decision.p_equal is not None and c.margin})
    if not margins:
        return ""
    text = f"Whether an arm is not worse, or equal, was judged with a margin of {margins[0]:g} by one-sided t tests "
    return text + "(TOST for equality; Holm-corrected, no p below 1/2^N)."


def _failures(a: Analysis) -> str:
    if not any(f.failures or f.dropped for f in a.findings):
        return ""
    text = "Blocks in which an arm had failed or missing cells were left out of its comparisons"
    if any(f.failures for f in a.findings):
        text += "; in a second pass failed cells counted as losses as large as the largest difference seen, and a "
        text += "difference is called established only where both passes agree"
    return text + "."


def _software(a: Analysis) -> str:
    libraries = [f"{title} {version(name)}" for name, title in _LIBRARIES.items()]
    trained = [line for line in a.provenance.get("versions", ()) if re.match(r"(knockout|python|torch\S*) ", line)]
    run = f"Models were run with {joined(trained, 12)}; statistics" if trained else "Statistics"
    return f"{run} were computed with {joined(libraries, 12)}."
