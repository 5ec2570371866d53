"""Figures of a search: how it went, what explains its scores, what its objectives trade; each with its numbers."""

from __future__ import annotations

from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from reports.figures.figures import COLOURS, STYLE, WIDTH
from reports.search.record import FEWEST, Objective, Search, best_so_far
from reports.words.metrics import label

MOST = 20  # parameters drawn; the table holds all of them
_LABELS = {"seconds": "training time (s)", "parameters": "parameters", "peak_memory_mb": "peak memory (MB)"}
_BLUE, _ORANGE, _GREEN, _VERMILION = COLOURS[0], COLOURS[1], COLOURS[2], COLOURS[4]
_GREY, _INK = "#8c8c8c", "#333333"
_WIDE = 20.0  # ratio of largest to smallest cost from which an axis is logarithmic


def named(objective: Objective) -> str:
    """Say what an objective of a search is: a validation metric or a cost."""
    return _LABELS.get(objective.name, f"validation {label(objective.name)}")


def progress(search: Search) -> tuple[Figure, pd.DataFrame] | None:
    """Draw every trial of a search and the best score so far; None where no trial has a score."""
    data = best_so_far(search)
    if data["score"].isna().all():
        return None
    figure, axes = _axes(3.4)
    axes.step(data["number"], data["best_so_far"], where="post", color=_INK, linewidth=1.5, label="best so far")
    done = data["state"] == "complete"
    for wanted, name, marker, colour in (
        (done & ~data["warm"], "complete", "o", _BLUE),
        (done & data["warm"], "warm (from the ledger)", "D", _GREEN),
        (data["state"] == "pruned", "pruned (fewer cells)", "x", _ORANGE),
    ):
        if wanted.any():
            at = data["number"][wanted], data["score"][wanted]
            axes.scatter(*at, s=26, zorder=3, label=name, marker=marker, color=colour)
    failed = data["number"][data["state"] == "failed"]
    if len(failed):  # no score: at the foot, whatever the scale
        foot, scale = np.full(len(failed), 0.03), axes.get_xaxis_transform()
        axes.scatter(failed, foot, s=26, label="failed (no score)", marker="^", color=_VERMILION, transform=scale)
    plain = search.of_reference
    if plain is not None and plain["state"] == "complete":
        score = plain[f"objective:{search.first.name}"]
        axes.axhline(score, color=_INK, linewidth=1, linestyle=(0, (4, 3)), label="reference")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("trial")
    axes.set_ylabel(named(search.first))
    axes.margins(y=0.12)
    figure.legend(loc="outside upper left", ncols=3, frameon=False, fontsize=9)
    return figure, data


def importance_numbers(search: Search) -> pd.DataFrame:
    """Return the importances a search can carry: none where too few trials are complete."""
    table = search.importances
    if search.count("complete") < FEWEST:
        return table.iloc[:0]
    return table[table["trials"] >= FEWEST].sort_values("importance", ascending=False, kind="stable", ignore_index=True)


def importances(search: Search, objective: Objective) -> tuple[Figure, pd.DataFrame] | None:
    """Draw what share of the scores' variance each parameter explains; None where that is refused."""
    found = importance_numbers(search)
    data = found[found["objective"] == objective.name].reset_index(drop=True)
    if data.empty:
        return None
    shown = data.head(MOST).iloc[::-1].reset_index(drop=True)
    figure, axes = _axes(0.9 + 0.42 * len(shown), grid="x")
    for y, row in enumerate(shown.to_dict("records")):
        own = bool(row["given"])
        look: dict[str, Any] = {"color": _ORANGE, "hatch": "//", "edgecolor": "white"} if own else {"color": _BLUE}
        axes.barh(y, row["importance"], height=0.62, linewidth=0, **look)
        at = (row["importance"], y)
        axes.annotate(f"{row['importance']:.2f}", at, (4, 0), textcoords="offset points", va="center", fontsize=9)
    axes.set_yticks(range(len(shown)), [_parameter(row) for row in shown.to_dict("records")], fontsize=9)
    axes.set_xlim(0, max(float(shown["importance"].max()) * 1.12, 0.05))
    axes.set_xlabel(f"share of the variance of {named(objective)}")
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    return figure, data


def pareto(search: Search, other: Objective) -> tuple[Figure, pd.DataFrame] | None:
    """Draw the first objective of a search against another: all complete trials, the front labelled."""
    complete = search.trials[search.trials["state"] == "complete"]
    if complete.empty:
        return None
    x, y = f"objective:{other.name}", f"objective:{search.first.name}"
    data = complete[["number", "arm", x, y]].assign(front=complete["number"].isin(search.front))
    front = data[data["front"]].sort_values([x, y])
    figure, axes = _axes(3.8)
    rest = data[~data["front"]]
    axes.scatter(rest[x], rest[y], s=26, color=_GREY, label="complete", zorder=2)
    axes.scatter(front[x], front[y], s=40, marker="s", color=_BLUE, label="Pareto front (trial number)", zorder=3)
    # beyond a front lies nothing: its labels do not hide a trial
    offset, side = (8 * other.sign, 5 * search.first.sign), "left" if other.sign > 0 else "right"
    for row in front.to_dict("records"):
        look: dict[str, Any] = {"textcoords": "offset points", "ha": side, "va": "center", "fontsize": 9}
        axes.annotate(str(row["number"]), (row[x], row[y]), offset, **look)
    plain = search.of_reference
    if plain is not None and plain["state"] == "complete":
        ring: dict[str, Any] = {"facecolors": "none", "edgecolors": _VERMILION, "linewidths": 1.6}
        axes.scatter([plain[x]], [plain[y]], s=130, label="reference", zorder=4, **ring)
    if data[x].min() > 0 and data[x].max() / data[x].min() > _WIDE:
        axes.set_xscale("log")
    axes.set_xlabel(f"{named(other)} ({_better(other)})")
    axes.set_ylabel(f"{named(search.first)} ({_better(search.first)})")
    axes.margins(0.08)
    figure.legend(loc="outside upper left", ncols=3, frameon=False, fontsize=9)
    return figure, data.rename(columns={x: other.name, y: search.first.name}).reset_index(drop=True)


def _better(objective: Objective) -> str:
    return "more is better" if objective.sign > 0 else "less is better"


def _parameter(row: dict[Any, Any]) -> str:
    name = str(row["parameter"]).replace("$", r"\$")
    given = str(row["given"]).replace("$", r"\$")
    return f"{name}\n(given {given}, {row['trials']} trials)" if given else name


def _axes(height: float, grid: Any = "both") -> tuple[Figure, Axes]:
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis=grid, color="#dddddd", linewidth=0.7)
    return figure, axes
