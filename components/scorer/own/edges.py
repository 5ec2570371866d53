"""A list of edges that any tool has written, as an arm."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from components.core.dataset import Ints
from components.core.errors import KnockoutError
from components.core.metrics import Scores
from components.core.registry import register
from components.core.settings import AnyPath, content_digest, setting
from components.learning import Context, View
from components.scorer.base import MODEL_FACTORS, Learner
from components.scorer.files.scores import EdgeList, is_bare, read_edges, read_scores
from components.tables.files import PER_DATASET, file_for, files_of

NAMES = (*PER_DATASET, "repeat", "fold")


@register("scorer", "edges")
class Edges(Learner):
    """Scores a pair by its weight in a list of edges, such as pySCENIC's or CellOracle's output; ``[pairs]``.

    Pairs that are not listed are level, at the bottom: with the lowest weight, or 0 if that is lower.

    Source: BEELINE's ``rankedEdges.csv`` (Pratapa et al. 2020), whose evaluation takes weights by their size, too.
    """

    silences = MODEL_FACTORS
    budgeted = False
    by_default = False
    probed = False
    settings: Settings

    class Settings(Learner.Settings):
        """Settings of a list of edges."""

        file: AnyPath = setting("", "regulator, target, weight; {dataset}, {network}, {cell}, {repeat} stand for those")
        weight: str = setting("", "column of weights; default: found by its title")
        signed: bool = setting(False, "whether a weight below 0 means 'unlikely'; else weights count by their size")

        def identity(self) -> dict[str, Any]:
            """Return the settings, with the content of every file that the pattern fits in place of its path."""
            digests = [content_digest(path) for path in files_of(self.file, NAMES)]
            return super().identity() | {"file": digests or [self.file]}

    def check(self, view: View) -> None:
        """Refuse a data set for which there is no list, or none that can be read."""
        if not self.is_bare(view):
            self.read(view)

    def fit(self, view: View, context: Context) -> None:
        """Find the list of the data set."""
        self.view, self.path = view, self._file(view)

    def score(self, pairs: Ints) -> Scores:
        """Return weights ``[pairs]``; of a file that holds nothing but one score per pair, those."""
        if is_bare(self.path):
            return read_scores(self.path, self.view.genes, pairs)
        edges = self.read(self.view)
        weights, listed = edges.lookup(pairs, len(self.view.genes))
        return np.where(listed, weights, min(0.0, float(edges.weights.min())))

    def is_bare(self, view: View) -> bool:
        """Return whether the file of a data set holds nothing but one score per asked pair."""
        return is_bare(self._file(view))

    def read(self, view: View) -> EdgeList:
        """Return the list of a data set; raise :class:`KnockoutError` if it cannot be read."""
        edges = read_edges(self._file(view), view.genes, [view.genes[tf] for tf in view.tfs], self.settings.weight)
        if self.settings.signed or not (edges.weights < 0).any():
            return edges
        return EdgeList(edges.pairs, np.abs(edges.weights), (*edges.notes, "weights below 0 count by their size"))

    def _file(self, view: View) -> Path:
        """Return the file of a data set's list; refuse none, an unknown name in braces, or one that is not there."""
        if not self.settings.file:
            raise KnockoutError("which list of edges? Give its file: {edges: {file: edges.csv}}.")
        names = {"dataset": view.dataset, "network": view.network, "cell": view.block}
        return file_for(self.settings.file, {**names, "repeat": view.repeat, "fold": view.fold}, "list of edges")
