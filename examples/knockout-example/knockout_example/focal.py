"""A loss of one's own: an optimiser that lowers it."""

from torch import Tensor
from torch.nn import functional as F

from components.core.registry import register
from components.core.settings import setting
from components.optimizer import Adam


@register("optimizer", "example_focal")
class FocalAdam(Adam):
    """Fits all weights with Adam to a loss that heeds pairs the less, the better they are told.

    Source: Lin et al. 2017 (focal loss).
    """

    class Settings(Adam.Settings):
        """Settings of Adam, and of the loss."""

        focus: float = setting(2.0, "gamma of the focal loss", ge=0.0, le=10.0, search=(0.5, 5.0))

    settings: Settings

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the focal loss of logits and labels, ``[pairs]`` each."""
        entropy = F.binary_cross_entropy_with_logits(logits, labels, reduction="none")
        return ((labels - logits.sigmoid()).abs() ** self.settings.focus * entropy).mean()
