"""The expert score of the graph branch as the decision."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from torch import Tensor, nn

from components.core.registry import register
from components.core.settings import Settings as BaseSettings
from components.core.settings import setting
from components.fusion.base import Fusion


@register("fusion", "expert")
class Expert(Fusion):
    """Takes the expert score s_ij, ``[pairs]``, as the logit: the graph decides alone, and no pair is encoded.

    Pair encoder, features of pairs and contrastive loss cannot act.

    Source: the decoder of GENELink, Chen & Liu 2022, and GNNLink, Mao et al. 2023; scUniGP eq 5.
    """

    reads_pairs = False
    reads_layers = False
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
