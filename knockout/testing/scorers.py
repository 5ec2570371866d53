"""What rules and known methods owe."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal, get_args, get_origin

import numpy as np
import pytest
import torch
from annotated_types import Ge, Le

from components.core import registry
from components.core.dataset import Dataset, Ints
from components.core.exam import Split
from components.scorer.base import MODEL_FACTORS
from knockout.testing.cases import make_dataset, scorer_arguments
from knockout.testing.level import Suite, fields_of

# only size is shrunk
FAST: dict[str, Any] = {"trees": 5, "epochs": 3, "hidden": 4}


def swapped(split: Split) -> Split:
    """Return an exam with fewer held-out pairs, in another order and with the other labels."""
    names = ("validation", "validation_labels", "test", "test_labels")
    validation, validation_labels, test, test_labels = (getattr(split, name)[::-2] for name in names)
    others = {"validation_labels": 1 - validation_labels, "test_labels": 1 - test_labels}
    return dataclasses.replace(split, validation=validation, test=test, **others)


class RuleContract(Suite):
    """What a control that reads no expression owes."""

    def build(self, level: str, split: Split) -> Any:
        """Construct the level for an exam."""
        return self.make("scorer", level, split, np.random.default_rng(0))

    def test_gives_one_finite_score_per_pair(self, level: str, split: Split) -> None:
        scores = self.build(level, split).score(split.test)
        assert scores.shape == (len(split.test),)
        assert np.isfinite(scores).all()

    def test_held_out_labels_and_pairs_change_nothing(self, level: str, split: Split) -> None:
        assert np.array_equal(*(self.build(level, exam).score(split.test) for exam in (split, swapped(split))))

    def test_training_positives_matter(self, level: str, split: Split) -> None:
        fewer = dataclasses.replace(split, train=split.train[::2])
        assert not np.array_equal(*(self.build(level, exam).score(split.test) for exam in (split, fewer)))

    def test_is_a_control_that_silences_the_model(self, level: str, split: Split) -> None:
        assert self.build(level, split).control
        assert registry.silenced_by("scorer", level) >= set(MODEL_FACTORS)

    def test_same_pair_same_score_in_any_order(self, level: str, split: Split) -> None:
        scorer = self.build(level, split)
        assert np.array_equal(scorer.score(split.test)[::-1], scorer.score(split.test[::-1]))


def constant_genes() -> Dataset:
    """Return twenty genes, a few of them constant: a TF at zero, a target at zero and a target at one value."""
    dataset = make_dataset(genes=20, tfs=5, cells=30, edges=50)
    values = dataset.expression.copy()
    targets = np.setdiff1d(np.arange(20), dataset.tfs)
    values[[dataset.tfs[1], targets[0]]] = 0.0
    values[targets[1]] = np.float32(1.7)
    return dataclasses.replace(dataset, expression=values)


def every_pair(dataset: Dataset) -> Ints:
    """Return all ordered pairs of two genes."""
    return np.argwhere(~np.eye(dataset.n_genes, dtype=bool))


class BaselineContract(Suite):
    """What a known method owes that reads true expression."""

    @pytest.fixture
    def dataset(self) -> Dataset:
        """Return a data set of which some genes are constant."""
        return constant_genes()

    def build(self, level: str, dataset: Dataset, split: Split, seed: int = 0, **given: Any) -> Any:
        """Construct the level for a data set and an exam."""
        cls: Any = registry.level("scorer", level)
        fast = {name: value for name, value in FAST.items() if name in cls.Settings.model_fields}
        settings = registry.parse("scorer", level, {**fast, **self.settings, **given})
        return cls(settings, *scorer_arguments(cls, dataset, split, np.random.default_rng(seed)))

    def test_gives_one_finite_score_per_pair_though_genes_are_constant(
        self, level: str, dataset: Dataset, split: Split
    ) -> None:
        scorer = self.build(level, dataset, split)
        for pairs in (every_pair(dataset), split.test, split.test[:1]):
            scores = scorer.score(pairs)
            assert (scores.shape, scores.dtype) == ((len(pairs),), np.dtype(np.float64))
            assert np.isfinite(scores).all()
        assert len(np.unique(scorer.score(split.test))) > 1

    def test_same_pair_same_score_in_any_order_and_whichever_others_are_asked(
        self, level: str, dataset: Dataset, split: Split
    ) -> None:
        pairs, order = every_pair(dataset), np.random.default_rng(1).permutation(380)
        scores = self.build(level, dataset, split).score(pairs)
        scorer = self.build(level, dataset, split)
        np.testing.assert_allclose(scorer.score(pairs[order][:37]), scores[order][:37], atol=1e-6)
        np.testing.assert_allclose(scorer.score(pairs[::-1]), scores[::-1], atol=1e-6)
        np.testing.assert_allclose(scorer.score(pairs.astype(np.int32)), scores, atol=1e-6)

    def test_held_out_labels_and_pairs_change_nothing(self, level: str, dataset: Dataset, split: Split) -> None:
        pairs = every_pair(dataset)
        assert np.array_equal(*(self.build(level, dataset, exam).score(pairs) for exam in (split, swapped(split))))

    def test_same_stream_same_scores_and_the_arrays_it_was_given_stay(
        self, level: str, dataset: Dataset, split: Split
    ) -> None:
        before = dataset.expression.copy()
        pairs = every_pair(dataset)
        first, second = (self.build(level, dataset, split, seed=3).score(pairs) for _ in range(2))
        assert np.array_equal(first, second)
        assert np.array_equal(dataset.expression, before)

    def test_is_fitted_once_for_validation_and_test(self, level: str, dataset: Dataset, split: Split) -> None:
        scorer = self.build(level, dataset, split)
        first = scorer.score(split.validation)
        scorer.rng = scorer.split = None  # what another fit would need
        assert np.array_equal(scorer.score(split.validation), first)
        assert len(scorer.score(split.test)) == len(split.test)

    def test_layout_and_type_of_expression_do_not_matter(self, level: str, dataset: Dataset, split: Split) -> None:
        pairs = every_pair(dataset)
        plain = self.build(level, dataset, split).score(pairs)
        layouts: tuple[Any, ...] = (np.asfortranarray(dataset.expression), dataset.expression.astype(np.float64))
        for layout in layouts:
            other = dataclasses.replace(dataset, expression=layout)
            np.testing.assert_allclose(self.build(level, other, split).score(pairs), plain, atol=1e-6)

    def test_a_gene_that_is_no_tf_regulates_nothing(self, level: str, dataset: Dataset, split: Split) -> None:
        pairs = every_pair(dataset)
        by_tf = np.isin(pairs[:, 0], dataset.tfs)
        scores = self.build(level, dataset, split).score(pairs)
        assert not scores[~by_tf].any()
        assert scores[by_tf].any()
        assert (scores >= 0).all(), "or such a pair would not rank last"

    def test_reads_expression(self, level: str, dataset: Dataset, split: Split) -> None:
        other = dataclasses.replace(dataset, expression=dataset.expression[::-1].copy())
        pairs = split.test
        assert not np.allclose(
            self.build(level, dataset, split).score(pairs), self.build(level, other, split).score(pairs)
        )

    def test_is_a_baseline_that_silences_the_model(self, level: str, dataset: Dataset, split: Split) -> None:
        cls: Any = registry.level("scorer", level)
        assert not cls.control and not cls.trains
        assert registry.silenced_by("scorer", level) >= set(MODEL_FACTORS)

    def test_global_random_state_stays_and_does_not_matter(self, level: str, dataset: Dataset, split: Split) -> None:
        scores = []
        for seed in (1, 2):
            torch.manual_seed(seed)
            np.random.seed(seed)  # noqa: NPY002
            before, drawn = torch.get_rng_state(), np.random.get_state(legacy=False)  # noqa: NPY002
            scores.append(self.build(level, dataset, split).score(split.test))
            assert torch.equal(before, torch.get_rng_state())
            np.testing.assert_equal(np.random.get_state(legacy=False), drawn)  # noqa: NPY002
        assert np.array_equal(*scores)

    def test_every_setting_acts_and_every_extreme_scores(self, level: str, dataset: Dataset, split: Split) -> None:
        fields = fields_of("scorer", level)
        enough = {name: value for name, value in {"trees": 30, "epochs": 5}.items() if name in fields}
        plain = self.build(level, dataset, split, **enough).score(split.test)
        for name, field in fields.items():
            values = list(get_args(field.annotation)) if get_origin(field.annotation) is Literal else []
            values += [type(field.default)(bound.ge) for bound in field.metadata if isinstance(bound, Ge)]
            values += [bound.le for bound in field.metadata if isinstance(bound, Le) and name == "max_features"]
            outcomes = [self.build(level, dataset, split, **enough | {name: v}).score(split.test) for v in values]
            assert np.isfinite(outcomes).all(), name
            assert any(not np.array_equal(scores, plain) for scores in outcomes), f"{name} changes nothing"

    def test_scores_where_nothing_varies_or_one_tf_is_listed(self, level: str, dataset: Dataset, split: Split) -> None:
        flat = dataclasses.replace(dataset, expression=np.ones_like(dataset.expression))
        assert len(np.unique(self.build(level, flat, split).score(split.train))) == 1
        lonely = dataclasses.replace(dataset, tfs=dataset.tfs[:1])
        assert np.isfinite(self.build(level, lonely, split).score(every_pair(dataset))).all()
