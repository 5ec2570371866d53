"""Contrastive learning over gene pairs: what pulls encodings of edges together and away from non-edges."""

from __future__ import annotations

from torch import Tensor, nn

from components.core.settings import Settings as BaseSettings


class Contrast(nn.Module):
    """Base of every contrastive term: built for pair encodings ``[pairs, width]``."""

    class Settings(BaseSettings):
        """What every contrastive term can be asked."""

    def __init__(self, settings: Settings, width: int) -> None:
        super().__init__()
        self.settings = settings
        self.width = width

    @property
    def bce_weight(self) -> float:
        """Factor on the cross-entropy beside this term; 1 leaves it alone."""
        return 1.0

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        """Return the term to add to the loss of a batch: a scalar."""
        raise NotImplementedError
