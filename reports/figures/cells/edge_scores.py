"""Scores of the edges between the regulators and targets with most top edges, as a heatmap."""

from __future__ import annotations

import numpy as np
import pandas as pd

from reports.figures.cells.network import TOP, dots
from reports.figures.shared.canvas import SHADES, panels
from reports.figures.shared.picture import Drawing
from reports.figures.shared.style import plain

_TFS, _TARGETS = 15, 30


def score_heatmap(scores: pd.DataFrame) -> Drawing | None:
    """Draw the scores of the TFs and targets that a model ranks highest; None with fewer than two of each.

    They are those with the most pairs among its top edges.
    A dot marks a known edge; an empty cell is a pair that was not in the test.
    """
    top = scores.head(2 * TOP)
    tfs = _frequent(top["tf"], _TFS)
    targets = _frequent(top.loc[top["tf"].isin(tfs), "target"], _TARGETS)
    pairs = scores[scores["tf"].isin(tfs) & scores["target"].isin(targets)]
    if len(tfs) < 2 or len(targets) < 2:
        return None
    wide = pairs.pivot_table(index="tf", columns="target", values="score").reindex(index=tfs, columns=targets)
    figure, (axes,) = panels(1, 1, 1.5 + 0.2 * len(tfs))
    axes.spines[:].set_visible(False)
    image = axes.pcolormesh(np.ma.masked_invalid(wide.to_numpy()), cmap=SHADES, edgecolors="white", linewidth=0.6)
    known = pairs[pairs["label"] == 1]
    rows, columns = known["tf"].map(tfs.index), known["target"].map(targets.index)
    places = list(zip(columns + 0.5, rows + 0.5, strict=True))
    dots(axes, places, s=14, c="white", edgecolors="black", linewidths=0.6, zorder=3)
    names = [plain(str(g)) for g in targets]
    axes.set_xticks(np.arange(len(targets)) + 0.5, names, rotation=90, fontsize=9)
    axes.set_yticks(np.arange(len(tfs)) + 0.5, [plain(str(g)) for g in tfs], fontsize=9)
    axes.tick_params(length=0)
    axes.invert_yaxis()
    axes.set_xlabel("target")
    axes.set_ylabel("transcription factor")
    figure.colorbar(image, ax=axes, label="mean score", shrink=0.8, pad=0.02).outline.set_visible(False)
    return Drawing(figure, pairs.reset_index(drop=True))


def _frequent(genes: pd.Series, most: int) -> list[str]:
    counts = genes.value_counts()
    return sorted(counts.index, key=lambda gene: (-counts[gene], gene))[:most]
