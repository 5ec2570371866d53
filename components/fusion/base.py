"""Joins the pairwise and the global branch, and gives the logit.

Sources: scUniGP eq 7, Algorithm 1 (multiscale), 4.3 Q3 and Table 3 (early, late), appendix C (classifier).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from torch import Tensor, nn

from components.core.settings import Settings as BaseSettings
from components.core.settings import setting


class Classifier(nn.Module):
    """Turns an encoding ``[pairs, in_width]`` into logits ``[pairs]``.

    Three layers with residual connection, batch normalisation and PReLU (scUniGP appendix C).
    """

    def __init__(self, in_width: int, width: int, dropout: float) -> None:
        super().__init__()
        self.entry = dense_block(in_width, width, dropout)
        self.middle = dense_block(width, width, dropout)
        self.exit = nn.Linear(width, 1)

    def forward(self, z: Tensor) -> Tensor:
        """Return logits ``[pairs]``."""
        z = self.entry(z)
        return self.exit(z + self.middle(z)).squeeze(1)


class Fusion(nn.Module):
    """Base of every fusion: decides what the pair encoder reads, then joins its output with the graph's.

    ``graph_widths`` are the widths of the global branch's layers, shallow to deep. Pair encodings are
    ``[pairs, pair_width]``; logits ``[pairs]``.
    """

    reads_pairs: ClassVar[bool] = True  # whether there must be a pair encoding at all

    class Settings(BaseSettings):
        """What every fusion can be asked."""

        width: int = setting(128, "width of the fused encoding", ge=8, le=4096, search=(32, 512), log=True)
        dropout: float = setting(0.2, "share of activations dropped (appendix C)", ge=0.0, le=0.9, search=(0.0, 0.5))

    @classmethod
    def encoder_width(cls, gene_width: int, graph_widths: Sequence[int]) -> int:
        """Return how wide the pair encoder's input is."""
        return gene_width

    def __init__(self, settings: Settings, pair_width: int, graph_widths: Sequence[int]) -> None:
        super().__init__()
        self.settings = settings

    def encoder_input(self, features: Tensor, layers: Sequence[Tensor]) -> Tensor:
        """Return what the pair encoder reads of each gene: ``[genes, encoder_width]``."""
        return features

    def forward(self, z: Tensor, tf: Sequence[Tensor], target: Sequence[Tensor], score: Tensor) -> Tensor:
        """Join pair encodings ``[pairs, pair_width]``, layers ``[pairs, width_l]`` of both and s_ij ``[pairs]``."""
        raise NotImplementedError


class PairOnly(nn.Module):
    """Gives the logit ``[pairs]`` from the pair encoding alone: what stands where there is no graph to fuse.

    Its classifier has the default settings of a fusion, whatever fusion an arm names: so arms that differ only in a
    fusion that cannot act are one arm.
    """

    def __init__(self, pair_width: int) -> None:
        super().__init__()
        settings = Fusion.Settings()
        self.classifier = Classifier(pair_width, settings.width, settings.dropout)

    def forward(self, z: Tensor) -> Tensor:
        """Return logits ``[pairs]`` of encodings ``[pairs, pair_width]``."""
        return self.classifier(z)


def dense_block(in_width: int, width: int, dropout: float) -> nn.Sequential:
    """Return linear map, batch normalisation, PReLU and dropout: ``[pairs, in_width]`` to ``[pairs, width]``."""
    return nn.Sequential(nn.Linear(in_width, width), nn.BatchNorm1d(width), nn.PReLU(), nn.Dropout(dropout))
