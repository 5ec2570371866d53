"""How a report names its independent units."""

from __future__ import annotations

from reports.findings.results import Analysis
from reports.words.numbers import count


def blocks_of(a: Analysis, n: int) -> str:
    """Write '7 independent blocks', or '14 blocks taken as independent' where whoever asked for them did so."""
    if any(r.rule == "independence" for r in a.refusals):
        return f"{count(n, 'block')} taken as independent"
    return count(n, "independent block")
