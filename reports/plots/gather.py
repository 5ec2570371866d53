"""Which further figures the report of a study has, in what order, with captions and text alternatives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from reports.glossary import label
from reports.plots.bars import bars
from reports.plots.cost import gain_per_cost
from reports.plots.embedding import MOST_DATASETS as MOST_EMBEDDED
from reports.plots.embedding import PERPLEXITY, embedding
from reports.plots.figures import svg
from reports.plots.heatmap import heatmap
from reports.plots.interaction import interaction
from reports.plots.learning import MOST_DATASETS as MOST_TRAINED
from reports.plots.learning import MOST_REPEATS, learning
from reports.plots.network import mean_scores, network, score_heatmap, subject
from reports.plots.precision_recall import MOST_DATASETS, precision_recall
from reports.results import Analysis
from reports.stored.curves import Curves
from reports.stored.embeddings import NEIGHBOURS, Embeddings
from reports.stored.predictions import Predictions
from reports.wording import confidence, count, joined, number, signed

__all__ = ["edge_pictures", "embedding_pictures", "grouped", "more_pictures", "picture", "training_pictures", "unit"]

SCORES, FACTORS, EDGES = "Scores, means and costs", "Factors together", "Predicted edges"
TRAINING, EMBEDDED = "Training", "Pair representations"
MOST_EMBEDDING_ARMS = 4
MOST_NETWORKS = 1  # data sets whose edges are drawn: the first, others look alike and each takes half a second


def unit(a: Analysis) -> str:
    """Say what one point of a study's figures is."""
    if len(a.blocks) > 1:
        return "block mean"
    return "repeat of the one data set" if len(a.datasets) == 1 else "data set of the one block (mean over repeats)"


def more_pictures(a: Analysis) -> list[dict[str, Any]]:
    """Draw what further figures the primary metric of a study allows."""
    metric, name, level = a.metric, label(a.metric), confidence(a.alpha)
    out = []
    if (drawn := heatmap(a, metric)) is not None:
        caption = f"{name} of every arm on every data set, mean over repeats; * and bold: best of its data set."
        caption += " A dash: cells failed or not run."
        best = drawn[1].loc[drawn[1]["best"], "arm"].value_counts(sort=False)
        told = ", ".join(f"{arm} on {n}" for arm, n in best.items())
        out.append(picture(f"heatmap_{metric}", drawn, caption, f"Best: {told or 'none'}.", SCORES))
    if (drawn := bars(a, metric)) is not None:
        caption = f"{name}: mean per arm with {level} t interval; each dot is one {unit(a)}. Arms are paired: whether "
        caption += "two differ is said by their difference, never by intervals that overlap."
        out.append(picture(f"bars_{metric}", drawn, caption, f"Means: {_told(drawn[1])}.", SCORES))
    if (drawn := gain_per_cost(a, metric)) is not None:
        caption = f"What an arm costs and what it is worth: {name} minus that of {a.reference}, mean and {level} t "
        caption += "interval, over its cost."
        told = ", ".join(f"{r['arm']} {signed(r['mean'])}" for r in drawn[1].to_dict("records"))
        out.append(picture(f"gain_per_cost_{metric}", drawn, caption, f"Differences: {told}.", SCORES))
    if (drawn := interaction(a, metric)) is not None:
        caption = f"Marginal means of {name} for two factors at a time, over all arms that share the two levels, with "
        caption += f"{level} t interval over points (each one {unit(a)}), what points differ in as a whole taken out "
        caption += "(Cousineau 2005, Morey 2008). Factors that add up have parallel lines; whether lines differ from "
        caption += "that is said by the test of the interaction, not by the eye."
        pairs = drawn[1][["factor", "by"]].drop_duplicates().agg(" and ".join, axis=1).tolist()
        out.append(picture(f"interaction_{metric}", drawn, caption, f"Pairs: {'; '.join(pairs)}.", FACTORS))
    return out


def edge_pictures(a: Analysis, predictions: Predictions) -> list[dict[str, Any]]:
    """Draw what the saved predictions of a study show; nothing where they are of other arms."""
    out = []
    if (drawn := precision_recall(a, predictions)) is not None:
        left = len(set(predictions.cells["dataset"])) - MOST_DATASETS
        caption = "Precision over recall of test pairs: reference, strongest control of each data set and the best "
        caption += f"other arms; mean over repeats, shaded {confidence(a.alpha)} t interval (three repeats or more)"
        caption += f"; {count(left, 'more data set')} not drawn." if left > 0 else "."
        half = drawn[1][drawn[1]["recall"] == 0.5].groupby("arm", sort=False)["precision"].mean()
        told = ", ".join(f"{arm} {number(value)}" for arm, value in half.items())
        out.append(picture("precision_recall", drawn, caption, f"Mean precision at recall 0.5: {told}.", EDGES))
    arm = subject(a)
    for dataset in a.datasets[:MOST_NETWORKS]:
        scores = mean_scores(predictions, arm, dataset)
        if (drawn := network(scores)) is not None:
            edges = drawn[1]
            caption = f"The {len(edges)} test pairs on {dataset} that {arm} scores highest (mean over the repeats that "
            caption += "asked for the pair); the regulators with most of them are named."
            hubs = edges["tf"].value_counts()
            first = sorted(hubs.index, key=lambda tf: (-hubs[tf], tf))
            told = f"{int(edges['label'].sum())} of {len(edges)} are known; most edges: {joined(first)}."
            out.append(picture(f"top_edges_{dataset}", drawn, caption, told, EDGES))
        if (drawn := score_heatmap(scores)) is not None:
            shown = drawn[1]
            caption = f"Mean scores of {arm} on {dataset} for the regulators and targets with most top edges. A dot: "
            caption += "known edge; empty: pair not in the test."
            told = f"{len(shown)} pairs, {int(shown['label'].sum())} known."
            out.append(picture(f"edge_scores_{dataset}", drawn, caption, told, EDGES))
    return out


def training_pictures(a: Analysis, curves: Curves) -> list[dict[str, Any]]:
    """Draw how the arms of a study were trained, and say whether they were given epochs enough."""
    if (drawn := learning(a, curves)) is None:
        return []
    trainings = drawn[1].drop_duplicates(["dataset", "arm", "repeat", "stage"])
    left = len(set(curves.cells["dataset"])) - MOST_TRAINED
    arms, metric = list(dict.fromkeys(trainings["arm"])), label(trainings["metric"].iloc[0])
    caption = f"Training of {joined(arms)}, epoch by epoch: thin lines are repeats, thick ones their mean for as long "
    caption += "as all of them went on. A mark is the epoch whose model was kept: the first with the highest "
    caption += f"validation {metric}. The test had no say in it. Losses of arms that differ in contrast or negatives "
    caption += "are sums of different things."
    if "graph" in set(trainings["stage"]):
        caption += " Arms that share their graph stage lie on each other there."
    if (trainings["folds"] > 1).any():
        caption += " Of every exam with folds the first is shown."
    if left > 0:
        caption += f" {count(left, 'more data set')} not drawn."
    if curves.cells["repeat"].nunique() > MOST_REPEATS:
        caption += f" Only the first {MOST_REPEATS} repeats are drawn."
    caption += _spent(trainings)
    kept = trainings[trainings["stage"] == "joint"].groupby("arm", sort=False)["picked"].agg(["min", "max"])
    told = ", ".join(f"{arm} {low} to {high}" for arm, low, high in kept.itertuples())
    return [picture("learning_curves", drawn, caption, f"Kept epochs of the joint stage: {told}.", TRAINING)]


def _spent(trainings: pd.DataFrame) -> str:
    """Say how many stages of a study kept the last epoch that they were allowed: more might have helped."""
    said = ""
    for stage, rows in trainings[trainings["allowed"].notna()].groupby("stage", sort=False):
        last = int((rows["picked"] == rows["allowed"]).sum())
        said += f" {last or 'None'} of the {len(rows)} kept epochs of the {stage} stage "
        said += f"{'is' if last < 2 else 'are'} the last that the budget allowed"
        said += ": more epochs might have helped." if last else "."
    return said


def embedding_pictures(a: Analysis, embeddings: Embeddings) -> list[dict[str, Any]]:
    """Draw what training does to pairs in the arms of a study that saved it, with a measure that needs no picture."""
    out, saved = [], set(embeddings.cells["arm"])
    for arm in [arm for arm in a.arms if arm in saved][:MOST_EMBEDDING_ARMS]:
        there = set(embeddings.cells.loc[embeddings.cells["arm"] == arm, "dataset"])
        drawn = embedding(embeddings, arm, [d for d in a.datasets if d in there][:MOST_EMBEDDED])
        if drawn is not None:
            each = [_embedded(str(d), rows) for d, rows in drawn[1].groupby("dataset", sort=False)]
            caption = f"Test pairs as the classifier of {arm} reads them, with its initial weights and with those "
            caption += f"kept, repeat {drawn[1]['repeat'].iloc[0]}: each flattened by a t-SNE of its own (perplexity "
            caption += f"up to {PERPLEXITY}). Axes, distances between clusters and their sizes mean nothing; what can "
            caption += f"be compared is the AUROC of the share of known edges among a pair's {NEIGHBOURS} nearest "
            caption += "others, in the full width. Classes that come apart do not show that expression is read: pairs "
            caption += "of one regulator lie together, and how many targets it has tells edges apart, too (see the "
            caption += f"degree audit). Drawn: {'; '.join(shown for shown, _ in each)}."
            told = "; ".join(auroc for _, auroc in each)
            out.append(picture(f"embeddings_{arm}", drawn, caption, f"AUROC of neighbours: {told}.", EMBEDDED))
    return out


def _embedded(dataset: str, rows: pd.DataFrame) -> tuple[str, str]:
    """Say which test pairs of a data set are drawn, and how far their neighbours tell them apart."""
    pairs, first = rows[rows["time"] == "after"], rows.iloc[0]
    drawn = f"on {dataset} {len(pairs)} of {first['asked']} test pairs, {pairs['label'].sum()} of {first['known']} "
    drawn += f"known edges (AUROC over {first['saved']} pairs)"
    aurocs = rows.groupby("time", sort=False)["neighbours_auroc"].first()
    return drawn, f"{dataset} {number(aurocs['before'])} before, {number(aurocs['after'])} after"


def grouped(drawn: Sequence[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Sort the pictures of a study by the fold they stand in; those under '' stand open."""
    out: dict[str, list[dict[str, Any]]] = {"": []}
    for picture in drawn:
        out.setdefault(picture.get("group", ""), []).append(picture)
    return out


def _told(numbers: pd.DataFrame) -> str:
    return ", ".join(f"{r['arm']} {number(r['mean'])}" for r in numbers.to_dict("records"))


def picture(name: str, drawn: tuple[Figure, pd.DataFrame], caption: str, told: str, group: str) -> dict[str, Any]:
    """Gather what the page and the files of a study need of a figure; ``told`` is its text alternative."""
    figure, numbers = drawn
    alt = f"{caption} {told}"
    return {
        **{"name": name, "svg": svg(figure), "numbers": numbers, "caption": caption, "alt": alt},
        **{"figure": figure, "group": group},
    }
