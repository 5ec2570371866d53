"""Layers over a sorted graph: equal to torch_geometric's, independent of hidden edges, with static shapes."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from component_cases import IN_WIDTH, all_levels, fit, make_model, make_parts, small
from torch.utils._python_dispatch import TorchDispatchMode
from torch_geometric import nn as pyg

from components.core import registry
from components.core.budget import Budget
from components.core.streams import Streams
from components.gnn.base import GraphBranch
from components.gnn.relational import RelationalLayer
from components.learning.loop import Passes
from components.passing.graph import Graph, GraphLayer, training_graph, unit_rows
from components.passing.layout import Layout, Messages
from study.train.checkpoint import Checkpoint
from study.train.fit import graph_stage, joint_stage
from study.train.stages.trainer import Trainer

GENES, WIDTH = 14, 5  # genes 12 and 13 have no neighbour
POSITIVES = torch.tensor(
    [[0, 1], [1, 0], [0, 2], [3, 4], [4, 5], [6, 7], [0, 8], [8, 9], [9, 10], [3, 0], [11, 1], [5, 9], [2, 8]]
)
HIDDEN = torch.tensor([True, False, True, False, False, True, False, False, True, False, True, False, False])
ALONE_READS_ALL = ("unit_attention", "conv_attention")  # a gene without neighbours attends to all
DIRECTIONS = ("both", "to_target", "to_tf")


def _weighed(conv: Any) -> Any:
    return lambda x, edges: conv(x, edges, x.new_ones(edges.shape[1]))


def _attention(cls: Any) -> Any:
    return lambda s: cls(IN_WIDTH, WIDTH, heads=s["heads"], concat=s["concat"], add_self_loops=s["self_loops"])


def _perceptron() -> torch.nn.Module:
    return torch.nn.Sequential(torch.nn.Linear(IN_WIDTH, WIDTH), torch.nn.ReLU(), torch.nn.Linear(WIDTH, WIDTH))


THEIRS: dict[str, Any] = {
    "gat": _attention(pyg.GATConv),
    "gatv2": _attention(pyg.GATv2Conv),
    "gcn": lambda s: pyg.GCNConv(
        IN_WIDTH, WIDTH, improved=s["self_weight"] == 2, add_self_loops=s["self_loops"], bias=s["bias"]
    ),
    "sage": lambda s: pyg.SAGEConv(IN_WIDTH, WIDTH, aggr=s["aggregation"], normalize=s["normalize"]),
    "gin": lambda s: pyg.GINConv(_perceptron(), train_eps=s["learn_eps"]),
}


def _all(**values: tuple[Any, ...]) -> list[dict[str, Any]]:
    return [dict(zip(values, chosen, strict=True)) for chosen in itertools.product(*values.values())]


SETTINGS = {
    "gat": _all(heads=(1, 3), concat=(True, False), self_loops=(True, False)),
    "gatv2": _all(heads=(1, 3), concat=(True, False), self_loops=(True, False)),
    "gcn": [
        *_all(self_loops=(True,), self_weight=(1, 2), bias=(True, False)),
        *_all(self_loops=(False,), bias=(True,)),
    ],
    "sage": _all(aggregation=("mean", "sum", "max"), normalize=(True, False)),
    "gin": _all(learn_eps=(True, False)),
}
CASES = [(level, settings) for level, every in SETTINGS.items() for settings in every]
MASKED = [
    level
    for _, level in all_levels("gnn")
    if any(isinstance(m, GraphLayer) for m in registry.level("gnn", level)(small("gnn", level), 3).modules())
]
BRANCHES = [*((level, {}) for level in MASKED), ("sage", {"aggregation": "max"}), ("sage", {"aggregation": "sum"})]


def features(dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.randn(GENES, IN_WIDTH, generator=torch.Generator().manual_seed(1), dtype=dtype, requires_grad=True)


def branch(level: str, **settings: Any) -> GraphBranch:
    torch.manual_seed(0)
    return registry.level("gnn", level)(small("gnn", level, **settings), IN_WIDTH)


def flow(part: Any, x: torch.Tensor, out: torch.Tensor) -> list[torch.Tensor]:
    """Return gradients of features and weights, by name."""
    direction = torch.linspace(-1, 1, out.numel(), dtype=out.dtype).view_as(out)
    weights = dict(sorted(part.named_parameters()))
    return list(torch.autograd.grad((out * direction).sum() + out.square().sum(), [x, *weights.values()]))


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("hidden", [None, HIDDEN, torch.ones_like(HIDDEN)], ids=["whole", "hidden", "all-hidden"])
@pytest.mark.parametrize(("level", "settings"), CASES)
def test_layers_are_those_of_torch_geometric(level, settings, hidden, direction):
    ours = branch(level, widths=(WIDTH,), **settings).convs[0].double()
    torch.manual_seed(0)
    theirs = THEIRS[level](ours_complete(level, settings)).double()
    assert ours.state_dict().keys() == theirs.state_dict().keys()
    assert all(torch.equal(weight, theirs.state_dict()[name]) for name, weight in ours.state_dict().items())
    graph = Graph.of_positives(POSITIVES, direction)
    rest = training_graph(POSITIVES if hidden is None else POSITIVES[~hidden], direction=direction)
    x, y = features(), features()
    expected = _weighed(theirs)(y, rest) if level == "gcn" else theirs(y, rest)
    embedding = ours(x, graph if hidden is None else graph.hiding(hidden))
    torch.testing.assert_close(embedding, expected, rtol=1e-10, atol=1e-10)
    for one, other in zip(flow(ours, x, embedding), flow(theirs, y, expected), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-8, atol=1e-10)


def ours_complete(level: str, settings: dict[str, Any]) -> dict[str, Any]:
    return {**small("gnn", level).model_dump(), **settings}


@pytest.mark.parametrize("level", SETTINGS)
def test_single_precision_agrees_to_1e_5(level):
    ours, x = branch(level, widths=(WIDTH,)).convs[0], features(torch.float32)
    torch.manual_seed(0)
    theirs, edges = THEIRS[level](small("gnn", level).model_dump()), training_graph(POSITIVES)
    torch.testing.assert_close(ours(x, Graph(edges)), theirs(x, edges), rtol=1e-5, atol=1e-5)


class TestHiddenEdges:
    """A hidden positive must have no effect: no message, no weight, no degree, in any layer or direction."""

    @pytest.mark.parametrize("direction", DIRECTIONS)
    @pytest.mark.parametrize("hidden", [HIDDEN, torch.ones_like(HIDDEN)], ids=["some", "all"])
    @pytest.mark.parametrize(("level", "settings"), BRANCHES)
    def test_graph_behind_a_mask_is_the_graph_of_the_rest(self, level, settings, hidden, direction):
        part = branch(level, widths=(4, 3, 2), **settings).double().eval()
        masked = part(features(), Graph.of_positives(POSITIVES, direction).hiding(hidden))
        rest = training_graph(POSITIVES[~hidden], direction=direction)
        if level == "relational":  # which distinguishes the directions of an edge
            rest = Graph.of_positives(POSITIVES[~hidden], direction)
        rebuilt = part(features(), rest)
        for one, other in zip(
            (*masked.layers, masked.as_tf, masked.as_target),
            (*rebuilt.layers, rebuilt.as_tf, rebuilt.as_target),
            strict=True,
        ):
            torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)

    @pytest.mark.parametrize("direction", DIRECTIONS)
    @pytest.mark.parametrize(("level", "settings"), [b for b in BRANCHES if b[0] not in ALONE_READS_ALL])
    def test_no_gradient_passes_a_hidden_edge(self, level, settings, direction):
        """Embedding i of layer l moves with gene j if, and only if, at most l visible edges lead from j to i."""
        part = branch(level, widths=(4, 3), activation="elu", **settings).double().train()
        graph = Graph.of_positives(POSITIVES, direction).hiding(HIDDEN)
        edges = training_graph(POSITIVES[~HIDDEN], direction=direction)
        near = torch.eye(GENES, dtype=torch.bool)
        near[edges[1], edges[0]] = True
        reach, x = near, features()
        for width, layer in enumerate(part(x, graph).layers):
            moves = torch.stack(
                [(torch.autograd.grad(layer[i].abs().sum(), x, retain_graph=True)[0] != 0).any(1) for i in range(GENES)]
            )
            assert not (moves & ~reach).any()
            if width == 0 and settings.get("aggregation") != "max":  # a maximum has one winner
                assert torch.equal(moves | torch.eye(GENES, dtype=torch.bool), reach)
            reach = (reach.double() @ near.double()) > 0

    @pytest.mark.parametrize("direction", DIRECTIONS)
    def test_edges_are_those_of_the_rest(self, direction):
        for seed in range(20):
            hidden = torch.rand(len(POSITIVES), generator=torch.Generator().manual_seed(seed)) < 0.5
            graph = Graph.of_positives(POSITIVES, direction)
            assert torch.equal(graph.hiding(hidden).edges, training_graph(POSITIVES[~hidden], direction=direction))
            assert torch.equal(graph.edges, training_graph(POSITIVES, direction=direction)), (
                "the whole graph stays whole"
            )

    def test_layers_without_a_mask_are_given_the_rest(self):
        class Theirs(GraphBranch):
            def layer(self, in_width, width):
                return pyg.GraphConv(in_width, width)

        part = Theirs(Theirs.Settings(widths=(4, 3)), IN_WIDTH).double().eval()
        masked = part(features(), Graph.of_positives(POSITIVES, "both").hiding(HIDDEN)).layers[-1]
        torch.testing.assert_close(masked, part(features(), training_graph(POSITIVES[~HIDDEN])).layers[-1])


class TestSums:
    @pytest.fixture
    def layout(self) -> Layout:
        return Layout(training_graph(POSITIVES), GENES, loops=True)

    def test_gradients_are_those_of_finite_differences(self, layout):
        x = torch.randn(GENES, 2, 3, dtype=torch.float64, requires_grad=True)
        weight = torch.rand(len(layout.source), 2, dtype=torch.float64, requires_grad=True)
        flat = torch.randn(GENES, 2, dtype=torch.float64, requires_grad=True)
        visible = torch.arange(len(layout.source)) % 3 > 0
        assert torch.autograd.gradcheck(layout.sum, (x, weight))
        assert torch.autograd.gradcheck(layout.sum, (x, None))
        assert torch.autograd.gradcheck(layout.at_source, (flat,))
        assert torch.autograd.gradcheck(layout.at_target, (flat,))
        assert torch.autograd.gradcheck(Messages(layout, visible).softmax, (weight,))
        assert torch.autograd.gradcheck(Messages(layout, visible).maximum, (flat,))

    def test_scores_far_apart_stay_finite(self, layout):
        score = torch.randn(len(layout.source), 2) * 1e4
        weight = Messages(layout, None).softmax(score)
        assert torch.isfinite(weight).all()
        torch.testing.assert_close(layout.total(weight), torch.ones(GENES, 2))


DATA_DEPENDENT = {
    "aten::nonzero", "aten::masked_select", "aten::_local_scalar_dense", "aten::item", "aten::bincount",
    "aten::_unique2", "aten::unique_dim", "aten::unique_consecutive", "aten::repeat_interleave.Tensor", "aten::equal",
}  # fmt: skip


class NoWait(TorchDispatchMode):
    """Refuses every operation that synchronises a GPU with its host: shapes and numbers that depend on data."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func._schema.name + (f".{func._overloadname}" if func._overloadname not in ("", "default") else "")
        indices = args[1] if "index" in name and isinstance(args[1], (list, tuple)) else ()
        by_mask = any(index is not None and index.dtype == torch.bool for index in indices)
        assert name not in DATA_DEPENDENT and func._schema.name not in DATA_DEPENDENT and not by_mask, name
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("contrast", ["off", "supcon"])
@pytest.mark.parametrize("level", MASKED)
def test_a_step_waits_for_nothing(level, contrast, dataset, split):
    parts = make_parts(
        gnn=(level, {"hide_batch": True}), pair_encoder="transformer", fusion="multiscale", contrast=contrast
    )
    model, streams = make_model(dataset, parts).train(), Streams(dataset.digest, 0)
    sampler = parts.build("negatives", split.training, dataset.expression)
    trainer = Trainer(model, split, sampler, streams, Budget(read_graph_every=2), Checkpoint(), None)
    passes = Passes(trainer.positives, lambda _: trainer.draw(np.random.default_rng(0)), streams.torch("batches"))
    stages = [make(trainer, parts.build("optimizer")) for make in (graph_stage, joint_stage)]
    rows = passes.batches(32)[0]

    def step() -> None:
        for stage in stages:
            for loss in trainer.losses(stage, passes, [rows] * stage.read_every):
                stage.fitter.step(loss)

    step()  # sorts the edges, once
    with NoWait():
        step()


def test_no_wait_refuses_synchronising_operations():
    x = torch.arange(4)
    for waits in (lambda: x[x > 1], lambda: bool((x > 1).all()), lambda: torch.unique(x), lambda: x.nonzero()):
        with NoWait(), pytest.raises(AssertionError):
            waits()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("level", MASKED)
def test_gpu_gives_the_same_embeddings_and_gradients(level):
    part = branch(level).double().eval()
    x, graph = features(), Graph.of_positives(POSITIVES, "both").hiding(HIDDEN)
    embedding = part(x, graph).layers[-1]
    there, y = branch(level).double().eval().cuda(), features().detach().cuda().requires_grad_()
    whole, hidden = Graph.of_positives(POSITIVES.cuda(), "both"), HIDDEN.cuda()
    there(y, whole.hiding(hidden))
    torch.cuda.set_sync_debug_mode("error")
    try:
        other = there(y, whole.hiding(hidden)).layers[-1]
        other.square().sum().backward()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    embedding.square().sum().backward()
    torch.testing.assert_close(other.cpu(), embedding)
    torch.testing.assert_close(y.grad.cpu(), x.grad)


def test_training_in_bf16_reads_the_masked_graph(dataset, split):
    budget = Budget(epochs=1, batch_size=32, graph_epochs=1, graph_batch_size=32, precision="bf16")
    for level in MASKED:
        trained = fit(dataset, split, make_parts(gnn=(level, {"hide_batch": True})), budget=budget)
        assert len(trained.curves["joint_loss"]) == 1


def test_half_precision_is_summed_and_weighed_in_single():
    """A hub's mean, sum and attention weights are those of the same numbers in fp32, to the last digit."""
    hub = torch.stack([torch.arange(1, 700), torch.zeros(699, dtype=torch.long)])
    messages = Graph(hub).messages(700)
    half = torch.randn(700, 1, 3).to(torch.bfloat16)
    score, sources = half[1:, :, 0], half.squeeze(1)
    assert torch.equal(messages.sum(half), messages.sum(half.float()))
    assert torch.equal(messages.mean(sources), messages.mean(sources.float()))
    assert torch.equal(messages.softmax(score), messages.softmax(score.float()))


def test_relational_layers_mean_tfs_and_targets_apart():
    """Written as loops: a gene, the mean of its TFs and the mean of its targets, each by a map of its own."""
    layer, x = RelationalLayer(IN_WIDTH, 3).double(), features()
    edges = [tuple(edge) for edge in POSITIVES.tolist()]
    embedding = layer(x, Graph.of_positives(POSITIVES, "both"))
    for gene in range(len(x)):
        tfs, targets = [i for i, j in edges if j == gene], [j for i, j in edges if i == gene]
        expected = layer.of_gene(x[gene])
        for listed, by in ((tfs, layer.of_tfs), (targets, layer.of_targets)):
            expected = expected + (by(x[listed].mean(dim=0)) if listed else 0)
        torch.testing.assert_close(embedding[gene], expected)


def test_unit_rows_are_torchs():
    x = torch.randn(5, 3, 4, dtype=torch.float64)
    x[1, 2] = 0.0
    one, other = (x.clone().requires_grad_() for _ in range(2))
    direction = torch.randn_like(x)
    for scaled in (unit_rows(one), torch.nn.functional.normalize(other, dim=-1)):
        (scaled * direction).sum().backward()
        torch.testing.assert_close(scaled, torch.nn.functional.normalize(x, dim=-1))
    torch.testing.assert_close(one.grad, other.grad)
