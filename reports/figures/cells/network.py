"""What the model would have a biologist believe: its top edges, as a network and as a heatmap."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.lines import Line2D

from reports.figures.shared.canvas import INK, panels
from reports.figures.shared.picture import Drawing
from reports.figures.shared.style import plain
from reports.findings.results import Analysis
from reports.stored.predictions import Predictions

TOP, HUBS = 100, 8
KNOWN, UNKNOWN = "#0072B2", "#E69F00"


def subject(analysis: Analysis) -> str:
    """Name the arm whose edges are drawn: the reference, or the best where there is none."""
    if analysis.reference is not None:
        return analysis.reference
    own = analysis.scores[analysis.scores["metric"] == analysis.metric]
    return str(own.groupby("arm", sort=False)["mean"].mean().idxmax())


def mean_scores(predictions: Predictions, arm: str, dataset: str) -> pd.DataFrame:
    """Average what an arm predicted for each test pair over the repeats that asked for it, best first."""
    tables = predictions.of(arm, dataset)
    if not tables:
        return pd.DataFrame(columns=["tf", "target", "label", "score", "repeats"])
    pairs = pd.concat(tables, ignore_index=True).groupby(["tf", "target"], as_index=False)
    means = pairs.agg(label=("label", "max"), score=("score", "mean"), repeats=("score", "size"))
    return means.sort_values(["score", "tf", "target"], ascending=[False, True, True], ignore_index=True)


def network(scores: pd.DataFrame, top: int = TOP) -> Drawing | None:
    """Draw the edges that a model scores highest as a directed network, its hubs named.

    None with fewer than ten pairs: there is no network to see.
    """
    if len(scores) < 10:
        return None
    edges = scores.head(top)
    graph = nx.DiGraph()
    graph.add_edges_from(edges[["tf", "target"]].itertuples(index=False))
    out = {str(gene): degree for gene, degree in graph.out_degree()}
    hubs = sorted((g for g in graph if out[g]), key=lambda g: (-out[g], g))
    at = nx.spring_layout(graph, seed=0, k=1.6 / np.sqrt(len(graph)), iterations=120)
    _apart(at, hubs[:HUBS])
    figure, (axes,) = panels(1, 1, 5.2)
    axes.set_axis_off()
    axes.set_aspect("equal")
    for known, colour, style in ((1, KNOWN, "solid"), (0, UNKNOWN, (0, (3, 2)))):
        lines = [(at[e.tf], at[e.target]) for e in edges[edges["label"] == known].itertuples()]
        axes.add_collection(LineCollection(lines, colors=colour, linewidths=1.0, linestyles=[style], zorder=1))
        if lines:
            start, end = np.array(lines).transpose(1, 0, 2)
            middle, step = start + 0.62 * (end - start), end - start
            _heads(axes, middle, step, colour)
    targets = [g for g in graph if not out[g]]
    dots(axes, [at[g] for g in targets], s=12, c="#6b6b6b", zorder=2, linewidths=0)
    dots(axes, [at[g] for g in hubs], s=[20 + 12 * out[g] for g in hubs], c="white", edgecolors=INK, zorder=3)
    box = {"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 0.8}
    for gene in hubs[:HUBS]:
        where: dict[str, Any] = {"xytext": (0, 7), "textcoords": "offset points", "ha": "center"}
        axes.annotate(plain(gene), at[gene], **where, fontsize=9, bbox=box, zorder=4)
    handles = [
        Line2D([], [], color=KNOWN, label="known edge"),
        Line2D([], [], color=UNKNOWN, linestyle=(0, (3, 2)), label="not known"),
        Line2D(
            [], [], marker="o", linestyle="", color=INK, markerfacecolor="white", label="regulator (size: edges out)"
        ),
        Line2D([], [], marker="o", linestyle="", color="#6b6b6b", markersize=4, label="target"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=2, frameon=False, fontsize=9)
    return Drawing(figure, edges)


def _apart(at: dict[str, np.ndarray], hubs: list[str], least: float = 0.2) -> None:
    """Push hubs away from each other: two with the same targets come to lie on one spot."""
    for _ in range(30):
        for one, other in combinations(hubs, 2):
            gap = at[other] - at[one]
            far = float(np.linalg.norm(gap))
            if far < least:
                push = (least - far) / 2 * (gap / far if far > 0 else np.array([1.0, 0.0]))
                at[one], at[other] = at[one] - push, at[other] + push


def _heads(axes: Axes, middle: np.ndarray, step: np.ndarray, colour: str) -> None:
    """Point every edge from regulator to target, with one artist: a hundred arrow patches take a second."""
    length = np.linalg.norm(step, axis=1, keepdims=True)
    way = step / np.where(length > 0, length, 1)
    shape: dict[str, Any] = {
        "scale": 0.14,
        "width": 0.6,
        "headwidth": 9,
        "headlength": 10,
        "headaxislength": 9,
        "minlength": 0,
    }
    axes.quiver(*middle.T, *way.T, color=colour, pivot="mid", units="dots", scale_units="dots", zorder=2, **shape)


def dots(axes: Axes, places: Sequence[Any], **look: Any) -> None:
    """Draw a dot at every place, if there are any."""
    if len(places):
        axes.scatter([x for x, _ in places], [y for _, y in places], **look)
