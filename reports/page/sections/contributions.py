"""What each part is worth, which level wins, what scores vary by, where orders flip: none of it a verdict."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from reports.figures.analysed import CONTRIBUTIONS
from reports.figures.canvas import Picture
from reports.findings.contributions.contributions import Reversals
from reports.findings.contributions.worth import Worth
from reports.findings.results import Analysis
from reports.page.tables import Export, latex_rows
from reports.table.blocks import Dropped
from reports.words.metrics import label
from reports.words.numbers import confidence, count, ends, joined, number, percent, signed

_CURES = {
    "block": "more blocks shrink it, more repeats hardly do",
    "data set": "more data sets in each block or more blocks shrink it",
    "": "more repeats or more blocks shrink it",
}
_FLIPS = 12  # rows of reversals beyond the margin on the page; all of them are in the table's file


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
    part = f"An estimated {percent(most['share_error'])} of a mean difference's error"
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


def contributions_context(a: Analysis, drawn: Sequence[Picture]) -> dict[str, Any]:
    """Gather everything the section shows; nothing where the table supports none of it."""
    worth, shares = primary_worth(a), a.contributions.shares
    contrasts = next((f.contrasts for f in a.factorials if f.metric == a.metric), pd.DataFrame())
    turned, interval = a.contributions.reversals, f"{confidence(a.alpha)} interval"
    flips = turned.table[turned.table["beyond"]] if turned else pd.DataFrame()
    paired = bool(shares and shares.table["variance_difference"].notna().any())
    content: dict[str, Any] = {
        "worth": _worth(worth, interval) if worth else {},
        "contrasts": [
            {
                "Difference of": f"{row['factor']}: {row['level']} − {row['against']}",
                "Marginal difference": signed(row["mean_difference"]),
                interval: ends(row["low"], row["high"]),
            }
            for row in contrasts.to_dict("records")
        ],
        "shares": _shares(shares.table, paired=paired) if shares else [],
        "flips": [_flip(row) for row in flips.head(_FLIPS).to_dict("records")],
    }
    if not any(content.values()):
        return {}
    pictures = [p for p in drawn if p.group == CONTRIBUTIONS]
    more = f"The {_FLIPS} clearest of {len(flips)}; all flips are in tables/rank_reversals.csv."
    return {
        **content,
        "paired": paired,
        "sentences": contribution_sentences(a),
        "pictures": pictures,
        "more_flips": more if len(flips) > _FLIPS else "",
    }


def contribution_exports(a: Analysis) -> list[Export]:
    """Collect the tables of the contributions, all digits."""
    c, out = a.contributions, []
    if c.worths:
        parts = pd.concat([w.parts.assign(metric=w.metric, blocks=w.blocks) for w in c.worths])
        pairs = pd.concat([w.pairs.assign(metric=w.metric, blocks=w.blocks) for w in c.worths])
        text = {(label(w.metric), part): row for w in c.worths for part, row in _parts(w, "Simultaneous interval")}
        caption = f"Exact Shapley value of each part over blocks, simultaneous {confidence(a.alpha)} intervals."
        tex = latex_rows(text, caption, "contributions")
        out += [Export("contributions", parts, tex), Export("contribution_pairs", pairs)]
    contrasts = [f.contrasts.assign(metric=f.metric) for f in a.factorials if len(f.contrasts)]
    out += [Export("marginal_contrasts", pd.concat(contrasts))] if contrasts else []
    out += [Export("variance_shares", c.shares.table.assign(metric=c.shares.metric))] if c.shares else []
    return [*out, Export("rank_reversals", c.reversals.table)] if c.reversals and len(c.reversals.table) else out


def _worth(worth: Worth, interval: str) -> dict[str, Any]:
    parts = [{"Part": part, **row} for part, row in _parts(worth, interval)]
    pairs = [
        {
            "Two parts": f"{row['one']} × {row['other']}",
            "Interaction": signed(row["value"]),
            interval: ends(row["low"], row["high"]),
        }
        for row in worth.pairs.to_dict("records")
    ]
    several = [f"{row['factor']} ({row['out']})" for row in worth.parts.to_dict("records") if " / " in row["out"]]
    mean = f"Out at the mean of several levels: {joined(several, 8)}." if several else ""
    return {"parts": parts, "pairs": pairs, "notes": [*filter(None, (mean, _left_out(worth.left_out)))]}


def _parts(worth: Worth, interval: str) -> list[tuple[str, dict[str, str]]]:
    """Return every part with its row, the interval under the head that is given."""
    return [
        (
            f"{row['factor']}: {row['there']} → {row['out']}" if row["factor"] else "all parts",
            {
                "Shapley value": signed(row["value"]),
                interval: ends(row["low"], row["high"]),
                "Leave-one-out": signed(row["leave_one_out"]),
                "Add-one-in": signed(row["add_one_in"]),
            },
        )
        for row in worth.parts.to_dict("records")
    ]


def _left_out(blocks: Sequence[Dropped]) -> str:
    if not blocks:
        return ""
    named = joined([f"{d.block} ({joined(list(d.arms))} {d.why})" for d in blocks], 6)
    return f"Blocks left out: {named}. This speaks of blocks in which every mixture finishes."


def _shares(table: pd.DataFrame, *, paired: bool) -> list[dict[Any, Any]]:
    rows = pd.DataFrame({"Source": table["source"], "Units": table["units"].map(str)})
    rows["sd of scores"] = _varies(table["variance_score"])
    if paired:
        rows["sd of differences"] = _varies(table["variance_difference"])
        rows["Share of the error"] = table["share_error"].map(percent)
    return rows.to_dict("records")


def _varies(variance: pd.Series) -> list[str]:
    total = variance.sum()
    return [
        f"{number(v**0.5, 4)} ({percent(v / total if total > 0 else np.nan)})" if np.isfinite(v) else "–"
        for v in variance
    ]


def _flip(row: dict[Any, Any]) -> dict[str, str]:
    here, there = (label(row[where]) if row["over"] == "metrics" else row[where] for where in ("here", "there"))
    return {
        "Order of": f"{row['one']} − {row['other']}",
        "Between": row["over"],
        "Ahead": f"{signed(row['ahead'])} ({here})",
        "Behind": f"{signed(row['behind'])} ({there})",
        "Over": count(row["blocks"], "block"),
    }
