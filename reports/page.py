"""What the page of a study shows, as plain rows of text for the template: all wording, no markup."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from importlib.metadata import version
from typing import Any

import numpy as np
import pandas as pd

from reports.audit import audit, audit_context
from reports.conclusions_page import CONCLUSIONS, conclusions_context
from reports.exports import TALL, best_two
from reports.figures import critical_difference, differences, distribution, svg
from reports.glossary import METRICS, STATISTICS, label
from reports.methods import as_latex, methods
from reports.plots.gather import grouped, more_pictures, unit
from reports.plots.violin import violin
from reports.results import Analysis, Dropped, Finding, Paired, Refusal
from reports.search import Search
from reports.search_page import TERMS, search_context, search_provenance
from reports.search_sentences import search_refusals
from reports.sentences import summary
from reports.tuning import tuning_context
from reports.wording import amount, count, interval, number, p_value, signed

__all__ = ["Picture", "context", "pictures", "search_only"]

Picture = dict[str, Any]
_LIBRARIES = ("pandas", "scipy", "statsmodels", "scikit-posthocs", "matplotlib")


def context(
    a: Analysis,
    drawn: list[Picture],
    command: str,
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
        "gains": _gains(a),
        "audit": audit_context(audit(a), a),
        "methods": {"text": methods(a), "latex": as_latex(methods(a))},
        "tuning": {} if tuning is None else tuning_context(tuning, a.metric),
        "paired": [_paired(pair) for pair in a.paired],
        "scores": _score_tables(a),
        "families": _families(a.findings),
        "tests": [_global(test) for test in a.globals],
        "search": search_context(search, searched) if search else {},
        **_refusals(a.refusals),
        "completeness": _completeness(a),
        "pictures": grouped(drawn),
        "costs": _costs(a.costs),
        **_how(command, a.metrics),
        "provenance": {**a.provenance, **(search_provenance(search) if search else {})},
        "statistics": {**STATISTICS, **CONCLUSIONS, **(TERMS if search else {})},
        "level": f"{100 * (1 - a.alpha):g} %",
        "blocks": count(len(a.blocks), "independent block"),
        "datasets": count(len(a.datasets), "data set"),
        "repeats": count(a.repeats, "repeat"),
    }


def search_only(search: Search, drawn: list[Picture], command: str) -> dict[str, Any]:
    """Gather everything the template of a search's own page needs."""
    sets = f"{count(len(search.datasets), 'data set')} · {count(search.repeats, 'repeat')}"
    run = f"sampler {search.sampler} · primary metric {search.metric}"
    metrics = dict.fromkeys([search.metric, *(o.name for o in search.objectives if o.sign > 0)])
    return {
        "study": search.study,
        "meta": f"{count(len(search.trials), 'trial')} · {sets} · {run}",
        "search": search_context(search, drawn),
        **_refusals(search_refusals(search)),
        **_how(command, tuple(metrics)),
        "provenance": search_provenance(search),
        "statistics": TERMS,
    }


def _refusals(refusals: Sequence[Refusal]) -> dict[str, Any]:
    return {
        "refused": [r for r in refusals if r.weight == "refused"],
        "warnings": [r for r in refusals if r.weight == "warning"],
    }


def _how(command: str, metrics: Sequence[str]) -> dict[str, Any]:
    return {
        "command": command,
        "libraries": [f"{name} {version(name)}" for name in _LIBRARIES],
        "metrics": [METRICS.get(m, f"{m}: a metric of this table; higher is read as better.") for m in metrics],
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
            out.append(_picture(f"differences_{metric}", *changed, caption, _fold(a, metric)))
        shaped = violin(a, metric)
        caption = (
            f"{name} per arm. Each point is one {unit(a)}; {'violins and ' if shaped else ''}boxes (five points or "
        )
        caption += "more) show density and quartiles, " if shaped else "more) show quartiles, "
        caption += "whiskers at most 1.5 times the box. Failed cells have no point."
        if shaped and shaped[1]["mark"].any():
            caption += f" Marks: difference to {a.reference} over blocks established, failures counted in; Holm p < "
            caption += f"{a.alpha:g} *, < 0.01 **, < 0.001 ***."
        shown = shaped or distribution(a, metric)
        out.append(_picture(f"distribution_{metric}", *shown, caption, _fold(a, metric)))
    for test in a.globals:
        ranked = critical_difference(a, test)
        if ranked is not None:
            caption = f"Critical differences on {label(test.metric)}: mean ranks over {test.test.blocks} blocks; a bar "
            caption += f"joins arms of which no two differ (Nemenyi, {a.alpha:g})."
            out.append(_picture(f"critical_difference_{test.metric}", *ranked, caption, _fold(a, test.metric)))
    return out + more_pictures(a)


def _fold(a: Analysis, metric: str) -> str:
    """Keep the figures of the primary metric open and fold the others away: a page must end."""
    return "" if metric == a.metric else "Other metrics"


def _gaps(a: Analysis, metric: str) -> bool:
    return any(f.dropped for f in a.findings if f.metric == metric)


def _picture(name: str, figure: Any, numbers: pd.DataFrame, caption: str, group: str) -> Picture:
    heads = [c for c in ("arm", "mean", "mean_rank", "value") if c in numbers]
    told = numbers[heads].groupby("arm", sort=False).mean().iloc[:, 0]
    alt = f"{caption} Means: " + ", ".join(f"{arm} {number(value)}" for arm, value in told.items()) + "."
    drawn = {"name": name, "svg": svg(figure), "numbers": numbers, "caption": caption, "alt": alt}
    return {**drawn, "figure": figure, "group": group}


def _gains(a: Analysis) -> dict[str, Any]:
    """Lay gains out with data sets down and metrics across: a reviewer reads along one data set."""
    shown = {(g.dataset, g.metric): _paired(g) for g in a.gains}
    metrics = [m for m in a.metrics if any(metric == m for _, metric in shown)]
    datasets = sorted({dataset for dataset, _ in shown})
    rows = [{"name": d, "cells": [shown.get((d, m)) for m in metrics]} for d in datasets]
    return {"heads": [label(m) for m in metrics], "rows": rows}


def _paired(pair: Paired) -> dict[str, str]:
    lost = pair.mean < 0
    return {
        "metric": label(pair.metric),
        "dataset": pair.dataset,
        "arm": pair.arm,
        "against": pair.against,
        "mean": signed(pair.mean),
        "interval": interval(pair),
        "superior": number(pair.superior, 2),
        "repeats": str(pair.repeats),
        "lost": "yes" if lost else "",
        "note": pair.note,
    }


def _score_tables(a: Analysis) -> list[dict[str, Any]]:
    """Give every metric its table; with one data set the metrics share one, as columns."""
    tables = [_scores(a, metric) for metric in a.metrics]
    measured = {tuple(row["name"] for row in table["rows"]) for table in tables}
    if len(a.datasets) > 1 or len(measured) > 1:
        return tables
    rows = [
        {**first, "cells": [table["rows"][i]["cells"][0] for table in tables]}
        for i, first in enumerate(tables[0]["rows"])
    ]
    return [{"metric": "", "heads": [{"name": t["metric"], "role": ""} for t in tables], "rows": rows}]


def _scores(a: Analysis, metric: str) -> dict[str, Any]:
    data = a.scores[a.scores["metric"] == metric]
    arms = [arm for arm in a.arms if arm in set(data["arm"])]
    datasets = sorted(data["dataset"].unique())
    cells: dict[tuple[str, str], dict[str, str]] = {}
    for dataset, rows in data.groupby("dataset"):
        marks = best_two(rows.set_index("arm")["mean"])
        for row in rows.to_dict("records"):
            cells[row["arm"], str(dataset)] = _cell(row, marks.get(row["arm"], ""))
    named = {arm: {"name": arm, "role": "" if a.roles[arm] == "arm" else a.roles[arm]} for arm in arms}
    if len(datasets) > TALL:
        heads = list(named.values())
        body = [{"name": d, "role": "", "cells": [cells[arm, d] for arm in arms]} for d in datasets]
    else:
        heads = [{"name": d, "role": ""} for d in datasets]
        body = [{**named[arm], "cells": [cells[arm, d] for d in datasets]} for arm in arms]
    return {"metric": label(metric), "heads": heads, "rows": body}


def _cell(row: dict[Hashable, Any], mark: str) -> dict[str, str]:
    if np.isfinite(row["mean"]):
        spread = f" ± {number(row['sd'])}" if np.isfinite(row["sd"]) else ""
        return {"text": number(row["mean"]), "spread": spread, "mark": mark}
    total = row["finished"] + row["failed"] + row["missing"]
    what = f"{row['failed']} of {total} failed" if row["failed"] else f"{row['missing']} of {total} not run"
    return {"text": what, "spread": "", "mark": "gap"}


def _families(found: tuple[Finding, ...]) -> list[dict[str, Any]]:
    out: dict[str, list[dict[str, str]]] = {}
    for f in found:
        out.setdefault(f.family, []).append(_finding(f))
    return [{"name": name, "rows": rows, "failures": any(r["second"] for r in rows)} for name, rows in out.items()]


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
        "second": p_value(f.p_holm_failures) if f.failures else "",
        "method": f.test.method if f.test else "not tested",
        "sensitivity": _sensitivity(f),
        "verdict": f.verdict,
        "dropped": _left_out(f.dropped),
    }


def _sensitivity(f: Finding) -> str:
    """Other defensible p-values, shown where they are not the same number."""
    said = [("paired t", f.p_paired_t), ("zeros kept (Pratt)", f.p_pratt), ("unrounded", f.p_unrounded)]
    main = p_value(f.test.p if f.test else None)
    return "; ".join(f"{name} {p_value(p)}" for name, p in said if p is not None and p_value(p) not in (main, "–"))


def _left_out(dropped: tuple[Dropped, ...]) -> str:
    return "; ".join(f"{d.block}: {', '.join(d.arms)} {d.why}" for d in dropped)


def _global(test: Any) -> dict[str, Any]:
    t, second = test.test, test.second
    return {
        "metric": label(test.metric),
        "n": t.blocks,
        "k": t.arms,
        "chi2": number(t.chi2, 2),
        # below 10 blocks the chi-squared p is refused: its permutation p stands alone
        "p_chi2": p_value(t.p_chi2) if t.blocks >= 10 else "refused (N < 10)",
        "f": number(t.f, 2),
        "p": p_value(t.p),
        "method": t.method,
        "w": number(t.kendalls_w),
        "second": f"{second.method}, N = {second.blocks}: p = {p_value(second.p)}" if second else "",
        "ranks": [(arm, number(rank, 2)) for arm, rank in test.ranks.items()],
        "dropped": _left_out(test.dropped),
    }


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
    return {"total": len(table), "rows": rows}


def _costs(costs: pd.DataFrame) -> dict[str, Any]:
    if costs.empty:
        return {}
    heads = [str(c) for c in costs.columns[1:]]
    rows = [{"arm": row["arm"], "cells": [amount(row[h]) for h in heads]} for _, row in costs.iterrows()]
    return {"heads": heads, "rows": rows}
