"""Baseline that learns from known edges to classify the joint histogram of two genes."""

from __future__ import annotations

import copy
from functools import cached_property
from typing import Literal, Self

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
from components.scorer.base import Baseline

CHUNK = 1024  # pairs whose histograms are in memory at once
UNPADDED = 22  # bins from which three unpadded convolutions and halvings leave something


@register("scorer", "cnnc")
class CNNC(Baseline):
    """Scores a pair by a convolutional network over the joint histogram of its two genes, trained on known edges.

    ``[pairs, 2]`` to histograms ``[pairs, 1, bins, bins]`` to probabilities ``[pairs]``; 0 if the first gene is no TF.
    It trains on the training positives and as many pairs of the pool, a fifth of which chooses the epoch by accuracy;
    held-out pairs choose nothing. As it comes it is smaller than the original: one convolution per block for two, 16
    bins for 32 (benchmarks have hundreds of cells, it had 43,261), 128 hidden units for 512, 30 epochs for 200. All of
    these are settings. The public code stores the weights of the best epoch and of the last, and tests the last; its
    weights start as Glorot's. Bins divide the log scale.

    Source: Yuan & Bar-Joseph 2019; layers, optimiser and scaling of its public code.
    """

    settings: Settings

    class Settings(Baseline.Settings):
        """Settings of histogram and training."""

        bins: int = setting(16, "bins per gene, of equal width over its range", ge=8, le=64, search=(8, 32))
        convolutions: Literal[1, 2] = setting(
            1, "3 x 3 convolutions per block, the second without padding from 22 bins on; 2 as published"
        )
        hidden: int = setting(128, "units of the dense layer; 512 as published", ge=1, le=4096)
        epochs: int = setting(30, "epochs of training", ge=1, le=1000, search=(10, 100), log=True)
        learning_rate: float = setting(
            0.01, "step of SGD with momentum .9", ge=1e-6, le=1.0, search=(1e-3, 0.1), log=True
        )
        batch_size: int = setting(32, "pairs per step", ge=1, le=4096, unit="pairs")
        dropout: float = setting(0.5, "share of units dropped after each block", ge=0.0, le=0.9)

    def score(self, pairs: Ints) -> Scores:
        """Return probabilities ``[pairs]``."""
        net = self.net  # trained outside of inference mode
        with torch.inference_mode():
            parts = [net(self.histograms(chunk)) for chunk in np.array_split(pairs, len(pairs) // CHUNK + 1)]
        scores = torch.cat(parts).sigmoid().numpy().astype(np.float64)
        return np.where(np.isin(pairs[:, 0], self.tfs), scores, 0.0)

    def on(self, expression: Floats) -> Self:
        """Return the same trained network for histograms of other cells of the same genes."""
        other = type(self)(self.settings, self.split, expression, self.tfs, self.rng)
        other.net = self.net
        return other

    def histograms(self, pairs: Ints) -> Tensor:
        """Return the scaled logarithm of the joint histograms ``[pairs, 1, bins, bins]``."""
        bins, (n, cells) = self.settings.bins, (len(pairs), self.expression.shape[1])
        keys = self.binned[pairs[:, 0]] * bins + self.binned[pairs[:, 1]] + np.arange(n)[:, None] * bins**2
        share = np.bincount(keys.ravel(), minlength=n * bins**2) / cells
        scaled = (np.log10(share + 1e-4) + 4) / 4
        return torch.from_numpy(scaled.astype(np.float32)).view(n, 1, bins, bins)

    @cached_property
    def binned(self) -> Ints:
        """Bin of each value ``[genes, cells]``; the first for a gene that never varies."""
        low = self.expression.min(axis=1, keepdims=True).astype(np.float64)
        width = np.ptp(self.expression, axis=1, keepdims=True).astype(np.float64)
        place = (self.expression - low) / np.where(width > 0, width, 1.0) * self.settings.bins
        return np.minimum(place.astype(np.int64), self.settings.bins - 1)

    @cached_property
    def net(self) -> nn.Module:
        """The trained network at its best epoch, in evaluation mode."""
        rng = copy.deepcopy(self.rng)
        positives, pool = self.split.train, self.split.pool
        drawn = rng.choice(len(pool), min(len(positives), len(pool)), replace=False)
        pairs = np.concatenate([positives, pool[drawn]])
        labels = np.repeat([1.0, 0.0], [len(positives), len(drawn)]).astype(np.float32)
        order = rng.permutation(len(pairs))
        with seeded(int(rng.integers(2**63 - 1))):
            return self._trained(self.histograms(pairs[order]), torch.from_numpy(labels[order]))

    def _trained(self, x: Tensor, labels: Tensor) -> nn.Module:
        s, held = self.settings, len(x) // 5
        net = _network(s)
        optimizer = eager(torch.optim.SGD)(net.parameters(), lr=s.learning_rate, momentum=0.9, nesterov=True)
        best, best_state = -1.0, copy.deepcopy(net.state_dict())
        for _ in range(s.epochs):
            net.train()
            for rows in (held + torch.randperm(len(x) - held)).split(s.batch_size):
                optimizer.zero_grad()
                F.binary_cross_entropy_with_logits(net(x[rows]), labels[rows]).backward()
                optimizer.step()
            net.eval()
            with torch.inference_mode():
                accuracy = ((net(x[:held]) > 0) == (labels[:held] > 0.5)).float().mean().item() if held else 0.0
            if accuracy >= best:  # of equals the last
                best, best_state = accuracy, copy.deepcopy(net.state_dict())
        net.load_state_dict(best_state)
        return net.eval()


def _network(s: CNNC.Settings) -> nn.Module:
    layers: list[nn.Module] = []
    width, image = 1, s.bins
    second = 0 if s.bins >= UNPADDED else 1
    for wider in (32, 64, 128):
        layers += [nn.Conv2d(width, wider, 3, padding=1), nn.ReLU()]
        if s.convolutions == 2:
            layers += [nn.Conv2d(wider, wider, 3, padding=second), nn.ReLU()]
            image -= 2 - 2 * second
        layers += [nn.MaxPool2d(2), nn.Dropout(s.dropout)]
        width, image = wider, image // 2
    head = [nn.Linear(width * image**2, s.hidden), nn.ReLU(), nn.Dropout(s.dropout)]
    return nn.Sequential(*layers, nn.Flatten(), *head, nn.Linear(s.hidden, 1), nn.Flatten(0))
