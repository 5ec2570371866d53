"""Local context: neighbouring pairs of a candidate in the graph of training positives (scUniGP appendix C)."""

from __future__ import annotations

import numpy as np
import torch
from component_cases import make_model, make_parts
from hypothesis import given
from hypothesis import strategies as st

from components.model import training_graph
from components.pair_encoder.context import CommonNeighbours, Neighbours
from components.passing.graph import both_ways

PATH = training_graph(torch.tensor([[0, 1], [0, 2], [3, 2]]))  # 1 - 0 - 2 - 3, and gene 4 alone


def listed(context, row: int = 0) -> set[tuple[int, int]]:
    keep = ~context.absent[row]
    return set(zip(context.tf[row][keep].tolist(), context.target[row][keep].tolist(), strict=True))


class TestNeighbours:
    def test_pairs_share_a_gene_with_the_candidate(self):
        context = Neighbours(PATH, 5).of(torch.tensor([[1, 3]]), 4, draw=False)
        assert listed(context) == {(1, 0), (2, 3)}  # 1's only neighbour is 0, 3's is 2

    def test_a_linked_candidate_has_the_context_of_an_unlinked_one(self):
        linked, unlinked = (
            Neighbours(training_graph(torch.tensor(edges)), 5) for edges in ([[0, 1], [0, 2], [3, 2]], [[0, 1], [3, 2]])
        )
        pair = torch.tensor([[0, 2]])
        for draw in (False, True):
            torch.manual_seed(0)
            one = linked.of(pair, 5, draw=draw)
            torch.manual_seed(0)
            two = unlinked.of(pair, 5, draw=draw)
            assert listed(one) == listed(two) == {(0, 1), (3, 2)}
            assert torch.equal(one.absent, two.absent)

    def test_a_gene_without_neighbours_leaves_its_slots_empty(self):
        context = Neighbours(PATH, 5).of(torch.tensor([[4, 1]]), 5, draw=False)
        assert context.absent[0].tolist() == [True, False, True, False, True]

    def test_an_empty_graph_leaves_all_empty(self):
        assert Neighbours(PATH[:, :0], 5).of(torch.tensor([[0, 1], [2, 3]]), 5, draw=True).absent.all()

    @given(st.integers(0, 10_000))
    def test_draws_are_edges_of_the_graph_and_never_the_candidate(self, seed):
        rng = np.random.default_rng(seed)
        positives = torch.from_numpy(np.argwhere(rng.random((7, 7)) < 0.3))
        positives = positives[positives[:, 0] != positives[:, 1]]
        edges = training_graph(positives)
        links = set(map(tuple, edges.T.tolist()))
        pairs = torch.from_numpy(rng.integers(0, 7, (20, 2)))
        pairs = pairs[pairs[:, 0] != pairs[:, 1]]
        torch.manual_seed(seed)
        context = Neighbours(edges, 7).of(pairs, 5, draw=True)
        for row, pair in enumerate(pairs.tolist()):
            near = listed(context, row)
            assert near <= links
            assert not near & {tuple(pair), tuple(pair[::-1])}
            assert all(tf == pair[0] or target == pair[1] for tf, target in near)


class TestInTheModel:
    def model(self, dataset, **changes):
        return make_model(dataset, make_parts(pair_encoder=("transformer", changes)))

    def test_context_reaches_the_score_of_a_pair(self, dataset, split):
        model = self.model(dataset, context=5).eval()
        positives, pairs = torch.from_numpy(split.train), torch.from_numpy(split.test)
        encoded = model.encode(training_graph(positives))
        z = model.score(encoded, pairs)[1]
        model.pair_encoder.context_role.data += 1.0
        assert not torch.allclose(z, model.score(encoded, pairs)[1])

    def test_scores_do_not_depend_on_the_pairs_asked_with_them(self, dataset, split):
        model = self.model(dataset, context=5).eval()
        encoded = model.encode(training_graph(torch.from_numpy(split.train)))
        pairs = torch.from_numpy(split.test)
        together = model.score(encoded, pairs)[0]
        alone = torch.cat([model.score(encoded, chunk)[0] for chunk in pairs.split(3)])
        torch.testing.assert_close(together, alone)

    def test_pair_without_any_neighbour_is_encoded_as_without_context(self, dataset):
        with_context, without = self.model(dataset, context=5).eval(), self.model(dataset).eval()
        without.load_state_dict({k: v for k, v in with_context.state_dict().items() if "context_role" not in k})
        no_edges, pairs = torch.zeros((2, 0), dtype=torch.long), torch.tensor([[0, 1], [2, 3]])
        torch.testing.assert_close(
            with_context.score(with_context.encode(no_edges), pairs)[1],
            without.score(without.encode(no_edges), pairs)[1],
        )


def test_common_neighbours_are_the_genes_that_both_are_linked_to():
    edges = both_ways(torch.tensor([[0, 0, 1, 1, 2], [1, 2, 2, 3, 3]]))
    tokens = torch.eye(5)
    sums = CommonNeighbours(edges, 5).total(tokens, torch.tensor([[0, 1], [0, 3], [1, 2], [0, 4], [2, 2]]))
    assert [row.nonzero().flatten().tolist() for row in sums] == [[2], [1, 2], [0, 3], [], [0, 1, 3]]


def test_a_pairs_own_link_is_no_common_neighbour():
    edges, pair = torch.tensor([[0, 1, 2], [2, 2, 3]]), torch.tensor([[0, 1]])
    linked = torch.cat([edges, pair.t()], dim=1)
    one, other = (CommonNeighbours(both_ways(each), 4).total(torch.eye(4), pair) for each in (edges, linked))
    assert torch.equal(one, other) and one.sum() == 1
