"""Factors at once: main effects and interactions, by the test that the design allows.

Where every combination of levels was run in every block: analysis of variance
(:mod:`reports.statistics.factors.anova`). Where some were not: flipped signs
(:mod:`reports.statistics.factors.incomplete`). The design alone decides, never a result.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import product
from math import prod
from typing import Literal

import numpy as np
import pandas as pd

from reports.statistics.factors.anova import marginal_means, rm_anova
from reports.statistics.factors.incomplete import adjusted_means, flip_tests, rows_of, separated
from reports.statistics.factors.levels import marginal_contrasts, simple_effects
from reports.statistics.pairs.signed import MIN_SIGNED
from reports.words.metrics import metric_of
from reports.words.numbers import count

IDLE = "-"  # stands where a factor cannot act in an arm
MIN_FACTORIAL = 5
Method = Literal["RM-ANOVA", "flipped signs"]


@dataclass(frozen=True)
class Factorial:
    """Main effects and interactions of the factors on one metric, or in ``message`` why there are none.

    ``effects`` has one row per effect (see :func:`reports.statistics.factors.anova.rm_anova` and
    :func:`reports.statistics.factors.incomplete.flip_tests`), ``means`` the marginal means of every factor
    and of every two factors together (of every factor, adjusted, where the design has gaps), ``simple`` the simple
    effects after an interaction, ``contrasts`` the differences of the marginal means of every two levels (see
    :func:`reports.statistics.factors.levels.marginal_contrasts`; none where the design has gaps).
    ``left_out`` are arms in which a factor cannot act, ``failed`` blocks left out because a cell of theirs failed,
    ``not_run`` combinations that no block has, ``gaps`` further cells that were not run.
    """

    metric: str
    factors: dict[str, tuple[str, ...]]
    blocks: int
    message: str = ""
    effects: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=["effect"]))
    means: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=["effect", "level", "mean"]))
    left_out: tuple[str, ...] = ()
    method: Method = "RM-ANOVA"
    simple: pd.DataFrame = field(default_factory=pd.DataFrame)
    contrasts: pd.DataFrame = field(default_factory=pd.DataFrame)
    failed: tuple[str, ...] = ()
    not_run: tuple[str, ...] = ()
    gaps: int = 0


def factorial(
    means: pd.DataFrame, levels: pd.DataFrame, metric: str, *, reference: str | None = None, alpha: float = 0.05
) -> Factorial | None:
    """Analyse the factors together, or say why that cannot be; None with fewer than two factors.

    Parameters
    ----------
    means
        Block means ``[blocks, arms]`` of the arms in ``levels``. A block with a cell that failed (-inf) is left out
        whole: failures are not missing at random. A cell that was not run (NaN) is a gap in the design.
    levels
        Which level of every varied factor each arm has, ``[arms, factors]``, see
        :func:`reports.table.blocks.arm_levels`.
    metric
        Name of the metric.
    reference
        Arm whose levels simple effects are compared with; all levels are compared with each other without it.
    alpha
        Level below which an interaction is followed by simple effects.
    """
    levels = levels[[f for f in levels if len(set(levels[f]) - {IDLE}) > 1]]
    if levels.shape[1] < 2:
        return None
    idle = (levels == IDLE).any(axis=1)
    acting = levels[[not out and arm in means and means[arm].notna().any() for arm, out in idle.items()]]
    factors = {str(f): tuple(sorted(acting[f].unique())) for f in acting}
    factors = {f: names for f, names in factors.items() if len(names) > 1}
    design = acting[list(factors)]
    values = means[design.index]
    failed = np.isneginf(values.to_numpy(float)).any(axis=1)
    several = values.notna().to_numpy().sum(axis=1) > 1  # an arm alone in its block tells nothing
    usable = values[pd.Series(~failed & several, index=values.index)]
    plain = Factorial(
        metric,
        factors,
        len(usable),
        _refusal(metric, factors, design, levels),
        left_out=tuple(str(arm) for arm, out in idle.items() if out),
        failed=tuple(str(block) for block in values.index[failed.tolist()]),
    )
    if plain.message:
        return plain
    if len(design) == prod(map(len, factors.values())) and not usable.isna().to_numpy().any():
        return _complete(plain, usable, design, reference, alpha)
    return _incomplete(plain, usable, design)


def _refusal(metric: str, factors: dict[str, tuple[str, ...]], design: pd.DataFrame, levels: pd.DataFrame) -> str:
    run = len(design.drop_duplicates())
    if len(factors) < 2 or run <= 1 + sum(len(names) - 1 for names in factors.values()):
        subject = " and ".join(levels.columns) if levels.shape[1] < 3 else f"{levels.shape[1]} factors"
        return f"{subject} were not crossed: one-factor-at-a-time designs have no interactions."
    if len(design) > run:
        return (
            f"{len(design)} arms share {count(run, 'combination')} of levels: more than these factors tells them apart."
        )
    if not metric_of(metric).same_scale:
        return "Raw AUPRC has another scale on every network; see AUPRC ratio."
    return ""


def _complete(
    plain: Factorial, means: pd.DataFrame, design: pd.DataFrame, reference: str | None, alpha: float
) -> Factorial:
    if len(means) < MIN_FACTORIAL:
        return replace(plain, message=f"{_blocks(plain)}; an analysis of variance needs at least {MIN_FACTORIAL}.")
    effects = rm_anova(means, design, plain.factors).assign(blocks=plain.blocks)
    established = [tuple(name.split(" × ")) for name in effects.loc[effects["p_holm"] < alpha, "effect"]]
    pairs = [(one[0], one[1]) for one in established if len(one) == 2]
    base = {str(f): str(one) for f, one in design.loc[reference].items()} if reference in design.index else {}
    simple = simple_effects(means, design, plain.factors, pairs, base, level=1 - alpha)
    contrasts = marginal_contrasts(means, design, plain.factors, alpha)
    return replace(plain, effects=effects, means=marginal_means(means, design), simple=simple, contrasts=contrasts)


def _incomplete(plain: Factorial, means: pd.DataFrame, design: pd.DataFrame) -> Factorial:
    present = set(design.itertuples(index=False, name=None))
    not_run = tuple(", ".join(one) for one in product(*plain.factors.values()) if one not in present)
    incomplete = replace(plain, method="flipped signs", not_run=not_run, gaps=int(means.isna().to_numpy().sum()))
    if len(means) < MIN_SIGNED:
        why = f"with combinations or cells that were not run, a test needs at least {MIN_SIGNED}"
        return replace(incomplete, message=f"{_blocks(plain)}; {why}.")
    rows = rows_of(means, design, plain.factors)
    effects = flip_tests(rows)
    if not separated(rows) or effects.empty:
        return replace(
            incomplete, message="The cells that were run do not tell the factors apart: run more combinations."
        )
    return replace(incomplete, effects=effects, means=adjusted_means(rows, plain.factors))


def _blocks(plain: Factorial) -> str:
    return count(plain.blocks, "block") + (" without failed cells" if plain.failed else "")
