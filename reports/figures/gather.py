"""Which further figures the report of a study has, in what order, with captions and text alternatives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from reports.figures.bars import bars
from reports.figures.cost import gain_per_cost
from reports.figures.figures import svg
from reports.figures.heatmap import heatmap
from reports.figures.interaction import interaction
from reports.findings.results import Analysis
from reports.words.metrics import label
from reports.words.numbers import confidence, number, signed

SCORES, FACTORS = "Scores, means and costs", "Factors together"


def unit(a: Analysis) -> str:
    """Say what one point of a study's figures is."""
    if len(a.blocks) > 1:
        return "block mean"
    return "repeat of the one data set" if len(a.datasets) == 1 else "data set of the one block (mean over repeats)"


def more_pictures(a: Analysis) -> list[dict[str, Any]]:
    """Draw what further figures the primary metric of a study allows."""
    metric, name, level = a.metric, label(a.metric), confidence(a.alpha)
    out = []
    if (drawn := heatmap(a, metric)) is not None:
        caption = f"{name} of every arm on every data set, mean over repeats; * and bold: best of its data set."
        caption += " A dash: cells failed or not run."
        best = drawn[1].loc[drawn[1]["best"], "arm"].value_counts(sort=False)
        told = ", ".join(f"{arm} on {n}" for arm, n in best.items())
        out.append(picture(f"heatmap_{metric}", drawn, caption, f"Best: {told or 'none'}.", SCORES))
    if (drawn := bars(a, metric)) is not None:
        caption = f"{name}: mean per arm with {level} t interval; each dot is one {unit(a)}. Arms are paired: whether "
        caption += "two differ is said by their difference, never by intervals that overlap."
        if drawn[1]["mean"].isna().any():
            caption += " Arms with failed or missing cells have dots and no mean."
        out.append(picture(f"bars_{metric}", drawn, caption, f"Means: {_told(drawn[1])}.", SCORES))
    if (drawn := gain_per_cost(a, metric)) is not None:
        caption = f"What an arm costs and what it is worth: {name} minus that of {a.reference}, mean and {level} t "
        caption += "interval, over its cost."
        told = ", ".join(f"{r['arm']} {signed(r['mean'])}" for r in drawn[1].to_dict("records"))
        out.append(picture(f"gain_per_cost_{metric}", drawn, caption, f"Differences: {told}.", SCORES))
    if (drawn := interaction(a, metric)) is not None:
        caption = f"Marginal means of {name} for two factors at a time, over all arms that share the two levels, with "
        caption += f"{level} t interval over points (each one {unit(a)}), what points differ in as a whole taken out "
        caption += "(Cousineau 2005, Morey 2008). Factors that add up have parallel lines; whether lines differ from "
        caption += "that is said by the test of the interaction, not by the eye."
        pairs = drawn[1][["factor", "by"]].drop_duplicates().agg(" and ".join, axis=1).tolist()
        out.append(picture(f"interaction_{metric}", drawn, caption, f"Pairs: {'; '.join(pairs)}.", FACTORS))
    return out


def grouped(drawn: Sequence[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Sort the pictures of a study by the fold they stand in; those under '' stand open."""
    out: dict[str, list[dict[str, Any]]] = {"": []}
    for picture in drawn:
        out.setdefault(picture.get("group", ""), []).append(picture)
    return out


def _told(numbers: pd.DataFrame) -> str:
    return ", ".join(f"{r['arm']} {number(r['mean'])}" for r in numbers.to_dict("records"))


def picture(name: str, drawn: tuple[Figure, pd.DataFrame], caption: str, told: str, group: str) -> dict[str, Any]:
    """Gather what the page and the files of a study need of a figure; ``told`` is its text alternative."""
    figure, numbers = drawn
    alt = f"{caption} {told}"
    return {
        **{"name": name, "svg": svg(figure), "numbers": numbers, "caption": caption, "alt": alt},
        **{"figure": figure, "group": group},
    }
