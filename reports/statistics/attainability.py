"""What a design can prove at best, known before anything is trained. Needs the standard library only.

The signs of N independent blocks have 2**N equally likely patterns, so no outcome of a two-sided test that is exact,
however good, has p below 2 / 2**N: for one comparison as for many, where whole blocks are flipped jointly
(:mod:`reports.statistics.pairs.max_t`).
"""

from __future__ import annotations

from itertools import count

FEWEST = 6  # blocks: of fewer no difference is tested, at any level; 2 / 2**5 > .05


def smallest_p(blocks: int) -> float:
    """Return the smallest adjusted p a study of this size can reach, however large the effect: ``2 / 2**blocks``.

    Parameters
    ----------
    blocks
        Independent blocks (cell types); repeats do not count.
    """
    if blocks < 0:
        raise ValueError(f"blocks must be at least 0, got {blocks}")
    return float(min(1.0, 2.0 / 2**blocks))


def blocks_needed(alpha: float = 0.05) -> int:
    """Return how many independent blocks a study needs before any of its comparisons can be significant; at least 6.

    Parameters
    ----------
    alpha
        Level that the smallest p has to fall below, in (0, 1).
    """
    if not 0.0 < alpha < 1.0:
        raise ValueError(f"alpha must lie between 0 and 1, got {alpha}")
    return next(blocks for blocks in count(FEWEST) if smallest_p(blocks) < alpha)
