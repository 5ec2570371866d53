"""Expression profiles as gene features: whole, or their principal components."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from components.bucketing.base import Bucketing
from components.core.registry import register
from components.core.settings import setting

EXACT = 1024  # genes or cells, whichever are fewer, up to which all components are computed
SPARE = 32  # random directions more than components
FLAT = 1e-6  # of the largest singular value: below lies rounding
ROUNDS = 4  # passes over the cells and back, which part large components from small ones


@register("bucketing", "none")
class NoBucketing(Bucketing):
    """Gives each gene its standardised expression profile: ``[genes, cells]``, no weights.

    Source: scUniGP 3.1, 'e_k = X_{:,k}', and appendix C, 'standardized expression profiles'; of length 1 in GNNLink's
    public code.
    """

    class Settings(Bucketing.Settings):
        """Settings of the plain profile."""

        scale: Literal["gene", "cell", "unit", "none"] = setting(
            "gene",
            "standardise each gene over cells (unit: then to length 1), each cell over genes, or not at all",
            search=("gene", "cell", "none"),
        )

    def __init__(self, settings: Settings, expression: Tensor) -> None:
        super().__init__()
        self.width = expression.shape[1]
        if settings.scale != "none":
            over = 0 if settings.scale == "cell" else 1
            spread = expression.std(dim=over, keepdim=True, unbiased=False).clamp_min(1e-6)
            expression = (expression - expression.mean(dim=over, keepdim=True)) / spread
        if settings.scale == "unit":
            expression = F.normalize(expression, dim=1)
        self.register_buffer("profiles", expression, persistent=False)
        self.profiles: Tensor

    def forward(self) -> Tensor:
        """Return standardised profiles ``[genes, cells]``."""
        return self.profiles


@register("bucketing", "pca")
class PrincipalComponents(Bucketing):
    """Gives each gene its first principal components: ``[genes, cells]`` to ``[genes, components]``, no weights.

    Profiles are standardised over cells, so that features of two genes have about the inner product of their profiles:
    their correlation. Time and memory of every later step depend on the components alone, no longer on the cells.

    Source: Halko, Martinsson & Tropp 2011 (where there are more than 1,024 genes and cells); as an input of this model,
    knockout.
    """

    class Settings(Bucketing.Settings):
        """Settings of the reduction."""

        components: int = setting(
            128, "components that are kept, at most as many as cells and genes", ge=2, le=2048, search=(32, 256)
        )

    def __init__(self, settings: Settings, expression: Tensor) -> None:
        super().__init__()
        features = _principal(_Profiles(expression), settings.components)
        self.width = features.shape[1]
        self.register_buffer("features", features, persistent=False)
        self.features: Tensor

    def forward(self) -> Tensor:
        """Return components ``[genes, components]``, scaled to unit variance over the whole matrix."""
        return self.features


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
    kept = min(components, genes, cells)
    if min(genes, cells) <= EXACT:
        standardised = (profiles.expression - profiles.mean).double() / profiles.spread
        left, values, _ = torch.linalg.svd(standardised, full_matrices=False)
    else:
        random = torch.Generator().manual_seed(0)  # of the data alone: the same features in every repeat
        start = torch.randn(cells, kept + SPARE, generator=random).to(profiles.expression)
        span, _ = torch.linalg.qr(profiles.times(start))
        for _ in range(ROUNDS):
            across, _ = torch.linalg.qr(profiles.transposed_times(span))
            span, _ = torch.linalg.qr(profiles.times(across))
        inner, values, _ = torch.linalg.svd(profiles.transposed_times(span).T, full_matrices=False)
        left = span @ inner
    kept = min(kept, max(int((values > FLAT * values[0]).sum()), 1))
    features = (left[:, :kept] * values[:kept]).to(profiles.expression)
    largest = features.gather(0, features.abs().argmax(dim=0, keepdim=True))
    features = features * torch.where(largest < 0, -1.0, 1.0)
    return features / features.std().clamp_min(1e-6)
