"""Joins the pairwise and the global branch, and gives the logit.

Sources: scUniGP eq 7, Algorithm 1 (multiscale), 4.3 Q3 and Table 3 (early, late), appendix C (classifier).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from components.core.registry import register
from components.core.settings import Settings as BaseSettings
from components.core.settings import setting

__all__ = ["Classifier", "Early", "Expert", "Fusion", "Late", "Multiscale", "PairOnly"]


class Classifier(nn.Module):
    """Turns an encoding ``[pairs, in_width]`` into logits ``[pairs]``.

    Three layers with residual connection, batch normalisation and PReLU (scUniGP appendix C).
    """

    def __init__(self, in_width: int, width: int, dropout: float) -> None:
        super().__init__()
        self.entry = _block(in_width, width, dropout)
        self.middle = _block(width, width, dropout)
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


@register("fusion", "early")
class Early(Fusion):
    """Concatenates every layer's graph embedding to a gene's features before the pair encoder reads them.

    ``[genes, gene_width]`` becomes ``[genes, gene_width + sum(width_l)]``; the expert score is not used.

    Source: scUniGP 4.3 Q3, 'early fusion (feature concatenation before the Transformer encoder)'.
    """

    class Settings(Fusion.Settings):
        """Settings of early fusion."""

    @classmethod
    def encoder_width(cls, gene_width: int, graph_widths: Sequence[int]) -> int:
        """Return features and all layers side by side."""
        return gene_width + sum(graph_widths)

    def __init__(self, settings: Settings, pair_width: int, graph_widths: Sequence[int]) -> None:
        super().__init__(settings, pair_width, graph_widths)
        self.classifier = Classifier(pair_width, settings.width, settings.dropout)

    def encoder_input(self, features: Tensor, layers: Sequence[Tensor]) -> Tensor:
        """Return ``[genes, gene_width + sum(width_l)]``."""
        return torch.cat([features, *layers], dim=1)

    def forward(self, z: Tensor, tf: Sequence[Tensor], target: Sequence[Tensor], score: Tensor) -> Tensor:
        """Return logits ``[pairs]`` of the already fused encoding ``[pairs, pair_width]``."""
        return self.classifier(z)


@register("fusion", "late")
class Late(Fusion):
    """Combines two decisions: the pair branch's logit and the graph's expert score s_ij.

    ``[pairs, pair_width]`` and ``[pairs]`` to logits ``[pairs]``, with learned weights that start as a plain mean.

    Source: scUniGP 4.3 Q3, 'late fusion (decision-level ensemble)'.
    """

    class Settings(Fusion.Settings):
        """Settings of late fusion."""

    def __init__(self, settings: Settings, pair_width: int, graph_widths: Sequence[int]) -> None:
        super().__init__(settings, pair_width, graph_widths)
        self.classifier = Classifier(pair_width, settings.width, settings.dropout)
        self.weights = nn.Parameter(torch.tensor([0.5, 0.5]))

    def forward(self, z: Tensor, tf: Sequence[Tensor], target: Sequence[Tensor], score: Tensor) -> Tensor:
        """Return the weighted sum of both decisions, ``[pairs]``."""
        return self.weights[0] * self.classifier(z) + self.weights[1] * score


@register("fusion", "expert")
class Expert(Fusion):
    """Lets the graph decide alone: the logit is the expert score s_ij, ``[pairs]``, and no pair is encoded.

    So the pair encoder, and a contrastive loss over its encodings, cannot act.

    Source: the decoder of GENELink, Chen & Liu 2022, and GNNLink, Mao et al. 2023; scUniGP eq 5.
    """

    reads_pairs = False
    silences: ClassVar[tuple[str, ...]] = ("pair_encoder", "contrast")

    class Settings(BaseSettings):
        """Nothing to set: the heads that give s_ij are the graph branch's."""

    def forward(self, z: Tensor, tf: Sequence[Tensor], target: Sequence[Tensor], score: Tensor) -> Tensor:
        """Return s_ij, ``[pairs]``."""
        return score


@register("fusion", "multiscale")
class Multiscale(Fusion):
    """Injects layer l of both genes' graph embeddings at step l, and the expert score s_ij at the last step alone.

    ``z_l = m_l([z_(l-1), h_i^l, h_j^l, (s_ij if l = L)])``, each ``[pairs, width]``, residual from the second step on;
    then the classifier, logits ``[pairs]``.

    Source: scUniGP eq 7 and Algorithm 1, lines 11-17.
    """

    class Settings(Fusion.Settings):
        """Settings of multi-scale fusion."""

    def __init__(self, settings: Settings, pair_width: int, graph_widths: Sequence[int]) -> None:
        super().__init__(settings, pair_width, graph_widths)
        self.steps = nn.ModuleList()
        width = pair_width
        for position, graph_width in enumerate(graph_widths, start=1):
            expert = 1 if position == len(graph_widths) else 0
            self.steps.append(_block(width + 2 * graph_width + expert, settings.width, settings.dropout))
            width = settings.width
        self.classifier = Classifier(width, settings.width, settings.dropout)

    def forward(self, z: Tensor, tf: Sequence[Tensor], target: Sequence[Tensor], score: Tensor) -> Tensor:
        """Fuse step by step and return logits ``[pairs]``."""
        last = len(self.steps) - 1
        for level, step in enumerate(self.steps):
            parts = [z, tf[level], target[level]]
            if level == last:
                parts.append(score.unsqueeze(1))
            fused = step(torch.cat(parts, dim=1))
            z = fused + z if level else fused
        return self.classifier(z)


def _block(in_width: int, width: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(nn.Linear(in_width, width), nn.BatchNorm1d(width), nn.PReLU(), nn.Dropout(dropout))
