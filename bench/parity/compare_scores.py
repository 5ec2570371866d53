"""Compares a system's own scores with those of an arm, on the exams that ``export_exams.py`` wrote.

    .venv/bin/python bench/parity/compare_scores.py parity.yaml --data BEELINE --arm genelink --exams DIR \\
        --scores genelink.csv --out OUT

``OUT`` is where ``knockout run parity.yaml --out OUT`` trained the arm. The difference is arm minus system; its
interval is Student's, 95 %, over seeds x data sets. A score file that lacks a pair of the test, or has another, is
refused.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from export_exams import cells_of, folder_of

from components.core.metrics import auprc, auroc, within_tf_auroc
from reports.statistics.pairs.differences import mean_interval as interval
from study.spec.cell import Cell
from study.spec.folder import OutFolder

METRICS = {"AUROC": auroc, "AUPRC": auprc, "within-TF AUROC": within_tf_auroc}
PAIR = ["TF", "Target"]


def compare(cell: Cell, exam: Path, scores: str, out: OutFolder) -> pd.DataFrame:
    """Return one row per metric of a cell: data set, repeat, metric, system, arm, difference."""
    test = pd.read_csv(exam / "Test_set.csv", index_col=0)
    own = _on(test, pd.read_csv(exam / scores, usecols=[*PAIR, "score"]), exam / scores)
    index = {gene: i for i, gene in enumerate(pd.read_csv(exam / "Target.csv", keep_default_na=False)["Gene"])}
    path = out.predictions(cell.digest)
    stored = pd.read_parquet(path).query("part == 'test'")
    ours = pd.DataFrame(
        {"TF": stored["tf"].map(index), "Target": stored["target"].map(index), "score": stored["score"]}
    )
    if int(stored["label"].sum()) != int(test["Label"].sum()):
        raise SystemExit(f"{exam} and {path} are not of the same exam")
    values = [
        [metric(scored, test["Label"].to_numpy(), test[PAIR].to_numpy()) for metric in METRICS.values()]
        for scored in (own, _on(test, ours, path))
    ]
    frame = pd.DataFrame({"metric": list(METRICS), "system": values[0], "arm": values[1]})
    frame["difference"] = frame["arm"] - frame["system"]
    return frame.assign(dataset=cell.labels.dataset, repeat=cell.repeat)


def _on(test: pd.DataFrame, scored: pd.DataFrame, where: Path) -> np.ndarray:
    """Return scores in the order of the test pairs."""
    joined = test[PAIR].merge(scored, on=PAIR, how="outer", indicator=True, validate="one_to_one")
    if (joined["_merge"] != "both").any() or joined["score"].isna().any():
        raise SystemExit(f"{where} does not score the pairs of the test, each once")
    return test[PAIR].merge(scored, on=PAIR, how="left")["score"].to_numpy(dtype=np.float64)


def table(rows: pd.DataFrame) -> pd.DataFrame:
    """Return means, the mean difference and its interval, per metric: of each data set, and of all cells."""
    lines = []
    for name, chosen in [*rows.groupby("dataset"), ("all", rows)]:
        for metric, group in chosen.groupby("metric", sort=False):
            low, high = interval(group["difference"].to_numpy())
            means = group[["system", "arm", "difference"]].mean()
            lines.append({"data": name, "metric": metric, **means, "low": low, "high": high, "n": len(group)})
    return pd.DataFrame(lines)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("study", type=Path)
    for name in ("data", "exams", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--arm", required=True)
    parser.add_argument("--scores", required=True, help="name of the system's file in each exam's folder")
    given = parser.parse_args()
    out = OutFolder(given.out)
    cells = cells_of(given.study, given.data, given.arm)
    scored = [cell for cell in cells if (folder_of(given.exams, cell) / given.scores).is_file()]
    compared = [cell for cell in scored if out.predictions(cell.digest).is_file()]
    if not compared:
        raise SystemExit(f"no exam has both {given.scores} below {given.exams} and the arm's cell in {given.out}")
    for cell in (cell for cell in cells if cell not in compared):
        print(f"left out: {cell.label}, without {'the arm' if cell in scored else given.scores}")
    rows = pd.concat([compare(cell, folder_of(given.exams, cell), given.scores, out) for cell in compared])
    print(table(rows).to_string(index=False, float_format=lambda value: f"{value:.3f}"))


if __name__ == "__main__":
    main()
