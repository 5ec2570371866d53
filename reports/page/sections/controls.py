"""The sections on degrees and on topology: what scores owe to either, and what expression adds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from reports.findings.controls.audit import Audit, audit_refusals, is_control
from reports.findings.controls.topology import Beyond
from reports.findings.results import Analysis
from reports.findings.summaries import TALL
from reports.page.sections.findings import pair_notes
from reports.page.tables import Export
from reports.words.metrics import AUROC_CHANCE, DECIMALS, POOLED, WITHIN_TF, label
from reports.words.numbers import confidence, count, interval, joined, number, percent, signed


def control_exports(audited: Audit, beyond: Beyond) -> list[Export]:
    """Collect the tables of the audit and of what expression adds to topology, all digits."""
    tables = {"degree_audit": audited.degree, "ranks_within_tf": audited.ranks, "beyond_topology": beyond.scores}
    return [Export(name, numbers) for name, numbers in tables.items() if not numbers.empty]


def audit_context(audited: Audit, a: Analysis) -> dict[str, Any]:
    """Gather everything the section on degrees shows."""
    return {
        "sentence": _sentence(audited, a),
        "degree": _shares(audited.degree, a),
        "unranked": _why_unranked(audited, a),
        "ranks": [
            {
                "Arm": row["arm"],
                label(audited.pooled): number(row["pooled_mean"]),
                "Rank": number(row["pooled_rank"], 2),
                label(WITHIN_TF): number(row["within_tf_mean"]),
                "Rank\nwithin TFs": number(row["within_tf_rank"], 2),
            }
            for row in audited.ranks.to_dict("records")
        ],
        "blocks": count(audited.blocks, "block"),
        "warnings": audit_refusals(audited),
        "left_out": joined(list(audited.left_out), 12) if audited.left_out else "",
    }


def _sentence(audited: Audit, a: Analysis) -> str:
    if audited.degree.empty:
        if POOLED not in a.metrics:
            return "Not shown: AUROC is not in this table, and the audit is made on it."
        if not any(is_control(a, arm, "degree") for arm in a.arms):
            return "Not shown: this table has no degree control, so what degrees alone would earn is unknown."
        return "Not shown: the cells of the degree control, or of all other arms, are incomplete."
    if a.reference is not None:
        return _of_reference(audited.degree[audited.degree["arm"] == a.reference], a)
    alone = audited.degree.drop_duplicates("dataset")
    return f"Degrees alone reach AUROC {number(alone['degree'].mean())} {_where(alone, a)}."


def _of_reference(mine: pd.DataFrame, a: Analysis) -> str:
    """Hold means over the same data sets against each other: a mean of ratios is all of an arm that hardly guesses."""
    if mine.empty:
        return f"Not summed up: no data set holds every cell of both the degree control and {a.reference}."
    degree, arm = mine["degree"].mean() - AUROC_CHANCE, mine["auroc"].mean() - AUROC_CHANCE
    text = f"Degrees alone reach AUROC {number(degree + AUROC_CHANCE)}, {a.reference} {number(arm + AUROC_CHANCE)}, "
    text += _where(mine, a)
    if round(arm, DECIMALS) <= 0:
        text += f"; {a.reference} does not exceed guessing (0.5)"
    elif round(degree, DECIMALS) <= 0:
        text += "; degrees alone do not exceed guessing (0.5)"
    else:
        text += f": degrees earn {percent(degree / arm)} of what {a.reference} has above guessing (0.5)"
    guessed = mine.loc[mine["auroc"].round(DECIMALS) <= AUROC_CHANCE, "dataset"].tolist()
    if guessed and round(arm, DECIMALS) > 0:
        text += f"; on {joined(guessed)} it does not exceed guessing, which is counted in"
    left_out = [dataset for dataset in a.datasets if dataset not in set(mine["dataset"])]
    return text + (f"; {joined(left_out)} left out for failed or missing cells." if left_out else ".")


def _where(rows: pd.DataFrame, a: Analysis) -> str:
    if len(rows) == 1:
        return f"on {rows['dataset'].iloc[0]}"
    every = f"{len(rows)} data sets" if len(rows) == len(a.datasets) else f"{len(rows)} of {len(a.datasets)} data sets"
    return f"on average over {every}"


def _shares(degree: pd.DataFrame, a: Analysis) -> dict[str, Any]:
    """Lay shares out as the scores are: arms down, unless there are too many data sets to go across."""
    if degree.empty:
        return {}
    datasets = sorted(degree["dataset"].unique())
    arms = [arm for arm in a.arms if arm in set(degree["arm"])]
    cells = {
        (row["arm"], row["dataset"]): {
            "text": percent(row["share"]) if np.isfinite(row["share"]) else "guesses",
            "gain": signed(row["gain"]),
        }
        for row in degree.to_dict("records")
    }
    alone = degree.drop_duplicates("dataset").set_index("dataset")["degree"]
    head = "degree alone (AUROC)"
    cells |= {(head, dataset): {"text": number(value), "gain": ""} for dataset, value in alone.items()}
    names = [head, *arms]
    if len(datasets) > TALL:
        rows = [{"name": d, "cells": [cells.get((arm, d)) for arm in names]} for d in datasets]
        return {"heads": names, "rows": rows}
    return {
        "heads": datasets,
        "rows": [{"name": arm, "cells": [cells.get((arm, d)) for d in datasets]} for arm in names],
    }


def _why_unranked(audited: Audit, a: Analysis) -> str:
    if not audited.ranks.empty:
        return ""
    lacking = [m for m in (audited.pooled, WITHIN_TF) if m not in a.metrics]
    if lacking:
        return f"Ranks are not compared: {joined([label(m) for m in lacking])} is not in this table."
    return "Ranks are not compared: fewer than two arms have every cell finished on both metrics."


def topology_context(beyond: Beyond, a: Analysis) -> dict[str, Any]:
    """Gather everything the section shows."""
    if not beyond.gains:
        return {"rows": [], "note": beyond.note, "notes": []}
    means = beyond.scores.groupby(["dataset", "metric"]).mean(numeric_only=True).to_dict("index")
    rows = [
        {
            "Data set": g.dataset,
            "Metric": label(g.metric),
            "Topology": number(means[g.dataset, g.metric]["alone"]),
            f"with {a.reference}": number(means[g.dataset, g.metric]["with_reference"]),
            "with noise": number(means[g.dataset, g.metric]["with_noise"]),
            "Expression adds": signed(g.mean),
            f"{confidence(a.alpha)} interval": interval(g.low, g.high),
            "Repeats": str(g.repeats),
        }
        for g in beyond.gains
    ]
    return {"rows": rows, "note": beyond.note, "notes": pair_notes(beyond.gains)}
