"""What a design can prove at best, known before anything is trained. Needs the standard library only.

The exact two-sided Wilcoxon test over N independent blocks has 2**N equally likely sign patterns, so no
outcome, however good, has p below 2 / 2**N; Holm multiplies the smallest p by the number of comparisons
(Demšar 2006).
"""

from __future__ import annotations


def smallest_p(blocks: int, comparisons: int) -> float:
    """Return the smallest Holm-adjusted p a study of this size can reach, however large the effect.

    Parameters
    ----------
    blocks
        Independent blocks (cell types); repeats do not count.
    comparisons
        Tests in the family, e.g. the number of knocked-out arms.

    Returns
    -------
    float
        ``min(1, comparisons * 2 / 2**blocks)``.
    """
    _check("blocks", blocks, 0)
    _check("comparisons", comparisons, 1)
    return float(min(1.0, comparisons * 2.0 / 2**blocks))


def blocks_needed(comparisons: int, alpha: float = 0.05) -> int:
    """Return how many independent blocks a study needs before any of its comparisons can be significant.

    Parameters
    ----------
    comparisons
        Tests in the family.
    alpha
        Level that the smallest Holm-adjusted p has to fall below, in (0, 1).
    """
    if not 0.0 < alpha < 1.0:
        raise ValueError(f"alpha must lie between 0 and 1, got {alpha}")
    blocks = 1
    while smallest_p(blocks, comparisons) >= alpha:
        blocks += 1
    return blocks


def _check(name: str, given: int, least: int) -> None:
    if given < least:
        raise ValueError(f"{name} must be at least {least}, got {given}")
