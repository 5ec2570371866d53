"""Figures of a search, and of the tuning before a comparison, with captions and text alternatives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from reports.figures.canvas import (
    COLOURS,
    GREY,
    INK,
    Drawing,
    Picture,
    across,
    axis,
    grid_axes,
    picture,
    row_axes,
    shortened,
    with_prefix,
)
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


def _progress(s: Search) -> Picture | None:
    """Draw every trial of a search and the best score so far; None where no trial has a score."""
    data = best_so_far(s)
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
    _label_trials(axes, s, "trial")
    what = objective_label(s.first)
    caption = f"{what[0].upper()}{what[1:]} of every trial, and the best of the complete ones so far."
    caption += " Pruned trials are shown with the mean over the cells they had." if s.count("pruned") else ""
    described = f"{', '.join(f'{s.count(state)} {state}' for state in STATES)}."
    for _, best in best_trials(s).iterrows():
        reached = score_text(s.first, best[f"objective:{s.first.name}"])
        described = f"Best: {reached} at {trial_name(best)}. {described}"
    return picture("search_best_so_far", Drawing(figure, data), caption, described)


def _label_trials(axes: Axes, search: Search, along: str) -> None:
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


def _expected(s: Search) -> Picture | None:
    """Draw the expected best score at every budget up to that of the search; None where there is no curve."""
    data = expected_curve(s)
    if len(data) < LEAST:
        return None
    figure, axes = grid_axes(3.2)
    axes.plot(data["trials"], data["expected"], color=COLOURS[0], marker="o", markersize=3, label="expected best")
    _label_trials(axes, s, "budget (trials)")
    caption = f"Expected best {objective_label(s.first)} at equal budget (Dodge et al. 2019): of n trials drawn from "
    caption += f"the {len(data)} that ended, one that was pruned or failed as the worst."
    if s.sampler not in ("random", "grid"):
        caption += " These were proposed one after the other, so a search by chance of this size may find less."
    if len(data) < FEWEST:
        caption += f" {len(data)} trials are few: the curve says little."
    one, most = (score_text(s.first, data["expected"].iloc[place]) for place in (0, -1))
    reached = f"{one} with 1 trial, {most} with {len(data)}."
    return picture("search_expected_best", Drawing(figure, data), caption, reached)


def tuning_pictures(tuning: pd.DataFrame, metric: str) -> list[Picture]:
    """Draw what tuning gives every arm at every budget, with caption and text alternative; nothing without a curve."""
    data = tuned_curves(tuning)
    if data.empty or data["trials"].max() < LEAST:
        return []
    figure, axes = grid_axes(3.4)
    names, reached = shortened(data["arm"].unique()), []
    for place, (arm, curve) in enumerate(data.groupby("arm", sort=False)):
        style: dict[str, Any] = {"linestyle": ("-", "--", ":")[place // _MANY % 3], "marker": "o", "markersize": 3}
        colour = COLOURS[place % len(COLOURS)]
        axes.plot(curve["trials"], curve["expected"], color=colour, label=names[str(arm)], **style)
        reached.append(f"{arm} {number(curve['expected'].iloc[-1])} with {len(curve)}")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("budget (trials)")
    axes.set_ylabel(f"validation {axis(metric)}")
    figure.legend(loc="outside upper left", ncols=across([*names.values()]), frameon=False, fontsize=9)
    caption = f"Expected best validation {label(metric)} of every tuned arm at equal budget (Dodge et al. 2019): of n "
    caption += "trials drawn from its own, one that was pruned or failed as the worst. Not a result: the test is."
    return [picture("tuning_expected_best", Drawing(figure, data), caption, f"{joined(reached, 12)}.")]


def _pareto(s: Search, other: Objective) -> Picture | None:
    """Draw the first objective of a search against another: all complete trials, the front labelled."""
    complete = s.trials[s.trials["state"] == "complete"]
    if complete.empty:
        return None
    x, y = f"objective:{other.name}", f"objective:{s.first.name}"
    data = complete[["number", "arm", x, y]].assign(front=complete["number"].isin(s.front))
    front, rest = data[data["front"]], data[~data["front"]]
    figure, axes = grid_axes(3.8)
    axes.scatter(rest[x], rest[y], s=26, color=GREY, label="complete", zorder=2)
    along = front.sort_values([x, y])
    axes.scatter(along[x], along[y], s=40, marker="s", color=COLOURS[0], label="Pareto front (trial number)", zorder=3)
    # beyond a front lies nothing: its labels do not hide a trial
    offset, side = (8 * other.sign, 5 * s.first.sign), "left" if other.sign > 0 else "right"
    for row in along.to_dict("records"):
        look: dict[str, Any] = {"textcoords": "offset points", "ha": side, "va": "center", "fontsize": 9}
        axes.annotate(str(row["number"]), (row[x], row[y]), offset, **look)
    plain = s.of_reference
    if plain is not None and plain["state"] == "complete":
        ring: dict[str, Any] = {"facecolors": "none", "edgecolors": COLOURS[4], "linewidths": 1.6}
        axes.scatter([plain[x]], [plain[y]], s=130, label="reference", zorder=4, **ring)
    if data[x].min() > 0 and data[x].max() / data[x].min() > _WIDE:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(with_prefix)
    axes.set_xlabel(f"{objective_label(other)} ({_better(other)})")
    axes.set_ylabel(f"{objective_label(s.first)} ({_better(s.first)})")
    axes.margins(0.08)
    figure.legend(loc="outside upper left", ncols=3, frameon=False, fontsize=9)
    what = objective_label(s.first)
    caption = f"{what[0].upper()}{what[1:]} against {objective_label(other)}: all complete trials grey, the Pareto "
    caption += "front blue with trial numbers."
    if len(s.objectives) > 2:
        caption += f" The front is that of all {len(s.objectives)} objectives, two of which are drawn."
    members = [
        f"trial {row['number']} {score_text(s.first, row[y])} at {score_text(other, row[x])}"
        for row in front.to_dict("records")
    ]
    drawing = Drawing(figure, data.rename(columns={x: other.name, y: s.first.name}).reset_index(drop=True))
    return picture(f"search_pareto_{other.name}", drawing, caption, f"Front: {', '.join(members) or 'none recorded'}.")


def _better(objective: Objective) -> str:
    return "more is better" if objective.sign > 0 else "less is better"


def _path(s: Search) -> Picture | None:
    """Draw validation and test after each change; None where the path was not run."""
    data = s.path
    if data is None or len(data) < 2:
        return None
    figure, axes = grid_axes(1.6 + 0.3 * len(data), grid="x")
    for column, colour, marker in (("validation", COLOURS[0], "o"), ("test", COLOURS[1], "s")):
        axes.plot(data[column], data["step"], color=colour, marker=marker, label=column, drawstyle="steps-post")
    axes.set_yticks(data["step"], [str(text).replace("$", r"\$") for text in data["changed"]], fontsize=9)
    axes.invert_yaxis()
    axes.set_xlabel(label(s.metric))
    axes.margins(x=0.12)
    figure.legend(loc="outside upper left", ncols=2, frameon=False, fontsize=9)
    caption = "From the reference (top) to the best arm (bottom) on fresh repeats, one change after the other, each "
    caption += "the one with the best validation score (Fawcett & Hoos 2016). Validation chose, so it flatters; the "
    caption += "test did not."
    described = "; ".join(
        f"{row['changed']}: {score_text(s.first, row['validation'])}, test {score_text(s.first, row['test'])}"
        for row in data.to_dict("records")
    )
    return picture("search_path", Drawing(figure, data), caption, described)


def _importances(s: Search, objective: Objective) -> Picture | None:
    """Draw what share each parameter has in setting the best trials apart; None where that is refused."""
    table, what = importance_numbers(s), objective_label(objective)
    data = table[table["objective"] == objective.name].reset_index(drop=True)
    if data.empty:
        return None
    largest = data.head(MOST).iloc[::-1].to_dict("records")
    figure, axes = row_axes(0.9 + 0.42 * len(largest))
    for y, row in enumerate(largest):
        own: dict[str, Any] = {"color": COLOURS[1], "hatch": "//", "edgecolor": "white"}
        look = own if row["given"] else {"color": COLOURS[0]}
        axes.barh(y, row["importance"], height=0.62, linewidth=0, **look)
        at = (row["importance"], y)
        axes.annotate(f"{row['importance']:.2f}", at, (4, 0), textcoords="offset points", va="center", fontsize=9)
    axes.set_yticks(range(len(largest)), [_parameter(row) for row in largest], fontsize=9)
    axes.set_xlim(0, max(float(data["importance"].head(MOST).max()) * 1.12, 0.05))
    axes.set_xlabel(f"share in what sets the best apart, {what}")
    caption = f"What sets the best trials apart in {what} (conditional PED-ANOVA): share of each parameter"
    caption += f", the {MOST} largest of {len(data)} parameters." if len(data) > MOST else "."
    if (data["given"] != "").any():
        caption += " Hatched: parameters that act beside some levels only, weighed by how often they do among the best."
    having = s.trials[s.trials["state"] == "complete"].notna().sum()
    if (complete := s.count("complete")) < 5 * FEWEST:
        caption += f" {complete} complete trials are few: shares of this size change from one search to the next."
    scarce = [name for name in s.space["name"] if having.get(f"param:{name}", 0) < FEWEST]
    if scarce:
        caption += f" Left out, with fewer than {FEWEST} complete trials: {joined(scarce)}."
    shares = ", ".join(f"{row['parameter']} {row['importance']:.2f}" for row in reversed(largest))
    return picture(f"search_importances_{objective.name}", Drawing(figure, data), caption, f"{shares}.")


def _parameter(row: dict[Any, Any]) -> str:
    name, condition = (str(row[key]).replace("$", r"\$") for key in ("parameter", "given"))
    return f"{name}\n(given {condition}, {count(row['trials'], 'trial')})" if condition else name


def search_pictures(search: Search) -> list[Picture]:
    """Draw every figure of a search once, with caption and text alternative."""
    fronts = [_pareto(search, other) for other in search.objectives[1:]]
    shares = [_importances(search, one) for one in search.objectives]
    drawn = [_progress(search), _expected(search), *fronts, _path(search), *shares]
    return [one for one in drawn if one is not None]
