"""Figures of an analysis, in their order, with captions and text alternatives."""

from __future__ import annotations

import pandas as pd

from reports.figures.scores.bars import bars
from reports.figures.scores.cost import gain_per_cost
from reports.figures.scores.distribution import distribution
from reports.figures.scores.heatmap import heatmap
from reports.figures.scores.interaction import interaction
from reports.figures.scores.waterfall import waterfall
from reports.figures.scores.worth import MOST, reach_of, worth
from reports.figures.shared.picture import Picture, picture
from reports.findings.results import Analysis
from reports.findings.summaries import whole
from reports.words.metrics import label
from reports.words.numbers import confidence, number, signed

OPENING, SCORES, FACTORS = "opening", "Scores, means and costs", "Factors together"  # folds of the page
WORTH = "worth"  # file name of the picture that a page opens with
CONTRIBUTIONS = "What each part contributes"  # stands in a section of its own


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
        out.append(picture(f"{WORTH}_{a.metric}", drawn, caption, f"{described}.", OPENING))
    for metric in a.metrics:
        caption = f"{label(metric)} per arm. Each point is one {unit(a)}; boxes (five points or more) show quartiles, "
        caption += "whiskers at most 1.5 times the box."
        if any(f.dropped for f in a.findings if f.metric == metric):
            caption += " Failed cells have no point; an arm that lacks a point has no box."

        drawn = distribution(a, metric)
        complete = drawn.numbers[drawn.numbers["arm"].isin(whole(drawn.numbers))]
        means = complete.groupby("arm", sort=False)["value"].mean().rename("mean").reset_index()
        out.append(picture(f"distribution_{metric}", drawn, caption, f"Means: {_told(means)}.", _fold(a, metric)))
    return [*out, *more_pictures(a), *_waterfall(a)]


def _waterfall(a: Analysis) -> list[Picture]:
    worth = next((w for w in a.contributions.worths if w.metric == a.metric), None)
    if worth is None or a.reference is None:
        return []
    drawn = waterfall(worth, a.reference)
    caption = (
        f"{label(a.metric)} from {a.reference} to all parts out: each bar is a part's Shapley value, its line the "
    )
    caption += (
        f"simultaneous {confidence(a.alpha)} interval of where the bar ends. The marks say where it would end if "
    )
    caption += "the part were the first to go, or the last."
    told = ", ".join(f"{row['name']} {signed(row['value'])}" for row in drawn.numbers.to_dict("records"))
    return [picture(f"waterfall_{a.metric}", drawn, caption, f"Values: {told}.", CONTRIBUTIONS)]


def _fold(a: Analysis, metric: str) -> str:
    """Keep the figures of the primary metric together and fold the others away: a page must end."""
    return "" if metric == a.metric else "Other metrics"
