"""Local context of a candidate pair: its neighbouring pairs in the graph of training positives.

Source: scUniGP appendix C ('To incorporate local context, up to five neighboring gene pairs are sampled from the graph
during training').
"""

from __future__ import annotations

import torch
from torch import Tensor

from components.pair_encoder.base import LocalContext


class CommonNeighbours:
    """Finds the neighbours that two genes share in the graph ``[2, edges]``; whether they are linked is not read.

    Memory grows with genes squared, a byte each.
    """

    def __init__(self, edges: Tensor, n_genes: int) -> None:
        self.linked = torch.zeros(n_genes, n_genes, dtype=torch.bool, device=edges.device)
        self.linked[edges[0], edges[1]] = True
        self.linked.fill_diagonal_(False)

    def total(self, tokens: Tensor, pairs: Tensor) -> Tensor:
        """Return the sum of the tokens ``[genes, dim]`` of common neighbours of ``[pairs, 2]``: ``[pairs, dim]``."""
        return (self.linked[pairs[:, 0]] & self.linked[pairs[:, 1]]).to(tokens.dtype) @ tokens


class Neighbours:
    """Finds pairs (i, k) and (k, j) of the graph ``[2, edges]`` for a candidate pair (i, j).

    Neither the candidate nor its reverse is among them: a training pair, whose edge is in the graph, must look like a
    test pair, whose edge is not.
    """

    def __init__(self, edges: Tensor, n_genes: int) -> None:
        self.n_genes = n_genes
        self.keys = edges[0] * n_genes + edges[1]  # the graph is sorted by gene, then by neighbour, without repetition
        self.degree = torch.bincount(self.keys // n_genes, minlength=n_genes)
        self.start = self.degree.cumsum(0) - self.degree

    def of(self, pairs: Tensor, k: int, *, draw: bool) -> LocalContext:
        """Return up to ``k`` neighbours of each of ``[pairs, 2]``, half of them of either gene.

        Training draws them with replacement (``draw``). Scoring takes them evenly spread over each gene's list, so that
        a score depends on pair and graph only.
        """
        share = torch.linspace(0, 1, k + 2, device=pairs.device)[1:-1].expand(len(pairs), k)
        if draw:
            share = torch.rand(len(pairs), k, device=pairs.device)
        at_tf = torch.arange(k, device=pairs.device) % 2 == 0  # slots alternate between the two genes
        gene = torch.where(at_tf, pairs[:, :1], pairs[:, 1:])
        partner = torch.where(at_tf, pairs[:, 1:], pairs[:, :1])
        candidate = gene * self.n_genes + partner
        row = torch.searchsorted(self.keys, candidate)  # the candidate's place in its gene's list
        padded = torch.cat([self.keys, self.keys.new_full((1,), -1)])
        linked = padded[row] == candidate
        others = self.degree[gene] - linked.long()
        step = (share * others).long().clamp(max=(others - 1).clamp(min=0))
        chosen = self.start[gene] + step
        chosen = chosen + (linked & (chosen >= row)).long()  # skip the candidate
        absent = others == 0
        neighbour = torch.where(absent, gene, padded[chosen.clamp(max=len(self.keys))] % self.n_genes)
        return LocalContext(torch.where(at_tf, gene, neighbour), torch.where(at_tf, neighbour, gene), absent)
