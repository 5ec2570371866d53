"""Training budget of a cell."""

from __future__ import annotations

from typing import Literal

from components.core.settings import Settings, setting


class Budget(Settings):
    """How long a model may train: the same for every arm. Defaults are scUniGP's (section 4.2 and appendix C)."""

    epochs: int = setting(200, "most epochs of the joint stage", ge=1, le=100_000)
    patience: int = setting(8, "epochs without a better validation score before stopping", ge=1, le=100_000)
    batch_size: int = setting(512, "pairs in a batch of the joint stage", ge=8, le=1_000_000)
    validate_every: int = setting(
        0, "batches between two validations, which then count as one epoch; 0: a whole pass over the pairs", ge=0
    )
    read_graph_every: int = setting(
        1,
        "batches of the joint stage that share one reading of the graph: parts that read pairs learn from each, the "
        "graph branch and what genes carry in from all of them at once",
        ge=1,
        le=10_000,
    )
    graph_epochs: int = setting(30, "most epochs of the graph's pre-training; 0 leaves it out", ge=0, le=100_000)
    graph_patience: int = setting(5, "the same patience for the pre-training", ge=1, le=100_000)
    graph_batch_size: int = setting(256, "pairs in a batch of the pre-training", ge=8, le=1_000_000)
    choose_by: Literal["auroc", "auprc"] = setting("auroc", "validation metric that picks the epoch")
    keep: Literal["best", "last"] = setting(
        "best", "epoch of the joint stage that is tested: the best on validation, or the last, as in some public code"
    )
    unsupervised_steps: int = setting(
        300, "steps of the stage without labels, where the bucketing has one; 20,000 as published", ge=1, le=1_000_000
    )
    # what bf16 gains on a CPU that has it, and costs in quality: docs/scale.md; no GPU was measured
    precision: Literal["fp32", "bf16"] = setting(
        "fp32", "number format of forward and backward pass; weights, losses and scores stay fp32"
    )
