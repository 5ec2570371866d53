"""Figures of a search, and of the tuning before a comparison, with captions and text alternatives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from reports.figures.canvas import COLOURS, GREY, INK, Drawing, Picture, across, axis, grid_axes, picture, shortened
from reports.search.record import (
    FEWEST,
    STATES,
    Objective,
    Search,
    best_so_far,
    best_trials,
    expected_curve,
    importance_numbers,
    objective_label,
    score_text,
    trial_name,
    tuned_curves,
)
from reports.words.metrics import label
from reports.words.numbers import count, joined, number

_MANY = 12  # arms: their colours, then again with broken lines
LEAST = 2  # trials of a curve
_WIDE = 20.0  # ratio of largest to smallest cost from which an axis is logarithmic
MOST = 20  # parameters drawn; the table holds all of them


def progress(search: Search) -> Drawing | None:
    """Draw every trial of a search and the best score so far; None where no trial has a score."""
    data = best_so_far(search)
    if data["score"].isna().all():
        return None
    figure, axes = grid_axes(3.4)
    axes.step(data["number"], data["best_so_far"], where="post", color=INK, linewidth=1.5, label="best so far")
    done = data["state"] == "complete"
    for chosen, name, marker, colour in (
        (done & ~data["warm"], "complete", "o", COLOURS[0]),
        (done & data["warm"], "warm (from the ledger)", "D", COLOURS[2]),
        (data["state"] == "pruned", "pruned (fewer cells)", "x", COLOURS[1]),
    ):
        if chosen.any():
            at = data["number"][chosen], data["score"][chosen]
            axes.scatter(*at, s=26, zorder=3, label=name, marker=marker, color=colour)
    failed = data["number"][data["state"] == "failed"]
    if len(failed):  # no score: at the foot, whatever the scale
        foot, scale = np.full(len(failed), 0.03), axes.get_xaxis_transform()
        axes.scatter(failed, foot, s=26, label="failed (no score)", marker="^", color=COLOURS[4], transform=scale)
    label_trials(axes, search, "trial")
    return Drawing(figure, data)


def label_trials(axes: Axes, search: Search, along: str) -> None:
    """Draw the score of the reference, and write at the axes what trials, ``along`` the lower one, scored."""
    plain = search.of_reference
    if plain is not None and plain["state"] == "complete":
        score = plain[f"objective:{search.first.name}"]
        axes.axhline(score, color=INK, linewidth=1, linestyle=(0, (4, 3)), label="reference")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel(along)
    axes.set_ylabel(objective_label(search.first))
    axes.margins(y=0.12)
    axes.figure.legend(loc="outside upper left", ncols=3, frameon=False, fontsize=9)


def expected(search: Search) -> Drawing | None:
    """Draw the expected best score at every budget up to that of the search; None where there is no curve."""
    data = expected_curve(search)
    if len(data) < LEAST:
        return None
    figure, axes = grid_axes(3.2)
    axes.plot(data["trials"], data["expected"], color=COLOURS[0], marker="o", markersize=3, label="expected best")
    label_trials(axes, search, "budget (trials)")
    return Drawing(figure, data)


def tuned(tuning: pd.DataFrame, metric: str) -> Drawing | None:
    """Draw the expected best validation score of every tuned arm at every budget; None where there is no curve."""
    data = tuned_curves(tuning)
    if data.empty or data["trials"].max() < LEAST:
        return None
    figure, axes = grid_axes(3.4)
    names = shortened(data["arm"].unique())
    for place, (arm, curve) in enumerate(data.groupby("arm", sort=False)):
        style = ("-", "--", ":")[place // _MANY % 3]
        colour = COLOURS[place % len(COLOURS)]
        axes.plot(
            curve["trials"], curve["expected"], style, color=colour, marker="o", markersize=3, label=names[str(arm)]
        )
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("budget (trials)")
    axes.set_ylabel(f"validation {axis(metric)}")
    figure.legend(loc="outside upper left", ncols=across([*names.values()]), frameon=False, fontsize=9)
    return Drawing(figure, data)


def pareto(search: Search, other: Objective) -> Drawing | None:
    """Draw the first objective of a search against another: all complete trials, the front labelled."""
    complete = search.trials[search.trials["state"] == "complete"]
    if complete.empty:
        return None
    x, y = f"objective:{other.name}", f"objective:{search.first.name}"
    data = complete[["number", "arm", x, y]].assign(front=complete["number"].isin(search.front))
    front = data[data["front"]].sort_values([x, y])
    figure, axes = grid_axes(3.8)
    rest = data[~data["front"]]
    axes.scatter(rest[x], rest[y], s=26, color=GREY, label="complete", zorder=2)
    axes.scatter(front[x], front[y], s=40, marker="s", color=COLOURS[0], label="Pareto front (trial number)", zorder=3)
    # beyond a front lies nothing: its labels do not hide a trial
    offset, side = (8 * other.sign, 5 * search.first.sign), "left" if other.sign > 0 else "right"
    for row in front.to_dict("records"):
        look: dict[str, Any] = {"textcoords": "offset points", "ha": side, "va": "center", "fontsize": 9}
        axes.annotate(str(row["number"]), (row[x], row[y]), offset, **look)
    plain = search.of_reference
    if plain is not None and plain["state"] == "complete":
        ring: dict[str, Any] = {"facecolors": "none", "edgecolors": COLOURS[4], "linewidths": 1.6}
        axes.scatter([plain[x]], [plain[y]], s=130, label="reference", zorder=4, **ring)
    if data[x].min() > 0 and data[x].max() / data[x].min() > _WIDE:
        axes.set_xscale("log")
    axes.set_xlabel(f"{objective_label(other)} ({_better(other)})")
    axes.set_ylabel(f"{objective_label(search.first)} ({_better(search.first)})")
    axes.margins(0.08)
    figure.legend(loc="outside upper left", ncols=3, frameon=False, fontsize=9)
    return Drawing(figure, data.rename(columns={x: other.name, y: search.first.name}).reset_index(drop=True))


def _better(objective: Objective) -> str:
    return "more is better" if objective.sign > 0 else "less is better"


def path(search: Search) -> Drawing | None:
    """Draw validation and test after each change; None where the path was not run."""
    data = search.path
    if data is None or len(data) < 2:
        return None
    figure, axes = grid_axes(1.6 + 0.3 * len(data), grid="x")
    for column, colour, marker in (("validation", COLOURS[0], "o"), ("test", COLOURS[1], "s")):
        axes.plot(data[column], data["step"], color=colour, marker=marker, label=column, drawstyle="steps-post")
    axes.set_yticks(data["step"], [str(text).replace("$", r"\$") for text in data["changed"]], fontsize=9)
    axes.invert_yaxis()
    axes.set_xlabel(label(search.metric))
    axes.margins(x=0.12)
    figure.legend(loc="outside upper left", ncols=2, frameon=False, fontsize=9)
    return Drawing(figure, data)


def importances(search: Search, objective: Objective) -> Drawing | None:
    """Draw what share each parameter has in setting the best trials apart; None where that is refused."""
    table = importance_numbers(search)
    data = table[table["objective"] == objective.name].reset_index(drop=True)
    if data.empty:
        return None
    largest = data.head(MOST).iloc[::-1].reset_index(drop=True)
    figure, axes = grid_axes(0.9 + 0.42 * len(largest), grid="x")
    for y, row in enumerate(largest.to_dict("records")):
        own = bool(row["given"])
        look: dict[str, Any] = (
            {"color": COLOURS[1], "hatch": "//", "edgecolor": "white"} if own else {"color": COLOURS[0]}
        )
        axes.barh(y, row["importance"], height=0.62, linewidth=0, **look)
        at = (row["importance"], y)
        axes.annotate(f"{row['importance']:.2f}", at, (4, 0), textcoords="offset points", va="center", fontsize=9)
    axes.set_yticks(range(len(largest)), [_parameter(row) for row in largest.to_dict("records")], fontsize=9)
    axes.set_xlim(0, max(float(largest["importance"].max()) * 1.12, 0.05))
    axes.set_xlabel(f"share in what sets the best apart, {objective_label(objective)}")
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    return Drawing(figure, data)


def _parameter(row: dict[Any, Any]) -> str:
    name = str(row["parameter"]).replace("$", r"\$")
    condition = str(row["given"]).replace("$", r"\$")
    return f"{name}\n(given {condition}, {count(row['trials'], 'trial')})" if condition else name


def search_pictures(search: Search) -> list[Picture]:
    """Draw every figure of a search once, with caption and text alternative."""
    out = [_progress(search, drawn)] if (drawn := progress(search)) else []
    out += [_expected(search, drawn)] if (drawn := expected(search)) else []
    out += [_pareto(search, other, drawn) for other in search.objectives[1:] if (drawn := pareto(search, other))]
    out += [_path(search, drawn)] if (drawn := path(search)) else []
    return out + [_importances(search, one, drawn) for one in search.objectives if (drawn := importances(search, one))]


def tuning_pictures(tuning: pd.DataFrame, metric: str) -> list[Picture]:
    """Draw what tuning gives every arm at equal budget, with caption and text alternative."""
    drawing = tuned(tuning, metric)
    if drawing is None:
        return []
    caption = f"Expected best validation {label(metric)} of every tuned arm at equal budget (Dodge et al. 2019): of n "
    caption += "trials drawn from its own, one that was pruned or failed as the worst. Not a result: the test is."
    last = drawing.numbers.groupby("arm", sort=False).last()
    reached = [f"{arm} {number(row['expected'])} with {row['trials']:.0f}" for arm, row in last.iterrows()]
    return [picture("tuning_expected_best", drawing, caption, f"{joined(reached, 12)}.")]


def _progress(s: Search, drawing: Drawing) -> Picture:
    what = objective_label(s.first)
    caption = f"{what[0].upper()}{what[1:]} of every trial, and the best of the complete ones so far."
    caption += " Pruned trials are shown with the mean over the cells they had." if s.count("pruned") else ""
    reached = ""
    for _, best in best_trials(s).iterrows():
        reached = f"Best: {score_text(s.first, best[f'objective:{s.first.name}'])} at {trial_name(best)}."
    described = f"{', '.join(f'{s.count(state)} {state}' for state in STATES)}."
    return picture("search_best_so_far", drawing, caption, f"{reached} {described}".strip())


def _expected(s: Search, drawing: Drawing) -> Picture:
    data = drawing.numbers
    caption = f"Expected best {objective_label(s.first)} at equal budget (Dodge et al. 2019): of n trials drawn from "
    caption += f"the {len(data)} that ended, one that was pruned or failed as the worst."
    if s.sampler not in ("random", "grid"):
        caption += " These were proposed one after the other, so a search by chance of this size may find less."
    if len(data) < FEWEST:
        caption += f" {len(data)} trials are few: the curve says little."
    last = data.iloc[-1]
    reached = f"{score_text(s.first, data['expected'].iloc[0])} with 1 trial, "
    reached += f"{score_text(s.first, last['expected'])} with {len(data)}."
    return picture("search_expected_best", drawing, caption, reached)


def _path(s: Search, drawing: Drawing) -> Picture:
    data = drawing.numbers
    caption = "From the reference (top) to the best arm (bottom) on fresh repeats, one change after the other, each "
    caption += "the one with the best validation score (Fawcett & Hoos 2016). Validation chose, so it flatters; the "
    caption += "test did not."
    described = "; ".join(
        f"{row['changed']}: {score_text(s.first, row['validation'])}, test {score_text(s.first, row['test'])}"
        for row in data.to_dict("records")
    )
    return picture("search_path", drawing, caption, described)


def _pareto(s: Search, other: Objective, drawing: Drawing) -> Picture:
    what = objective_label(s.first)
    caption = f"{what[0].upper()}{what[1:]} against {objective_label(other)}: all complete trials grey, the Pareto "
    caption += "front blue with trial numbers."
    if len(s.objectives) > 2:
        caption += f" The front is that of all {len(s.objectives)} objectives, two of which are drawn."
    numbers = drawing.numbers
    front = numbers[numbers["front"]]
    members = [
        f"trial {row['number']} {score_text(s.first, row[s.first.name])} at {score_text(other, row[other.name])}"
        for row in front.to_dict("records")
    ]
    described = f"Front: {', '.join(members) or 'none recorded'}."
    return picture(f"search_pareto_{other.name}", drawing, caption, described)


def _importances(s: Search, objective: Objective, drawing: Drawing) -> Picture:
    numbers = drawing.numbers
    what = objective_label(objective)
    caption = f"What sets the best trials apart in {what} (conditional PED-ANOVA): share of each parameter"
    caption += f", the {MOST} largest of {len(numbers)} parameters." if len(numbers) > MOST else "."
    if (numbers["given"] != "").any():
        caption += " Hatched: parameters that act beside some levels only, weighed by how often they do among the best."
    having = s.trials[s.trials["state"] == "complete"].notna().sum()
    if (complete := s.count("complete")) < 5 * FEWEST:
        caption += f" {complete} complete trials are few: shares of this size change from one search to the next."
    scarce = [name for name in s.space["name"] if having.get(f"param:{name}", 0) < FEWEST]
    if scarce:
        caption += f" Left out, with fewer than {FEWEST} complete trials: {joined(scarce)}."
    shares = [f"{row['parameter']} {row['importance']:.2f}" for row in numbers.head(MOST).to_dict("records")]
    return picture(f"search_importances_{objective.name}", drawing, caption, f"{', '.join(shares)}.")
