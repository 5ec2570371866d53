"""What a model makes of pairs of genes before and after its training: what its classifier is given to tell apart.

Read when the scores of the fold are there, and what was before off a model that is assembled anew: so no number of the
cell changes, and a training that was killed, or took its graph stage over from another arm, has the same beginning.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from components.core.dataset import Floats, Ints
from components.core.exam import Split
from components.model import GRNModel
from study.train.checkpoint import Clock

if TYPE_CHECKING:  # a result is filled here, and defined with the cell that it is of
    from study.train.cell import Result

__all__ = ["before_and_after", "draw", "encodings", "uncounted", "with_names"]

MOST = 1000  # pairs: a file of a few megabytes


def before_and_after(before: GRNModel, after: GRNModel, graph: Tensor, split: Split, rng: np.random.Generator) -> Any:
    """Return which test pairs were drawn, ``[n]`` rows, and what the two models make of them, ``[n, width]`` each."""
    rows = draw(split.test_labels, rng)
    pairs = torch.from_numpy(np.ascontiguousarray(split.test[rows])).to(graph.device)
    return {"row": rows, "before": encodings(before, graph, pairs), "after": encodings(after, graph, pairs)}


def draw(labels: Ints, rng: np.random.Generator) -> Ints:
    """Draw test pairs of an exam, at most ``MOST``: half of them edges, as far as there are so many of either."""
    edges, others = np.flatnonzero(labels == 1), np.flatnonzero(labels == 0)
    n_edges = min(len(edges), max(MOST // 2, MOST - len(others)))
    n_others = min(len(others), MOST - n_edges)
    drawn = [rng.choice(edges, n_edges, replace=False), rng.choice(others, n_others, replace=False)]
    return rng.permutation(np.concatenate(drawn))


@torch.no_grad()
def encodings(model: GRNModel, graph: Tensor, pairs: Tensor) -> Floats:
    """Return what the classifier of a model reads of pairs ``[pairs, 2]``: ``[pairs, width]``, graph fused in.

    A fusion without an attribute ``classifier`` has its pair encodings, from before the fusion, returned.
    """
    read: list[Tensor] = []
    encoded = model.eval().encode(graph)
    classifier = getattr(model.fusion, "classifier", None)
    if classifier is None:
        return _plain(model.score(encoded, pairs)[1])
    hook = classifier.register_forward_pre_hook(lambda module, inputs: read.append(inputs[0]))
    try:
        model.score(encoded, pairs)
    finally:
        hook.remove()
    return _plain(read[0])


def _plain(z: Tensor) -> Floats:
    # no half precision: an untrained model's encodings hardly differ, and would look even less apart than they are
    return z.float().cpu().numpy()


def with_names(embeddings: dict[str, Any], split: Split, genes: Sequence[str]) -> dict[str, Any]:
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


@contextmanager
def uncounted(result: Result, clock: Clock | None) -> Iterator[None]:
    """Keep what is done for a picture out of the seconds that a cell costs."""
    started = time.perf_counter()
    try:
        yield
    finally:
        spent = time.perf_counter() - started
        result.seconds -= spent  # run_cell adds all the time that went by
        if clock is not None:
            clock.started += spent
