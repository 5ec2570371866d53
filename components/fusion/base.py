"""Base of fusions, which join pair and graph branch into a logit, and their classifier."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from components.core.settings import Settings as BaseSettings
from components.core.settings import setting
from components.core.streams import Dropout


class PReLU(nn.PReLU):
    """A ReLU with a learned slope below 0, one for all columns."""

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x``, times the slope where it is below 0."""
        if x.device.type != "cpu":
            return super().forward(x)
        # between ReLU and identity: the same values and gradients, and torch's own take three times as long on a CPU
        return torch.lerp(F.relu(x), x, self.weight.to(x.dtype))


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
    # whether it needs graph embeddings of both genes, or is given none; said beside the ``forward`` that it is true of
    reads_layers: ClassVar[bool] = True

    class Settings(BaseSettings):
        """Settings common to all fusions."""

        width: int = setting(128, "width of the fused encoding", ge=8, le=4096, search=(32, 512), log=True)
        dropout: float = setting(0.2, "share of activations dropped (appendix C)", ge=0.0, le=0.9, search=(0.0, 0.5))

    def __init_subclass__(cls) -> None:
        """Let a class read embeddings unless the ``forward`` that it has, of its own or not, says otherwise."""
        super().__init_subclass__()
        nearest = next(one for one in cls.__mro__ if {"forward", "reads_layers"} & vars(one).keys())
        if "reads_layers" not in vars(nearest):
            cls.reads_layers = True

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
            ``[pairs, width_l]`` per layer: graph embeddings of either gene. None of them without ``reads_layers``.
        score
            ``[pairs]`` expert score s_ij.
        """
        raise NotImplementedError


def pair_classifier(pair_width: int, *, classified: bool) -> nn.Module:
    """Return the classifier of encodings ``[pairs, pair_width]`` where there is no graph to fuse.

    It has the default settings of a fusion, whatever fusion an arm names, so that arms which differ only in a fusion
    that cannot act are one arm. Encodings that are a last hidden layer already (``classified``) need a linear map.
    """
    settings = Fusion.Settings()
    return LinearClassifier(pair_width) if classified else Classifier(pair_width, settings.width, settings.dropout)


def dense_block(in_width: int, width: int, dropout: float) -> nn.Sequential:
    """Return linear map, batch normalisation, PReLU and dropout: ``[pairs, in_width]`` to ``[pairs, width]``."""
    return nn.Sequential(nn.Linear(in_width, width), nn.BatchNorm1d(width), PReLU(), Dropout(dropout))
