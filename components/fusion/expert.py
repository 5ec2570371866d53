"""The graph's own decision."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from torch import Tensor

from components.core.registry import register
from components.core.settings import Settings as BaseSettings
from components.fusion.base import Fusion


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
