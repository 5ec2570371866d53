"""Factors together where not everything was run: exact tests against scipy."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import numpy as np
import pandas as pd
import pytest
from conftest import analyse
from scipy import stats

from reports.build import _render
from reports.findings.factorial import Factorial, factorial
from reports.page.sections.conclusions import conclusion_exports, conclusions_context
from reports.page.sections.factorial import factorials_context
from reports.page.sentences.methods import methods
from reports.statistics.factors.anova import effect_columns
from reports.statistics.factors.incomplete import adjusted_means, flip_tests, rows_of, separated, smallest
from reports.table.table import Table
from reports.words.glossary import HEADS

Study = Callable[..., Table]
FACTORS = {"gnn": ("gat", "gcn", "none"), "fusion": ("early", "late")}


def crossing(factors: dict[str, tuple[str, ...]] = FACTORS) -> pd.DataFrame:
    rows = list(product(*factors.values()))
    return pd.DataFrame(rows, columns=list(factors), index=["+".join(row) for row in rows])


def scores(design: pd.DataFrame, blocks: int, seed: int = 0, taste: float = 0.01, worth: float = 0.0) -> pd.DataFrame:
    """Block means in which every block has its own effect of each level, and ``gat`` is worth ``worth``."""
    rng = np.random.default_rng(seed)
    values = rng.normal(0.7, 0.05, (blocks, 1)) + rng.normal(0, 0.01, (blocks, len(design)))
    for factor in design:
        codes, uniques = pd.factorize(design[factor])
        values += rng.normal(0, taste, (blocks, len(uniques)))[:, codes]
    values += worth * design["gnn"].eq("gat").to_numpy()
    return pd.DataFrame(values, columns=design.index, index=[f"cell{i}" for i in range(blocks)])


def analysed(values: pd.DataFrame, design: pd.DataFrame) -> Factorial:
    fit = factorial(values, design, "auroc")
    assert fit is not None and fit.message == ""
    return fit


def row(fit: Factorial, effect: str) -> pd.Series:
    return row_of(fit.effects, effect)


def row_of(effects: pd.DataFrame, effect: str) -> pd.Series:
    return effects.set_index("effect").loc[effect]


def test_a_missing_combination_leaves_the_effects_that_the_design_separates() -> None:
    design = crossing().drop(index="none+late")
    fit = analysed(scores(design, 8, worth=0.05), design)
    assert fit.method == "flipped signs" and fit.not_run == ("none, late",)
    assert fit.effects[["effect", "df", "df_all", "blocks"]].to_numpy().tolist() == [
        ["gnn", 2, 2, 8],
        ["fusion", 1, 1, 8],
        ["gnn × fusion", 1, 2, 8],
    ]
    assert row(fit, "gnn")["p_holm"] < 0.05 < row(fit, "fusion")["p_holm"]


@pytest.mark.parametrize("effect", ["fusion", "gnn × fusion"])
def test_flips_are_scipys_permutation_of_the_estimates_of_blocks(effect: str) -> None:
    """Where all blocks have the same arms, each estimates an effect by itself: its least-squares coefficient."""
    design = crossing().drop(index="none+late")
    values = scores(design, 9, seed=3, worth=0.01)
    columns = effect_columns(design, FACTORS)
    parts = [columns[("gnn",)], columns[("fusion",)]] + [columns[("gnn", "fusion")]] * (effect == "gnn × fusion")
    fixed = np.column_stack([np.ones(len(design)), *parts])
    fit = np.linalg.pinv(fixed) @ values.T.to_numpy()
    # one degree of freedom: any contrast that the rest does not explain is the effect, up to its length
    contrast = fit[3] if effect == "fusion" else values.to_numpy() @ np.linalg.svd(fixed[:, :4])[0][:, -1]
    direct = stats.permutation_test(
        (contrast,), lambda d, axis: np.abs(d.mean(axis=axis)), permutation_type="samples", alternative="greater"
    )
    assert row(analysed(values, design), effect)["p"] == pytest.approx(direct.pvalue)


def test_flips_with_gaps_are_measured_by_the_variance_each_has() -> None:
    """As in the formulas: project, flip whole blocks, divide by the variance of what was flipped, count."""
    design = crossing()
    values = scores(design, 8, seed=8).mask(np.random.default_rng(2).random((8, 6)) < 0.35)
    rows = rows_of(values, design, FACTORS)
    blocks = np.eye(8)[rows.block]
    table = flip_tests(rows).set_index("effect")
    for effect, columns in rows.effects.items():
        rest = np.column_stack([blocks, rows.rest(effect)])
        left = np.eye(len(rows.y)) - rest @ np.linalg.pinv(rest)
        own = left @ columns
        sizes = []
        for signs in product([1.0, -1.0], repeat=8):
            flip = np.diag(blocks @ np.array(signs))
            total = own.T @ flip @ left @ rows.y
            sizes.append(total @ np.linalg.pinv(own.T @ flip @ left @ flip @ own, rcond=1e-6) @ total)
        reached = np.mean(np.array(sizes) >= sizes[0] * (1 - 1e-9))
        assert table.loc[" × ".join(effect), "p"] == pytest.approx(reached)


def test_order_of_arms_and_blocks_and_the_scale_change_no_p() -> None:
    design = crossing()
    values = scores(design, 10, seed=5)
    values.iloc[2, 1] = values.iloc[7, 4] = np.nan
    one = analysed(values, design).effects
    other = analysed(3.0 * values.iloc[::-1, ::-1] + 1.0, design.iloc[::-1]).effects
    assert one["effect"].tolist() == other["effect"].tolist()
    assert one["p"].tolist() == pytest.approx(other["p"].tolist())


def test_blocks_with_failures_are_left_out_whole_and_cells_not_run_are_gaps() -> None:
    design = crossing()
    values = scores(design, 9)
    values.loc["cell1", "gat+late"] = -np.inf
    values.loc["cell2", "gcn+late"] = np.nan
    values.loc["cell3", design.index[1:]] = np.nan  # an arm alone in its block
    fit = analysed(values, design)
    assert (fit.method, fit.blocks, fit.failed, fit.gaps) == ("flipped signs", 7, ("cell1",), 1)
    without = analysed(values.drop(index=["cell1", "cell3"]), design)
    pd.testing.assert_frame_equal(fit.effects, without.effects)


@pytest.mark.parametrize("blocks", [6, 13, 20])
def test_the_smallest_p_is_that_of_blocks_which_all_agree(blocks: int) -> None:
    design = crossing({"gnn": ("gat", "none"), "fusion": ("early", "late")})
    values = scores(design, blocks, worth=1.0)
    values.iloc[0, 0] = np.nan
    effects = analysed(values, design).effects
    assert smallest(blocks, len(effects)) == pytest.approx(row_of(effects, "gnn")["p_holm"])


def test_six_blocks_are_needed() -> None:
    design = crossing().drop(index="none+late")
    fit = factorial(scores(design, 5), design, "auroc")
    assert fit is not None and "5 blocks" in fit.message and "at least 6" in fit.message
    assert fit.effects.empty


def test_factors_that_change_together_are_not_separated() -> None:
    design = crossing({"gnn": ("a", "b", "c", "d"), "fusion": ("w", "x", "y", "z")})
    design = design[design["gnn"].isin(["a", "b"]) == design["fusion"].isin(["w", "x"])]
    factors = {f: tuple(sorted(design[f].unique())) for f in design}
    assert not separated(rows_of(scores(design, 8), design, factors))
    fit = factorial(scores(design, 8), design, "auroc")
    assert fit is not None and "do not tell the factors apart" in fit.message


def test_an_interaction_that_other_effects_could_explain_is_not_in_the_table() -> None:
    factors = {"gnn": ("gat", "none"), "fusion": ("early", "late"), "contrast": ("off", "on")}
    design = crossing(factors).iloc[:6]
    assert "gnn × fusion" not in set(analysed(scores(design, 8), design).effects["effect"])


def test_adjusted_means_are_those_of_effects_that_add_up() -> None:
    design = crossing().drop(index=["none+late", "gcn+early"])
    worth = design["gnn"].map({"gat": 0.05, "gcn": 0.02, "none": 0.0}) + design["fusion"].map(
        {"early": 0.01, "late": 0.0}
    )
    blocks = np.array([0.6, 0.7, 0.8, 0.65])
    values = pd.DataFrame(blocks[:, None] + worth.to_numpy(), columns=design.index)
    values.iloc[1, 0] = np.nan
    means = adjusted_means(rows_of(values, design, FACTORS), FACTORS).set_index("level")["mean"]
    grand = blocks.mean()
    assert means["gat"] == pytest.approx(grand + 0.05 + 0.005) and means["late"] == pytest.approx(grand + 0.07 / 3)


GRID = {
    "full": ("reference", 0.80),
    "gnn=none": ("arm", 0.74),
    "gnn=gcn": ("arm", 0.78),
    "fusion=early": ("arm", 0.76),
    "gnn=none, fusion=early": ("arm", 0.73),
}


def factors(frame: pd.DataFrame) -> pd.DataFrame:
    named = frame["arm"].str.contains
    gnn = np.select([named("gnn=none"), named("gnn=gcn")], ["none", "gcn"], "gat")
    return frame.assign(gnn=gnn, fusion=np.where(named("fusion=early"), "early", "multiscale"))


@pytest.mark.parametrize("arms", [GRID, {**GRID, "gnn=gcn, fusion=early": ("arm", 0.74)}])
def test_every_column_is_a_term_of_the_page(study: Study, arms: dict[str, tuple[str, float]]) -> None:
    defined = {*HEADS, *(head for heads in HEADS.values() for head in heads)}
    tables = factorials_context(analyse(study(factors, arms=arms, blocks=7, repeats=1)))
    heads = {head.replace("\n", " ") for f in tables if not f["message"] for head in f["rows"][0]}
    assert len(heads) in (5, 7) and heads <= defined


def test_a_study_with_gaps_states_its_assumptions(study: Study) -> None:
    analysis = analyse(study(factors, arms=GRID, blocks=9, failed={("gnn=gcn", "cell4")}))
    page = _render("conclusions.html.j2", {**conclusions_context(analysis), "a": analysis})
    assert (
        "<li>Whether a combination or cell was run is taken" in page and "over the combinations that were run" in page
    )
    assert "missing at random" in page and "Left out whole, because a cell failed there: cell4." in page
    assert "(gcn, early)" in page
    assert "flipping the signs of whole blocks" in methods(analysis)
    tables = {table.name: table for table in conclusion_exports(analysis)}
    assert set(tables["factorial_incomplete"].numbers["effect"]) == {"gnn", "fusion", "gnn × fusion"}
    assert r"\toprule" in tables["factorial_incomplete"].tex and "factorial" not in tables
    assert set(tables["adjusted_means"].numbers["metric"]) == {"auroc", "auprc_ratio"}
