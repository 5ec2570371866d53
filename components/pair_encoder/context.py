"""Neighbouring pairs of a candidate pair in the graph of training positives: its local context.

Source: scUniGP appendix C ('To incorporate local context, up to five neighboring gene pairs are sampled from the graph
during training').
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Context:
    """Pairs of the graph that share a gene with each candidate pair.

    Attributes
    ----------
    tf, target
        ``[pairs, k]`` gene indices.
    absent
        ``[pairs, k]`` bool: slots that hold no pair: the gene has no neighbour besides its partner.
    """

    tf: Tensor
    target: Tensor
    absent: Tensor


class Neighbours:
    """Finds pairs next to a candidate pair (i, j) in the visible graph ``[2, edges]``: (i, k) and (k, j).

    The candidate itself is never among them, nor its reverse: a training pair, whose own edge the graph holds, must
    look like a test pair, whose edge it does not.
    """

    def __init__(self, edges: Tensor, n_genes: int) -> None:
        self.n_genes = n_genes
        self.keys = edges[0] * n_genes + edges[1]  # the graph comes sorted by gene, then by neighbour, each edge once
        self.degree = torch.bincount(self.keys // n_genes, minlength=n_genes)
        self.start = self.degree.cumsum(0) - self.degree

    def of(self, pairs: Tensor, k: int, *, draw: bool) -> Context:
        """Return up to ``k`` neighbours of each of ``[pairs, 2]``: drawn with replacement, or evenly spread.

        Training draws. Scoring takes neighbours evenly spread over each gene's list, so that a pair's score depends on
        nothing but the pair and the graph.
        """
        share = torch.linspace(0, 1, k + 2, device=pairs.device)[1:-1].expand(len(pairs), k)
        if draw:
            share = torch.rand(len(pairs), k, device=pairs.device)
        at_tf = torch.arange(k, device=pairs.device) % 2 == 0  # slots alternate between the two genes
        gene = torch.where(at_tf, pairs[:, :1], pairs[:, 1:])
        partner = torch.where(at_tf, pairs[:, 1:], pairs[:, :1])
        own = gene * self.n_genes + partner
        row = torch.searchsorted(self.keys, own)  # where the candidate stands, or would stand, in its gene's list
        padded = torch.cat([self.keys, self.keys.new_full((1,), -1)])
        linked = padded[row] == own
        others = self.degree[gene] - linked.long()
        step = (share * others).long().clamp(max=(others - 1).clamp(min=0))
        chosen = self.start[gene] + step
        chosen = chosen + (linked & (chosen >= row)).long()  # skip the candidate
        absent = others == 0
        found = torch.where(absent, gene, padded[chosen.clamp(max=len(self.keys))] % self.n_genes)
        return Context(torch.where(at_tf, gene, found), torch.where(at_tf, found, gene), absent)
