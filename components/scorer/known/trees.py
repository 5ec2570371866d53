"""Baselines that predict each gene from all TFs by trees, and score a TF by its importance."""

from __future__ import annotations

from abc import abstractmethod
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

import numpy as np
import torch

from components.core.dataset import Floats, Ints
from components.core.metrics import Scores
from components.core.registry import register
from components.core.settings import setting
from components.scorer.known.network import Network


class TreeEnsemble(Network):
    """Base of baselines that regress each gene on all TFs: ``[genes, cells]`` to ``[tfs, genes]``."""

    def infer(self, expression: Floats, tfs: Ints, rng: np.random.Generator) -> Scores:
        """Return importances ``[tfs, genes]``, with as many threads as torch has."""
        cells = np.ascontiguousarray(expression[tfs].T)
        seeds = rng.integers(2**31 - 1, size=len(expression))  # drawn before any fit, as threads finish in any order

        def column(gene: int) -> Scores:
            others = np.flatnonzero(tfs != gene)
            importances = np.zeros(len(tfs))
            if len(others):
                importances[others] = self.importances(cells[:, others], expression[gene], int(seeds[gene]))
            return importances

        with ThreadPoolExecutor(torch.get_num_threads()) as pool:
            return np.stack(list(pool.map(column, range(len(expression)))), axis=1)

    @abstractmethod
    def importances(self, tfs: Floats, target: Floats, seed: int) -> Scores:
        """Return one importance per TF, ``[tfs]``, from TFs ``[cells, tfs]`` and their target ``[cells]``."""


@register("scorer", "genie3")
class GENIE3(TreeEnsemble):
    """Scores a pair by how much the TF reduces the variance of the target in a random forest over all TFs.

    ``[genes, cells]`` to ``[tfs, genes]``. Targets have unit variance; importances are not normalised per target.

    Source: Huynh-Thu et al. 2010 (K = square root of the number of TFs; 1000 trees there).
    """

    settings: Settings

    class Settings(TreeEnsemble.Settings):
        """Settings of the forest."""

        method: Literal["random_forest", "extra_trees"] = setting(
            "random_forest", "kind of forest", search=("random_forest", "extra_trees")
        )
        trees: int = setting(100, "trees per target", ge=1, le=10_000, search=(50, 1000), log=True)

    def importances(self, tfs: Floats, target: Floats, seed: int) -> Scores:
        """Return the mean reduction of variance ``[tfs]``."""
        from sklearn.ensemble import ExtraTreesRegressor, RandomForestRegressor

        kind = RandomForestRegressor if self.settings.method == "random_forest" else ExtraTreesRegressor
        forest = kind(self.settings.trees, max_features="sqrt", random_state=seed)
        forest.fit(tfs, target / target.std(dtype=np.float64))
        each = [tree.tree_.compute_feature_importances(normalize=False) for tree in forest.estimators_]
        return np.mean(each, axis=0)


@register("scorer", "grnboost2")
class GRNBoost2(TreeEnsemble):
    """Scores a pair by the TF's importance in gradient-boosted trees over all TFs, times the number of trees.

    ``[genes, cells]`` to ``[tfs, genes]``. Boosting stops when the last trees no longer improve the cells left out of
    them; a predictable target has many trees, and so high scores.

    Source: Moerman et al. 2019; settings of its public code (arboreto, SGBM).
    """

    settings: Settings

    class Settings(TreeEnsemble.Settings):
        """Settings of stochastic gradient boosting."""

        trees: int = setting(5000, "most trees per target", ge=1, le=100_000)
        learning_rate: float = setting(
            0.01, "share of each tree that is added", ge=1e-4, le=1.0, search=(5e-3, 0.1), log=True
        )
        max_features: float = setting(0.1, "share of the TFs that each split may choose from", ge=1e-3, le=1.0)
        subsample: float = setting(0.9, "share of the cells that each tree sees", ge=0.1, le=0.99)
        window: int = setting(25, "trees whose mean improvement decides when to stop", ge=1, le=1000)

    def importances(self, tfs: Floats, target: Floats, seed: int) -> Scores:
        """Return importances ``[tfs]``, their sum the number of trees."""
        from sklearn.ensemble import GradientBoostingRegressor

        s = self.settings
        model = GradientBoostingRegressor(
            n_estimators=s.trees,
            learning_rate=s.learning_rate,
            max_features=s.max_features,
            subsample=s.subsample,
            random_state=seed,
        )
        model.fit(tfs, target.astype(np.float64), monitor=_OutOfBag(s.window))
        return model.feature_importances_ * len(model.estimators_)


class _OutOfBag:
    """Stops boosting when the mean improvement on cells left out of each tree is negative over a window of trees.

    The improvement compares the same cells before and after a tree, as scikit-learn's ``oob_improvement_`` did when
    arboreto was written; since 1.3 that compares the left-out cells of one tree with those of the next.
    """

    def __init__(self, window: int) -> None:
        self.window = window
        self.before: Any = None
        self.improvements: list[float] = []

    def __call__(self, tree: int, model: object, state: dict[str, Any]) -> bool:
        target, after, left_out = state["y"], state["raw_predictions"][:, 0], ~state["sample_mask"]
        before = target.mean() if self.before is None else self.before
        change = (target - before) ** 2 - (target - after) ** 2
        self.improvements.append(float(change[left_out].mean()) if left_out.any() else 0.0)
        self.before = after.copy()
        return tree + 1 >= self.window and float(np.mean(self.improvements[-self.window :])) < 0
