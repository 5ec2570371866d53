"""Control that knows gene identities."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from sklearn.linear_model import LogisticRegression

from components.core.dataset import Ints
from components.core.exam import TrainingPairs
from components.core.metrics import Scores
from components.core.registry import register
from components.core.settings import setting
from components.scorer.base import Rule


@register("scorer", "identity")
class Identity(Rule):
    """Scores a pair by logistic regression on the one-hot identities of its two genes.

    ``[pairs, 2]`` to ``[pairs]``. It trains on all training positives and the whole pool, to be as strong as it can be.

    Source: knockout.
    """

    class Settings(Rule.Settings):
        """Settings of the logistic regression."""

        C: float = setting(1.0, "inverse strength of the L2 penalty", ge=1e-4, le=1e4, log=True)

    def __init__(self, settings: Settings, split: TrainingPairs, rng: np.random.Generator) -> None:
        super().__init__(settings, split, rng)
        pairs = np.concatenate([split.train, split.pool])
        labels = np.repeat([1, 0], [len(split.train), len(split.pool)])
        self.model = LogisticRegression(C=settings.C, max_iter=1000).fit(self._one_hot(pairs), labels)

    def score(self, pairs: Ints) -> Scores:
        """Return log-odds ``[pairs]``."""
        return np.asarray(self.model.decision_function(self._one_hot(pairs)))

    def _one_hot(self, pairs: Ints) -> sparse.csr_matrix:
        n, genes = len(pairs), self.split.n_genes
        columns = np.stack([pairs[:, 0], pairs[:, 1] + genes], axis=1).ravel()
        rows = np.repeat(np.arange(n), 2)
        return sparse.csr_matrix((np.ones(2 * n), (rows, columns)), shape=(n, 2 * genes))
