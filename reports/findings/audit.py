"""How much of every score knowing degrees alone would earn, and whether pooled and within-TF ranks agree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from reports.findings.results import Analysis, Refusal
from reports.page.exports import TALL, Export
from reports.statistics.ranks import block_ranks
from reports.table.blocks import of_blocks, unscaled
from reports.words.metrics import AUROC_CHANCE, DECIMALS, POOLED, WITHIN_TF, label
from reports.words.numbers import count, joined, number, signed


@dataclass(frozen=True)
class Audit:
    """What a study's scores owe to degrees.

    Attributes
    ----------
    degree
        One row per arm x data set: ``dataset, arm, auroc, degree, gain, share``; empty without a degree control.
    ranks
        One row per arm: mean rank over blocks on the pooled metric and within TFs; empty where one is not measured.
    pooled
        The pooled metric that ``ranks`` speaks of.
    blocks
        On how many blocks the arms are ranked.
    left_out
        Arms that lack a cell and are not ranked.
    """

    degree: pd.DataFrame
    ranks: pd.DataFrame
    pooled: str
    blocks: int
    left_out: tuple[str, ...]


def audit(a: Analysis) -> Audit:
    """Hold every arm of a study against its degree control, and its pooled rank against the one within TFs."""
    pooled = a.metric if a.metric != WITHIN_TF else POOLED
    ranks, blocks, left_out = _ranks(a, pooled)
    return Audit(_degree(a), ranks, pooled, blocks, left_out)


def _is_degree(a: Analysis, arm: str) -> bool:
    # studies laid side by side name their arms 'study: arm'
    return a.roles[arm] == "control" and arm.rsplit(": ", 1)[-1] == "degree"


def _degree(a: Analysis) -> pd.DataFrame:
    rows = a.scores[a.scores["metric"] == POOLED]
    alone = rows["arm"].map(lambda arm: _is_degree(a, arm)).astype(bool)
    known = rows[alone & rows["mean"].notna()].drop_duplicates("dataset").set_index("dataset")["mean"]
    held = rows[~alone & rows["mean"].notna() & rows["dataset"].isin(known.index)]
    over = held["mean"] - AUROC_CHANCE
    degree = held["dataset"].map(known)
    return pd.DataFrame(
        {
            "dataset": held["dataset"],
            "arm": held["arm"],
            "auroc": held["mean"],
            "degree": degree,
            "gain": held["mean"] - degree,
            # an arm that guesses has nothing of which degree could reach a share
            "share": ((degree - AUROC_CHANCE) / over).where(over.round(DECIMALS) > 0),
        }
    ).reset_index(drop=True)


def _ranks(a: Analysis, pooled: str) -> tuple[pd.DataFrame, int, tuple[str, ...]]:
    if not {pooled, WITHIN_TF} <= set(a.metrics):
        return pd.DataFrame(), 0, ()
    of_sets = {metric: _data_sets(a, metric) for metric in (pooled, WITHIN_TF)}
    common = of_sets[pooled].index.intersection(of_sets[WITHIN_TF].index)  # within TFs some data sets define nothing
    both = {metric: of_blocks(wide.loc[common], metric) for metric, wide in of_sets.items()}
    measured = [arm for arm in a.arms if all(arm in means for means in both.values())]
    whole = [arm for arm in measured if all(np.isfinite(means[arm]).all() for means in both.values())]
    left_out = tuple(arm for arm in a.arms if arm not in whole)
    if len(whole) < 2:
        return pd.DataFrame(), 0, left_out
    named = {pooled: "pooled", WITHIN_TF: "within_tf"}
    columns = {f"{named[metric]}_mean": means[whole].mean() for metric, means in both.items()}
    columns |= {f"{named[metric]}_rank": block_ranks(means[whole]).mean() for metric, means in both.items()}
    if unscaled(pooled, common):
        columns["pooled_mean"] *= np.nan
    table = pd.DataFrame(columns).rename_axis("arm").reset_index()
    return table.sort_values("pooled_rank", kind="stable", ignore_index=True), len(both[pooled]), left_out


def _data_sets(a: Analysis, metric: str) -> pd.DataFrame:
    # an incomplete mean is -inf, so that it survives averaging; a missing one would fall out of the pivot
    rows = a.scores[a.scores["metric"] == metric].fillna({"mean": -np.inf})
    return rows.pivot_table(index=["block", "dataset"], columns="arm", values="mean", aggfunc="mean")


def _best(ranks: pd.DataFrame, column: str) -> list[str]:
    lowest = np.isclose(ranks[column], ranks[column].min())
    return [str(arm) for arm in ranks.loc[lowest, "arm"]]


def audit_refusals(found: Audit) -> tuple[Refusal, ...]:
    """Warn where another arm is best once knowing which TFs have many targets earns nothing."""
    if found.ranks.empty:
        return ()
    pooled, within = _best(found.ranks, "pooled_rank"), _best(found.ranks, "within_tf_rank")
    if pooled == within:
        return ()
    where = f"by mean rank over {count(found.blocks, 'block')}"
    message = (
        f"On pooled {label(found.pooled)} {joined(pooled)} is best {where}, on {label(WITHIN_TF)} {joined(within)}. "
    )
    message += "Pooled scores also reward knowing which TFs have many targets; say which of the two is meant."
    return (Refusal("pooled and within-TF ranks disagree", "the best arm", message, "warning"),)


def audit_exports(found: Audit) -> list[Export]:
    """Collect the tables of the audit, all digits."""
    tables = {"degree_audit": found.degree, "ranks_within_tf": found.ranks}
    return [Export(name, numbers) for name, numbers in tables.items() if not numbers.empty]


def audit_context(found: Audit, a: Analysis) -> dict[str, Any]:
    """Gather everything the section on degrees shows."""
    return {
        "sentence": _sentence(found, a),
        "degree": _shares(found.degree, a),
        "unranked": _why_unranked(found, a),
        "ranks": [_ranked(row) for row in found.ranks.to_dict("records")],
        "pooled": label(found.pooled),
        "blocks": count(found.blocks, "block"),
        "warnings": audit_refusals(found),
        "left_out": joined(list(found.left_out), 12) if found.left_out else "",
    }


def _sentence(found: Audit, a: Analysis) -> str:
    if found.degree.empty:
        if POOLED not in a.metrics:
            return "Not shown: AUROC is not in this table, and the audit is made on it."
        if not any(_is_degree(a, arm) for arm in a.arms):
            return "Not shown: this table has no degree control, so what degrees alone would earn is unknown."
        return "Not shown: the cells of the degree control, or of all other arms, are incomplete."
    if a.reference is not None:
        return _of_reference(found.degree[found.degree["arm"] == a.reference], a)
    alone = found.degree.drop_duplicates("dataset")
    return f"Degrees alone reach AUROC {number(alone['degree'].mean())} {_where(alone, a)}."


def _of_reference(mine: pd.DataFrame, a: Analysis) -> str:
    """Hold means over the same data sets against each other: a mean of ratios is all of an arm that hardly guesses."""
    if mine.empty:
        return f"Not summed up: no data set holds every cell of both the degree control and {a.reference}."
    degree, arm = mine["degree"].mean() - AUROC_CHANCE, mine["auroc"].mean() - AUROC_CHANCE
    told = f"Degrees alone reach AUROC {number(degree + AUROC_CHANCE)}, {a.reference} {number(arm + AUROC_CHANCE)}, "
    told += _where(mine, a)
    if round(arm, DECIMALS) <= 0:
        told += f"; {a.reference} does not exceed guessing (0.5)"
    elif round(degree, DECIMALS) <= 0:
        told += "; degrees alone do not exceed guessing (0.5)"
    else:
        told += f": degrees earn {_percent(degree / arm)} of what {a.reference} has above guessing (0.5)"
    guessed = mine.loc[mine["auroc"].round(DECIMALS) <= AUROC_CHANCE, "dataset"].tolist()
    if guessed and round(arm, DECIMALS) > 0:
        told += f"; on {joined(guessed)} it does not exceed guessing, which is counted in"
    left_out = [dataset for dataset in a.datasets if dataset not in set(mine["dataset"])]
    return told + (f"; {joined(left_out)} left out for failed or missing cells." if left_out else ".")


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
    cells = {(row["arm"], row["dataset"]): _cell(row) for row in degree.to_dict("records")}
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


def _cell(row: dict[Any, Any]) -> dict[str, str]:
    return {"text": _percent(row["share"]) if np.isfinite(row["share"]) else "guesses", "gain": signed(row["gain"])}


def _percent(share: float) -> str:
    return f"{number(100 * share, 0)} %"


def _why_unranked(found: Audit, a: Analysis) -> str:
    if not found.ranks.empty:
        return ""
    lacking = [m for m in (found.pooled, WITHIN_TF) if m not in a.metrics]
    if lacking:
        return f"Ranks are not compared: {joined([label(m) for m in lacking])} is not in this table."
    return "Ranks are not compared: fewer than two arms have every cell finished on both metrics."


def _ranked(row: dict[Any, Any]) -> dict[str, str]:
    digits = {"pooled_mean": 3, "pooled_rank": 2, "within_tf_mean": 3, "within_tf_rank": 2}
    return {"arm": row["arm"], **{name: number(row[name], n) for name, n in digits.items()}}
