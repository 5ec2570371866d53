"""Figures of an analysis, in their order, with captions and text alternatives; scores as boxes, bars and a heatmap."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from reports.figures.canvas import (
    INK,
    SHADES,
    WIDTH,
    Drawing,
    Picture,
    axis,
    measured,
    named,
    panels,
    picture,
    row_axes,
    shortened,
    styles,
)
from reports.figures.factors import interaction, waterfall
from reports.figures.worth import MOST, gain_per_cost, reach_of, worth
from reports.findings.results import Analysis
from reports.findings.summaries import TALL, best_two, whole
from reports.statistics.pairs.differences import mean_interval
from reports.words.metrics import label, metric_of
from reports.words.numbers import confidence, number, signed

LARGEST = 40  # beyond it a cell is too small for its number
OPENING, SCORES, FACTORS = "opening", "Scores, means and costs", "Factors together"  # folds of the page
CONTRIBUTIONS = "What each part contributes"  # stands in a section of its own


def distribution(analysis: Analysis, metric: str) -> Drawing:
    """Draw how one metric spreads per arm: a box, and every point it stands for."""
    arms, data = measured(analysis, analysis.points, metric)
    arms, look, complete = arms[::-1], styles(analysis), whole(data)
    figure, axes = row_axes(0.7 + 0.34 * max(len(arms), 3))
    rng = np.random.default_rng(0)
    for y, arm in enumerate(arms):
        values = data.loc[data["arm"] == arm, "value"].to_numpy()
        colour, marker = look[arm]
        if len(values) >= 5 and arm in complete:  # a box over fewer points draws quartiles nobody measured
            line = {"color": colour}
            lines: Any = dict.fromkeys(("boxprops", "whiskerprops", "capprops"), line)
            lines["medianprops"] = {**line, "linewidth": 2}
            lying: Any = {"positions": [y], "orientation": "horizontal", "manage_ticks": False}
            axes.boxplot(values, widths=0.55, showfliers=False, **lying, **lines)
        jitter = y + rng.uniform(-0.14, 0.14, len(values))
        axes.scatter(values, jitter, s=20, c=colour, marker=marker, alpha=0.75, linewidths=0, zorder=3)
    axes.set_yticks(range(len(arms)), [named(analysis, arm) for arm in arms])
    axes.set_ylim(-0.6, len(arms) - 0.4)
    axes.set_xlabel(axis(metric))
    return Drawing(figure, data)


def bars(analysis: Analysis, metric: str) -> Drawing | None:
    """Draw the mean of every arm, its t interval and a dot per block; None with one point per arm.

    An arm that lacks a point has no mean: over the blocks it survived it would be flattered.
    Bars begin at what guessing scores, so that their length is what was gained over it.
    """
    arms, data = measured(analysis, analysis.points, metric)
    values = {arm: data.loc[data["arm"] == arm, "value"].to_numpy() for arm in arms}
    if max((len(v) for v in values.values()), default=0) < 2:
        return None
    look, complete, chance = styles(analysis), whole(data), metric_of(metric).chance
    start = chance if isinstance(chance, float) else 0.0  # what guessing scores may depend on the data set
    figure, axes = row_axes(1.1 + 0.36 * len(arms))
    axes.set_yticks(range(len(arms)), [named(analysis, arm) for arm in arms])
    axes.set_ylim(len(arms) - 0.4, -0.6)
    rng = np.random.default_rng(0)
    rows = []
    for y, arm in enumerate(arms):
        mean, (low, high) = np.nan, (np.nan, np.nan)
        colour, marker = look[arm]
        if arm in complete:
            mean, (low, high) = float(values[arm].mean()), mean_interval(values[arm], 1 - analysis.alpha)
            axes.barh(y, mean - start, left=start, height=0.62, color=colour, alpha=0.35, edgecolor=colour)
        jitter = y + rng.uniform(-0.12, 0.12, len(values[arm]))
        axes.scatter(values[arm], jitter, s=14, c=colour, marker=marker, edgecolors="white", linewidths=0.5, zorder=3)
        if np.isfinite(low):
            axes.errorbar(mean, y, xerr=[[mean - low], [high - mean]], color=INK, capsize=3, linewidth=1.4, zorder=4)
        text = number(mean) if arm in complete else "no mean"
        axes.text(1.01, y, text, transform=axes.get_yaxis_transform(), va="center", fontsize=9, color=INK)
        rows.append((metric, arm, mean, low, high, len(values[arm])))
    if (most := metric_of(metric).bounds[1]) < np.inf:
        axes.set_xlim(right=min(axes.get_xlim()[1], most))  # a t interval knows no bounds, the metric does
    axes.axvline(start, color=INK, linewidth=1)
    axes.set_xlabel(axis(metric) + (f" (bars begin at guessing, {start:g})" if start else ""))
    return Drawing(figure, pd.DataFrame(rows, columns=["metric", "arm", "mean", "low", "high", "n"]))


def heatmap(analysis: Analysis, metric: str) -> Drawing | None:
    """Draw the score of every arm on every data set; None where there is no grid to draw.

    With many data sets they go down and the arms across, as in the tables. An empty cell has no complete mean.
    """
    arms, data = measured(analysis, analysis.scores, metric)
    wide = data.pivot_table(index="arm", columns="dataset", values="mean", dropna=False).reindex(arms)
    if min(wide.shape) < 2 or max(wide.shape) > LARGEST or not np.isfinite(wide.to_numpy()).any():
        return None
    best = pd.DataFrame({d: wide[d].index.map(best_two(wide[d])) == "best" for d in wide}, index=wide.index)
    numbers = data[["metric", "arm", "dataset", "mean"]].rename(columns={"mean": "value"}).reset_index(drop=True)
    numbers["best"] = [bool(best.loc[arm, d]) for arm, d in zip(numbers["arm"], numbers["dataset"], strict=True)]
    rows, columns = [named(analysis, arm) for arm in wide.index], [*shortened(map(str, wide.columns)).values()]
    if wide.shape[1] > TALL:
        wide, best, rows, columns = wide.T, best.T, columns, rows
    return Drawing(_drawn(wide, best, rows, columns, metric), numbers)


def _short(value: float, few: bool) -> str:
    """Write a score, where many stand side by side without the zero that all of them begin with."""
    return number(value) if few or not 0 <= value < 1 else number(value, 2).removeprefix("0")


def _drawn(wide: pd.DataFrame, best: pd.DataFrame, rows: list[str], columns: list[str], metric: str) -> Figure:
    figure, (axes,) = panels(1, 1, 1.6 + 0.3 * len(rows))
    axes.spines[:].set_visible(False)
    values = wide.to_numpy()
    low, high = np.nanmin(values), np.nanmax(values)
    image = axes.pcolormesh(np.ma.masked_invalid(values), cmap=SHADES, vmin=low, vmax=high, edgecolors="white")
    few = len(columns) <= 5  # columns wide enough for three digits
    room = (WIDTH - 1 - 0.075 * max(map(len, rows))) / len(columns)  # inches; names and the colour bar take the rest
    size = float(np.clip(72 * room / (0.62 * (6 if few else 4)), 4.5, 9))
    middle = (low + high) / 2
    for y, row in enumerate(values):
        for x, value in enumerate(row):
            winner = bool(best.iloc[y, x])
            axes.text(
                x + 0.5,
                y + 0.5,
                _short(value, few) + ("*" if winner else ""),
                ha="center",
                va="center",
                fontsize=size,
                fontweight="bold" if winner else "normal",
                color="white" if value < middle else "black",
            )
    axes.set_xticks(np.arange(len(columns)) + 0.5, columns, rotation=40, ha="right", rotation_mode="anchor")
    axes.set_yticks(np.arange(len(rows)) + 0.5, rows)
    axes.tick_params(length=0)
    axes.invert_yaxis()
    figure.colorbar(image, ax=axes, label=axis(metric), shrink=0.8, pad=0.02).outline.set_visible(False)
    return figure


def unit(a: Analysis) -> str:
    """Say what one point of the figures is."""
    if len(a.blocks) > 1:
        return "block mean"
    return "repeat of the one data set" if len(a.datasets) == 1 else "data set of the one block (mean over repeats)"


def more_pictures(a: Analysis) -> list[Picture]:
    """Draw what further figures the primary metric allows."""
    metric, name, level = a.metric, label(a.metric), confidence(a.alpha)
    out = []
    if (drawn := heatmap(a, metric)) is not None:
        caption = f"{name} of every arm on every data set, mean over repeats; * and bold: best of its data set."
        caption += " A dash: cells failed or not run."
        best = drawn.numbers.loc[drawn.numbers["best"], "arm"].value_counts(sort=False)
        described = ", ".join(f"{arm} on {n}" for arm, n in best.items())
        out.append(picture(f"heatmap_{metric}", drawn, caption, f"Best: {described or 'none'}.", SCORES))
    if (drawn := bars(a, metric)) is not None:
        caption = f"{name}: mean per arm with {level} t interval; each dot is one {unit(a)}. Arms are paired: whether "
        caption += "two differ is said by their difference, never by intervals that overlap."
        if drawn.numbers["mean"].isna().any():
            caption += " Arms with failed or missing cells have dots and no mean."
        out.append(picture(f"bars_{metric}", drawn, caption, f"Means: {_told(drawn.numbers)}.", SCORES))
    if (drawn := gain_per_cost(a, metric)) is not None:
        caption = f"What an arm costs and what it is worth: {name} minus that of {a.reference}, mean and {level} t "
        caption += "interval, over its cost."
        described = ", ".join(f"{r['arm']} {signed(r['mean'])}" for r in drawn.numbers.to_dict("records"))
        out.append(picture(f"gain_per_cost_{metric}", drawn, caption, f"Differences: {described}.", SCORES))
    if (drawn := interaction(a, metric)) is not None:
        caption = f"Marginal means of {name} for two factors at a time, over all arms that share the two levels, with "
        caption += f"{level} t interval over points (each one {unit(a)}), what points differ in as a whole taken out "
        caption += "(Cousineau 2005, Morey 2008). Factors that add up have parallel lines; whether lines differ from "
        caption += "that is said by the test of the interaction, not by the eye."
        pairs = drawn.numbers[["factor", "by"]].drop_duplicates().agg(" and ".join, axis=1).tolist()
        out.append(picture(f"interaction_{metric}", drawn, caption, f"Pairs: {'; '.join(pairs)}.", FACTORS))
    return out


def _told(numbers: pd.DataFrame) -> str:
    return ", ".join(f"{r['arm']} {number(r['mean'])}" for r in numbers.to_dict("records"))


def pictures(a: Analysis) -> list[Picture]:
    """Draw every figure once: SVG, the numbers behind it, a caption and a text alternative; the opening one first."""
    out = []
    if (drawn := worth(a)) is not None:
        level, over = confidence(a.alpha), drawn.numbers["over"].iloc[0]
        caption = f"{label(a.metric)} minus that of {a.reference}: mean and {level} interval over {over}"
        caption += ", a dot per block" if over == "blocks" else ""
        caption += "; shaded: within the margin." if any(c.margin is not None for c in a.conclusions) else "."
        if (drawn.numbers[["low", "high"]].abs() > reach_of(drawn.numbers)).any(axis=None):
            caption += " An arrow: the interval goes on; the table has its ends."
        if len(drawn.numbers) > MOST:
            caption += f" Of {len(drawn.numbers)} rows the first and the last {MOST // 2} are drawn; the table has all."
        described = ", ".join(
            f"{r['change']} {signed(r['mean'])} ({r['word']})" for r in drawn.numbers.to_dict("records")
        )
        out.append(picture(f"worth_{a.metric}", drawn, caption, f"{described}.", OPENING))
    for metric in a.metrics:
        caption = f"{label(metric)} per arm. Each point is one {unit(a)}; boxes (five points or more) show quartiles, "
        caption += "whiskers at most 1.5 times the box."
        if any(f.dropped for f in a.findings if f.metric == metric):
            caption += " Failed cells have no point; an arm that lacks a point has no box."

        drawn = distribution(a, metric)
        complete = drawn.numbers[drawn.numbers["arm"].isin(whole(drawn.numbers))]
        means = complete.groupby("arm", sort=False)["value"].mean().rename("mean").reset_index()
        # the figures of the primary metric stand together, the others are folded away: a page must end
        fold = "" if metric == a.metric else "Other metrics"
        out.append(picture(f"distribution_{metric}", drawn, caption, f"Means: {_told(means)}.", fold))
    return [*out, *more_pictures(a), *_waterfall(a)]


def _waterfall(a: Analysis) -> list[Picture]:
    worth = next((w for w in a.contributions.worths if w.metric == a.metric), None)
    if worth is None or a.reference is None:
        return []
    drawn = waterfall(worth, a.reference)
    caption = f"{label(a.metric)} from {a.reference} to all parts out: each bar is a part's Shapley value, its line "
    caption += f"the simultaneous {confidence(a.alpha)} interval of where the bar ends. The marks say where it would "
    caption += "end if the part were the first to go, or the last."
    values = ", ".join(f"{row['name']} {signed(row['value'])}" for row in drawn.numbers.to_dict("records"))
    return [picture(f"waterfall_{a.metric}", drawn, caption, f"Values: {values}.", CONTRIBUTIONS)]
