"""Base of contrastive losses over encodings of gene pairs."""

from __future__ import annotations

from torch import Tensor, nn

from components.core.settings import Settings as BaseSettings


class Contrast(nn.Module):
    """Base of every contrastive loss: built for pair encodings ``[pairs, width]``.

    Attributes
    ----------
    bce_weight
        Factor on the cross-entropy, to which this loss is added.
    """

    bce_weight: float = 1.0

    class Settings(BaseSettings):
        """No settings common to all contrastive losses."""

    def __init__(self, settings: Settings, width: int) -> None:
        super().__init__()
        self.settings = settings
        self.width = width

    def augmented(self, features: Tensor) -> tuple[Tensor, ...]:
        """Return further views of gene features ``[genes, width]``, whose losses are averaged with the plain one's."""
        return ()

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        """Return the weighted loss of encodings ``[pairs, width]`` with labels ``[pairs]``: a scalar."""
        raise NotImplementedError
