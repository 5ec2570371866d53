"""Factors of a study at once: main effects and interactions, where every combination of levels was run.

Literature: repeated-measures ANOVA on block means with the Greenhouse-Geisser correction (Greenhouse &
Geisser 1959), for differences between levels that do not all have the same variance.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import combinations, product
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from reports.statistics import holm

__all__ = ["IDLE", "MIN_FACTORIAL", "Factorial", "factorial"]

IDLE = "-"  # stands where a factor cannot act in an arm
MIN_FACTORIAL = 5
_EFFECTS = ("effect", "df", "df_error", "f", "p_uncorrected", "epsilon", "p", "p_holm", "partial_eta2")


@dataclass(frozen=True)
class Factorial:
    """Main effects and interactions of a study's factors on one metric, or in ``message`` why there are none.

    ``effects`` has one row per effect (p after Greenhouse-Geisser, Holm over all effects), ``means`` the
    marginal means of every factor and of every two factors together. ``left_out`` are arms in which a factor
    cannot act.
    """

    metric: str
    factors: dict[str, tuple[str, ...]]
    blocks: int
    message: str = ""
    effects: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(_EFFECTS)))
    means: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=["effect", "level", "mean"]))
    left_out: tuple[str, ...] = ()


def factorial(means: pd.DataFrame, levels: pd.DataFrame, metric: str) -> Factorial | None:
    """Analyse the factors of a study together, or say why that cannot be; None with fewer than two factors.

    Parameters
    ----------
    means
        Block means ``[blocks, arms]`` of the arms in ``levels``; blocks with a cell that failed (-inf) or was not
        run (NaN) are left out.
    levels
        Which level of every varied factor each arm has, ``[arms, factors]``, see
        :func:`reports.levels.arm_levels`.
    metric
        Name of the metric.
    """
    levels = levels[[f for f in levels if len(set(levels[f]) - {IDLE}) > 1]]
    if levels.shape[1] < 2:
        return None
    idle = (levels == IDLE).any(axis=1)
    acting = levels[~idle]
    left_out = tuple(str(arm) for arm in levels.index[idle])
    factors = {str(f): tuple(sorted(acting[f].unique())) for f in acting}
    factors = {f: found for f, found in factors.items() if len(found) > 1}
    design = acting[list(factors)]
    measured = [arm for arm in design.index if arm in means]
    bad = ~np.isfinite(means[measured])
    kept = means[measured].loc[bad.sum(axis=1) == 0]
    message = _refusal(metric, factors, design, levels, len(measured), len(kept))
    if message:
        return Factorial(metric, factors, len(kept), message, left_out=left_out)
    effects, marginal = _effects(kept, design, factors), _means(kept, design)
    return Factorial(metric, factors, len(kept), "", effects, marginal, left_out)


def _refusal(
    metric: str, factors: dict[str, tuple[str, ...]], design: pd.DataFrame, levels: pd.DataFrame, arms: int, n: int
) -> str:
    all_of = int(np.prod([len(found) for found in factors.values()])) if factors else 0
    run = len(design.drop_duplicates())
    if len(factors) < 2 or run < all_of:
        told = " and ".join(levels.columns) if levels.shape[1] < 3 else f"{levels.shape[1]} factors"
        if len(factors) < 2 or run <= 1 + sum(len(found) - 1 for found in factors.values()):
            return f"{told} were not crossed: one-factor-at-a-time designs have no interactions."
        return f"Only {run} of the {all_of} combinations of {told} were run; run all of them to see interactions."
    if len(design) > run:
        return f"{len(design)} arms share {run} combinations of levels: they differ in more than these factors."
    if arms < len(design):
        return f"{len(design) - arms} of {len(design)} arms were not measured on this metric."
    if metric == "auprc":
        return "Raw AUPRC has another scale on every network; see AUPRC ratio."
    if n < MIN_FACTORIAL:
        return f"{n} complete blocks; needs at least {MIN_FACTORIAL}."
    return ""


def _effects(kept: pd.DataFrame, design: pd.DataFrame, factors: dict[str, tuple[str, ...]]) -> pd.DataFrame:
    # here, not above: formulas and all of statsmodels' models take a second to load, which most reports do not need
    from statsmodels.stats.anova import AnovaRM

    plain = {f"factor{i}": f for i, f in enumerate(factors)}  # no factor's name can be read as a formula
    rows = kept.rename_axis("block").reset_index().melt("block", var_name="arm", value_name="value")
    rows = rows.join(design.set_axis(list(plain), axis=1), on="arm")
    fitted = AnovaRM(rows, "value", "block", within=list(plain)).fit().anova_table
    out = []
    for name, row in fitted.iterrows():
        parts = [plain[part] for part in str(name).split(":")]
        f, df, error = (float(row[c]) for c in ("F Value", "Num DF", "Den DF"))
        epsilon = _epsilon(kept, design, factors, parts)
        p = float(stats.f.sf(f, epsilon * df, epsilon * error))
        eta2 = f * df / (f * df + error)
        out.append((" × ".join(parts), df, error, f, float(row["Pr > F"]), epsilon, p, np.nan, eta2))
    table = pd.DataFrame(out, columns=list(_EFFECTS))
    return table.assign(p_holm=holm(table["p"].fillna(1.0).to_numpy()))


def _epsilon(kept: pd.DataFrame, design: pd.DataFrame, factors: dict[str, tuple[str, ...]], parts: list[str]) -> float:
    """Return Greenhouse and Geisser's epsilon: 1 where all contrasts of an effect vary alike, less otherwise."""
    by_level = {tuple(row): arm for arm, row in zip(design.index, design.to_numpy(), strict=True)}
    ordered = kept[[by_level[combination] for combination in product(*factors.values())]].to_numpy()
    contrasts: NDArray[Any] = np.ones((1, 1))
    for factor, found in factors.items():
        contrasts = np.kron(contrasts, _contrasts(len(found)) if factor in parts else np.ones((1, len(found))))
    covariance = np.atleast_2d(np.cov(ordered @ contrasts.T, rowvar=False))
    size = len(covariance) * float((covariance**2).sum())
    return float(np.trace(covariance) ** 2 / size) if size > 0 else 1.0


def _contrasts(n: int) -> NDArray[np.float64]:
    """Return ``n - 1`` orthonormal contrasts of ``n`` levels (Helmert)."""
    rows = [[1.0] * i + [-float(i)] + [0.0] * (n - i - 1) for i in range(1, n)]
    return np.array([np.array(row) / np.linalg.norm(row) for row in rows])


def _means(kept: pd.DataFrame, design: pd.DataFrame) -> pd.DataFrame:
    of_arm = kept.mean().rename("mean")
    out = []
    factors = [str(f) for f in design]
    for names in (*combinations(factors, 1), *combinations(factors, 2)):
        by = design.join(of_arm).groupby(list(names))["mean"].mean()
        for level, mean in by.items():
            shown = ", ".join(level) if isinstance(level, tuple) else str(level)
            out.append((" × ".join(names), shown, float(mean)))
    return pd.DataFrame(out, columns=["effect", "level", "mean"])
