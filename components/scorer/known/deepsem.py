"""Baseline that learns a network as the weights of a structural equation in a variational autoencoder."""

from __future__ import annotations

import itertools

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from components.core.dataset import Floats, Ints
from components.core.metrics import Scores
from components.core.registry import register
from components.core.settings import setting
from components.core.streams import seeded
from components.learning.optimisers import eager
from components.scorer.known.network import Network


@register("scorer", "deepsem")
class DeepSEM(Network):
    """Scores a pair by the absolute weight of the TF in the target's structural equation, learnt by a beta-VAE.

    ``[genes, cells]`` to ``[tfs, genes]``. One small network, shared by all genes, encodes each expression value; the
    code is multiplied by I - W^T on the way in and by its inverse on the way out, so that W is a structural equation
    between genes; an L1 term keeps W sparse. As published are that loss, the alternating fits of W and networks, the
    constant that W starts at, and the settings for networks that are not cell-type specific. Left out are the variant
    for cell-type-specific networks, which masks zeros, and mixtures of several Gaussians, which the published defaults
    do not use: with one, the component of a cell is 1, which the encoder reads beside a value, and from which two
    networks make mean and log-variance of each gene's prior.

    Source: Shu et al. 2021; settings and loss of its public code.
    """

    settings: Settings

    class Settings(Network.Settings):
        """Settings of the autoencoder."""

        epochs: int = setting(
            90, "epochs; every third trains the networks, the others W", ge=1, le=10_000, search=(30, 180)
        )
        hidden: int = setting(128, "width of encoder and decoder", ge=1, le=1024, search=(32, 128), log=True)
        learning_rate: float = setting(
            1e-4, "step of RMSprop; a fifth of it for W", ge=1e-7, le=1.0, search=(1e-5, 1e-2), log=True
        )
        decay: float = setting(0.95, "factor of the networks' learning rate per epoch", ge=0.1, le=1.0)
        alpha: float = setting(100.0, "weight of the mean absolute W", ge=0.0, le=1e4, search=(0.1, 1000.0), log=True)
        beta: float = setting(1.0, "weight of the KL term", ge=0.0, le=100.0, search=(0.01, 1.0), log=True)
        batch_size: int = setting(64, "cells per step", ge=1, le=100_000, unit="cells")

    def infer(self, expression: Floats, tfs: Ints, rng: np.random.Generator) -> Scores:
        """Return absolute weights ``[tfs, genes]``."""
        mean, sd = (f(expression, axis=1, keepdims=True, dtype=np.float64) for f in (np.mean, np.std))
        cells = torch.from_numpy(((expression - mean) / sd).astype(np.float32).T.copy())
        with seeded(int(rng.integers(2**63 - 1))):
            w = self._train(StructuralVAE(cells.shape[1], self.settings.hidden), cells)
        return w[:, torch.from_numpy(tfs)].abs().T.numpy().astype(np.float64)

    def _train(self, vae: StructuralVAE, cells: Tensor) -> Tensor:
        s = self.settings
        shared = [weight for name, weight in vae.named_parameters() if name != "w"]
        networks = eager(torch.optim.RMSprop)(shared, lr=s.learning_rate)
        structure = eager(torch.optim.RMSprop)([vae.w], lr=s.learning_rate * 0.2)
        schedule = torch.optim.lr_scheduler.ExponentialLR(networks, s.decay)
        for epoch in range(s.epochs):
            optimizer = networks if epoch % 3 == 0 else structure
            vae.requires_grad_(optimizer is networks)
            vae.w.requires_grad_(optimizer is structure)
            for rows in torch.randperm(len(cells)).split(s.batch_size):
                optimizer.zero_grad()
                (vae(cells[rows], s.beta) + s.alpha * vae.w.abs().mean()).backward()
                optimizer.step()
            schedule.step()
        return vae.w.detach()


class StructuralVAE(nn.Module):
    """The beta-VAE of DeepSEM's code with one Gaussian, and W ``[genes, genes]`` between encoder and decoder."""

    def __init__(self, genes: int, hidden: int) -> None:
        super().__init__()
        self.encoder, self.decoder = _mlp(2, hidden, hidden, 2), _mlp(1, hidden, hidden, 1)
        self.prior_mean, self.prior_log_var = _mlp(1, hidden, genes), _mlp(1, hidden, genes)
        self.w = nn.Parameter(torch.rand(genes, genes) * 2e-4 + 1 / max(genes - 1, 1))
        self.identity = torch.eye(genes)

    def forward(self, x: Tensor, beta: float) -> Tensor:
        """Return the loss of ``[cells, genes]``; w[target, regulator]."""
        through = self.identity - (self.w * (1 - self.identity)).T
        component = torch.ones_like(x)
        mean, log_var = self.encoder(torch.stack([x, component], dim=2)).unbind(dim=2)
        mean, log_var = mean @ through, log_var @ through
        one = component[:1, :1]
        prior_mean, prior_log_var = self.prior_mean(one) @ through, self.prior_log_var(one) @ through
        z = mean + (0.5 * log_var).exp() * torch.randn_like(mean)
        decoded = self.decoder(torch.linalg.solve(through, z, left=False)[:, :, None])[:, :, 0]
        kl = 0.5 * (
            prior_log_var - log_var + (z - prior_mean) ** 2 / prior_log_var.exp() - (z - mean) ** 2 / log_var.exp()
        )
        return F.mse_loss(decoded, x) + beta * kl.mean()


def _mlp(*widths: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for in_width, out_width in itertools.pairwise(widths):
        layer = nn.Linear(in_width, out_width)
        nn.init.xavier_normal_(layer.weight)
        nn.init.zeros_(layer.bias)
        layers += [layer, nn.Tanh()]
    return nn.Sequential(*layers[:-1])
