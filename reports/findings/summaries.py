"""The plain tables: scores, missing cells, costs, and what it was computed with."""

from __future__ import annotations

import json
from collections.abc import Hashable

import numpy as np
import pandas as pd

from reports.table.blocks import averaged, block_means, cells, ordered_arms
from reports.table.scores import Status
from reports.words.metrics import DECIMALS, metric_of


def scores(frame: pd.DataFrame, metrics: tuple[str, ...]) -> pd.DataFrame:
    """Average every arm over repeats, per data set and metric; incomplete means stay empty."""
    roles = ordered_arms(frame)
    rows = []
    for metric in metrics:
        wide = cells(frame, metric)
        for (block, dataset), part in wide.groupby(level=["block", "dataset"]):
            for arm in wide:
                values = part[arm].to_numpy()
                whole = bool(np.isfinite(values).all())
                rows.append(
                    {
                        "metric": metric,
                        "arm": arm,
                        "role": roles[str(arm)],
                        "block": block,
                        "dataset": dataset,
                        "mean": values.mean() if whole else np.nan,
                        "sd": values.std(ddof=1) if whole and len(values) > 1 else np.nan,
                        "finished": int(np.isfinite(values).sum()),
                        "failed": int(np.isneginf(values).sum()),
                        "missing": int(np.isnan(values).sum()),
                    }
                )
    return pd.DataFrame(rows)


def standings(score_rows: pd.DataFrame, metric: str, reference: str | None) -> pd.DataFrame:
    """Return the mean over blocks of each arm and its difference from the reference: ``arm, role, mean, difference``.

    Of the controls the strongest alone. An arm that lacks a data set has no mean. Empty where data sets differ in
    scale.

    ``score_rows`` are what :func:`scores` made.
    """
    rows = score_rows[score_rows["metric"] == metric]
    if rows.empty or (len(rows["dataset"].unique()) > 1 and not metric_of(metric).same_scale):
        return pd.DataFrame(columns=["arm", "role", "mean", "difference"])
    blocks = rows.groupby(["arm", "role", "block"], sort=False)["mean"].agg(lambda values: values.mean(skipna=False))
    means = blocks.groupby(["arm", "role"], sort=False).agg(lambda values: values.mean(skipna=False)).reset_index()
    of_reference = means.loc[means["arm"] == reference, "mean"]
    means["difference"] = means["mean"] - (of_reference.iloc[0] if len(of_reference) else np.nan)
    controls = means[means["role"] == "control"].sort_values("mean", ascending=False, kind="stable")
    return means[~means["arm"].isin(controls["arm"].iloc[1:])].reset_index(drop=True)


def averages(frame: pd.DataFrame, score_rows: pd.DataFrame) -> pd.DataFrame:
    """Average the scores over the data sets of every network, as papers print them; one row per arm.

    An arm that lacks a data set has no average, and raw AUPRC, whose scale differs between data sets, is left out.
    """
    columns = ["metric", "network", "arm", "datasets", "mean"]
    if "network" not in frame:
        return pd.DataFrame(columns=columns)
    known = frame.drop_duplicates("dataset").set_index("dataset")["network"]
    rows = score_rows.assign(network=score_rows["dataset"].map(known))
    rows = rows[rows["metric"].map(lambda name: metric_of(name).same_scale)]
    by_arm = rows.groupby(["metric", "network", "arm"], sort=False)["mean"]
    out = by_arm.agg(datasets="size", mean=lambda values: values.mean(skipna=False)).reset_index()
    return out.loc[out["datasets"] > 1, columns].reset_index(drop=True)


def points(frame: pd.DataFrame, metrics: tuple[str, ...]) -> pd.DataFrame:
    """List what a distribution over a study is drawn from: the means of its blocks.

    With one block the means of its data sets, with one data set its repeats: points of one plot must have one spread.
    """
    parts = []
    for metric in metrics:
        wide = block_means(frame, metric)
        if len(wide) == 1:
            wide = cells(frame, metric)
            if len(frame["dataset"].unique()) > 1:
                wide = averaged(wide, ["dataset"])
        where = [" / ".join(map(str, key)) if isinstance(key, tuple) else str(key) for key in wide.index]
        tidy = wide.set_axis(where).rename_axis("where").reset_index().melt("where", var_name="arm")
        parts.append(tidy[np.isfinite(tidy["value"])].assign(metric=metric))
    return pd.concat(parts, ignore_index=True)[["metric", "arm", "where", "value"]]


def whole(points: pd.DataFrame) -> set[str]:
    """Return the arms that have every point of a figure: only theirs may be summed up.

    A box or a mean over the blocks that an arm survived would flatter it.
    """
    counts = points.groupby("arm")["where"].nunique()
    return {str(arm) for arm in counts.index[counts == points["where"].nunique()]}


def completeness(frame: pd.DataFrame, score_rows: pd.DataFrame) -> pd.DataFrame:
    """Count finished, failed and never-run cells per arm and data set, with the reasons; rows as of :func:`scores`."""
    table = score_rows.groupby(["arm", "dataset"], sort=False)
    counts = table.agg(finished=("finished", "min"), failed=("failed", "max"), missing=("missing", "max"))
    bad = frame[frame["status"] != Status.OK]
    described = bad["status"] + bad["reason"].map(lambda reason: f": {reason}" if reason else "")
    reasons = described.groupby([bad["arm"], bad["dataset"]]).agg(lambda texts: "; ".join(sorted(set(texts))))
    out = counts.join(reasons.rename("reasons")).fillna({"reasons": ""})
    return out.reset_index()


def costs(frame: pd.DataFrame) -> pd.DataFrame:
    """Sum up what every arm cost; empty where nothing was recorded."""
    columns = {
        "median seconds": ("seconds", "median"),
        "total seconds": ("seconds", "sum"),
        "peak memory (MB)": ("peak_memory_mb", "max"),
        "parameters": ("parameters", "max"),
    }
    recorded = {name: (c, how) for name, (c, how) in columns.items() if c in frame and frame[c].notna().any()}
    if not recorded:
        return pd.DataFrame()
    by_arm = frame.drop_duplicates(["arm", "dataset", "repeat"]).groupby("arm")
    out = by_arm.agg(cells=("dataset", "size"), **recorded)
    return out.reindex(list(ordered_arms(frame))).rename_axis("arm").reset_index()


def provenance(frame: pd.DataFrame) -> dict[str, tuple[str, ...]]:
    """List the digests, budgets and library versions the numbers were computed with."""
    out: dict[str, tuple[str, ...]] = {}
    for column in ("study", "data_digest", "split_digest", "code_digest", "protocol", "split"):
        if column in frame and frame[column].notna().any():
            out[column] = tuple(sorted(frame[column].dropna().astype(str).unique()))
    if "versions" in frame:
        known = [versions_of(str(text)) for text in frame["versions"].dropna().unique()]
        lines = {" ".join(pair) if pair[0] != "versions" else pair[1] for of in known for pair in of.items()}
        out["versions"] = tuple(sorted(lines))
    return out


def versions_of(text: str) -> dict[str, str]:
    """Return the library versions that a cell recorded, by library; of another text, the text itself."""
    try:
        parsed = json.loads(text)
    except ValueError:
        parsed = text
    return {name: str(version) for name, version in parsed.items()} if isinstance(parsed, dict) else {"versions": text}


TALL = 8  # with more data sets than this a table is turned: data sets down, arms across


def best_two(means: pd.Series) -> dict[Hashable, str]:
    """Mark the best and second-best arm of a data set; equals share it, incomplete arms get none."""
    ranks = means.round(DECIMALS).rank(ascending=False, method="dense")
    return {arm: {1: "best", 2: "second"}[int(r)] for arm, r in ranks.items() if r in (1.0, 2.0)}
