"""Controls that know degrees, reverse edges or gene identities of the training pairs."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from components.core.dataset import Ints, pair_keys
from components.core.exam import TrainingPairs
from components.core.metrics import Scores
from components.core.registry import register
from components.core.settings import setting
from components.scorer.base import Rule


@register("scorer", "degree")
class Degree(Rule):
    """Scores a pair by the TF's out-degree times the target's in-degree among training positives.

    ``[pairs, 2]`` to ``[pairs]``; one is added to each degree, so that an unseen gene does not hide its partner's.

    Source: knockout.
    """

    def __init__(self, settings: Rule.Settings, split: TrainingPairs, rng: np.random.Generator) -> None:
        super().__init__(settings, split, rng)
        self.out_degree = np.bincount(split.train[:, 0], minlength=split.n_genes)
        self.in_degree = np.bincount(split.train[:, 1], minlength=split.n_genes)

    def score(self, pairs: Ints) -> Scores:
        """Return degree products ``[pairs]``."""
        return (self.out_degree[pairs[:, 0]] + 1.0) * (self.in_degree[pairs[:, 1]] + 1.0)


@register("scorer", "reverse_degree")
class ReverseDegree(Degree):
    """Scores a pair first by whether its reverse is a training positive, then by the degree product.

    ``[pairs, 2]`` to ``[pairs]``. Strong on STRING, which lists 75 % of its edges both ways.

    Source: knockout.
    """

    def score(self, pairs: Ints) -> Scores:
        """Return degree products ``[pairs]``, raised above all others where the reverse is a training positive."""
        largest = (self.out_degree.max() + 1.0) * (self.in_degree.max() + 1.0)
        n_genes = self.split.n_genes
        reverse = np.isin(pair_keys(pairs[:, ::-1], n_genes), pair_keys(self.split.train, n_genes))
        return super().score(pairs) + largest * reverse


@register("scorer", "identity")
class Identity(Rule):
    """Scores a pair by logistic regression on the one-hot identities of its two genes.

    ``[pairs, 2]`` to ``[pairs]``. It trains on all training positives and the whole pool, to be as strong as it can be.

    Source: knockout.
    """

    class Settings(Rule.Settings):
        """Settings of the logistic regression."""

        C: float = setting(1.0, "inverse strength of the L2 penalty", ge=1e-4, le=1e4, log=True)

    settings: Settings

    @cached_property
    def model(self) -> Any:
        """The fitted regression."""
        from sklearn.linear_model import LogisticRegression

        pairs = np.concatenate([self.split.train, self.split.pool])
        labels = np.repeat([1, 0], [len(self.split.train), len(self.split.pool)])
        return LogisticRegression(C=self.settings.C, max_iter=1000).fit(self._one_hot(pairs), labels)

    def score(self, pairs: Ints) -> Scores:
        """Return log-odds ``[pairs]``."""
        return np.asarray(self.model.decision_function(self._one_hot(pairs)))

    def _one_hot(self, pairs: Ints) -> Any:
        from scipy import sparse

        n, genes = len(pairs), self.split.n_genes
        columns = (pairs + np.array([0, genes])).astype(np.int32).ravel()  # an atlas has 20 million pairs
        starts = np.arange(0, 2 * n + 1, 2, dtype=np.int32)
        return sparse.csr_matrix((np.ones(2 * n), columns, starts), shape=(n, 2 * genes))
