"""What the page of a study shows, as plain rows of text for the template: all wording, no markup."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from reports.figures.figures import critical_difference, differences, distribution
from reports.figures.gather import grouped, more_pictures, picture, unit
from reports.figures.violin import violin
from reports.findings.audit import Audit, audit_context
from reports.findings.results import Analysis, Finding, Refusal
from reports.findings.summaries import whole
from reports.page.conclusions import conclusions_context
from reports.page.exports import cost_table
from reports.page.methods import as_latex, methods
from reports.page.pairs import gain_table, pair_notes, pair_rows, rank_pairs
from reports.page.scores import score_tables
from reports.page.sentences import summary
from reports.page.units import blocks_of
from reports.provenance import Made
from reports.search.page import search_context, search_provenance
from reports.search.record import Search
from reports.search.sentences import search_refusals
from reports.search.tuning import tuning_context
from reports.table.blocks import Dropped
from reports.words.glossary import CONCLUSIONS, HEADS, SEARCHES, STATISTICS
from reports.words.metrics import label, metric_of
from reports.words.numbers import confidence, count, interval, number, p_value, signed, star_levels

Picture = dict[str, Any]


def context(
    a: Analysis,
    drawn: list[Picture],
    audited: Audit,
    made: Made,
    *,
    search: Search | None = None,
    searched: Sequence[Picture] = (),
    tuning: pd.DataFrame | None = None,
) -> dict[str, Any]:
    """Gather everything the template of a study's page needs."""
    return {
        "a": a,
        "sentences": summary(a),
        **conclusions_context(a),
        "gains": gain_table(a),
        "gain_notes": pair_notes(a.gains),
        "audit": audit_context(audited, a),
        "methods": {"text": methods(a), "latex": as_latex(methods(a))},
        "tuning": {} if tuning is None else tuning_context(tuning, a.metric),
        "paired": pair_rows(a.paired),
        "pair_notes": pair_notes(a.paired),
        "primary": label(a.metric),
        "scores": score_tables(a),
        "averaged": len(a.averages) > 0,
        "families": _families(a),
        "tests": [_global(test) for test in a.globals],
        "search": search_context(search, searched) if search else {},
        **_refusals(a.refusals),
        "completeness": _completeness(a),
        "pictures": grouped(drawn),
        "costs": _costs(a),
        **_how(made, a.metrics),
        "provenance": {**a.provenance, **(search_provenance(search) if search else {})},
        "statistics": {**_terms(a, audited), **(SEARCHES if search else {})},
        "level": confidence(a.alpha),
        "blocks": blocks_of(a, len(a.blocks)),
        "datasets": count(len(a.datasets), "data set"),
        "repeats": count(a.repeats, "repeat"),
    }


def search_only(search: Search, drawn: list[Picture], made: Made) -> dict[str, Any]:
    """Gather everything the template of a search's own page needs."""
    sets = f"{count(len(search.datasets), 'data set')} · {count(search.repeats, 'repeat')}"
    run = f"sampler {search.sampler} · primary metric {search.metric}"
    metrics = dict.fromkeys([search.metric, *(o.name for o in search.objectives if o.sign > 0)])
    return {
        "study": search.study,
        "meta": f"{count(len(search.trials), 'trial')} · {sets} · {run}",
        "search": search_context(search, drawn),
        **_refusals(search_refusals(search)),
        **_how(made, tuple(metrics)),
        "provenance": search_provenance(search),
        "statistics": SEARCHES,
    }


def _terms(a: Analysis, audited: Audit) -> dict[str, str]:
    """Leave out the terms of what this report does not hold: a list of all is read by nobody."""
    together = any(not f.message for f in a.factorials)
    there = {
        "Degree share": not audited.degree.empty,
        "Gain over the strongest control": bool(a.gains),
        "Corrected resampled t": bool(a.paired or a.gains),
        "Interval over repeats": bool(a.paired or a.gains),
        "Costs": not a.costs.empty,
        **dict.fromkeys(("Friedman", "Kendall's W", "Nemenyi", "Conover"), bool(a.globals)),
        "Sign test": any(not metric_of(f.metric).same_scale for f in a.findings),
        **dict.fromkeys(("RM-ANOVA", "Aligned ranks", "Flipped signs", "Mixed model", "Simple effects"), together),
    }
    return {name: meaning for name, meaning in {**STATISTICS, **CONCLUSIONS}.items() if there.get(name, True)}


def _refusals(refusals: Sequence[Refusal]) -> dict[str, Any]:
    return {
        "refused": [r for r in refusals if r.weight == "refused"],
        "warnings": [r for r in refusals if r.weight == "warning"],
    }


def _how(made: Made, metrics: Sequence[str]) -> dict[str, Any]:
    return {
        "commands": [*filter(None, made.commands)],
        "libraries": made.versions,
        "metrics": [{"name": label(m), "meaning": metric_of(m).meaning} for m in metrics],
        "heads": HEADS,
    }


def pictures(a: Analysis) -> list[Picture]:
    """Draw every figure of a study once: SVG, the numbers behind it, a caption and a text alternative."""
    out = []
    for metric in a.metrics:
        name = label(metric)
        changed = differences(a, metric)
        if changed is not None:
            over = changed[1]["over"].iloc[0]
            caption = f"{name}: what each arm changes against {a.reference}, mean and t interval over {over}"
            caption += " (blocks with failed or missing cells left out)." if _gaps(a, metric) else "."
            out.append(_picture(f"differences_{metric}", changed, caption, _fold(a, metric)))
        shaped = violin(a, metric)
        caption = (
            f"{name} per arm. Each point is one {unit(a)}; {'violins and ' if shaped else ''}boxes (five points or "
        )
        caption += "more) show density and quartiles, " if shaped else "more) show quartiles, "
        caption += "whiskers at most 1.5 times the box."
        if _gaps(a, metric):
            caption += " Failed cells have no point; an arm that lacks a point has no box."
        if shaped and shaped[1]["mark"].any():
            caption += f" Marks: difference to {a.reference} over blocks established, failures counted in; Holm p < "
            levels = enumerate(star_levels(a.alpha), start=1)
            caption += ", < ".join(f"{level:g} {'*' * n}" for n, level in levels) + "."
        shown = shaped or distribution(a, metric)
        out.append(_picture(f"distribution_{metric}", shown, caption, _fold(a, metric)))
    for test in a.globals:
        ranked = critical_difference(a, test)
        if ranked is not None:
            caption = f"Critical differences on {label(test.metric)}: mean ranks over {test.test.blocks} blocks; a bar "
            caption += f"joins arms that Nemenyi's test does not tell apart at {a.alpha:g}, which does not make them "
            caption += "equal; what is established of a pair stands in the findings."
            out.append(_picture(f"critical_difference_{test.metric}", ranked, caption, _fold(a, test.metric)))
    return out + more_pictures(a)


def _fold(a: Analysis, metric: str) -> str:
    """Keep the figures of the primary metric open and fold the others away: a page must end."""
    return "" if metric == a.metric else "Other metrics"


def _gaps(a: Analysis, metric: str) -> bool:
    return any(f.dropped for f in a.findings if f.metric == metric)


def _picture(name: str, drawn: tuple[Figure, pd.DataFrame], caption: str, group: str) -> Picture:
    numbers = drawn[1]
    if "where" in numbers:
        numbers = numbers[numbers["arm"].isin(whole(numbers))]
    what = next(c for c in ("mean", "mean_rank", "value") if c in numbers)
    told = numbers.groupby("arm", sort=False)[what].mean()
    means = ", ".join(f"{arm} {number(value)}" for arm, value in told.items())
    head = {"mean": "Differences", "mean_rank": "Mean ranks", "value": "Means"}[what]
    return picture(name, drawn, caption, f"{head}: {means}.", group)


def _families(a: Analysis) -> list[dict[str, Any]]:
    out: dict[str, list[Finding]] = {}
    for f in a.findings:
        out.setdefault(f.family, []).append(f)
    return [
        {
            "name": name,
            "metric": label(members[0].metric),
            "primary": members[0].metric == a.metric,
            "rows": [_finding(f) for f in members],
            "failures": any(f.failures for f in members),
        }
        for name, members in out.items()
    ]


def _finding(f: Finding) -> dict[str, str]:
    size = f.effect
    return {
        "pair": f"{f.arm} − {f.against}",
        "n": str(size.n if size else 0),
        "mean": signed(size.mean) if size else "–",
        "interval": interval(size) if size else "–",
        "shift": signed(size.hodges_lehmann) if size else "–",
        "biserial": signed(size.rank_biserial, 2) if size else "–",
        "d": signed(size.cohens_d, 2) if size else "–",
        "superior": number(size.superior, 2) if size else "–",
        "statistic": f"{f.test.statistic:g}" if f.test else "–",
        "p": p_value(f.test.p if f.test else None),
        "holm": p_value(f.p_holm),
        "second": p_value(f.p_holm_failures),
        "method": f.test.method if f.test else "not tested",
        "paired_t": p_value(f.p_paired_t),
        "pratt": p_value(f.p_pratt),
        "unrounded": p_value(f.p_unrounded),
        "verdict": f.verdict,
        "dropped": _left_out(f.dropped),
    }


def _left_out(dropped: tuple[Dropped, ...]) -> str:
    return "; ".join(f"{d.block}: {', '.join(d.arms)} {d.why}" for d in dropped)


def _global(test: Any) -> dict[str, Any]:
    t, second = test.test, test.second
    return {
        "metric": label(test.metric),
        "n": t.blocks,
        "k": t.arms,
        "chi2": number(t.chi2, 2),
        # below 10 blocks there is no chi-squared p: the one by permutation stands alone
        "p_chi2": p_value(t.p_chi2) if t.blocks >= 10 else "",
        "f": "∞" if np.isinf(t.f) else number(t.f, 2),
        "p": p_value(t.p),
        "method": t.method,
        "w": number(t.kendalls_w),
        "second": f"{second.method}, N = {second.blocks}: p = {p_value(second.p)}" if second else "",
        "ranks": [(arm, number(rank, 2)) for arm, rank in test.ranks.items()],
        "second_ranks": _ranks_of(test.second_ranks),
        "pairs": rank_pairs(test),
        "dropped": _left_out(test.dropped),
    }


def _ranks_of(ranks: pd.Series | None) -> str:
    return "" if ranks is None else ", ".join(f"{arm} {number(rank, 2)}" for arm, rank in ranks.items())


def _completeness(a: Analysis) -> dict[str, Any]:
    table = a.completeness
    bad = table[(table["failed"] > 0) | (table["missing"] > 0)]
    rows = [
        {
            "arm": r.arm,
            "dataset": r.dataset,
            "counts": f"{r.finished} finished, {r.failed} failed, {r.missing} not run",
            "reasons": r.reasons or "no row in the table",
        }
        for r in bad.itertuples()
    ]
    return {"total": len(table), "rows": rows, **_matrix(a)}


def _matrix(a: Analysis) -> dict[str, Any]:
    """Lay out how many cells of every arm on every data set are finished, failed and missing."""
    cells = {(r.arm, r.dataset): r for r in a.completeness.itertuples()}
    body = [{"arm": arm, "cells": [_count(cells.get((arm, d))) for d in a.datasets]} for arm in a.arms]
    return {"datasets": a.datasets, "matrix": body}


def _count(cell: Any) -> dict[str, str]:
    if cell is None:
        return {"text": "–", "mark": "gap"}
    parts = [f"{cell.finished} ok", f"{cell.failed} failed", f"{cell.missing} not run"]
    told = [part for part, n in zip(parts, (1, cell.failed, cell.missing), strict=True) if n]
    return {"text": ", ".join(told), "mark": "gap" if len(told) > 1 else ""}


def _costs(a: Analysis) -> dict[str, Any]:
    if a.costs.empty:
        return {}
    text = cost_table(a)
    return {"heads": list(text), "rows": [{"arm": arm, "cells": list(row)} for arm, row in text.T.items()]}
