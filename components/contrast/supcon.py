"""Supervised contrastive learning over gene pairs: edges are drawn together, and so are non-edges.

Sources: GP-DHT 2.3.1 (eq 16), 2.3.3 (eq 21) and 2.3.4 (eqs 22-23); Khosla et al. 2020, eq 2.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from components.contrast.base import Contrast
from components.core.registry import register
from components.core.settings import setting


def supcon_loss(h: Tensor, labels: Tensor, temperature: float, anchors: Literal["all", "edges"] = "all") -> Tensor:
    """Return how much less alike gene pairs of one class are than pairs of the batch at large: a scalar.

    For each anchor i, the mean of eq 21 over all j of its class; then the mean over anchors that have such a j, zero
    if none has, or if the batch holds one class alone.

    Parameters
    ----------
    h
        ``[pairs, dim]`` projected encodings, of any length: only their angles count.
    labels
        ``[pairs]``, 1 for an edge and 0 for a non-edge.
    temperature
        tau of eq 21.
    anchors
        Whether pairs of either class are anchors, or edges alone.
    """
    same = labels.unsqueeze(0) == labels.unsqueeze(1)
    if bool(same.all()):
        return h.new_zeros(())
    itself = torch.eye(len(h), dtype=torch.bool, device=h.device)
    unit = F.normalize(h, dim=1)
    similarity = (unit @ unit.t() / temperature).masked_fill(itself, -torch.inf)
    share = torch.log_softmax(similarity, dim=1)  # log of eq 21's fraction; takes the largest term out first
    partners = same & ~itself
    if anchors == "edges":
        partners = partners & (labels == 1).unsqueeze(1)
    count = partners.sum(dim=1)
    per_anchor = -share.masked_fill(~partners, 0.0).sum(dim=1) / count.clamp_min(1)
    return per_anchor.sum() / (count > 0).sum().clamp_min(1)


@register("contrast", "supcon")
class SupCon(Contrast):
    """Draws encodings of gene pairs of one class together and pushes the other class away.

    Pair encodings ``[pairs, width]``, as they are and with Gaussian noise, go through a projection head of their own
    (eq 16); the loss of eq 21 is averaged over both views. The paper adds the noise to the model's input and averages
    the cross-entropy over both views, too; here the encodings are blurred, so one pass through the model is enough,
    and the cross-entropy sees the plain ones.

    Eq 23 (0.6 BCE + 0.4 SupCon) is ``bce_weight=0.6, weight=0.4``, the default; eq 22 (BCE + lambda SupCon) is
    ``bce_weight=1.0, weight=lambda``.

    Source: GP-DHT eqs 16 and 21-23; Khosla et al. 2020.
    """

    class Settings(Contrast.Settings):
        """Settings of the supervised contrastive loss."""

        weight: float = setting(
            0.4, "lambda: factor on the contrastive loss (eqs 22, 23)", ge=0.0, le=10.0, search=(0.05, 1.0)
        )
        bce_weight: float = setting(0.6, "factor on the cross-entropy (eq 23); 1 is eq 22", ge=0.01, le=10.0)
        temperature: float = setting(
            0.1, "tau of eq 21; not in the paper, 0.1 is Khosla's", ge=0.01, le=10.0, search=(0.05, 1.0), log=True
        )
        noise: float = setting(
            0.1,
            "sd of the noise of the second view, in units of a feature's own sd over the batch; 0: one view",
            ge=0.0,
            le=5.0,
            search=(0.0, 0.5),
        )
        dim: int = setting(128, "width of the projection", ge=4, le=4096, search=(32, 256), log=True)
        anchors: Literal["all", "edges"] = setting(
            "all", "draw together pairs of either class, or edges alone", search=("all", "edges")
        )

    settings: Settings

    def __init__(self, settings: Settings, width: int) -> None:
        super().__init__(settings, width)
        self.head = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, settings.dim))

    @property
    def bce_weight(self) -> float:
        """Factor on the cross-entropy beside this loss (eq 23)."""
        return self.settings.bce_weight

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        """Return the weighted loss of pair encodings ``[pairs, width]`` with labels ``[pairs]``: a scalar."""
        s = self.settings
        views = [z]
        if s.noise and self.training:
            spread = z.detach().std(dim=0, keepdim=True, unbiased=False)
            views.append(z + s.noise * spread * torch.randn_like(z))
        losses = [supcon_loss(self.head(view), labels, s.temperature, s.anchors) for view in views]
        return s.weight * torch.stack(losses).mean()
