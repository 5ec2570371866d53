"""How fast a step is: against arithmetic, against torch_geometric, against the peers' own code, and as edges grow."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from cases import Ready, alternate, get_ready
from torch import Tensor
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from components.core.streams import Streams
from components.learning.loop import Passes
from components.model import GRNModel, Parts
from knockout.testing.cases import make_dataset, make_split
from search_spaces.presets import preset
from study.train.checkpoint import Checkpoint
from study.train.fit import graph_stage, joint_stage
from study.train.stages.trainer import Trainer

PEERS = (
    "KNOCKOUT_PEERS"  # a folder with clones of zpliulab/GENELink and WangyuchenCS/scGREAT, named GENELink and scGREAT
)
STAGES = {"joint": joint_stage, "graph": graph_stage}
GEMM = 1024  # width of the square matrices whose product is the arithmetic limit


class _Steps:
    """Steps of one stage of an arm as training takes them, with as many as make an epoch."""

    def __init__(self, ready: Ready, stage: str) -> None:
        self.trainer = Trainer(
            ready.model.train(), ready.split, ready.sampler, ready.streams, ready.budget, Checkpoint(), None
        )
        self.stage = STAGES[stage](self.trainer, ready.optimizer)
        order = torch.Generator().manual_seed(0)
        self.passes = Passes(self.trainer.positives, lambda _: self.trainer.draw(np.random.default_rng(0)), order)
        self.batches = self.passes.batches(self.stage.batch_size)
        self.taken = 0

    def __call__(self) -> None:
        rows = self.batches[self.taken % len(self.batches)]
        self.taken += 1
        for loss in self.trainer.losses(self.stage, self.passes, [rows]):
            self.stage.fitter.step(loss)


@pytest.mark.parametrize(("stage", "goal"), [("joint", 60), ("graph", 50)])
def bench_against_the_limit(once, tell, tmp_path: Path, stage: str, goal: int):
    """A step of knockout-small against its matrix products alone, at the rate of a large product."""
    step, square = _Steps(get_ready(tmp_path, "knockout-small"), stage), torch.randn(GEMM, GEMM)
    counter = FlopCounterMode(display=False)
    step()
    with counter:
        step()
    ours, product = once(lambda: alternate(step, lambda: square @ square, cpu=True))
    share = 100 * counter.get_total_flops() / (2 * GEMM**3) * product / ours
    tell(f"knockout-small, {stage} step against its arithmetic", f"{share:.0f} %", f"{goal} %", share >= goal)


@pytest.mark.parametrize("stage", ["joint", "graph"])
def bench_four_times_the_edges(once, tell, stage: str):
    """An epoch of knockout-small on 2,000 genes with 40,000 edges, against 10,000."""
    few, many = (_Steps(_random(2000, edges), stage) for edges in (10_000, 40_000))
    short, long = once(lambda: alternate(few, many, cpu=True))
    growth = long * len(many.batches) / (short * len(few.batches))
    tell(f"4 x the edges, {stage} epoch of knockout-small", f"x {growth:.1f}", "x 5", growth <= 5)


@pytest.mark.parametrize("level", ["gat", "gatv2", "gcn", "sage", "gin"])
def bench_layer_against_torch_geometric(once, tell, level: str):
    """A layer forward and backward, 1,000 genes and 10,000 edges, 128 wide, against the same of torch_geometric."""
    from torch_geometric import nn as pyg

    from components.core import registry
    from components.passing.graph import Graph

    cls: Any = registry.level("gnn", level)
    ours = cls(cls.Settings(widths=(128,)), 128).convs[0]
    heads = {"heads": 3}
    theirs = {
        "gat": lambda: pyg.GATConv(128, 128, **heads),
        "gatv2": lambda: pyg.GATv2Conv(128, 128, **heads),
        "gcn": lambda: pyg.GCNConv(128, 128),
        "sage": lambda: pyg.SAGEConv(128, 128),
        "gin": lambda: pyg.GINConv(
            torch.nn.Sequential(torch.nn.Linear(128, 128), torch.nn.ReLU(), torch.nn.Linear(128, 128))
        ),
    }[level]()
    x = torch.randn(1000, 128, requires_grad=True)
    graph = Graph.of_positives(torch.randint(0, 1000, (5000, 2)), "both")
    one, other = once(
        lambda: alternate(
            lambda: ours(x, graph).sum().backward(), lambda: theirs(x, graph.edges).sum().backward(), cpu=True
        )
    )
    tell(f"layer {level} against torch_geometric's, forward and backward", f"{other / one:.1f} x")


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def bench_genelink(once, tell, tmp_path: Path, precision: str):
    """A step of genelink, batch 256, against one of GENELink's own code, in fp32, on the same pairs."""
    scgnn = _peer("GENELink", "Code/scGNN.py")
    ready = get_ready(tmp_path, "genelink", precision=precision)
    step, x = _Steps(ready, "joint"), torch.as_tensor(ready.model.bucketing())
    model = scgnn.GENELink(x.shape[1], 128, 64, 32, 16, 3, 3, 0.2, torch.device("cpu"), "dot", "concate").train()
    edges = step.trainer.graph.edges
    adjacency = torch.sparse_coo_tensor(edges, torch.ones(edges.shape[1]), (len(x), len(x))).coalesce()
    theirs = _steps_of(model, step, lambda pairs: model(x, adjacency, pairs), lr=3e-3)
    one, other = once(lambda: alternate(step, theirs, cpu=True))
    what = f"step of genelink in {precision} against GENELink's own code, fp32"
    tell(what, f"{other / one:.1f} x", "8 x", other / one >= 8)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def bench_scgreat(once, tell, tmp_path: Path, precision: str):
    """A step of scgreat, batch 32, against one of scGREAT's own code, in fp32, on the same pairs."""
    theirs_module = _peer("scGREAT", "model.py")
    ready = get_ready(tmp_path, "scgreat", precision=precision)
    step, x = _Steps(ready, "joint"), torch.as_tensor(ready.model.bucketing())
    np.save(tmp_path / "biobert.npy", np.random.default_rng(0).normal(size=(len(x) + 1, 768)).astype(np.float32))
    model = theirs_module.scGREAT(tuple(x.shape), 768, 2, 4, str(tmp_path / "biobert.npy")).train()
    theirs = _steps_of(model, step, lambda pairs: model(pairs, x[pairs]), lr=1e-5, clip=0.1)
    one, other = once(lambda: alternate(step, theirs, cpu=True))
    what = f"step of scgreat in {precision}, batch 32, against scGREAT's own code, fp32"
    tell(what, f"{other / one:.2f} x", "2 x", other / one >= 2)


def _peer(name: str, file: str) -> Any:
    """Import a file of a peer's clone, or skip."""
    folder = os.environ.get(PEERS, "")
    path = Path(folder, name, file)
    if not folder or not path.is_file():
        pytest.skip(f"set {PEERS} to a folder with a clone of {name}: there is no {path}")
    spec = importlib.util.spec_from_file_location(f"peer_{name}", path)
    assert spec is not None and spec.loader is not None
    sys.path.insert(0, str(path.parent))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.path.remove(str(path.parent))
    return module


def _steps_of(
    model: Any, ours: _Steps, predict: Callable[[Tensor], Tensor], *, lr: float, clip: float = 0.0
) -> Callable[[], None]:
    """Return steps of a peer's model over the batches that ours takes, as its training loop takes them."""
    adam, taken = torch.optim.Adam(model.parameters(), lr=lr), iter(range(10**9))

    def step() -> None:
        rows = ours.batches[next(taken) % len(ours.batches)]
        probability = predict(ours.passes.candidates[rows]).squeeze()
        loss = F.binary_cross_entropy(torch.sigmoid(probability) if not clip else probability, ours.passes.labels(rows))
        adam.zero_grad()
        loss.backward()
        if clip:
            torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
        adam.step()

    return step


def _random(genes: int, edges: int) -> Ready:
    """Return knockout-small on a random network and 400 random cells."""
    dataset = make_dataset(genes=genes, tfs=genes // 5, cells=400, edges=edges)
    arm, streams = preset("knockout-small").arm("knockout-small"), Streams(dataset.digest, 0)
    parts = Parts({factor: (choice.level, choice.settings) for factor, choice in arm.choices.items()})
    model, split = GRNModel(parts, torch.from_numpy(dataset.expression), streams), make_split(dataset)
    sampler = parts.build("negatives", split.training, dataset.expression)
    return Ready(model, split, sampler, parts.build("optimizer"), streams, preset("knockout-small").budget)
