"""Perceptrons for each part of a gene's features, for each role, and for the pair."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from components.core.registry import register
from components.core.settings import setting
from components.pair_encoder.base import PairEncoder


@register("pair_encoder", "towers")
class Towers(PairEncoder):
    """Encodes a pair by perceptrons over the parts of a gene's features, over either gene, and over both.

    Two ``[pairs, dim]`` to ``[pairs, dim]``. With two parts, the first half of the features (a gene's own embedding)
    and the second (the mean of the cells that express it) pass a perceptron each, the same for both genes; side by
    side they pass one of the gene's role. Training runs them for the genes of every pair, so that what is dropped is
    drawn by pair; scoring runs them once per gene.

    Source: public code of GMFGRN (Lishuoyy/GMFGRN), Li et al. 2024.
    """

    classified = True
    dropped_by_pair = True

    class Settings(PairEncoder.Settings):
        """Settings of the perceptrons; defaults are GMFGRN's."""

        dim: int = setting(256, "width of every layer", ge=8, le=4096, search=(32, 512), log=True)
        dropout: float = setting(0.5, "share of activations dropped", ge=0.0, le=0.9, search=(0.0, 0.5))
        parts: int = setting(2, "equal parts that a gene's features are cut into", ge=1, le=4)

    def __init__(self, settings: Settings, in_width: int) -> None:
        super().__init__()
        self.width = dim = settings.dim
        self.in_widths = [len(part) for part in torch.arange(in_width, device="cpu").tensor_split(settings.parts)]
        self.parts = nn.ModuleList(_perceptron(width, dim, dim, settings.dropout) for width in self.in_widths)
        joined = settings.parts * dim
        self.as_tf = _perceptron(joined, joined, dim, settings.dropout)
        self.as_target = _perceptron(joined, joined, dim, settings.dropout)
        self.pair = nn.Sequential(
            _perceptron(2 * dim, dim, dim, settings.dropout), nn.ReLU(), nn.Dropout(settings.dropout)
        )
        self.apply(_xavier)

    def project(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Project ``[genes, in_width]`` by the perceptrons of parts and roles."""
        cut = features.split(self.in_widths, dim=1)
        gene = torch.cat([part(columns) for part, columns in zip(self.parts, cut, strict=True)], dim=1)
        return self.as_tf(gene), self.as_target(gene)

    def forward(self, tf: Tensor, target: Tensor) -> Tensor:
        """Encode two ``[pairs, dim]`` tokens as ``[pairs, dim]``."""
        return self.pair(torch.cat([tf, target], dim=1))


def _perceptron(in_width: int, hidden: int, out: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(nn.Linear(in_width, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, out))


def _xavier(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
