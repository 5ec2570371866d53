"""What the page shows, as plain rows of text for the template: all wording, no markup."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from reports.figures.analysed import CONTRIBUTIONS, OPENING
from reports.figures.canvas import Picture
from reports.findings.controls.audit import Audit
from reports.findings.controls.topology import Beyond
from reports.findings.results import Analysis, Refusal
from reports.options import Provenance
from reports.page.sections.conclusions import conclusions_context
from reports.page.sections.contributions import contributions_context
from reports.page.sections.controls import audit_context, topology_context
from reports.page.sections.findings import families_context, gain_table, global_context, pair_notes, pair_row
from reports.page.sections.scores import completeness_context, score_tables
from reports.page.sections.search import search_context, search_provenance
from reports.page.sections.tuning import tuning_context
from reports.page.sentences.methods import as_latex, methods
from reports.page.sentences.planned import planned_context
from reports.page.sentences.summary import blocks_of, feature_lines, summary
from reports.page.tables import cost_table
from reports.search.record import Search, search_refusals
from reports.words.glossary import CONCLUSIONS, HEADS, SEARCHES, STATISTICS
from reports.words.metrics import label, metric_of
from reports.words.numbers import confidence, count


def context(
    a: Analysis,
    drawn: list[Picture],
    audited: Audit,
    beyond: Beyond,
    provenance: Provenance,
    *,
    search: Search | None = None,
    searched: Sequence[Picture] = (),
    tuning: pd.DataFrame | None = None,
) -> dict[str, Any]:
    """Gather everything the template of the page needs."""
    blocks, datasets = blocks_of(a, len(a.blocks)), count(len(a.datasets), "data set")
    repeats, below = count(a.repeats, "repeat"), [p for p in drawn if p.group not in (OPENING, CONTRIBUTIONS)]
    groups = dict.fromkeys(["", *(p.group for p in below)])  # folds of the page; what is in none stands open
    return {
        "a": a,
        "title": _title(a),
        "meta": " · ".join([a.source, count(len(a.arms), "arm"), datasets, blocks, repeats, label(a.metric)]),
        "sentences": summary(a, beyond),
        "topology": topology_context(beyond, a),
        "planned": planned_context(a),
        **conclusions_context(a),
        "gains": gain_table(a),
        "gain_notes": pair_notes(a.gains),
        "feature_gains": [pair_row(gain) for gain in a.feature_gains],
        "feature_lines": feature_lines(a),
        "audit": audit_context(audited, a),
        "methods": {"text": methods(a), "latex": as_latex(methods(a))},
        "tuning": {} if tuning is None else tuning_context(tuning, a.metric, searched),
        "paired": [pair_row(pair) for pair in a.paired],
        "pair_notes": pair_notes(a.paired),
        "primary": label(a.metric),
        "scores": score_tables(a),
        "averaged": len(a.averages) > 0,
        "families": families_context(a),
        "tests": [global_context(test, a.metric) for test in a.globals],
        "search": search_context(search, searched) if search else {},
        **_refusals(a.refusals),
        "completeness": completeness_context(a),
        "contributions": contributions_context(a, drawn),
        "opening": [p for p in drawn if p.group == OPENING],
        "pictures": {group: [p for p in below if p.group == group] for group in groups},
        "costs": [] if a.costs.empty else cost_table(a).reset_index(names="Arm").to_dict("records"),
        **_how(provenance, a.metrics),
        "provenance": {**a.provenance, **(search_provenance(search) if search else {})},
        "statistics": {**_terms(a, audited), **(SEARCHES if search else {})},
        "level": confidence(a.alpha),
        "blocks": blocks,
        "datasets": datasets,
        "repeats": repeats,
    }


def _title(a: Analysis) -> str:
    if a.levels.shape[1]:
        return f"What each part of {a.reference or 'the model'} is worth"
    others = count(len(a.arms) - 1, "other arm")
    return f"{a.reference} against {others}" if a.reference else f"{count(len(a.arms), 'arm')} compared"


def search_only(search: Search, drawn: list[Picture], provenance: Provenance) -> dict[str, Any]:
    """Gather everything the template of a search's own page needs."""
    sets = f"{count(len(search.datasets), 'data set')} · {count(search.repeats, 'repeat')}"
    run = f"sampler {search.sampler} · primary metric {search.metric}"
    metrics = dict.fromkeys([search.metric, *(o.name for o in search.objectives if o.sign > 0)])
    return {
        "study": search.study,
        "meta": f"{count(len(search.trials), 'trial')} · {sets} · {run}",
        "search": search_context(search, drawn),
        **_refusals(search_refusals(search)),
        **_how(provenance, tuple(metrics)),
        "provenance": search_provenance(search),
        "statistics": SEARCHES,
    }


def _terms(a: Analysis, audited: Audit) -> dict[str, str]:
    """Leave out the terms of what this report does not hold: a list of all is read by nobody."""
    together = any(not f.message for f in a.factorials)
    needed = {
        "Degree share": not audited.degree.empty,
        "Gain over the strongest control": bool(a.gains),
        "Gain over other features": bool(a.feature_gains),
        "Corrected resampled t": bool(a.paired or a.gains),
        "Interval over repeats": bool(a.paired or a.gains),
        "Costs": not a.costs.empty,
        **dict.fromkeys(("Friedman", "Kendall's W", "Nemenyi", "Conover"), bool(a.globals)),
        "Sign test": not metric_of(a.metric).same_scale,
        **dict.fromkeys(("RM-ANOVA", "Flipped signs", "Simple effects"), together),
        **dict.fromkeys(("Shapley value", "Interaction of two parts"), bool(a.contributions.worths)),
        "Marginal difference": any(len(f.contrasts) for f in a.factorials),
        "Variance shares": a.contributions.shares is not None,
        "Rank reversal": a.contributions.reversals is not None and len(a.contributions.reversals.table) > 0,
    }
    return {name: meaning for name, meaning in {**STATISTICS, **CONCLUSIONS}.items() if needed.get(name, True)}


def _refusals(refusals: Sequence[Refusal]) -> dict[str, Any]:
    return {
        "refused": [r for r in refusals if r.weight == "refused"],
        "warnings": [r for r in refusals if r.weight == "warning"],
    }


def _how(provenance: Provenance, metrics: Sequence[str]) -> dict[str, Any]:
    return {
        "commands": [*filter(None, provenance.commands)],
        "libraries": provenance.versions,
        "metrics": [{"name": label(m), "meaning": metric_of(m).meaning} for m in metrics],
        "heads": HEADS,
    }
