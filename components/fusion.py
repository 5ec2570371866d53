"""Factor fusion: joins pair encoding and graph embeddings into a logit.

Levels are listed in the order of this file, which search spaces depend on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from components.core.registry import register
from components.core.settings import Settings as BaseSettings
from components.core.settings import setting
from components.core.streams import Dropout


class Classifier(nn.Module):
    """Maps encodings ``[pairs, in_width]`` to logits ``[pairs]``.

    Three layers with a residual connection, batch normalisation and PReLU (scUniGP appendix C).
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


class LinearClassifier(nn.Linear):
    """Maps encodings ``[pairs, in_width]`` to logits ``[pairs]`` by one linear map."""

    def __init__(self, in_width: int) -> None:
        super().__init__(in_width, 1)

    def forward(self, z: Tensor) -> Tensor:
        """Return logits ``[pairs]``."""
        return super().forward(z).squeeze(1)


class Fusion(nn.Module):
    """Base of every fusion: decides what the pair encoder reads, then joins its output with the graph's.

    Pair encodings are ``[pairs, pair_width]``; ``graph_widths`` are the widths of the graph branch's layers, shallow to
    deep.
    """

    reads_pairs: ClassVar[bool] = True  # whether it needs pair encodings at all

    class Settings(BaseSettings):
        """Settings common to all fusions."""

        width: int = setting(128, "width of the fused encoding", ge=8, le=4096, search=(32, 512), log=True)
        dropout: float = setting(0.2, "share of activations dropped (appendix C)", ge=0.0, le=0.9, search=(0.0, 0.5))

    @classmethod
    def encoder_width(cls, gene_width: int, graph_widths: Sequence[int]) -> int:
        """Return the width of the pair encoder's input."""
        return gene_width

    def __init__(self, settings: Settings, pair_width: int, graph_widths: Sequence[int]) -> None:
        super().__init__()
        self.settings = settings

    def encoder_input(self, features: Tensor, layers: Sequence[Tensor]) -> Tensor:
        """Return what the pair encoder reads of each gene: ``[genes, encoder_width]``."""
        return features

    def forward(self, z: Tensor, tf: Sequence[Tensor], target: Sequence[Tensor], score: Tensor) -> Tensor:
        """Return logits ``[pairs]``.

        Parameters
        ----------
        z
            ``[pairs, pair_width]`` pair encodings.
        tf, target
            ``[pairs, width_l]`` per layer: graph embeddings of either gene.
        score
            ``[pairs]`` expert score s_ij.
        """
        raise NotImplementedError


class PairOnly(nn.Module):
    """Classifies the pair encoding alone, where there is no graph to fuse.

    Its classifier has the default settings of a fusion, whatever fusion an arm names, so that arms which differ only in
    a fusion that cannot act are one arm. Encodings that are a last hidden layer already (``classified``) need none.
    """

    def __init__(self, pair_width: int, *, classified: bool = False) -> None:
        super().__init__()
        settings = Fusion.Settings()
        self.classifier = (
            LinearClassifier(pair_width) if classified else Classifier(pair_width, settings.width, settings.dropout)
        )

    def forward(self, z: Tensor) -> Tensor:
        """Return logits ``[pairs]`` of encodings ``[pairs, pair_width]``."""
        return self.classifier(z)


def dense_block(in_width: int, width: int, dropout: float) -> nn.Sequential:
    """Return linear map, batch normalisation, PReLU and dropout: ``[pairs, in_width]`` to ``[pairs, width]``."""
    return nn.Sequential(nn.Linear(in_width, width), nn.BatchNorm1d(width), nn.PReLU(), Dropout(dropout))


@register("fusion", "early")
class Early(Fusion):
    """Concatenates every layer's graph embedding to a gene's features before the pair encoder reads them.

    ``[genes, gene_width]`` becomes ``[genes, gene_width + sum(width_l)]``; the expert score is not used.

    Source: scUniGP 4.3 Q3, 'early fusion (feature concatenation before the Transformer encoder)'.
    """

    @classmethod
    def encoder_width(cls, gene_width: int, graph_widths: Sequence[int]) -> int:
        """Return the summed width of features and all layers."""
        return gene_width + sum(graph_widths)

    def __init__(self, settings: Fusion.Settings, pair_width: int, graph_widths: Sequence[int]) -> None:
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
    """Adds two decisions, the pair branch's logit and the expert score s_ij, with learned weights that start at a half.

    ``[pairs, pair_width]`` and ``[pairs]`` to logits ``[pairs]``.

    Source: scUniGP 4.3 Q3, 'late fusion (decision-level ensemble)'.
    """

    def __init__(self, settings: Fusion.Settings, pair_width: int, graph_widths: Sequence[int]) -> None:
        super().__init__(settings, pair_width, graph_widths)
        self.classifier = Classifier(pair_width, settings.width, settings.dropout)
        self.weights = nn.Parameter(torch.tensor([0.5, 0.5]))

    def forward(self, z: Tensor, tf: Sequence[Tensor], target: Sequence[Tensor], score: Tensor) -> Tensor:
        """Return the weighted sum of both decisions, ``[pairs]``."""
        return self.weights[0] * self.classifier(z) + self.weights[1] * score


@register("fusion", "expert")
class Expert(Fusion):
    """Takes the expert score s_ij, ``[pairs]``, as the logit: the graph decides alone, and no pair is encoded.

    Pair encoder, features of pairs and contrastive loss cannot act.

    Source: the decoder of GENELink, Chen & Liu 2022, and GNNLink, Mao et al. 2023; scUniGP eq 5.
    """

    reads_pairs = False
    silences: ClassVar[tuple[str, ...]] = ("pair_encoder", "pair_features", "contrast")

    class Settings(BaseSettings):
        """What becomes of s_ij; the heads that give it belong to the graph branch."""

        rectified: bool = setting(False, "take scores below 0 as 0, so that such pairs tie (GNNLink)")

    def __init__(self, settings: Settings, pair_width: int, graph_widths: Sequence[int]) -> None:
        nn.Module.__init__(self)
        self.rectified = settings.rectified

    def forward(self, z: Tensor, tf: Sequence[Tensor], target: Sequence[Tensor], score: Tensor) -> Tensor:
        """Return s_ij, ``[pairs]``."""
        return score.relu() if self.rectified else score


@register("fusion", "multiscale")
class Multiscale(Fusion):
    """Adds layer l of both genes' graph embeddings to the pair encoding at step l, and s_ij at the last step.

    ``z_l = m_l([z_(l-1), h_i^l, h_j^l, (s_ij if l = L)])``, each ``[pairs, width]``, residual from the second step on;
    then a classifier gives logits ``[pairs]``.

    Source: scUniGP eq 7 and Algorithm 1, lines 11-17.
    """

    def __init__(self, settings: Fusion.Settings, pair_width: int, graph_widths: Sequence[int]) -> None:
        super().__init__(settings, pair_width, graph_widths)
        self.steps = nn.ModuleList()
        width = pair_width
        for position, graph_width in enumerate(graph_widths, start=1):
            expert = 1 if position == len(graph_widths) else 0
            self.steps.append(dense_block(width + 2 * graph_width + expert, settings.width, settings.dropout))
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


@register("fusion", "stacked")
class Stacked(Fusion):
    """Lets the pair encoder read the graph's last embedding in place of a gene's features; a linear map decides.

    ``[genes, gene_width]`` becomes ``[genes, width_L]``, and encodings ``[pairs, pair_width]`` logits ``[pairs]``. The
    expert score is not used.

    Source: public code of IGEGRNS (DHUDBlab/IGEGRNS).
    """

    class Settings(BaseSettings):
        """No settings."""

    def __init__(self, settings: Any, pair_width: int, graph_widths: Sequence[int]) -> None:
        super().__init__(settings, pair_width, graph_widths)
        self.classifier = LinearClassifier(pair_width)

    @classmethod
    def encoder_width(cls, gene_width: int, graph_widths: Sequence[int]) -> int:
        """Return the width of the last layer."""
        return graph_widths[-1]

    def encoder_input(self, features: Tensor, layers: Sequence[Tensor]) -> Tensor:
        """Return the last layer, ``[genes, width_L]``."""
        return layers[-1]

    def forward(self, z: Tensor, tf: Sequence[Tensor], target: Sequence[Tensor], score: Tensor) -> Tensor:
        """Return logits ``[pairs]`` of encodings ``[pairs, pair_width]``."""
        return self.classifier(z)
