"""What gives a candidate pair its score: the assembled model, a known method, or a control without true expression.

The controls answer 'how much of this could be had without looking at expression?' (protocol.md: on two of three
networks, as much as the published state of the art).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Self

import numpy as np
from scipy import sparse
from sklearn.linear_model import LogisticRegression

from components.core.dataset import Floats, Ints, pair_keys
from components.core.exam import Split
from components.core.metrics import Scores
from components.core.registry import register
from components.core.settings import Settings as BaseSettings
from components.core.settings import setting

__all__ = ["Assembled", "Baseline", "Degree", "Identity", "Noise", "Permuted", "ReverseDegree", "Rule", "TrainedScorer"]

MODEL_FACTORS = ("bucketing", "gnn", "pair_encoder", "fusion", "contrast", "negatives", "optimizer")


class TrainedScorer(ABC):
    """Base of scorers that train the assembled model: they decide what expression it is shown."""

    trains: ClassVar[bool] = True
    control: ClassVar[bool]

    class Settings(BaseSettings):
        """Nothing to set: the other factors describe the model."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @abstractmethod
    def expression(self, expression: Floats, rng: np.random.Generator) -> Floats:
        """Return what the model is shown as expression, ``[genes, cells]``."""


class Rule(ABC):
    """Base of scorers that need no model: a rule over the training part of the exam."""

    trains: ClassVar[bool] = False
    control: ClassVar[bool] = True
    silences: ClassVar[tuple[str, ...]] = MODEL_FACTORS

    class Settings(BaseSettings):
        """Nothing to set."""

    def __init__(self, settings: Settings, split: Split, rng: np.random.Generator) -> None:
        self.settings = settings
        self.split = split
        self.rng = rng

    @abstractmethod
    def score(self, pairs: Ints) -> Scores:
        """Return one score per pair: ``[pairs, 2]`` to ``[pairs]``, higher is more likely an edge."""


class Baseline(ABC):
    """Base of known methods that are run as they are, beside the assembled model, on true expression.

    Whatever a method fits, it fits once, when a score is first asked for. A method that cannot learn from known edges
    leaves ``split`` unread; one that does reads ``split.train`` and draws from ``split.pool``, never held-out pairs.

    Parameters
    ----------
    settings
        Its own settings.
    split
        The exam.
    expression
        ``[genes, cells]``, log scale.
    tfs
        ``[tfs]`` sorted gene indices: the candidate regulators.
    rng
        Stream of the repeat: the same repeat gives the same scores.
    """

    trains: ClassVar[bool] = False
    control: ClassVar[bool] = False
    silences: ClassVar[tuple[str, ...]] = MODEL_FACTORS

    class Settings(BaseSettings):
        """Nothing to set."""

    def __init__(
        self, settings: Settings, split: Split, expression: Floats, tfs: Ints, rng: np.random.Generator
    ) -> None:
        self.settings, self.split, self.expression, self.tfs, self.rng = settings, split, expression, tfs, rng

    @abstractmethod
    def score(self, pairs: Ints) -> Scores:
        """Return one score per pair: ``[pairs, 2]`` to ``[pairs]``, higher is more likely an edge."""

    def on(self, expression: Floats) -> Self:
        """Return the method for other cells of the same genes, ``[genes, other cells]``: fitted anew unless it learns.

        A method that learns from known edges overrides this, and keeps what it learnt.
        """
        return type(self)(self.settings, self.split, expression, self.tfs, self.rng)


@register("scorer", "assembled")
class Assembled(TrainedScorer):
    """Trains the model that the other factors describe, on the expression as it is, ``[genes, cells]``.

    Source: scUniGP eqs 4-8.
    """

    control = False

    def expression(self, expression: Floats, rng: np.random.Generator) -> Floats:
        """Return the expression ``[genes, cells]`` untouched."""
        return expression


@register("scorer", "noise")
class Noise(TrainedScorer):
    """Trains the reference model on standard normal noise in place of expression, ``[genes, cells]``.

    What it still reaches, graph and gene identities gave it.

    Source: protocol.md, control arms.
    """

    control = True

    def expression(self, expression: Floats, rng: np.random.Generator) -> Floats:
        """Return noise of the same shape ``[genes, cells]``."""
        return rng.standard_normal(expression.shape, dtype=np.float32)


@register("scorer", "permuted")
class Permuted(TrainedScorer):
    """Trains the reference model on expression whose rows, ``[genes, cells]``, are permuted between genes.

    Profiles and their correlations stay real, but no gene has its own: what it still reaches, owes nothing to which
    gene is expressed where.

    Source: protocol.md, control arms.
    """

    control = True

    def expression(self, expression: Floats, rng: np.random.Generator) -> Floats:
        """Return the rows of ``[genes, cells]`` in an order drawn for the repeat."""
        return rng.permutation(expression, axis=0)


@register("scorer", "degree")
class Degree(Rule):
    """Scores a pair by the TF's out-degree times the target's in-degree among training positives.

    ``[pairs, 2]`` to ``[pairs]``; each degree plus one, so that an unseen partner does not erase the other's.

    Source: protocol.md, control arms.
    """

    def __init__(self, settings: Rule.Settings, split: Split, rng: np.random.Generator) -> None:
        super().__init__(settings, split, rng)
        self.out_degree = np.bincount(split.train[:, 0], minlength=split.n_genes)
        self.in_degree = np.bincount(split.train[:, 1], minlength=split.n_genes)

    def score(self, pairs: Ints) -> Scores:
        """Return degree products ``[pairs]``."""
        return (self.out_degree[pairs[:, 0]] + 1.0) * (self.in_degree[pairs[:, 1]] + 1.0)


@register("scorer", "reverse_degree")
class ReverseDegree(Degree):
    """Scores a pair first by whether its reverse is a training positive, then by the degree product.

    ``[pairs, 2]`` to ``[pairs]``. Strong on STRING, where 75 % of the edges are listed both ways.

    Source: protocol.md, control arms.
    """

    def score(self, pairs: Ints) -> Scores:
        """Return degree products ``[pairs]``, lifted above all others where the reverse edge is known."""
        degree = super().score(pairs)
        ceiling = (self.out_degree.max() + 1.0) * (self.in_degree.max() + 1.0)
        known = np.isin(pair_keys(pairs[:, ::-1], self.split.n_genes), pair_keys(self.split.train, self.split.n_genes))
        return degree + ceiling * known


@register("scorer", "identity")
class Identity(Rule):
    """Learns how likely each gene regulates and is regulated, by logistic regression on one-hot gene identities.

    ``[pairs, 2]`` to ``[pairs]``. Trains on all training positives and every pair of the pool, so that
    it is as strong as it can be.

    Source: protocol.md, control arms ('logistic regression on one-hot gene identities').
    """

    class Settings(Rule.Settings):
        """Settings of the logistic regression."""

        C: float = setting(1.0, "inverse strength of the L2 penalty", ge=1e-4, le=1e4, log=True)

    def __init__(self, settings: Settings, split: Split, rng: np.random.Generator) -> None:
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
