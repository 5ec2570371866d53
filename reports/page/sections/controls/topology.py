"""The section on topology: what expression adds once the graph of training edges has said what it can."""

from __future__ import annotations

from typing import Any

import pandas as pd

from reports.findings.controls.topology import Beyond
from reports.findings.results import Analysis, Paired
from reports.page.sections.pairs import pair_notes
from reports.page.tables.exports import Export
from reports.words.metrics import label, metric_of
from reports.words.numbers import count, interval, number, signed


def topology_exports(beyond: Beyond) -> list[Export]:
    """Return the table of every repeat, all digits."""
    return [] if beyond.scores.empty else [Export("beyond_topology", beyond.scores)]


def topology_context(beyond: Beyond, a: Analysis) -> dict[str, Any]:
    """Gather everything the section shows."""
    rows = [{**_means(beyond.scores, g), **_row(g)} for g in beyond.gains]
    return {"rows": rows, "note": beyond.note, "notes": pair_notes(beyond.gains), "sentence": sentence(beyond, a)}


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


def sentence(beyond: Beyond, a: Analysis) -> str:
    """Say on the primary metric what expression adds to topology; nothing where that is not known."""
    metric = a.metric if any(g.metric == a.metric for g in beyond.gains) else ""
    gains = [g for g in beyond.gains if g.metric == metric]
    if not gains:
        return ""
    size = (beyond.effects or {}).get(metric)
    head = f"On top of topology, expression adds {{}} {label(metric)}"
    if size is not None:
        text = head.format(signed(size.mean)) + f" {interval(size)} over {count(size.n, 'block')}"
    elif len(gains) == 1:
        g = gains[0]
        text = head.format(signed(g.mean)) + f" {interval(g)} over {count(g.repeats, 'repeat')} of {g.dataset}"
    elif metric_of(metric).same_scale:
        mean = sum(g.mean for g in gains) / len(gains)
        text = head.format(signed(mean)) + f" on average over {count(len(gains), 'data set')} of one block"
    else:
        won = sum(g.mean > 0 for g in gains)
        text = head.format("to") + f" on {won} of {count(len(gains), 'data set')}"
    lacking = len(a.datasets) - len(gains)
    left_out = f"; {count(lacking, 'data set')} left out for missing cells" if lacking else ""
    return f"{text}: {a.reference} joined with it, against the same model on noise joined with it{left_out}."
