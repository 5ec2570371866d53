"""Figures of an analysis, in their order, with captions and text alternatives."""

from __future__ import annotations

import pandas as pd

from reports.figures.scores.bars import bars
from reports.figures.scores.cost import gain_per_cost
from reports.figures.scores.critical_difference import critical_difference
from reports.figures.scores.differences import differences
from reports.figures.scores.distribution import distribution
from reports.figures.scores.heatmap import heatmap
from reports.figures.scores.interaction import interaction
from reports.figures.scores.violin import violin
from reports.figures.scores.waterfall import waterfall
from reports.figures.shared.picture import Drawing, Picture, picture
from reports.findings.results import Analysis
from reports.findings.summaries import whole
from reports.words.metrics import label
from reports.words.numbers import confidence, number, signed, star_levels

SCORES, FACTORS = "Scores, means and costs", "Factors together"
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
    """Draw every figure once: SVG, the numbers behind it, a caption and a text alternative."""
    out = []
    for metric in a.metrics:
        name = label(metric)
        changed = differences(a, metric)
        if changed is not None:
            over = changed.numbers["over"].iloc[0]
            caption = f"{name}: what each arm changes against {a.reference}, mean and t interval over {over}"
            caption += " (blocks with failed or missing cells left out)." if _gaps(a, metric) else "."
            out.append(_picture(f"differences_{metric}", changed, caption, _fold(a, metric)))
        shaped = violin(a, metric)
        caption = (
            f"{name} per arm. Each point is one {unit(a)}; {'violins and ' if shaped else ''}boxes (five points or "
        )
        caption += "more) show density and quartiles, " if shaped else "more) show quartiles, "
        caption += "whiskers at most 1.5 times the box."
        if _gaps(a, metric):
            caption += " Failed cells have no point; an arm that lacks a point has no box."
        if shaped and shaped.numbers["mark"].any():
            caption += f" Marks: difference to {a.reference} over blocks established, failures counted in; Holm p < "
            levels = enumerate(star_levels(a.alpha), start=1)
            caption += ", < ".join(f"{level:g} {'*' * n}" for n, level in levels) + "."
        shown = shaped or distribution(a, metric)
        out.append(_picture(f"distribution_{metric}", shown, caption, _fold(a, metric)))
    for test in a.globals:
        ranked = critical_difference(a, test)
        if ranked is not None:
            caption = f"Critical differences on {label(test.metric)}: mean ranks over {test.test.blocks} blocks; a bar "
            caption += f"joins arms that Nemenyi's test does not tell apart at {a.alpha:g}, which does not make them "
            caption += "equal; what is established of a pair stands in the findings."
            out.append(_picture(f"critical_difference_{test.metric}", ranked, caption, _fold(a, test.metric)))
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
    """Keep the figures of the primary metric open and fold the others away: a page must end."""
    return "" if metric == a.metric else "Other metrics"


def _gaps(a: Analysis, metric: str) -> bool:
    return any(f.dropped for f in a.findings if f.metric == metric)


def _picture(name: str, drawn: Drawing, caption: str, group: str) -> Picture:
    numbers = drawn.numbers
    if "where" in numbers:
        numbers = numbers[numbers["arm"].isin(whole(numbers))]
    what = next(c for c in ("mean", "mean_rank", "value") if c in numbers)
    averages = numbers.groupby("arm", sort=False)[what].mean()
    means = ", ".join(f"{arm} {number(value)}" for arm, value in averages.items())
    head = {"mean": "Differences", "mean_rank": "Mean ranks", "value": "Means"}[what]
    return picture(name, drawn, caption, f"{head}: {means}.", group)
