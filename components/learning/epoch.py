"""One epoch of the training of a model of one's own: its batches, and where its loss and validation scores go."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from components.core.errors import KnockoutError
from components.core.metrics import Scores
from components.core.streams import Streams
from components.learning.view import View
from components.training import Passes, Progress


class Epoch:
    """One epoch of :meth:`Context.epochs`: its batches, and where its loss and validation scores go.

    Attributes
    ----------
    number
        From 1.
    rng
        Random stream of the epoch, for whatever the model draws itself.
    pairs
        Number of pairs in the batches so far.
    """

    def __init__(self, progress: Progress, passes: Passes, view: View, size: int, most: int, streams: Streams) -> None:
        self.number = progress.epoch
        self.rng = streams.numpy("noise", f"{progress.stage}/{self.number}")
        self._progress, self._passes, self._view, self._size, self._most = progress, passes, view, size, most
        self._losses: list[tuple[Tensor, int]] = []
        self._pairs = 1  # of the last batch
        self.pairs = 0
        self.validated = False

    def batches(self, size: int | None = None) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield pairs ``[n, 2]`` and labels ``[n]``, on the device: positives and negatives of a pass, shuffled.

        Of the study's batch size unless another is given; negatives are those that the arm's sampler draws.
        """
        for rows in self._passes.batches(size or self._size, self._most):
            self._pairs = len(rows)
            self.pairs += len(rows)
            yield self._passes.candidates[rows], self._passes.labels(rows)

    def loss(self, value: Tensor | float) -> None:
        """Tell the loss of a batch; the curve is their mean, weighted by the pairs of each batch."""
        self._losses.append((torch.as_tensor(value).detach().double(), self._pairs))

    def validate(self, scores: Scores | Tensor) -> None:
        """Tell the scores ``[validation]`` of the view's validation pairs, once, at the end of the epoch.

        Raises
        ------
        DivergedError
            If the loss or a score is NaN or infinite.
        KnockoutError
            If there is no loss, another number of scores, or a second call.
        """
        values = scores.detach().double().cpu().numpy() if isinstance(scores, Tensor) else np.asarray(scores, float)
        if values.shape != (len(self._view.validation),):
            need = f"one score per validation pair, [{len(self._view.validation)}]"
            raise KnockoutError(f"epoch.validate takes {need}; got {list(values.shape)}.")
        if not self._losses:
            raise KnockoutError("tell the loss first: epoch.loss(loss), once a batch.")
        if self.validated:
            raise KnockoutError("epoch.validate is called once an epoch.")
        pairs = sum(n for _, n in self._losses)
        loss = torch.stack([loss * n for loss, n in self._losses]).sum().item() / pairs
        self._progress.validate(loss, values, self._view.validation_labels, self._view.validation)
        self.validated = True
