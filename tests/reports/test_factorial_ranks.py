"""Aligned ranks against Wobbrock's formulas and the ANOVA of statsmodels; simple effects against tests of findings."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.anova import AnovaRM
from statsmodels.stats.multitest import multipletests

from reports.findings.factorial import factorial
from reports.statistics.factors.anova import aligned, rm_anova
from reports.statistics.factors.contrasts import effect_columns, named

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


def long(values: pd.DataFrame, design: pd.DataFrame) -> pd.DataFrame:
    return values.rename_axis("block").reset_index().melt("block", var_name="arm").join(design, on="arm")


def wobbrock(rows: pd.DataFrame, effect: tuple[str, ...]) -> pd.Series:
    """Residual plus effect, as the paper writes it: means over every smaller set of factors, with changing signs."""
    factors = [c for c in rows if c not in ("block", "arm", "value")]
    residual = rows["value"] - rows.groupby(factors)["value"].transform("mean")
    estimate = pd.Series(0.0, index=rows.index)
    for size in range(len(effect) + 1):
        for part in combinations(effect, size):
            mean = rows.groupby(list(part))["value"].transform("mean") if part else rows["value"].mean()
            estimate = estimate + (-1) ** (len(effect) - size) * mean
    return residual + estimate


@pytest.mark.parametrize("factors", [("gnn", "fusion"), ("gnn", "fusion", "contrast")])
def test_alignment_is_that_of_the_paper(factors: tuple[str, ...]) -> None:
    design = crossing(**{f: LEVELS[f] for f in factors})
    values = scores(design, mixed=0.02)
    rows = long(values, design)
    for effect, columns in effect_columns(design, {f: LEVELS[f] for f in factors}).items():
        ours = pd.DataFrame(aligned(values.to_numpy(), columns), columns=values.columns, index=values.index)
        theirs = rows.assign(value=wobbrock(rows, effect)).pivot_table("value", "block", "arm")
        assert np.allclose(ours, theirs.loc[ours.index, ours.columns])


def test_nothing_but_the_effect_is_left_after_alignment() -> None:
    """The check of ARTool: on aligned data the F of every other effect is zero, that of the effect itself is not."""
    design = crossing(**LEVELS)
    values = scores(design, mixed=0.03)
    plain = rm_anova(values, design, LEVELS).set_index("effect")["f"]
    for effect, columns in effect_columns(design, LEVELS).items():
        frame = pd.DataFrame(aligned(values.to_numpy(), columns), columns=values.columns)
        f = rm_anova(frame, design, LEVELS).set_index("effect")["f"]
        assert f[named(effect)] == pytest.approx(plain[named(effect)])
        assert f.drop(named(effect)).abs().max() < 1e-12


def test_p_on_aligned_ranks_is_the_anova_of_statsmodels_on_ranks() -> None:
    factors = {"fusion": ("early", "late"), "contrast": ("off", "on")}
    design = crossing(gnn=("gat",), **factors)[list(factors)]
    values = scores(design.assign(gnn="gat"), seed=4)
    table = rm_anova(values, design, factors).set_index("effect")
    rows = long(values, design)
    for effect in (("fusion",), ("contrast",), ("fusion", "contrast")):
        ranked = rows.assign(value=stats.rankdata(wobbrock(rows, effect).round(6)))
        direct = AnovaRM(ranked, "value", "block", within=list(factors)).fit().anova_table["Pr > F"]
        assert table.loc[named(effect), "p_aligned"] == pytest.approx(direct[":".join(effect)])
    holm = multipletests(table["p_aligned"], method="holm")[1]
    assert table["p_aligned_holm"].tolist() == pytest.approx(holm.tolist())


def test_an_extreme_block_hides_an_interaction_from_the_anova_and_less_so_from_ranks() -> None:
    design = crossing(**LEVELS)
    values = scores(design, blocks=12, mixed=0.03, seed=1)
    values.loc["cell0", "gat+early+off"] -= 0.4
    row = rm_anova(values, design, LEVELS).set_index("effect").loc["gnn × fusion"]
    assert row["p_aligned_holm"] < 0.05 < row["p_holm"]


def test_equal_arms_have_no_f_to_read() -> None:
    design = crossing(**LEVELS)
    values = scores(design)
    values[[arm for arm in values if arm.endswith("+on")]] = values[
        [a for a in values if a.endswith("+off")]
    ].to_numpy()
    row = rm_anova(values + np.pi * 1e-16, design, LEVELS).set_index("effect").loc["contrast"]
    assert (row["f"], row["p"]) == (0.0, 1.0)


def test_simple_effects_are_the_tests_of_findings_corrected_factor_by_factor() -> None:
    design = crossing(**LEVELS)
    values = scores(design, mixed=0.04)
    found = factorial(values, design, "auroc", reference="gat+late+off")
    assert found is not None
    simple = found.simple.set_index(["factor", "level", "at_level"])
    assert set(found.simple["at_factor"]) == {"gnn", "fusion"}  # further factors are averaged over
    families = found.simple.groupby(["factor", "at_factor"]).size()
    assert families.to_dict() == {("gnn", "fusion"): 4, ("fusion", "gnn"): 3}
    for _, family in found.simple.groupby(["factor", "at_factor"]):
        direct = []
        for row in family.to_dict("records"):
            of = {
                level: values[
                    design.index[design[row["factor"]].eq(level) & design[row["at_factor"]].eq(row["at_level"])]
                ]
                for level in (row["level"], row["against"])
            }
            d = of[row["level"]].mean(axis=1) - of[row["against"]].mean(axis=1)
            direct.append(stats.wilcoxon(d, method="exact").pvalue)
            low, high = stats.t.interval(0.95, len(d) - 1, d.mean(), stats.sem(d))
            assert (row["mean_difference"], row["low"], row["high"]) == pytest.approx((d.mean(), low, high), abs=2e-6)
        assert family["p"].tolist() == pytest.approx(direct)
        assert family["p_holm"].tolist() == pytest.approx(multipletests(direct, method="holm")[1].tolist())
    assert simple.loc[("gnn", "none", "early"), "against"] == "gat"


def test_simple_effects_wait_for_an_interaction_and_for_six_blocks() -> None:
    design = crossing(**LEVELS)
    alone = factorial(scores(design), design, "auroc")
    few = factorial(scores(design, blocks=5, mixed=0.2), design, "auroc")
    assert alone is not None and few is not None
    assert alone.simple.empty
    assert len(few.simple) == 2 * 3 + 3  # without a reference all levels are compared
    assert few.simple["p"].isna().all() and few.simple["mean_difference"].notna().all()
