"""The section on topology: what expression adds once the graph of training edges has said what it can."""

from __future__ import annotations

from typing import Any

import pandas as pd

from reports.findings.controls.topology import Beyond
from reports.findings.results import Paired
from reports.page.sections.pairs import pair_notes
from reports.page.tables.exports import Export
from reports.words.metrics import label
from reports.words.numbers import interval, number, signed


def topology_exports(beyond: Beyond) -> list[Export]:
    """Return the table of every repeat, all digits."""
    return [] if beyond.scores.empty else [Export("beyond_topology", beyond.scores)]


def topology_context(beyond: Beyond) -> dict[str, Any]:
    """Gather everything the section shows."""
    rows = [{**_means(beyond.scores, g), **_row(g)} for g in beyond.gains]
    return {"rows": rows, "note": beyond.note, "notes": pair_notes(beyond.gains)}


def _means(scores: pd.DataFrame, gain: Paired) -> dict[str, str]:
    mine = scores[(scores["dataset"] == gain.dataset) & (scores["metric"] == gain.metric)]
    return {name: number(float(mine[name].mean())) for name in ("alone", "with_reference", "with_noise")}


def _row(gain: Paired) -> dict[str, str]:
    return {
        "dataset": gain.dataset,
        "metric": label(gain.metric),
        "gain": signed(gain.mean),
        "interval": interval(gain),
        "repeats": str(gain.repeats),
    }
