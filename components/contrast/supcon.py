"""Supervised contrastive loss over gene pairs.

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
    """Return the supervised contrastive loss of a batch, a scalar.

    For each anchor i the mean of eq 21 over all other j of its class, then the mean over anchors that have such a j.
    Zero if none has, or if the batch contains one class only.

    Parameters
    ----------
    h
        ``[pairs, dim]`` projected encodings; only their directions count.
    labels
        ``[pairs]``: 1 for an edge, 0 for a non-edge.
    temperature
        tau of eq 21.
    anchors
        Whether all pairs are anchors, or edges only.
    """
    same = labels.unsqueeze(0) == labels.unsqueeze(1)
    itself = torch.eye(len(h), dtype=torch.bool, device=h.device)
    unit = F.normalize(h, dim=1)
    similarity = (unit @ unit.t() / temperature).masked_fill(itself, -torch.inf)
    log_share = torch.log_softmax(similarity, dim=1)  # log of eq 21's fraction
    partners = same & ~itself
    if anchors == "edges":
        partners = partners & (labels == 1).unsqueeze(1)
    count = partners.sum(dim=1)
    per_anchor = -log_share.masked_fill(~partners, 0.0).sum(dim=1) / count.clamp_min(1)
    loss = per_anchor.sum() / (count > 0).sum().clamp_min(1)
    return torch.where(same.all(), 0.0, loss)  # decided where the labels lie: a GPU is not waited for


@register("contrast", "supcon")
class SupCon(Contrast):
    """Pulls encodings of gene pairs of one class together and pushes the other class away.

    Pair encodings ``[pairs, width]``, plain and with Gaussian noise, pass a projection head (eq 16); the loss of eq 21
    is averaged over both views. The paper adds the noise to the model's input and averages the cross-entropy over both
    views as well (``noise_on: input``, where the input is what each gene carries in); by default it is added to the
    encodings, so that one pass through the model is enough.

    The default ``bce_weight=0.6, weight=0.4`` is eq 23; ``bce_weight=1.0, weight=lambda`` is eq 22.

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
            "sd of the noise of the second view, in units of a feature's own sd over pairs or genes; 0: one view",
            ge=0.0,
            le=5.0,
            search=(0.0, 0.5),
        )
        noise_on: Literal["encoding", "input"] = setting(
            "encoding", "what the noise is added to: pair encodings, or the features of genes (2.3.4)"
        )
        dim: int = setting(128, "width of the projection", ge=4, le=4096, search=(32, 256), log=True)
        anchors: Literal["all", "edges"] = setting(
            "all", "draw together pairs of either class, or edges alone", search=("all", "edges")
        )

    same_cost = ("weight", "bce_weight", "temperature")  # a batch takes as long

    settings: Settings

    def __init__(self, settings: Settings, width: int) -> None:
        super().__init__(settings, width)
        self.bce_weight = settings.bce_weight  # eq 23
        self.head = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, settings.dim))

    def augmented(self, features: Tensor) -> tuple[Tensor, ...]:
        """Return gene features ``[genes, width]`` with noise, where it is on the input."""
        s = self.settings
        return (self._noisy(features),) if s.noise and s.noise_on == "input" else ()

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        """Return the weighted loss of pair encodings ``[pairs, width]`` with labels ``[pairs]``: a scalar."""
        s = self.settings
        views = [z]
        if s.noise and s.noise_on == "encoding" and self.training:
            views.append(self._noisy(z))
        losses = [supcon_loss(self.head(view), labels, s.temperature, s.anchors) for view in views]
        return s.weight * torch.stack(losses).mean()

    def _noisy(self, x: Tensor) -> Tensor:
        spread = x.detach().std(dim=0, keepdim=True, unbiased=False)
        return x + self.settings.noise * spread * torch.randn_like(x)
