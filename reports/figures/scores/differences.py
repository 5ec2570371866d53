"""What every arm changes against the reference, with intervals."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator

from reports.figures.shared.canvas import row_axes
from reports.figures.shared.picture import Drawing
from reports.figures.shared.style import axis, named, short, styles
from reports.findings.results import Analysis


def differences(analysis: Analysis, metric: str) -> Drawing | None:
    """Draw what every arm changes against the reference, with its interval; None without any."""
    data = difference_numbers(analysis, metric)
    if data.empty:
        return None
    look = styles(analysis)
    rows = data.iloc[::-1].reset_index(drop=True)
    figure, axes = row_axes(len(rows))
    axes.axvline(0.0, color="#333333", linewidth=1)
    for y, row in enumerate(rows.to_dict("records")):
        colour, marker = look[row["arm"]]
        if np.isfinite(row["low"]):
            axes.plot([row["low"], row["high"]], [y, y], color=colour, linewidth=2)
        axes.plot([row["mean"]], [y], marker=marker, color=colour, markersize=7)
    axes.set_yticks(range(len(rows)), [named(analysis, arm) for arm in rows["arm"]])
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.set_xlabel(f"{axis(metric)}: arm minus {short(analysis.reference or '')}")
    return Drawing(figure, data)


def difference_numbers(analysis: Analysis, metric: str) -> pd.DataFrame:
    """Take differences over blocks where a study has two or more, over repeats where it has one data set."""
    if analysis.reference is None:
        return pd.DataFrame()
    if len(analysis.blocks) > 1:
        rows = [
            (f.arm, f.effect.mean, f.effect.low, f.effect.high, f.effect.n, "blocks")
            for f in analysis.findings
            if f.metric == metric and f.effect is not None and np.isfinite(f.effect.mean)
        ]
    elif len(analysis.datasets) == 1:
        rows = [
            (p.arm, p.mean, p.low, p.high, p.repeats, "repeats of one data set")
            for p in analysis.paired
            if p.metric == metric and not p.note
        ]
    else:
        rows = []
    return pd.DataFrame(rows, columns=["arm", "mean", "low", "high", "n", "over"])
