from __future__ import annotations

import numpy as np
import pytest
from component_cases import all_levels, keys, make_dataset, make_split, small

from components.core import registry
from components.core.exam import Split
from knockout.testing import NegativesContract

LEVELS = [level for _, level in all_levels("negatives")]


EXPRESSION = make_dataset(genes=60).expression  # of any network here: fewer genes use the first rows


def build(level: str, split: Split, **settings):
    fields = registry.level("negatives", level).Settings.model_fields
    given = small("negatives", level, **{k: settings[k] for k in settings if k in fields})
    return registry.level("negatives", level)(given, split, EXPRESSION[: split.n_genes])


@pytest.mark.parametrize("level", LEVELS)
class TestEverySampler(NegativesContract):
    pass


@pytest.mark.parametrize("ratio", [0.5, 1.0, 2.0])
def test_uniform_draws_ratio_times_the_positives(ratio, split):
    drawn = build("uniform", split, ratio=ratio).draw(np.random.default_rng(0))
    assert len(drawn) == round(ratio * len(split.train))


def test_uniform_reaches_the_whole_pool_and_stops_there(split):
    drawn = build("uniform", split, ratio=50.0).draw(np.random.default_rng(0))
    assert keys(drawn, split.n_genes) == keys(split.pool, split.n_genes)


@pytest.mark.parametrize("ratio", [0.5, 1.0, 3.0])
def test_same_tf_matches_the_positives_of_each_tf(ratio, split):
    drawn = build("same_tf", split, ratio=ratio).draw(np.random.default_rng(0))
    for tf in np.unique(np.concatenate([split.pool, split.train])[:, 0]):
        quota = int(np.ceil(ratio * np.sum(split.train[:, 0] == tf)))
        assert np.sum(drawn[:, 0] == tf) == min(quota, np.sum(split.pool[:, 0] == tf))


def test_same_tf_gives_every_free_gene_its_chance(split):
    sampler, rng = build("same_tf", split), np.random.default_rng(0)
    reached = set().union(*(keys(sampler.draw(rng), split.n_genes) for _ in range(60)))
    of_trained = split.pool[np.isin(split.pool[:, 0], split.train[:, 0])]
    assert len(reached) > 0.9 * len(of_trained)


def test_all_is_the_whole_pool(split):
    assert np.array_equal(build("all", split).draw(np.random.default_rng(0)), split.pool)


@pytest.mark.parametrize("level", ["all", "protocol"])
def test_a_share_of_the_pool_is_drawn_anew_and_every_pair_in_time(level):
    split = make_split(make_dataset(4, genes=50, tfs=10, edges=110), "all_non_targets")
    sampler, rng = build(level, split, share=0.25), np.random.default_rng(0)
    draws = [keys(sampler.draw(rng), split.n_genes) for _ in range(40)]
    assert sampler.fresh and {len(draw) for draw in draws} == {round(0.25 * len(split.pool))}
    assert set().union(*draws) == keys(split.pool, split.n_genes) and draws[0] != draws[1]


@pytest.mark.parametrize("protocol", ["per_tf", "per_tf_as_published", "balanced", "unseen_tf"])
def test_protocol_draws_as_same_tf_where_the_exam_trains_on_a_draw(protocol):
    split = make_split(make_dataset(4, genes=50, tfs=10, edges=110), protocol)
    one, other = (build(level, split).draw(np.random.default_rng(3)) for level in ("protocol", "same_tf"))
    assert np.array_equal(one, other)
    assert build("protocol", split).fresh and not build("protocol", split, fresh=False).fresh


@pytest.mark.parametrize("protocol", ["all_non_targets", "kfold_pooled"])
def test_protocol_takes_the_whole_pool_where_the_exam_trains_on_it(protocol):
    split = make_split(make_dataset(4, genes=50, tfs=10, edges=110), protocol)
    sampler = build("protocol", split)
    assert np.array_equal(sampler.draw(np.random.default_rng(3)), split.pool)
    assert not sampler.fresh
