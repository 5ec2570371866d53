"""Simple effects against the tests of findings; an effect that no arm has."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
import pytest

from reports.findings.factorial import factorial
from reports.statistics.factors.anova import rm_anova
from reports.statistics.pairs.max_t import simultaneous, step_down

LEVELS = {"gnn": ("gat", "gcn", "none"), "fusion": ("early", "late"), "contrast": ("off", "on")}


def crossing(**levels: tuple[str, ...]) -> pd.DataFrame:
    rows = list(product(*levels.values()))
    return pd.DataFrame(rows, columns=list(levels), index=["+".join(row) for row in rows])


def scores(design: pd.DataFrame, blocks: int = 9, mixed: float = 0.0, seed: int = 0) -> pd.DataFrame:
    """Block means with strong main effects; ``mixed`` more for early fusion with gat alone."""
    rng = np.random.default_rng(seed)
    worth = 0.05 * design["gnn"].eq("gat") - 0.04 * design["fusion"].eq("early")
    worth += mixed * (design["gnn"].eq("gat") & design["fusion"].eq("early"))
    values = rng.normal(0.7, 0.05, (blocks, 1)) + worth.to_numpy() + rng.normal(0, 0.01, (blocks, len(design)))
    return pd.DataFrame(values, columns=design.index, index=[f"cell{i}" for i in range(blocks)])


def test_equal_arms_have_no_f_to_read() -> None:
    design = crossing(**LEVELS)
    values = scores(design)
    values[[arm for arm in values if arm.endswith("+on")]] = values[
        [a for a in values if a.endswith("+off")]
    ].to_numpy()
    row = rm_anova(values + np.pi * 1e-16, design, LEVELS).set_index("effect").loc["contrast"]
    assert (row["f"], row["p"]) == (0.0, 1.0)


def difference(values: pd.DataFrame, design: pd.DataFrame, row: dict[str, str]) -> np.ndarray:
    at = design[row["at_factor"]].eq(row["at_level"])
    one, other = (values[design.index[at & design[row["factor"]].eq(row[end])]] for end in ("level", "against"))
    return (one.mean(axis=1) - other.mean(axis=1)).to_numpy()


def test_simple_effects_are_the_tests_of_findings_corrected_factor_by_factor() -> None:
    design = crossing(**LEVELS)
    values = scores(design, mixed=0.04)
    fit = factorial(values, design, "auroc", reference="gat+late+off")
    assert fit is not None
    simple = fit.simple.set_index(["factor", "level", "at_level"])
    assert set(fit.simple["at_factor"]) == {"gnn", "fusion"}  # further factors are averaged over
    families = fit.simple.groupby(["factor", "at_factor"]).size()
    assert families.to_dict() == {("gnn", "fusion"): 4, ("fusion", "gnn"): 3}
    for _, family in fit.simple.groupby(["factor", "at_factor"]):
        differences = np.stack([difference(values, design, row) for row in family.to_dict("records")], axis=1)
        mean, low, high = simultaneous(differences)
        for name, expected in {"mean_difference": mean, "low": low, "high": high, "p": step_down(differences)}.items():
            assert family[name].tolist() == pytest.approx(expected.tolist()), name
    assert simple.loc[("gnn", "none", "early"), "against"] == "gat"


def test_simple_effects_wait_for_an_interaction_and_for_six_blocks() -> None:
    design = crossing(**LEVELS)
    alone = factorial(scores(design), design, "auroc")
    few = factorial(scores(design, blocks=5, mixed=0.2), design, "auroc")
    assert alone is not None and few is not None
    assert alone.simple.empty
    assert len(few.simple) == 2 * 3 + 3  # without a reference all levels are compared
    assert few.simple["p"].isna().all() and few.simple["mean_difference"].notna().all()
