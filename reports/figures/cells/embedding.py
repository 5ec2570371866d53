"""What training does to pairs of genes: the vectors that a model's classifier reads, flattened, before and after."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from numpy.typing import NDArray
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits

from reports.figures.canvas import Drawing, panels, short
from reports.figures.cells.edges import KNOWN, UNKNOWN
from reports.stored.cells import FEWEST, Embedded, Embeddings, separation
from reports.words.numbers import number

MOST_PAIRS = 300  # four panels of so many pairs take a second and a half
PERPLEXITY = 30
_TIMES = {"before": "before training", "after": "after training"}


def embedding(embeddings: Embeddings, arm: str, datasets: list[str]) -> Drawing | None:
    """Draw test pairs as an arm sees them untrained and trained, one row of panels per data set.

    None where no data set has pairs of both classes, and enough of them.
    """
    read = {dataset: embeddings.of(arm, dataset) for dataset in datasets}
    samples = {dataset: one for dataset, one in read.items() if one is not None and _drawable(one)}
    if not samples:
        return None
    figure, axes = panels(len(samples), 2, 3.4)
    figure.set_layout_engine("constrained", hspace=0.1)
    parts: list[pd.DataFrame] = []
    places = iter(axes)
    for dataset, one in samples.items():
        for time, vectors in (("before", one.before), ("after", one.after)):
            auroc, at = separation(vectors, one.pairs["label"].to_numpy()), flat(vectors[:MOST_PAIRS])
            part = one.pairs[:MOST_PAIRS].assign(dataset=dataset, arm=arm, time=time, x=at[:, 0], y=at[:, 1])
            known = {"saved": len(one.pairs), "asked": one.asked, "known": one.known, "neighbours_auroc": auroc}
            parts.append(part.assign(repeat=one.repeat, **known))
            panel = next(places)
            _panel(panel, part)
            panel.set_title(f"{short(dataset, 28)}, {_TIMES[time]}", fontsize=10)
            panel.set_xlabel(f"AUROC of neighbours {number(auroc)}")
    handles = [
        Line2D([], [], linestyle="", marker=marker, color=colour, label=name)
        for name, (colour, marker) in {"known edge": (KNOWN, "o"), "not known": (UNKNOWN, "x")}.items()
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=2, frameon=False)
    return Drawing(figure, pd.concat(parts, ignore_index=True))


def flat(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Lay what a model makes of pairs, ``[pairs, width]``, out in a plane by t-SNE: ``[pairs, 2]``."""
    spread = vectors - vectors.mean(axis=0)
    if not spread.any():  # all pairs look alike: they are one point
        return np.zeros((len(vectors), 2), dtype=np.float32)
    perplexity = min(PERPLEXITY, (len(vectors) - 1) / 3)
    layout = TSNE(init="pca", perplexity=perplexity, max_iter=400, angle=0.8, random_state=0)
    with threadpool_limits(1, user_api="openmp"):  # another number of threads is another picture
        at: NDArray[np.float32] = layout.fit_transform(spread)
    return at


def _drawable(one: Embedded) -> bool:
    return len(one.pairs) >= FEWEST and one.pairs["label"].nunique() == 2 and one.before.shape[1] > 1


def _panel(axes: Axes, part: pd.DataFrame) -> None:
    axes.set_box_aspect(0.8)
    axes.spines[:].set_visible(True)
    axes.spines[:].set_color("#bbbbbb")
    axes.set_xticks([])
    axes.set_yticks([])
    edges, others = part[part["label"] == 1], part[part["label"] == 0]
    axes.scatter(others["x"], others["y"], s=14, c=UNKNOWN, marker="x", linewidths=0.9)
    axes.scatter(edges["x"], edges["y"], s=16, c=KNOWN, marker="o", linewidths=0.4, edgecolors="white")
