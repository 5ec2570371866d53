"""What a model of one's own owes."""

from __future__ import annotations

import dataclasses
import io
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from components.core import registry
from components.core.dataset import Dataset, Ints
from components.core.exam import Split
from components.core.metrics import Scores
from components.core.streams import Streams
from components.learning import Context, View
from components.learning.loop import Keeper
from knockout.testing.cases import BUDGET
from knockout.testing.level import Suite, fields_of
from search_spaces.arm import Arm, Choice
from search_spaces.presets import preset
from study.train.learner import own_streams, view_of
from study.train.score import fixed_order


class KilledError(Exception):
    """Ends a training as a kill does."""


class Memory:
    """Keeps checkpoints in memory, as a file would hold them, and kills the training after some of them."""

    def __init__(self, kill_after: int | None = None) -> None:
        self.kill_after, self.saved = kill_after, 0
        self.content: bytes | None = None

    @property
    def due(self) -> bool:
        """Always."""
        return True

    def save(self, state: Mapping[str, Any]) -> None:
        """Keep a state."""
        buffer = io.BytesIO()
        torch.save(dict(state), buffer)
        self.content, self.saved = buffer.getvalue(), self.saved + 1
        if self.saved == self.kill_after:
            raise KilledError

    def last(self) -> dict[str, Any] | None:
        """Return the state that was kept last: tensors and plain values."""
        if self.content is None:
            return None
        state: dict[str, Any] = torch.load(io.BytesIO(self.content), weights_only=True)
        return state


@dataclasses.dataclass(frozen=True)
class Fitted:
    """A level that was fitted, with what it was given."""

    learner: Any
    view: View
    context: Context


def every_pair(dataset: Dataset) -> Ints:
    """Return all pairs that start at a TF."""
    pairs = np.argwhere(~np.eye(dataset.n_genes, dtype=bool))
    return pairs[np.isin(pairs[:, 0], dataset.tfs)]


class LearnerContract(Suite):
    """What a model of one's own owes: it is fair, repeatable, and leaves alone what it is shown."""

    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path) -> None:
        """Give each test a folder."""
        self.scratch = tmp_path

    def arm(self, level: str, **given: Any) -> Arm:
        """Return the level as an arm."""
        choice = Choice("scorer", level, self.small("scorer", level, **given))
        return preset("knockout-small").arm("own").vary({"scorer": choice}, name="own")

    def fit(
        self, level: str, dataset: Dataset, split: Split, repeat: int = 0, keeper: Keeper | None = None, **given: Any
    ) -> Fitted:
        """Fit the level as a cell does."""
        arm, streams = self.arm(level, **given), Streams(dataset.digest, repeat)
        view = view_of(arm, dataset, split, streams)
        context = Context(
            device="cpu", threads=1, budget=BUDGET, streams=streams, scratch=self.scratch, view=view, keeper=keeper
        )
        with torch.random.fork_rng(devices=[]), fixed_order("cpu"), own_streams(streams):
            cls: Any = registry.level("scorer", level)
            learner = cls(arm.choices["scorer"].settings)
            learner.check(view)
            learner.fit(view, context)
        return Fitted(learner, view, context)

    def scores(self, level: str, dataset: Dataset, split: Split, **given: Any) -> Scores:
        """Return the scores of every pair."""
        return np.asarray(self.fit(level, dataset, split, **given).learner.score(every_pair(dataset)), dtype=np.float64)

    def test_gives_one_finite_score_per_pair(self, level: str, dataset: Dataset, split: Split) -> None:
        """Scores tell pairs apart."""
        learner = self.fit(level, dataset, split).learner
        for pairs in (every_pair(dataset), split.test, split.test[:1]):
            scores = np.asarray(learner.score(pairs), dtype=np.float64)
            assert scores.shape == (len(pairs),)
            assert np.isfinite(scores).all()
        assert len(np.unique(np.asarray(learner.score(split.test)))) > 1

    def test_the_score_of_a_pair_does_not_depend_on_order_or_on_the_others(
        self, level: str, dataset: Dataset, split: Split
    ) -> None:
        """A model that looks at the pairs it is asked for learns from the test."""
        learner, pairs = self.fit(level, dataset, split).learner, every_pair(dataset)
        scores = np.asarray(learner.score(pairs), dtype=np.float64)
        order = np.random.default_rng(0).permutation(len(pairs))
        np.testing.assert_allclose(learner.score(pairs[order]), scores[order], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(learner.score(pairs[order][:7]), scores[order][:7], rtol=1e-4, atol=1e-5)

    def test_the_same_seed_gives_the_same_bits(self, level: str, dataset: Dataset, split: Split) -> None:
        """Whatever was drawn in the process before."""
        scores: list[Any] = []
        for seed in (1, 2):
            torch.manual_seed(seed)
            random.seed(seed)
            np.random.seed(seed)  # noqa: NPY002
            scores.append(self.scores(level, dataset, split))
        assert np.array_equal(scores[0], scores[1])

    def test_held_out_edges_change_nothing(self, level: str, dataset: Dataset, split: Split) -> None:
        """Other test pairs with other labels, and a data set without its held-out edges, give the same scores."""
        other = dataclasses.replace(split, test=split.test[::-2].copy(), test_labels=1 - split.test_labels[::-2])
        train = set(map(tuple, split.train.tolist()))
        fewer = dataclasses.replace(dataset, edges=np.array([e for e in dataset.edges.tolist() if tuple(e) in train]))
        fewer.__dict__["digest"] = dataset.digest  # the same random streams
        scores = self.scores(level, dataset, split)
        assert np.array_equal(scores, self.scores(level, dataset, other))
        assert np.array_equal(scores, self.scores(level, fewer, split))

    def test_never_writes_into_what_it_is_shown(self, level: str, dataset: Dataset, split: Split) -> None:
        """Other arms are shown the same arrays."""
        before, exam = dataclasses.replace(dataset).digest, split.digest
        fitted = self.fit(level, dataset, split)
        fitted.learner.score(split.test)
        fresh = view_of(self.arm(level), dataset, split, Streams(dataset.digest, 0))
        for name in ("expression", "tfs", "validation", "validation_labels"):
            assert np.array_equal(getattr(fitted.view, name), getattr(fresh, name)), name
        for name in ("train", "pool"):
            assert np.array_equal(getattr(fitted.view.training, name), getattr(fresh.training, name)), name
        assert dataclasses.replace(dataset).digest == before
        assert dataclasses.replace(split).digest == exam

    def test_other_expression_gives_other_scores(self, level: str, dataset: Dataset, split: Split) -> None:
        """The controls of the arm act: noise, and other genes' expression."""
        if "expression" not in fields_of("scorer", level):
            pytest.skip("it reads no expression")
        scores = [self.scores(level, dataset, split, expression=kind) for kind in ("true", "noise", "permuted")]
        assert not np.array_equal(scores[0], scores[1])
        assert not np.array_equal(scores[0], scores[2])

    def test_a_killed_training_goes_on_to_the_last_bit(self, level: str, dataset: Dataset, split: Split) -> None:
        """After each checkpoint that it keeps."""
        watching = Memory()
        whole = self.fit(level, dataset, split, keeper=watching)
        if not watching.saved:
            pytest.skip("it keeps no checkpoint: it takes no epochs from its context")
        for number in range(1, watching.saved + 1):
            keeper = Memory(kill_after=number)
            with pytest.raises(KilledError):
                self.fit(level, dataset, split, keeper=keeper)
            resumed = self.fit(level, dataset, split, keeper=keeper)
            for name in ("curves", "best_epoch", "parameters"):
                assert getattr(resumed.context, name) == getattr(whole.context, name), name
            assert np.array_equal(resumed.learner.score(split.test), whole.learner.score(split.test))
