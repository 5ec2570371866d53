"""What a model makes of pairs of genes before and after its training: the input of its classifier.

Read when the scores of the fold are there, and 'before' from a model that is assembled anew: so no number of the cell
changes, and a training that was killed, or took its graph stage over from another arm, has the same beginning.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from components.core.dataset import Floats, Ints
from components.core.exam import Split
from components.model import GRNModel
from components.passing.graph import Graph

Arrays = dict[str, np.ndarray]

MOST = 1000  # pairs: a file of a few megabytes


def encode_before_and_after(
    before: GRNModel, after: GRNModel, graph: Graph, split: Split, rng: np.random.Generator
) -> Arrays:
    """Return the drawn test pairs, ``row`` ``[n]``, and their encodings by both models, ``[n, width]`` each."""
    rows = draw_pairs(split.test_labels, rng)
    pairs = torch.from_numpy(np.ascontiguousarray(split.test[rows])).to(graph.device)
    return {"row": rows, "before": encode_pairs(before, graph, pairs), "after": encode_pairs(after, graph, pairs)}


def draw_pairs(labels: Ints, rng: np.random.Generator) -> Ints:
    """Draw test pairs of an exam, at most ``MOST``: half of them edges, as far as there are so many of either."""
    edges, others = np.flatnonzero(labels == 1), np.flatnonzero(labels == 0)
    n_edges = min(len(edges), max(MOST // 2, MOST - len(others)))
    n_others = min(len(others), MOST - n_edges)
    drawn = [rng.choice(edges, n_edges, replace=False), rng.choice(others, n_others, replace=False)]
    return rng.permutation(np.concatenate(drawn))


@torch.no_grad()
def encode_pairs(model: GRNModel, graph: Graph, pairs: Tensor) -> Floats:
    """Return the input of a model's classifier for pairs ``[pairs, 2]``: ``[pairs, width]``, graph fused in.

    For a fusion without an attribute ``classifier``: the pair encodings, from before the fusion.
    """
    inputs: list[Tensor] = []
    encoded = model.eval().encode(graph)
    classifier = getattr(model.fusion, "classifier", None)
    if classifier is None:
        return _to_numpy(model.score(encoded, pairs)[1])
    hook = classifier.register_forward_pre_hook(lambda module, arguments: inputs.append(arguments[0]))
    try:
        model.score(encoded, pairs)
    finally:
        hook.remove()
    return _to_numpy(inputs[0])


def _to_numpy(z: Tensor) -> Floats:
    # no half precision: an untrained model's encodings hardly differ, and would look even less apart than they are
    return z.float().cpu().numpy()


def name_pairs(embeddings: Arrays, split: Split, genes: Sequence[str]) -> Arrays:
    """Return what is saved: pairs by name, with labels, both encodings, and how many pairs and edges the test has."""
    rows, names = embeddings["row"], np.asarray(genes)
    pairs, labels = split.test[rows], split.test_labels[rows]
    return {
        "tf": names[pairs[:, 0]],
        "target": names[pairs[:, 1]],
        "label": labels.astype(np.int8),
        "before": embeddings["before"],
        "after": embeddings["after"],
        "asked": np.array([len(split.test), split.test_labels.sum()]),
    }
