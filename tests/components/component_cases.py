"""Shared by all suites here: that of ``knockout.testing``, and example levels."""

from __future__ import annotations

from typing import Any

import torch

from components.core import registry
from components.model import training_graph
from knockout.testing.cases import BUDGET as BUDGET
from knockout.testing.cases import GRAPH_WIDTHS as GRAPH_WIDTHS
from knockout.testing.cases import IN_WIDTH as IN_WIDTH
from knockout.testing.cases import PAIR_WIDTH as PAIR_WIDTH
from knockout.testing.cases import assert_gradients_reach_all as assert_gradients_reach_all
from knockout.testing.cases import bucketing_arguments as bucketing_arguments
from knockout.testing.cases import construct as construct
from knockout.testing.cases import dataset_of as dataset_of
from knockout.testing.cases import fit as fit
from knockout.testing.cases import keys as keys
from knockout.testing.cases import make_dataset as make_dataset
from knockout.testing.cases import make_model as make_model
from knockout.testing.cases import make_parts as make_parts
from knockout.testing.cases import make_split as make_split
from knockout.testing.cases import same_state as same_state
from knockout.testing.cases import scorer_arguments as scorer_arguments
from knockout.testing.cases import small as small


def all_levels(*factors: str) -> list[tuple[str, str]]:
    """Return every (factor, level), so that a new level is tested without further code.

    A split that tests on a second data set cannot share the cases of those that cut one; test_transfer.py is its suite.
    """
    named = [(name, level) for name in factors or registry.FACTORS for level in registry.levels(name)]
    return [(name, level) for name, level in named if not getattr(registry.level(name, level), "across", False)]


def attending(level: str) -> tuple[Any, torch.Tensor, Any, set[tuple[int, int]]]:
    """Return a graph branch of two layers and heads, features ``[7, 6]``, its embedding, and the adjacency."""
    torch.manual_seed(0)
    part = registry.level("gnn", level)(small("gnn", level, widths=(5, 3), heads=2), 6).eval()
    positives = torch.tensor([[0, 1], [1, 2], [3, 0], [4, 2]])  # genes 5 and 6 have no neighbour
    x = torch.randn(7, 6)
    for conv in part.convs:
        torch.nn.init.normal_(conv.bias)
    links = {(i, j) for a, b in positives.tolist() for i, j in ((a, b), (b, a))}
    return part, x, part(x, training_graph(positives)), links
