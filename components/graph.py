"""The graph that messages pass over: training positives and nothing else."""

from __future__ import annotations

import torch
from torch import Tensor
from torch_geometric.utils import coalesce

__all__ = ["training_graph"]


def training_graph(positives: Tensor, hidden: Tensor | None = None) -> Tensor:
    """Turn training positives ``[positives, 2]`` into the undirected graph ``[2, edges]`` that messages pass over.

    ``hidden`` is ``[positives]`` bool: rows to leave out, because they are being predicted right now. A reverse edge
    that is itself a training positive, and not hidden, keeps the two genes linked.

    Source: scUniGP appendix C ('positive TF-target pairs in the training set, with undirected edges and without
    self-loops').
    """
    shown = positives if hidden is None else positives[~hidden]
    return coalesce(torch.cat([shown, shown.flip(1)]).t().contiguous())
