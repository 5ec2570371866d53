"""Figures of a study, drawn without any global state; every one comes with the numbers it shows."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy import stats

from reports.findings.results import Analysis, GlobalTest
from reports.findings.summaries import whole
from reports.words.metrics import label

# Okabe & Ito 2008, then Tol's muted set: told apart by readers who do not see red and green
COLOURS = (
    *("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9"),
    *("#882255", "#999933", "#332288", "#44AA99", "#AA4499", "#661100"),
)
_MARKERS = "osD^vPX*"
_NAME = 28  # letters of an arm's name: a longer one would leave no room for the drawing
_LETTERS = 66  # that a figure is wide, beside the marks of a legend
WIDTH = 5.0  # inches; in a column of 85 mm its letters of 9 points have 6, the fewest that journals print
STYLE: Any = {"font.size": 10, "svg.fonttype": "path", "svg.hashsalt": "knockout", "axes.axisbelow": True}


def styles(analysis: Analysis) -> dict[str, tuple[str, str]]:
    """Give every arm of a study one colour and one marker for all figures; controls are grey."""
    out: dict[str, tuple[str, str]] = {}
    coloured = [arm for arm in analysis.arms if analysis.roles[arm] != "control"]
    for i, arm in enumerate(coloured):
        out[arm] = (COLOURS[i % len(COLOURS)], _MARKERS[(i // len(COLOURS) + i) % len(_MARKERS)])
    for i, arm in enumerate(a for a in analysis.arms if a not in out):
        out[arm] = ("#6b6b6b", _MARKERS[i % len(_MARKERS)])
    return out


def svg(figure: Figure) -> str:
    """Return a figure of a study as SVG that can stand inside a page: no prolog, date or metadata."""
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    buffer = io.StringIO()
    with matplotlib.rc_context(STYLE):
        figure.savefig(buffer, format="svg", bbox_inches="tight", metadata=nothing)
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def _axes(rows: int) -> tuple[Figure, Axes]:
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 1.1 + 0.34 * rows), layout="constrained")
        axes = figure.subplots()
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color="#dddddd", linewidth=0.7)
    return figure, axes


def distribution(analysis: Analysis, metric: str) -> tuple[Figure, pd.DataFrame]:
    """Draw how one metric of a study spreads per arm: a box, and every point it stands for."""
    data = analysis.points[analysis.points["metric"] == metric]
    arms = [arm for arm in analysis.arms if arm in set(data["arm"])][::-1]
    look, complete = styles(analysis), whole(data)
    figure, axes = _axes(len(arms))
    rng = np.random.default_rng(0)
    for y, arm in enumerate(arms):
        values = data.loc[data["arm"] == arm, "value"].to_numpy()
        colour, marker = look[arm]
        if len(values) >= 5 and arm in complete:  # a box over fewer points draws quartiles nobody measured
            box(axes, y, values, colour, width=0.55)
        jitter = y + rng.uniform(-0.14, 0.14, len(values))
        axes.scatter(values, jitter, s=20, c=colour, marker=marker, alpha=0.75, linewidths=0, zorder=3)
    axes.set_yticks(range(len(arms)), [named(analysis, arm) for arm in arms])
    axes.set_ylim(-0.6, len(arms) - 0.4)
    axes.set_xlabel(label(metric))
    return figure, data


def box(axes: Axes, y: int, values: np.ndarray, colour: str, *, width: float) -> None:
    """Draw the quartiles of one arm of a study as a lying box, whiskers at most 1.5 times as long, no outliers."""
    line = {"color": colour}
    axes.boxplot(
        values,
        positions=[y],
        orientation="horizontal",
        widths=width,
        showfliers=False,
        manage_ticks=False,
        boxprops=line,
        whiskerprops=line,
        capprops=line,
        medianprops={**line, "linewidth": 2},
    )


def differences(analysis: Analysis, metric: str) -> tuple[Figure, pd.DataFrame] | None:
    """Draw what every arm changes against the reference of a study, with its interval; None without any."""
    data = difference_numbers(analysis, metric)
    if data.empty:
        return None
    look = styles(analysis)
    shown = data.iloc[::-1].reset_index(drop=True)
    figure, axes = _axes(len(shown))
    axes.axvline(0.0, color="#333333", linewidth=1)
    for y, row in enumerate(shown.to_dict("records")):
        colour, marker = look[row["arm"]]
        if np.isfinite(row["low"]):
            axes.plot([row["low"], row["high"]], [y, y], color=colour, linewidth=2)
        axes.plot([row["mean"]], [y], marker=marker, color=colour, markersize=7)
    axes.set_yticks(range(len(shown)), [named(analysis, arm) for arm in shown["arm"]])
    axes.set_ylim(-0.6, len(shown) - 0.4)
    axes.set_xlabel(f"{label(metric)}: arm minus {analysis.reference}")
    return figure, data


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


def cliques(ranks: pd.Series, p: pd.DataFrame, alpha: float) -> list[tuple[int, int]]:
    """Find the runs of neighbouring arms in which NO two differ, as (first, last) positions in ``ranks``.

    A bar over a run would otherwise hide an arm that differs from one of its ends.
    """
    matrix = p.loc[ranks.index, ranks.index].to_numpy()
    runs: list[tuple[int, int]] = []
    for first in range(len(ranks)):
        last = first
        while last + 1 < len(ranks) and bool((matrix[first : last + 1, last + 1] >= alpha).all()):
            last += 1
        if last > first and (not runs or last > runs[-1][1]):
            runs.append((first, last))
    return runs


def critical_difference(analysis: Analysis, test: GlobalTest) -> tuple[Figure, pd.DataFrame] | None:
    """Draw mean ranks of a study with bars over arms that Nemenyi cannot tell apart; None where refused."""
    if test.nemenyi is None:
        return None
    ranks, k, n = test.ranks, test.test.arms, test.test.blocks
    q = float(stats.studentized_range.ppf(1 - analysis.alpha, k, np.inf)) / np.sqrt(2)
    width = q * np.sqrt(k * (k + 1) / (6 * n))
    runs = cliques(ranks, test.nemenyi, analysis.alpha)
    look = styles(analysis)
    figure, axes = _axes(k + 1)
    for y, (arm, rank) in enumerate(ranks.items()):
        colour, marker = look[str(arm)]
        axes.plot([rank], [y], marker=marker, color=colour, markersize=7)
        axes.annotate(f"{rank:.2f}", (rank, y), (8, 0), textcoords="offset points", va="center", fontsize=9)
    for i, (first, last) in enumerate(runs):
        x = k + (1.2 + 0.3 * i) * max(1.0, k / 7)  # right of the numbers
        axes.plot([x, x], [first - 0.2, last + 0.2], color="#333333", linewidth=3, solid_capstyle="butt")
    axes.plot([1, 1 + width], [-1, -1], color="#333333", linewidth=2, marker="|")
    axes.annotate(f"CD = {width:.2f}", (1 + width, -1), (6, 0), textcoords="offset points", va="center")
    axes.set_yticks(range(k), [named(analysis, str(arm)) for arm in ranks.index])
    axes.set_ylim(k - 0.4, -1.6)
    axes.set_xticks(range(1, k + 1))
    axes.set_xlabel(f"mean rank on {label(test.metric)} over {n} blocks (1 = best)")
    numbers = pd.DataFrame({"arm": ranks.index, "mean_rank": ranks.to_numpy(), "critical_difference": width})
    return figure, numbers


def across(names: Sequence[str]) -> int:
    """Return how many names of arms fit beside each other in the legend of a figure."""
    return max(1, min(3, _LETTERS // (max(map(len, names), default=0) + 6)))


def plain(text: str) -> str:
    """Keep matplotlib from reading the name of an arm or a gene as maths."""
    return text.replace("$", r"\$")


def short(text: str, most: int = 24) -> str:
    """Cut a name of a study that would leave no room for the drawing."""
    if len(text) > most:  # both ends: names of one study often begin alike
        text = f"{text[: most // 2]}…{text[-(most // 2 - 1) :]}"
    return plain(text)


def named(analysis: Analysis, arm: str) -> str:
    """Write who an arm of a study is, so that colour is not needed to know it."""
    role, name = analysis.roles[arm], short(arm, _NAME)
    return name if role == "arm" else f"{name} ({role})"
