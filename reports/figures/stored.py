"""Which figures the cells allow by what they left: predicted edges, training curves, pair vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import TypeVar

import pandas as pd

from reports.errors import ReportError
from reports.figures.canvas import Drawing, Picture, picture
from reports.figures.cells.edges import mean_scores, network, precision_recall, score_heatmap, subject
from reports.figures.cells.embedding import PERPLEXITY, embedding
from reports.figures.cells.learning import MOST_REPEATS, learning
from reports.findings.results import Analysis
from reports.stored.cells import NEIGHBOURS, Curves, Embeddings, Predictions
from reports.words.metrics import label
from reports.words.names import plain
from reports.words.numbers import confidence, count, joined, number

EDGES, TRAINING, EMBEDDED = "Predicted edges", "Training", "Pair representations"
MOST_EMBEDDING_ARMS = 4
# data sets in one figure; where none are asked for there is one figure, of the first
MOST_CURVES, MOST_TRAINED, MOST_EMBEDDED, MOST_NETWORKS = 6, 2, 2, 1
Stored = TypeVar("Stored", Predictions, Curves, Embeddings)


def matching(a: Analysis, patterns: Sequence[str]) -> tuple[str, ...]:
    """Return the data sets that ``patterns`` name; ``*`` stands for anything.

    Raises
    ------
    ReportError
        If a pattern names none.
    """
    patterns = [plain(pattern) for pattern in patterns]
    for pattern in patterns:
        if not any(fnmatchcase(dataset, pattern) for dataset in a.datasets):
            raise ReportError.unknown("data set", pattern, a.datasets, where="--draw")
    return tuple(d for d in a.datasets if any(fnmatchcase(d, pattern) for pattern in patterns))


def _figures(a: Analysis, stored: Stored, most: int, datasets_asked: Sequence[str]) -> list[Stored]:
    """Divide what cells left over figures of at most ``most`` data sets each: of those wanted, or one of the first."""
    stored_sets = set(stored.cells["dataset"])
    datasets = [d for d in datasets_asked or a.datasets if d in stored_sets]
    batches = [datasets[i : i + most] for i in range(0, len(datasets), most)]
    return [
        replace(stored, cells=stored.cells[stored.cells["dataset"].isin(batch)])
        for batch in (batches if datasets_asked else batches[:1])
    ]


def _numbered(name: str, place: int) -> str:
    return name if place == 0 else f"{name}_{place + 1}"


def _left(stored: Stored, figures: Sequence[Stored]) -> str:
    """Say how many data sets no figure shows."""
    left = stored.cells["dataset"].nunique() - sum(one.cells["dataset"].nunique() for one in figures)
    return count(left, "more data set") + " not drawn." if left else ""


def edge_pictures(a: Analysis, predictions: Predictions, asked_for: Sequence[str] = ()) -> list[Picture]:
    """Draw what the saved predictions show on the data sets ``asked_for``; nothing where of other arms."""
    figures = _figures(a, predictions, MOST_CURVES, asked_for)
    out = []
    for place, one in enumerate(figures):
        if (drawn := precision_recall(a, one)) is not None:
            left = _left(predictions, figures)
            caption = "Precision over recall of test pairs: reference, strongest control of each data set and the best "
            caption += f"other arms; mean over repeats, shaded {confidence(a.alpha)} t interval (three repeats or more)"
            caption += f"; {left}" if left else "."
            half = drawn.numbers[drawn.numbers["recall"] == 0.5].groupby("arm", sort=False)["precision"].mean()
            described = ", ".join(f"{arm} {number(value)}" for arm, value in half.items())
            described = f"Mean precision at recall 0.5: {described}."
            out.append(picture(_numbered("precision_recall", place), drawn, caption, described, EDGES))
    arm = subject(a)
    for one in _figures(a, predictions, MOST_NETWORKS, asked_for):
        out += _edges(arm, one.cells["dataset"].iloc[0], predictions)
    return out


def _edges(arm: str, dataset: str, predictions: Predictions) -> list[Picture]:
    """Draw the edges of one data set that an arm scores highest, and the scores around them."""
    out, scores = [], mean_scores(predictions, arm, dataset)
    if (drawn := network(scores)) is not None:
        edges = drawn.numbers
        caption = f"The {len(edges)} test pairs on {dataset} that {arm} scores highest (mean over the repeats that "
        caption += "asked for the pair); the regulators with most of them are named."
        hubs = edges["tf"].value_counts()
        first = sorted(hubs.index, key=lambda tf: (-hubs[tf], tf))
        described = f"{int(edges['label'].sum())} of {len(edges)} are known; most edges: {joined(first)}."
        out.append(picture(f"top_edges_{dataset}", drawn, caption, described, EDGES))
    if (drawn := score_heatmap(scores)) is not None:
        pairs = drawn.numbers
        caption = f"Mean scores of {arm} on {dataset} for the regulators and targets with most top edges. A dot: "
        caption += "known edge; empty: pair not in the test."
        described = f"{count(len(pairs), 'pair')}, {int(pairs['label'].sum())} known."
        out.append(picture(f"edge_scores_{dataset}", drawn, caption, described, EDGES))
    return out


def training_pictures(a: Analysis, curves: Curves, asked_for: Sequence[str] = ()) -> list[Picture]:
    """Draw how the arms were trained, and say whether they were given epochs enough."""
    figures, out = _figures(a, curves, MOST_TRAINED, asked_for), []
    for place, one in enumerate(figures):
        if (drawn := learning(a, one)) is not None:
            trainings = drawn.numbers.drop_duplicates(["dataset", "arm", "repeat", "stage"])
            caption = _trained(trainings, one.cells["repeat"].nunique(), _left(curves, figures))
            picked = trainings[trainings["stage"] == "joint"].groupby("arm", sort=False)["picked"].agg(["min", "max"])
            described = ", ".join(f"{arm} {low} to {high}" for arm, low, high in picked.itertuples())
            name = _numbered("learning_curves", place)
            out.append(picture(name, drawn, caption, f"Kept epochs of the joint stage: {described}.", TRAINING))
    return out


def _trained(trainings: pd.DataFrame, repeats: int, left: str) -> str:
    arms, metric = list(dict.fromkeys(trainings["arm"])), label(trainings["metric"].iloc[0])
    caption = f"Training of {joined(arms)}, epoch by epoch: thin lines are repeats, thick ones their mean for as long "
    caption += "as all of them went on. A mark is the epoch whose model was kept: the first with the highest "
    caption += f"validation {metric}. The test had no say in it. Losses of arms that differ in contrast or negatives "
    caption += "are sums of different things."
    if "graph" in set(trainings["stage"]):
        caption += " Arms that share their graph stage lie on each other there."
    if (trainings["folds"] > 1).any():
        caption += " Of every exam with folds the first is shown."
    if left:
        caption += f" {left}"
    if repeats > MOST_REPEATS:
        caption += f" Only the first {MOST_REPEATS} repeats are drawn."
    return caption + _spent(trainings)


def _spent(trainings: pd.DataFrame) -> str:
    """Say how many stages kept the last epoch that they were allowed: more might have helped."""
    text = ""
    for stage, rows in trainings[trainings["allowed"].notna()].groupby("stage", sort=False):
        last = int((rows["picked"] == rows["allowed"]).sum())
        text += f" {last or 'None'} of the {len(rows)} kept epochs of the {stage} stage "
        text += f"{'is' if last < 2 else 'are'} the last that the budget allowed"
        text += ": more epochs might have helped." if last else "."
    return text


def embedding_pictures(a: Analysis, embeddings: Embeddings, asked_for: Sequence[str] = ()) -> list[Picture]:
    """Draw what training does to pairs in the arms that saved it, with a measure that needs no picture."""
    out, saved = [], set(embeddings.cells["arm"])
    for arm in [arm for arm in a.arms if arm in saved][:MOST_EMBEDDING_ARMS]:
        of_arm = replace(embeddings, cells=embeddings.cells[embeddings.cells["arm"] == arm])
        for place, one in enumerate(_figures(a, of_arm, MOST_EMBEDDED, asked_for)):
            datasets = set(one.cells["dataset"])
            drawn = embedding(one, arm, [d for d in a.datasets if d in datasets])
            if drawn is not None:
                out.append(_embedding(arm, _numbered(f"embeddings_{arm}", place), drawn))
    return out


def _embedding(arm: str, name: str, drawn: Drawing) -> Picture:
    each = [_embedded(str(d), rows) for d, rows in drawn.numbers.groupby("dataset", sort=False)]
    repeats = joined([str(repeat) for repeat in drawn.numbers["repeat"].unique()])
    caption = f"Test pairs as the classifier of {arm} reads them, with its initial weights and with those "
    caption += f"kept, repeat {repeats}: each flattened by a t-SNE of its own (perplexity "
    caption += f"up to {PERPLEXITY}). Axes, distances between clusters and their sizes mean nothing; what can "
    caption += f"be compared is the AUROC of the share of known edges among a pair's {NEIGHBOURS} nearest "
    caption += "others, in the full width. Classes that come apart do not show that expression is read: pairs "
    caption += "of one regulator lie together, and how many targets it has tells edges apart, too (see the "
    caption += f"degree audit). Drawn: {'; '.join(sample for sample, _ in each)}."
    aurocs = "; ".join(auroc for _, auroc in each)
    return picture(name, drawn, caption, f"AUROC of neighbours: {aurocs}.", EMBEDDED)


def _embedded(dataset: str, rows: pd.DataFrame) -> tuple[str, str]:
    """Say which test pairs of a data set are drawn, and how far their neighbours tell them apart."""
    pairs, first = rows[rows["time"] == "after"], rows.iloc[0]
    drawn = f"on {dataset} {len(pairs)} of {first['asked']} test pairs, {pairs['label'].sum()} of {first['known']} "
    drawn += f"known edges (AUROC over {count(first['saved'], 'pair')})"
    aurocs = rows.groupby("time", sort=False)["neighbours_auroc"].first()
    return drawn, f"{dataset} {number(aurocs['before'])} before, {number(aurocs['after'])} after"
