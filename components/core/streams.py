"""Random streams: one per role, from data set and repeat and never from the arm, so that arms are paired."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

Role = Literal["split", "negatives", "init", "batches", "dropout", "noise"]


class Streams:
    """The random streams of one repeat on one data set.

    Parameters
    ----------
    data_digest
        Digest of the data set: two data sets do not share draws.
    repeat
        Paired index: the same for every arm.
    """

    def __init__(self, data_digest: str, repeat: int) -> None:
        self.data_digest = data_digest
        self.repeat = repeat

    def seed(self, role: Role, part: str = "") -> int:
        """Return the 63-bit seed of a role.

        ``part`` names a factor ("gnn", "fusion") or a training stage ("graph", "joint"), so that swapping one factor
        leaves the initial weights of the others, and the draws of the other stage, as they are.
        """
        key = f"{self.data_digest}/{self.repeat}/{role}/{part}".encode()
        return int.from_bytes(hashlib.sha256(key).digest()[:8], "big") >> 1

    def numpy(self, role: Role, part: str = "") -> np.random.Generator:
        """Return a fresh NumPy generator at the start of a role's stream."""
        return np.random.default_rng(self.seed(role, part))

    def torch(self, role: Role, part: str = "", device: str | torch.device = "cpu") -> torch.Generator:
        """Return a fresh torch generator at the start of a role's stream."""
        return torch.Generator(device=device).manual_seed(self.seed(role, part))


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed torch's global CPU generator, from which modules draw their weights, and restore its state afterwards."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield


class Dropout(nn.Dropout):
    """Drops a share of activations in training, see :func:`dropout`."""

    def forward(self, x: Tensor) -> Tensor:
        """Return activations, some of them 0 and the others scaled."""
        return dropout(x, self.p, training=self.training)


def dropout(x: Tensor, share: float, *, training: bool) -> Tensor:
    """Return ``x`` with a share of its values set to 0 and the others scaled, as ``torch.nn.functional.dropout`` does.

    A CPU draws one number for four values, which takes a third of the time: the share is rounded to 1 / 65,536.
    """
    if not training or not share or x.device.type != "cpu":
        return F.dropout(x, share, training)
    drawn = torch.empty(-(-x.numel() // 4), dtype=torch.int64).random_(-(2**63), None).view(torch.int16)
    dropped = round(share * 2**16)
    mask = drawn[: x.numel()].view(x.shape) >= dropped - 2**15
    return x * mask.to(x.dtype).mul_(1 / (1 - dropped / 2**16))
