"""Factors together: the ANOVA against its definition, and designs without interactions."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import numpy as np
import pandas as pd
import pytest
from conftest import analyse
from scipy import stats
from statsmodels.stats.anova import AnovaRM

from reports.build import _render
from reports.findings.factorial import factorial
from reports.page.sections.conclusions import conclusion_exports, conclusions_context
from reports.page.sections.factorial import interactions
from reports.page.sentences.methods import methods
from reports.statistics.factors.anova import rm_anova
from reports.statistics.pairs.max_t import half_widths
from reports.table.blocks import arm_levels
from reports.table.table import Table

Study = Callable[..., Table]
GNN, FUSION = ("gat", "gcn", "none"), ("early", "late")


def crossed(gnn: tuple[str, ...] = GNN, fusion: tuple[str, ...] = FUSION) -> pd.DataFrame:
    rows = [{"arm": f"{g}+{f}", "gnn": g, "fusion": f} for g, f in product(gnn, fusion)]
    return pd.DataFrame(rows).set_index("arm")


def scores(
    levels: pd.DataFrame, blocks: int = 8, effect: float = 0.0, mixed: float = 0.0, seed: int = 0
) -> pd.DataFrame:
    """Block means in which ``gat`` is worth ``effect``, and ``mixed`` more together with early fusion."""
    rng = np.random.default_rng(seed)
    block = rng.normal(0.7, 0.05, size=(blocks, 1))
    worth = effect * levels["gnn"].eq("gat") + mixed * (levels["gnn"].eq("gat") & levels["fusion"].eq("early"))
    values = block + worth.to_numpy() + rng.normal(0, 0.01, size=(blocks, len(levels)))
    return pd.DataFrame(values, index=[f"cell{i}" for i in range(blocks)], columns=levels.index)


def row(table: pd.DataFrame, effect: str) -> pd.Series:
    return table.set_index("effect").loc[effect]


def test_two_levels_each_are_squared_paired_t_tests() -> None:
    levels = crossed(("gat", "none"))
    means = scores(levels, effect=0.01)
    fit = factorial(means, levels, "auroc")
    assert fit is not None and fit.message == ""
    main = means[["gat+early", "gat+late"]].mean(axis=1) - means[["none+early", "none+late"]].mean(axis=1)
    both = means["gat+early"] - means["gat+late"] - means["none+early"] + means["none+late"]
    for effect, d in (("gnn", main), ("gnn × fusion", both)):
        t = stats.ttest_1samp(d, 0.0)
        assert row(fit.effects, effect)["f"] == pytest.approx(t.statistic**2)
        assert row(fit.effects, effect)["p"] == pytest.approx(t.pvalue)
        assert row(fit.effects, effect)["epsilon"] == pytest.approx(1.0)


def test_uncorrected_p_is_that_of_statsmodels_and_the_correction_only_raises_it() -> None:
    levels = crossed()
    means = scores(levels, effect=0.004)
    fit = factorial(means, levels, "auroc")
    assert fit is not None
    long = means.rename_axis("block").reset_index().melt("block", var_name="arm").join(levels, on="arm")
    direct = AnovaRM(long, "value", "block", within=["gnn", "fusion"]).fit().anova_table["Pr > F"]
    assert fit.effects["p_uncorrected"].tolist() == pytest.approx(direct.tolist())
    assert 0.5 <= row(fit.effects, "gnn")["epsilon"] <= 1.0
    assert (fit.effects["p"] >= 0.0).all() and (fit.effects["p_holm"] >= fit.effects["p"]).all()


def test_epsilon_is_that_of_the_textbook() -> None:
    """For one factor: Greenhouse & Geisser's formula on the double-centred covariance of its levels."""
    levels = crossed()
    means = scores(levels, seed=3)
    fit = factorial(means, levels, "auroc")
    assert fit is not None
    by_level = means.T.groupby(levels["gnn"]).mean().T
    s = by_level.cov().to_numpy()
    centred = s - s.mean(axis=0) - s.mean(axis=1)[:, None] + s.mean()
    expected = np.trace(centred) ** 2 / (2 * (centred**2).sum())
    assert row(fit.effects, "gnn")["epsilon"] == pytest.approx(expected)


def test_an_interaction_is_found_where_there_is_one_and_only_there() -> None:
    levels = crossed()
    alone = factorial(scores(levels, effect=0.05), levels, "auroc")
    together = factorial(scores(levels, effect=0.05, mixed=0.05), levels, "auroc")
    assert alone is not None and together is not None
    assert row(alone.effects, "gnn")["p_holm"] < 0.001 < 0.05 < row(alone.effects, "gnn × fusion")["p_holm"]
    assert row(together.effects, "gnn × fusion")["p_holm"] < 0.001


def test_marginal_means_average_over_the_other_factor() -> None:
    levels = crossed()
    means = scores(levels)
    fit = factorial(means, levels, "auroc")
    assert fit is not None
    table = fit.means.set_index(["effect", "level"])["mean"]
    assert table["gnn", "gat"] == pytest.approx(means[["gat+early", "gat+late"]].to_numpy().mean())
    assert table["gnn × fusion", "none, late"] == pytest.approx(means["none+late"].mean())


def test_which_level_wins_and_by_how_much_all_intervals_together() -> None:
    levels = crossed()
    means = scores(levels, effect=0.02)
    fit = factorial(means, levels, "auroc", alpha=0.1)
    assert fit is not None
    table = fit.contrasts
    assert table[["factor", "level"]].iloc[0].tolist() == ["gnn", "gat"] and len(table) == 3 + 1
    of = {level: means[[arm for arm in means if level in arm]].mean(axis=1) for level in (*GNN, *FUSION)}
    d = np.column_stack([of[row["level"]] - of[row["against"]] for row in table.to_dict("records")])
    assert table["mean_difference"].tolist() == pytest.approx(d.mean(axis=0)) and (d.mean(axis=0) >= 0).all()
    assert (table["high"] - table["mean_difference"]).tolist() == pytest.approx(half_widths(d, 0.1))
    assert factorial(means.iloc[:, 1:], levels.iloc[1:], "auroc").contrasts.empty


def test_order_of_arms_and_blocks_changes_nothing() -> None:
    levels = crossed()
    means = scores(levels)
    one = factorial(means, levels, "auroc")
    other = factorial(means.iloc[::-1, ::-1], levels.sample(frac=1, random_state=1), "auroc")
    assert one is not None and other is not None
    numbers = one.effects.columns[1:]
    pd.testing.assert_frame_equal(one.effects[numbers], other.effects[numbers])


def test_one_factor_at_a_time_has_no_interactions() -> None:
    levels = crossed().loc[["gat+early", "gcn+early", "none+early", "gat+late"]]
    fit = factorial(scores(levels), levels, "auroc")
    assert fit is not None and "one-factor-at-a-time designs have no interactions" in fit.message
    assert fit.effects.empty


def test_arms_that_share_a_combination_are_refused() -> None:
    levels = pd.concat([crossed(), pd.DataFrame({"gnn": ["gat"], "fusion": ["late"]}, index=["gat+late, wide"])])
    fit = factorial(scores(levels), levels, "auroc")
    assert fit is not None and "7 arms share 6 combinations" in fit.message


def test_an_arm_in_which_a_factor_cannot_act_is_left_out_and_named() -> None:
    levels = pd.concat([crossed(("gat", "gcn")), pd.DataFrame({"gnn": ["none"], "fusion": ["-"]}, index=["bare"])])
    fit = factorial(scores(levels), levels, "auroc")
    assert fit is not None and fit.message == "" and fit.left_out == ("bare",)
    assert fit.factors == {"gnn": ("gat", "gcn"), "fusion": ("early", "late")}


def test_blocks_with_failures_are_left_out_and_five_must_remain() -> None:
    levels = crossed()
    means = scores(levels, blocks=6)
    means.iloc[0, 0] = -np.inf
    fit = factorial(means, levels, "auroc")
    assert fit is not None and fit.message == ""
    assert (fit.method, fit.blocks, fit.failed) == ("RM-ANOVA", 5, ("cell0",))
    means.iloc[1, 2] = -np.inf
    fit = factorial(means, levels, "auroc")
    assert fit is not None and "at least 5" in fit.message and fit.effects.empty


def test_raw_auprc_is_not_averaged_over_networks() -> None:
    fit = factorial(scores(crossed()), crossed(), "auprc")
    assert fit is not None and "AUPRC ratio" in fit.message


def test_one_varied_factor_is_no_factorial() -> None:
    levels = crossed(fusion=("early",))[["gnn"]]
    assert factorial(scores(levels.assign(fusion="early")), levels, "auroc") is None


def factors(frame: pd.DataFrame) -> pd.DataFrame:
    """Give the arms of a synthetic study the levels in their names."""
    named = frame["arm"].str.contains
    gnn = np.where(named("gnn=none"), "none", "gat")
    return frame.assign(gnn=gnn, fusion=np.where(named("fusion=early"), "early", "multiscale"))


GRID = {
    "full": ("reference", 0.80),
    "gnn=none": ("arm", 0.74),
    "fusion=early": ("arm", 0.79),
    "gnn=none, fusion=early": ("arm", 0.70),
    "degree": ("control", 0.70),
}


def test_a_crossed_study_reports_main_effects_and_interaction(study: Study) -> None:
    table = study(factors, arms=GRID)
    assert set(arm_levels(table.frame)) == {"gnn", "fusion"}
    analysis = analyse(table)
    assert {f.metric for f in analysis.factorials if not f.message} == {"auroc", "auprc_ratio"}
    assert "Factors together" in _render("conclusions.html.j2", {**conclusions_context(analysis), "a": analysis})
    tables = {table.name: table for table in conclusion_exports(analysis)}
    assert set(tables["factorial"].numbers["effect"]) == {"gnn", "fusion", "gnn × fusion"}
    assert r"\toprule" in tables["factorial"].tex
    assert len(tables["marginal_means"].numbers) == 2 * (2 + 2 + 4)
    assert "Greenhouse-Geisser" in methods(analysis)


def test_an_interaction_is_established_or_the_data_cannot_tell(study: Study) -> None:
    arms = [{**GRID, "gnn=none, fusion=early": ("arm", level)} for level in (0.60, 0.73)]  # alone: 0.06 and 0.01
    analyses = [analyse(study(factors, arms=these, repeats=1)) for these in arms]
    established, undecided = (interactions(a) for a in analyses)
    assert len(established) == len(undecided) == 1
    assert established[0].startswith("gnn × fusion interact (adjusted p = ")
    assert undecided[0].startswith("Whether gnn × fusion interact, the data cannot tell (adjusted p = 0.")


def test_mixed_digests_stop_the_factorial_too(study: Study) -> None:
    table = study(lambda f: factors(f).assign(data_digest=f["arm"]), arms=GRID)
    assert analyse(table).factorials == ()


def test_blocks_that_all_agree_have_the_p_of_equal_signs() -> None:
    """Effects without residual error: the p is that of seven equal signs."""
    design = pd.DataFrame(
        {"gnn": ["gat", "none"] * 2, "fusion": ["late", "late", "early", "early"]}, index=list("abcd")
    )
    base = np.linspace(0.6, 0.9, 7)[:, None]
    values = pd.DataFrame(base + np.array([0.0, 0.05, 0.0, 0.05]), columns=design.index)
    effects = rm_anova(values, design, {str(f): tuple(sorted(design[f].unique())) for f in design}).set_index("effect")
    assert np.isinf(effects.loc["gnn", "f"]) and effects.loc["gnn", "p"] == pytest.approx(2 / 2**7)
    assert effects.loc["fusion", "p"] == 1.0
