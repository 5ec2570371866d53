"""A whole model of one's own: any torch module, trained on what a cell shows it."""

import torch
from torch import nn
from torch.nn import functional as F

from components.core.registry import register
from components.core.settings import setting
from components.learning import Context, View
from components.scorer import ExpressionLearner
from components.training import predict


class Roles(nn.Module):
    """Gives a pair the product of what one gene is as a TF and what the other is as a target."""

    def __init__(self, profiles, width, dropout):
        super().__init__()
        self.register_buffer("profiles", profiles, persistent=False)
        self.as_tf = nn.Sequential(nn.Dropout(dropout), nn.Linear(profiles.shape[1], width))
        self.as_target = nn.Sequential(nn.Dropout(dropout), nn.Linear(profiles.shape[1], width))

    def forward(self, pairs):
        """Return the logits ``[pairs]`` of ``[pairs, 2]`` gene indices."""
        tf, target = self.profiles[pairs[:, 0]], self.profiles[pairs[:, 1]]
        return (self.as_tf(tf) * self.as_target(target)).sum(dim=1)


@register("scorer", "example_roles")
class RolesModel(ExpressionLearner):
    """Scores pairs by the product of two projections of their profiles: ``[pairs, 2]`` to ``[pairs]``.

    Source: an example, of knockout's own making.
    """

    class Settings(ExpressionLearner.Settings):
        """Size and training of the projections."""

        width: int = setting(32, "width of a role", ge=1, le=1024, search=(8, 128), log=True)
        lr: float = setting(1e-3, "learning rate", ge=1e-6, le=1.0, search=(1e-4, 1e-2), log=True)
        dropout: float = setting(0.1, "share of values left out", ge=0.0, le=0.9)

    settings: Settings

    def fit(self, view: View, context: Context) -> None:
        """Train the module; the context has device, budget, batches, early stopping and checkpoints."""
        profiles = F.normalize(context.tensor(view.expression), dim=1)
        self.module = Roles(profiles, self.settings.width, self.settings.dropout).to(context.device)
        adam = torch.optim.Adam(self.module.parameters(), lr=self.settings.lr)
        for epoch in context.epochs(self.module, adam):
            for pairs, labels in epoch.batches():
                loss = F.binary_cross_entropy_with_logits(self.module(pairs), labels)
                adam.zero_grad()
                loss.backward()
                adam.step()
                epoch.loss(loss)
            epoch.validate(predict(self.module, view.validation))

    def score(self, pairs):
        """Return the logits ``[pairs]``."""
        return predict(self.module, pairs)
