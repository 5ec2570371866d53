"""How much of every score knowing degrees alone would earn, and whether pooled and within-TF ranks agree."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from reports.findings.results import Analysis, Refusal
from reports.statistics.pairs.ranks import block_ranks
from reports.table.blocks import of_blocks, unscaled
from reports.words.metrics import AUROC_CHANCE, DECIMALS, POOLED, WITHIN_TF, label
from reports.words.numbers import count, joined


@dataclass(frozen=True)
class Audit:
    """What the scores owe to degrees.

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
    """Hold every arm against its degree control, and its pooled rank against the one within TFs."""
    pooled = a.metric if a.metric != WITHIN_TF else POOLED
    ranks, blocks, left_out = _ranks(a, pooled)
    return Audit(_degree(a), ranks, pooled, blocks, left_out)


def is_control(a: Analysis, arm: str, name: str) -> bool:
    """Return whether an arm is the control of this name, of one study or of several laid side by side."""
    # studies laid side by side name their arms 'study: arm'
    return a.roles[arm] == "control" and arm.rsplit(": ", 1)[-1] == name


def _degree(a: Analysis) -> pd.DataFrame:
    rows = a.scores[a.scores["metric"] == POOLED]
    alone = rows["arm"].map(lambda arm: is_control(a, arm, "degree")).astype(bool)
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
    # an incomplete mean is -inf, so that it survives averaging; a missing one would fall out of the pivot
    rows = a.scores.fillna({"mean": -np.inf})
    of_sets = {
        metric: rows[rows["metric"] == metric].pivot_table(index=["block", "dataset"], columns="arm", values="mean")
        for metric in (pooled, WITHIN_TF)
    }
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


def _best(ranks: pd.DataFrame, column: str) -> list[str]:
    lowest = np.isclose(ranks[column], ranks[column].min())
    return [str(arm) for arm in ranks.loc[lowest, "arm"]]


def audit_refusals(audited: Audit) -> tuple[Refusal, ...]:
    """Warn where another arm is best once knowing which TFs have many targets earns nothing."""
    if audited.ranks.empty:
        return ()
    pooled, within = _best(audited.ranks, "pooled_rank"), _best(audited.ranks, "within_tf_rank")
    if pooled == within:
        return ()
    where = f"by mean rank over {count(audited.blocks, 'block')}"
    message = f"On pooled {label(audited.pooled)} {joined(pooled)} is best {where}, on {label(WITHIN_TF)} "
    message += f"{joined(within)}. Pooled scores also reward knowing which TFs have many targets; say which of the two "
    message += "is meant."
    return (Refusal("pooled and within-TF ranks disagree", "the best arm", message, "warning"),)
