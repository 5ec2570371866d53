"""What validation asks otherwise than the test."""

from __future__ import annotations

import numpy as np

from components.core.dataset import Ints
from components.core.exam import Split

PREVALENCE = 1.5  # times, by which the shares of edges in validation and test may differ without a word
UNSEEN = 0.1  # by which their shares of genes that training never shows may
CHANCE = 3.0  # standard errors: what two small parts differ by may be the luck of one split


def differences(split: Split) -> str:
    """Say what validation asks otherwise than the test does, so that it may choose the wrong arm; empty if nothing."""
    parts = {part: (getattr(split, part), getattr(split, f"{part}_labels") == 1) for part in ("validation", "test")}
    share = {part: float(positive.mean()) for part, (_, positive) in parts.items()}
    notes = []
    if max(share.values()) > PREVALENCE * min(share.values()):
        notes.append(
            f"{share['validation']:.1%} of validation's pairs are edges, and {share['test']:.1%} of the test's"
        )
    for gene, unseen in (("TF", unseen_tf), ("target", unseen_target)):
        for label, what in ((True, "edges"), (False, "non-edges")):
            strange = {part: unseen(split, pairs[positive == label]) for part, (pairs, positive) in parts.items()}
            of = {part: float(is_strange.mean()) for part, is_strange in strange.items()}
            if abs(of["validation"] - of["test"]) > max(UNSEEN, CHANCE * _standard_error(*strange.values())):
                notes.append(
                    f"{of['validation']:.0%} of validation's {what} have a {gene} that training never shows, and "
                    f"{of['test']:.0%} of the test's"
                )
    return "; ".join(notes)


def _standard_error(one: np.ndarray, other: np.ndarray) -> float:
    """Return that of the difference of two shares, if they are the same."""
    share = float(np.concatenate([one, other]).mean())
    return float(np.sqrt(share * (1 - share) * (1 / len(one) + 1 / len(other))))


def unseen_tf(split: Split, pairs: Ints) -> np.ndarray:
    """Return whether the TF of each pair, ``[pairs, 2]`` to ``[pairs]``, has no training positive."""
    return ~np.isin(pairs[:, 0], split.train[:, 0])


def unseen_target(split: Split, pairs: Ints) -> np.ndarray:
    """Return whether the target of each pair has no training positive."""
    return ~np.isin(pairs[:, 1], split.train[:, 1])
