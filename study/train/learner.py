"""Fits a model of one's own on one fold of an exam, and has it score the fold's pairs."""

from __future__ import annotations

import functools
import random
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from components.core.budget import Budget
from components.core.dataset import Dataset, Floats, Ints
from components.core.errors import KnockoutError
from components.core.exam import Split
from components.core.metrics import Scores
from components.core.streams import Streams
from components.learning import Context, View, shown
from search_spaces.arm import Arm
from study.train.checkpoint import Checkpoint
from study.train.stages.steps import transformed


@dataclass(frozen=True)
class Workplace:
    """Where a fold (0: the only one) may put files: in a folder that is removed, and in a file that is kept."""

    scratch: Path | None = None
    output: Path | None = None
    fold: int = 0

    @contextmanager
    def folder(self) -> Iterator[Path]:
        """Make an empty folder for as long as it is needed."""
        if self.scratch is not None:
            self.scratch.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="knockout-", dir=self.scratch) as name:
            yield Path(name).resolve()


def view_of(arm: Arm, dataset: Dataset, split: Split, streams: Streams, fold: int = 0) -> View:
    """Return what a model of one's own sees of a data set and an exam."""
    kind = getattr(arm.choices["scorer"].settings, "expression", "true")
    expression = transformed(arm, shown(kind, dataset.expression, streams.numpy("noise")), streams)
    draw = _drawing(arm, split, expression, streams)
    return View.of(dataset, split, expression, draw, streams.repeat, fold)


def asked_pairs(split: Split) -> tuple[Ints, Ints]:
    """Return the pairs that are asked of a model, of validation and test, sorted, and the order that sorts them."""
    pairs = np.concatenate([split.validation, split.test])
    order = np.lexsort(pairs.T[::-1])
    return pairs[order], order


def check_learner(arm: Arm, dataset: Dataset, split: Split, streams: Streams) -> None:
    """Refuse a model of one's own that cannot be fitted to a data set.

    Raises
    ------
    KnockoutError
        If it says so, its sampler draws nothing, or the test pairs are of another data set.
    """
    if dataset.target is not None:
        raise KnockoutError(
            "a model of one's own sees the cells of one data set; an exam that tests on other cells (train_on) is for "
            "assembled models, rules and known methods."
        )
    view = view_of(arm, dataset, split, streams)
    if "negatives" not in arm.silenced:
        view.draw(0)
    arm.choices["scorer"].build().check(view)


def score_by_learner(
    arm: Arm,
    dataset: Dataset,
    split: Split,
    streams: Streams,
    budget: Budget,
    device: str,
    workplace: Workplace,
    checkpoint: Checkpoint,
) -> tuple[Scores, Scores, Context]:
    """Fit a model of one's own, then ask it once for all pairs of the fold: validation, test, and its context."""
    with workplace.folder() as scratch, own_streams(streams):
        view = view_of(arm, dataset, split, streams, workplace.fold)
        context = Context(
            device=device,
            threads=torch.get_num_threads(),
            budget=budget,
            streams=streams,
            scratch=scratch,
            view=view,
            keeper=checkpoint,
            output=workplace.output,
        )
        learner = arm.choices["scorer"].build()
        learner.fit(view, context)
        pairs, order = asked_pairs(split)
        returned = np.asarray(learner.score(pairs), dtype=np.float64)
        if returned.shape != order.shape:
            raise KnockoutError(f"a model returns one score per pair, [{len(pairs)}]; got {list(returned.shape)}.")
        scores = np.empty(len(pairs))
        scores[order] = returned
    validation, test = np.split(scores, [len(split.validation)])
    return validation, test, context


@contextmanager
def own_streams(streams: Streams) -> Iterator[None]:
    """Seed torch, Python and NumPy for a model that draws from them, and put the latter two back afterwards."""
    before = random.getstate(), np.random.get_state()  # noqa: NPY002
    torch.manual_seed(streams.seed("init"))
    random.seed(streams.seed("init"))
    np.random.seed(streams.seed("init") % 2**32)  # noqa: NPY002
    try:
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])  # noqa: NPY002


def _drawing(arm: Arm, split: Split, expression: Floats, streams: Streams) -> Callable[[int], Ints]:
    """Return what draws the negatives of an epoch: of any epoch, whichever were drawn before."""
    # built when it is asked for: some look at all pairs of the pool first
    sampler = functools.cache(lambda: arm.choices["negatives"].build(split.training, expression))

    def draw(epoch: int) -> Ints:
        fresh = sampler().fresh and epoch > 0
        pairs: Ints = sampler().draw(streams.numpy("negatives", f"joint/{epoch}" if fresh else "joint"))
        split.training.check_drawn(pairs)
        return pairs

    return draw
