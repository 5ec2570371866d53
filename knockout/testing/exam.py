"""What protocols of an exam, and what reads its training part (samplers of negatives, features of pairs), owe."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch

from components.core import registry
from components.core.dataset import Dataset, pair_keys
from components.core.exam import Split
from components.core.streams import Streams
from knockout.testing.cases import keys, make_dataset, make_split
from knockout.testing.level import Suite, fields_of

PROTOCOLS = [name for name, cls in registry.levels("split").items() if not getattr(cls, "across", False)]
ORIENTATION = (("tf", 0), ("target", 1))
EXPRESSION = make_dataset(genes=60).expression  # of any network here: fewer genes use the first rows


class NegativesContract(Suite):
    """What a sampler of negatives owes: pairs of the pool alone, by the stream that it is given."""

    def build(self, level: str, split: Split, **settings: Any) -> Any:
        """Construct the level for an exam; settings that it lacks are left out."""
        own = {name: value for name, value in settings.items() if name in fields_of("negatives", level)}
        return self.make("negatives", level, split, EXPRESSION[: split.n_genes], **own)

    @pytest.mark.parametrize("protocol", PROTOCOLS)
    def test_draws_from_the_pool_without_repetition(self, level: str, protocol: str) -> None:
        split = make_split(make_dataset(4, genes=50, tfs=10, edges=110), protocol)
        drawn = self.build(level, split, ratio=2.0).draw(np.random.default_rng(0))
        n = split.n_genes
        assert drawn.dtype == np.int64
        assert len(keys(drawn, n)) == len(drawn) > 0
        assert keys(drawn, n) <= keys(split.pool, n)

    @pytest.mark.parametrize("protocol", ["per_tf", "all_non_targets"])  # whose pool holds no held-out pair
    def test_never_draws_an_edge_or_a_held_out_pair(self, level: str, protocol: str, dataset: Dataset) -> None:
        split = make_split(dataset, protocol)
        forbidden = np.concatenate([dataset.edges, split.validation, split.test])
        for seed in range(5):
            drawn = self.build(level, split, ratio=10.0).draw(np.random.default_rng(seed))
            assert not keys(drawn, split.n_genes) & keys(forbidden, split.n_genes)

    def test_same_stream_same_draw(self, level: str, split: Split) -> None:
        sampler = self.build(level, split)
        one, two = (sampler.draw(np.random.default_rng(7)) for _ in range(2))
        assert np.array_equal(one, two)

    def test_fresh_draws_differ(self, level: str, split: Split) -> None:
        sampler, rng = self.build(level, split), np.random.default_rng(7)
        assert np.array_equal(sampler.draw(rng), sampler.draw(rng)) is not sampler.fresh

    def test_leaves_the_split_as_it_was(self, level: str, dataset: Dataset) -> None:
        split = make_split(dataset)
        self.build(level, split).draw(np.random.default_rng(0))
        assert split.digest == make_split(dataset).digest


class PairFeaturesContract(Suite):
    """What features of pairs owe: those of a training pair do not tell whether it is an edge."""

    def build(self, level: str, split: Split, **settings: Any) -> Any:
        """Construct the level for an exam, folds drawn from a stream of its own."""
        expression = torch.from_numpy(EXPRESSION[: split.n_genes])
        return self.make("pair_features", level, split.training, expression, np.random.default_rng(0), **settings)

    def test_shapes_are_as_documented(self, level: str, split: Split) -> None:
        part = self.build(level, split)
        for pairs, mode in ((split.train, True), (split.test, False)):
            assert part.train(mode)(torch.from_numpy(pairs)).shape == (len(pairs), part.width)

    def test_training_pairs_are_standardised(self, level: str, split: Split) -> None:
        part = self.build(level, split).train()
        features = part(torch.from_numpy(np.concatenate([split.train, split.pool]))).numpy()
        np.testing.assert_allclose(features.mean(axis=0), 0, atol=1e-4)
        spread = features.std(axis=0)
        assert ((np.abs(spread - 1) < 1e-3) | (spread == 0)).all()

    def test_a_pair_is_told_alike_among_any_others(self, level: str, split: Split) -> None:
        part = self.build(level, split).eval()
        held_out = torch.from_numpy(split.test)
        torch.testing.assert_close(part(held_out[:3]), part(held_out)[:3])

    def test_training_pairs_are_told_alike_in_training_and_after_it(self, level: str, split: Split) -> None:
        part, pairs = self.build(level, split), torch.from_numpy(split.train)
        assert torch.equal(part.train()(pairs), part.eval()(pairs))

    def test_nothing_that_is_held_out_is_read(self, level: str, split: Split) -> None:
        blind = dataclasses.replace(split, test=split.test[::-1], test_labels=1 - split.test_labels)
        one, other = (self.build(level, each).eval()(torch.from_numpy(split.test)) for each in (split, blind))
        assert torch.equal(one, other)


class SplitContract(Suite):
    """What a protocol owes that cuts one data set: honest parts, which the seed alone decides."""

    @pytest.fixture(params=range(3))
    def network(self, request: pytest.FixtureRequest) -> Dataset:
        """Return a random network."""
        return make_dataset(request.param, genes=50, tfs=10, edges=160)

    def test_parts_hold_what_they_should(self, level: str, network: Dataset) -> None:
        """Each pair stands in one part, and its label says whether it is an edge."""
        split = make_split(network, level, **self.settings)
        assert_pairs_are_candidates_and_appear_once(split, network)
        assert_no_pair_is_in_two_parts(split)
        assert_labels_tell_edges_from_others(split, network)
        assert not set.intersection(*positives_of(split)[:2]) and len(split.train)
        assert all(len(np.unique(labels)) == 2 for labels in (split.validation_labels, split.test_labels))

    def test_same_seed_same_exam_and_each_repeat_another(self, level: str, network: Dataset) -> None:
        """Arms are paired by exam."""
        seeds = [Streams(network.digest, repeat).seed("split") for repeat in (0, 0, 1, 2)]
        digests = [make_split(network, level, seed=seed, **self.settings).digest for seed in seeds]
        assert digests[0] == digests[1] and len(set(digests)) == 3

    def test_it_says_which_gene_of_held_out_pairs_is_unseen(self, level: str, network: Dataset) -> None:
        """What reads known edges hides those of a training pair as the test hides them."""
        split = make_split(network, level, **self.settings)
        training = np.concatenate([split.train, split.pool])
        held_out = np.concatenate([split.validation, split.test])
        unseen = [gene for gene, of in ORIENTATION if not np.isin(held_out[:, of], training[:, of]).any()]
        assert (unseen or ["none"]) == [split.unseen] == [split.training.unseen]

    def test_expression_is_not_looked_at(self, level: str, network: Dataset) -> None:
        """An exam that expression decides would favour whoever reads expression alike."""
        before = make_split(network, level, seed=1, **self.settings).digest
        network.expression[:] = 0.0
        assert make_split(network, level, seed=1, **self.settings).digest == before


def parts_of(split: Split) -> dict[str, set[int]]:
    return {part: keys(getattr(split, part), split.n_genes) for part in ("train", "pool", "validation", "test")}


def positives_of(split: Split) -> list[set[int]]:
    edges = [split.train, split.validation[split.validation_labels == 1], split.test[split.test_labels == 1]]
    return [keys(pairs, split.n_genes) for pairs in edges]


def assert_pairs_are_candidates_and_appear_once(split: Split, network: Dataset) -> None:
    for name, part in parts_of(split).items():
        pairs = getattr(split, name)
        assert pairs.dtype == np.int64
        assert len(part) == len(pairs), name
        assert np.isin(pairs[:, 0], network.tfs).all(), name
        assert (pairs[:, 0] != pairs[:, 1]).all(), name
    assert not keys(split.pool, network.n_genes) & keys(network.edges, network.n_genes)
    assert (np.diff(split.pool[:, 0]) >= 0).all()


def assert_no_pair_is_in_two_parts(split: Split) -> None:
    parts = parts_of(split)
    assert len(set().union(*parts.values())) == sum(map(len, parts.values()))


def assert_labels_tell_edges_from_others(split: Split, network: Dataset) -> None:
    for pairs, labels in ((split.validation, split.validation_labels), (split.test, split.test_labels)):
        known = np.isin(pair_keys(pairs, network.n_genes), pair_keys(network.edges, network.n_genes))
        assert known.astype(int).tolist() == labels.tolist()
