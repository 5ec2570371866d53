"""Expression reduced to fewer features per gene, whatever the number of cells: components, or metacells."""

from __future__ import annotations

import numpy as np
import torch
from threadpoolctl import threadpool_limits
from torch import Tensor

from components.bucketing.base import Bucketing, FixedBucketing
from components.core.registry import register
from components.core.settings import setting

EXACT = 1024  # genes or cells, whichever are fewer, up to which all components are computed
SPARE = 32  # random directions more than components
FLAT = 1e-6  # of the largest singular value: below lies rounding
ROUNDS = 4  # passes over the cells and back, which part large components from small ones


@register("bucketing", "pca")
class PrincipalComponents(FixedBucketing):
    """Gives each gene its first principal components: ``[genes, cells]`` to ``[genes, components]``, no weights.

    Profiles are standardised over cells, so that features of two genes have about the inner product of their profiles:
    their correlation; the whole matrix is scaled to unit variance. Time and memory of every later step depend on the
    components alone, no longer on the cells.

    Source: Halko, Martinsson & Tropp 2011 (where there are more than 1,024 genes and cells); as an input of this model,
    knockout.
    """

    class Settings(Bucketing.Settings):
        """Settings of the reduction."""

        components: int = setting(
            128, "components that are kept, at most as many as cells and genes", ge=2, le=2048, search=(32, 256)
        )

    def __init__(self, settings: Settings, expression: Tensor) -> None:
        features = _principal(_Profiles(expression), settings.components)
        super().__init__(features / features.std().clamp_min(1e-6))


@register("bucketing", "metacells")
class Metacells(FixedBucketing):
    """Gives each gene its mean in groups of alike cells: ``[genes, cells]`` to ``[genes, metacells]``, no weights.

    Cells are grouped by k-means on their principal components; means are standardised over metacells. No cell is left
    out, and zeros of single cells are averaged away.

    Source: Baran et al. 2019 (MetaCell), Persad et al. 2023 (SEACells), for the idea; k-means as the simplest of its
    kind; as an input of this model, knockout.
    """

    class Settings(Bucketing.Settings):
        """Settings of the groups."""

        number: int = setting(200, "metacells, at most as many as cells", ge=2, le=5000, search=(50, 500), log=True)
        components: int = setting(30, "components of the cells by which they are alike", ge=2, le=500)

    def __init__(self, settings: Settings, expression: Tensor) -> None:
        means = expression @ _membership(expression, settings.number, settings.components)
        spread = means.std(dim=1, keepdim=True, unbiased=False).clamp_min(1e-6)
        super().__init__((means - means.mean(dim=1, keepdim=True)) / spread)


def _membership(expression: Tensor, number: int, components: int) -> Tensor:
    """Return the weight of each cell in each metacell's mean, ``[cells, metacells]``."""
    from sklearn.cluster import MiniBatchKMeans  # a second of a worker's start

    cells = expression.shape[1]
    if number >= cells:
        return torch.eye(cells, dtype=expression.dtype, device=expression.device)
    profiles = _Profiles(expression)
    left = _principal(profiles, components)
    alike = profiles.transposed_times(left / left.norm(dim=0).clamp_min(1e-6))
    with threadpool_limits(torch.get_num_threads(), user_api="openmp"):
        groups = MiniBatchKMeans(number, random_state=0, n_init=3, batch_size=4096).fit_predict(alike.cpu().numpy())
    _, group, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    weights = expression.new_zeros(cells, len(sizes))
    weights[np.arange(cells), group] = torch.from_numpy(1 / sizes[group]).to(expression)
    return weights


class _Profiles:
    """Profiles standardised over cells, ``[genes, cells]``, as products alone: expression is never copied."""

    def __init__(self, expression: Tensor) -> None:
        self.expression = expression
        self.mean = expression.mean(dim=1, keepdim=True)
        self.spread = expression.std(dim=1, keepdim=True, unbiased=False).clamp_min(1e-6)

    def times(self, of_cells: Tensor) -> Tensor:
        """Multiply by ``[cells, n]``: ``[genes, n]``."""
        return (self.expression @ of_cells - self.mean * of_cells.sum(dim=0)) / self.spread

    def transposed_times(self, of_genes: Tensor) -> Tensor:
        """Multiply the transpose by ``[genes, n]``: ``[cells, n]``."""
        weighted = of_genes / self.spread
        return self.expression.T @ weighted - self.mean.T @ weighted


def _principal(profiles: _Profiles, components: int) -> Tensor:
    """Return the first left singular vectors times their singular values, ``[genes, components]``, signs fixed."""
    genes, cells = profiles.expression.shape
    rank = min(components, genes, cells)
    if min(genes, cells) <= EXACT:
        standardised = (profiles.expression - profiles.mean).double() / profiles.spread
        left, values, _ = torch.linalg.svd(standardised, full_matrices=False)
    else:
        random = torch.Generator("cpu").manual_seed(0)  # of the data alone: the same features in every repeat
        start = torch.randn(cells, rank + SPARE, generator=random, device="cpu").to(profiles.expression)
        span, _ = torch.linalg.qr(profiles.times(start))
        for _ in range(ROUNDS):
            across, _ = torch.linalg.qr(profiles.transposed_times(span))
            span, _ = torch.linalg.qr(profiles.times(across))
        inner, values, _ = torch.linalg.svd(profiles.transposed_times(span).T, full_matrices=False)
        left = span @ inner
    rank = min(rank, max(int((values > FLAT * values[0]).sum()), 1))
    features = (left[:, :rank] * values[:rank]).to(profiles.expression)
    largest = features.gather(0, features.abs().argmax(dim=0, keepdim=True))
    return features * torch.where(largest < 0, -1.0, 1.0)
