"""What each part contributes, what scores vary by and where orders flip: a sentence each, none of them a verdict."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import pandas as pd

from reports.findings.contributions.reversals import Reversals
from reports.findings.contributions.worth import Worth
from reports.findings.results import Analysis
from reports.words.metrics import label
from reports.words.numbers import count, ends, joined, signed

_CURES = {
    "block": "more blocks shrink it, more repeats hardly do",
    "data set": "more data sets in each block or more blocks shrink it",
    "": "more repeats or more blocks shrink it",
}


def primary_worth(a: Analysis) -> Worth | None:
    """Return what the parts are worth on the primary metric, where that is known."""
    return next((w for w in a.contributions.worths if w.metric == a.metric), None)


def contribution_sentences(a: Analysis) -> list[str]:
    """Say what a table tells beyond its comparisons; nothing of what it cannot."""
    worth, turned = primary_worth(a), a.contributions.reversals
    out = [*_worths(a, worth), *_pairs(worth)] if worth else []
    return [*out, *_error(a), *(_flips(turned) if turned else [])]


def contribution_methods(a: Analysis) -> str:
    """Say for a methods section how parts were credited; nothing where they were not."""
    if not a.contributions.worths:
        return ""
    text = "Parts of the reference were credited with exact Shapley values, pairs of them with Shapley interaction "
    return f"{text}indices (Grabisch and Roubens, 1999), over all mixtures of parts, with simultaneous intervals."


def _worths(a: Analysis, worth: Worth) -> list[str]:
    total = worth.parts.to_dict("records")[-1]
    over = f"over {count(worth.blocks, 'block')}"
    out = [f"All parts of {a.reference} together are worth {_sized(total)} {label(a.metric)} {over}."]
    sure = _told(worth.parts.iloc[:-1])
    if sure.empty:
        return [*out, "No part's interval leaves out zero."]
    shares = [f"{row['factor']} {_sized(row)}" for row in sure.to_dict("records")]
    return [*out, f"Parts whose interval leaves out zero: {joined(shares, 3)}."]


def _pairs(worth: Worth) -> list[str]:
    out, sure = [], _told(worth.pairs)
    for more, rows in (("more", sure[sure["value"] > 0]), ("less", sure[sure["value"] < 0])):
        pairs = [f"{row['one']} × {row['other']} {_sized(row)}" for row in rows.to_dict("records")]
        out += [f"Worth {more} together than apart: {joined(pairs, 3)}."] if pairs else []
    return out


def _error(a: Analysis) -> list[str]:
    """Say what a mean difference is unsure by most: what another study should have more of."""
    shares = a.contributions.shares
    if shares is None or shares.table["share_error"].isna().all():
        return []
    most = max(shares.table.to_dict("records"), key=lambda row: float(row["share_error"]))
    cure = next(cure for source, cure in _CURES.items() if most["source"].startswith(source))
    part = f"An estimated {100 * most['share_error']:.0f} % of a mean difference's error"
    return [f"{part} comes from {most['source']}: {cure}."]


def _flips(turned: Reversals) -> list[str]:
    out = []
    for kind, pairs in turned.compared.items():
        rows = turned.table[turned.table["over"] == kind]
        beyond = f", {int(rows['beyond'].sum()) or 'none'} by more than ±{turned.margin:g}" if turned.margin else ""
        text = f"Between {kind}, the order of two arms flips in {len(rows)} of {count(pairs, 'pair')}"
        out.append(f"{text}{beyond if len(rows) else ''}.")
    return out


def _told(rows: pd.DataFrame) -> pd.DataFrame:
    """Keep the rows whose interval leaves out zero, the largest first."""
    sure = rows[(rows["low"] > 0) | (rows["high"] < 0)]
    return sure.reindex(sure["value"].abs().sort_values(ascending=False, kind="stable").index)


def _sized(row: Mapping[Hashable, Any]) -> str:
    return f"{signed(row['value'])} {ends(row['low'], row['high'])}"
