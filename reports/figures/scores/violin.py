"""How a metric spreads per arm as violins with box, points and marks against the reference."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from reports.figures.scores.distribution import box
from reports.figures.shared.canvas import INK, horizontal, measured
from reports.figures.shared.picture import Drawing
from reports.figures.shared.style import axis, styles
from reports.findings.results import Analysis
from reports.findings.summaries import whole
from reports.words.numbers import stars

FEWEST = 5  # points; under fewer a violin has a shape nobody measured


def violin(analysis: Analysis, metric: str) -> Drawing | None:
    """Draw how one metric spreads per arm; None where no arm has the points for a violin.

    The marks are those of the findings over independent blocks (Holm), never of repeats: an arm is marked only
    if its difference is established, failures counted in.
    """
    arms, data = measured(analysis, metric)
    values = {arm: data.loc[data["arm"] == arm, "value"].to_numpy() for arm in arms}
    complete = whole(data)
    if not any(_has_shape(values[arm]) for arm in complete):
        return None
    look, marks = styles(analysis), _marks(analysis, metric)
    figure, axes = horizontal(arms, analysis)
    rng = np.random.default_rng(0)
    for y, arm in enumerate(arms):
        colour, marker = look[arm]
        if arm in complete and _has_shape(values[arm]):
            _shape(axes, y, values[arm], colour)
        jitter = y + rng.uniform(-0.1, 0.1, len(values[arm]))
        axes.scatter(values[arm], jitter, s=16, c=colour, marker=marker, alpha=0.8, linewidths=0, zorder=3)
    for y, arm in enumerate(arms):
        # right of the frame: no mark may be taken for a point
        axes.text(1.01, y, marks.get(arm, ("", 0.0))[0], transform=axes.get_yaxis_transform(), va="center", color=INK)
    axes.set_xlabel(axis(metric))
    numbers = data[["metric", "arm", "where", "value"]].assign(
        p_adjusted=data["arm"].map({arm: p for arm, (_, p) in marks.items()}).astype(float),
        mark=data["arm"].map({arm: mark for arm, (mark, _) in marks.items()}).fillna(""),
    )
    return Drawing(figure, numbers)


def _has_shape(values: np.ndarray) -> bool:
    return len(values) >= FEWEST and float(np.ptp(values)) > 0.0


def _shape(axes: Axes, y: int, values: np.ndarray, colour: str) -> None:
    drawn = axes.violinplot(
        values, positions=[y], orientation="horizontal", widths=0.8, showextrema=False, bw_method="scott"
    )
    for body in drawn["bodies"]:  # type: ignore[attr-defined]
        body.set(facecolor=colour, edgecolor=colour, alpha=0.22)
    box(axes, y, values, colour, width=0.3)


def _marks(analysis: Analysis, metric: str) -> dict[str, tuple[str, float]]:
    """Return per arm its mark and the adjusted p behind it."""
    out = {}
    for f in analysis.findings:
        if f.metric != metric or f.against != analysis.reference or f.p_weaker is None:
            continue
        established = f.verdict in ("higher", "lower")
        out[f.arm] = ("*" * stars(f.p_weaker, analysis.alpha) if established else "", f.p_weaker)
    return out
