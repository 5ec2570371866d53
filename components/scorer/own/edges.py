"""A list of edges that any tool has written, as an arm."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from components.core.dataset import Ints
from components.core.errors import KnockoutError, suggestion
from components.core.metrics import Scores
from components.core.registry import register
from components.core.settings import AnyPath, content_digest, setting
from components.exchange.scores import EdgeList, read_edges
from components.learning import Context, View
from components.scorer.base import MODEL_FACTORS, Learner

NAMES = ("dataset", "network", "cell")


@register("scorer", "edges")
class Edges(Learner):
    """Scores a pair by its weight in a list of edges, such as pySCENIC's or CellOracle's output; ``[pairs]``.

    Pairs that are not listed are level, at the bottom: with the lowest weight, or 0 if that is lower.

    Source: BEELINE's ``rankedEdges.csv`` (Pratapa et al. 2020), whose evaluation takes weights by their size, too.
    """

    silences = MODEL_FACTORS
    budgeted = False
    probed = False
    settings: Settings

    class Settings(Learner.Settings):
        """Settings of a list of edges."""

        file: AnyPath = setting("", "table of regulator, target, weight; {dataset}, {network}, {cell} stand for names")
        weight: str = setting("", "column of weights; default: found by its title")
        signed: bool = setting(False, "whether a weight below 0 means 'unlikely'; else weights count by their size")

        def identity(self) -> dict[str, Any]:
            """Return the settings, with the content of every file that the pattern fits in place of its path."""
            pattern = Path(self.file)
            stars = self.file.format_map(dict.fromkeys(NAMES, "*")) if _known(self.file) else self.file
            files = sorted(Path(pattern.anchor).glob(str(Path(stars).relative_to(pattern.anchor)))) if stars else []
            return super().identity() | {"file": [content_digest(path) for path in files]}

    def check(self, view: View) -> None:
        """Refuse a data set for which there is no list, or none that can be read."""
        self._read(view)

    def fit(self, view: View, context: Context) -> None:
        """Read the list of the data set."""
        self.edges, self.n_genes = self._read(view), len(view.genes)

    def score(self, pairs: Ints) -> Scores:
        """Return weights ``[pairs]``."""
        weights, listed = self.edges.lookup(pairs, self.n_genes)
        return np.where(listed, weights, min(0.0, float(self.edges.weights.min())))

    def _read(self, view: View) -> EdgeList:
        path = edge_file(self.settings.file, view)
        edges = read_edges(path, view.genes, [view.genes[tf] for tf in view.tfs], self.settings.weight)
        if self.settings.signed or not (edges.weights < 0).any():
            return edges
        return EdgeList(edges.pairs, np.abs(edges.weights), (*edges.notes, "weights below 0 count by their size"))


def edge_file(pattern: str, view: View) -> Path:
    """Return the file of a data set's list.

    Raises
    ------
    KnockoutError
        If no file is named, the pattern has an unknown name in braces, or the file is not there.
    """
    if not pattern:
        raise KnockoutError("which list of edges? Give its file: {edges: {file: edges.csv}}.")
    if not _known(pattern):
        raise KnockoutError(f"{pattern}: in braces may stand {', '.join(NAMES)}.")
    path = Path(pattern.format(dataset=view.dataset, network=view.network, cell=view.block))
    if not path.is_file():
        near = [other.name for other in path.parent.glob("*") if other.is_file()]
        raise KnockoutError(f"{view.dataset} has no list of edges {path}.{suggestion(path.name, near)}")
    return path


def _known(pattern: str) -> bool:
    try:
        pattern.format_map(dict.fromkeys(NAMES, ""))
    except (KeyError, ValueError, IndexError, AttributeError):
        return False
    return True
