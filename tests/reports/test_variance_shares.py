"""What scores vary by: components against statsmodels' REML and a simulation, and inseparable sources."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from conftest import analyse
from statsmodels.regression.mixed_linear_model import MixedLM

from reports.findings.contributions.contributions import shares
from reports.page.sections.contributions import contribution_sentences, contributions_context
from reports.statistics.contributions import components, error_weights
from reports.table.table import Table

Study = Callable[..., Table]


def places(sizes: list[list[int]]) -> list[np.ndarray]:
    """Blocks with data sets of so many repeats each."""
    block = np.concatenate([[b] * sum(sets) for b, sets in enumerate(sizes)])
    flat = [n for sets in sizes for n in sets]
    return [block, np.repeat(np.arange(len(flat)), flat), np.arange(sum(flat))]


def drawn(levels: list[np.ndarray], sd: tuple[float, ...], rng: np.random.Generator) -> np.ndarray:
    return 0.7 + sum(rng.normal(0, s, int(level.max()) + 1)[level] for s, level in zip(sd, levels, strict=True))


@pytest.mark.parametrize(("mean", "step"), [("y ~ 1", 0.0), ("y ~ network", 5.0)])
def test_a_balanced_table_has_the_components_of_reml(mean: str, step: float) -> None:
    """Two networks in every block: without a step between them, and with one that is taken out."""
    levels = places([[3, 3]] * 8)
    network = (levels[1] % 2).astype(float)
    y = 100 * drawn(levels, (0.03, 0.02, 0.01), np.random.default_rng(0)) + step * network
    frame = pd.DataFrame({"y": y, "block": levels[0], "dataset": levels[1], "network": network})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        inside = {"dataset": "0 + C(dataset)"}
        fit = MixedLM.from_formula(mean, frame, groups="block", re_formula="1", vc_formula=inside).fit(reml=True)
    reml = np.array([float(np.asarray(fit.cov_re)[0, 0]), float(fit.vcomp[0]), fit.scale])
    estimates = components(y[:, None], levels, network[:, None] if step else None)[:, 0]
    assert estimates == pytest.approx(reml, rel=0.01) and (estimates > 0).all()


def test_an_unbalanced_table_is_right_on_average() -> None:
    levels, rng, truth = (
        places([[2, 3], [1], [4, 1, 2], [2, 2], [3], [2, 5]]),
        np.random.default_rng(1),
        (3.0, 2.0, 1.0),
    )
    estimates = components(np.column_stack([drawn(levels, truth, rng) for _ in range(3000)]), levels).T
    error = estimates.std(axis=0) / np.sqrt(len(estimates))
    assert (np.abs(estimates.mean(axis=0) - np.square(truth)) < 4 * error).all()


def test_the_error_of_a_mean_is_that_of_a_mean_of_means() -> None:
    assert error_weights(places([[3, 3]] * 8)) == pytest.approx([1 / 8, 1 / 16, 1 / 48])
    levels, rng = places([[2, 1], [4]]), np.random.default_rng(2)
    assert error_weights(levels) == pytest.approx([1 / 4 + 1 / 4, 1 / 16 + 1 / 16 + 1 / 4, 2 / 64 + 1 / 16 + 4 / 64])
    y = drawn(levels, (0.1, 0.1, 0.1), rng)
    means = pd.Series(y).groupby(levels[1]).mean().groupby([0, 0, 1]).mean()
    assert means.mean() == pytest.approx(y @ np.array([1 / 8, 1 / 8, 1 / 4, *[1 / 8] * 4]))


def sources(table: Table, frame: pd.DataFrame | None = None) -> list[str]:
    variance = shares(table.frame if frame is None else frame, table.reference, "auroc")
    return [] if variance is None else variance.table["source"].tolist()


def test_sources_that_a_table_cannot_separate_are_one(study: Study) -> None:
    table = study()
    frame = table.frame
    assert sources(table) == ["block", "data set", "split + initial weights"]
    assert sources(table, frame.assign(split_digest="one")) == ["block", "data set + split", "initial weights"]
    two = frame.assign(split_digest=(frame["repeat"] > 0).astype(str))
    assert sources(table, two) == ["block", "data set", "split", "initial weights"]
    unknown = frame.drop(columns="split_digest")
    assert sources(table, unknown) == ["block", "data set", "repeat (split, initial weights)"]
    assert sources(table, unknown[unknown["network"] == "STRING"])[0] == "block + data set"
    assert sources(table, unknown[unknown["block"] == "cell0"]) == ["data set", "repeat (split, initial weights)"]
    once = unknown[(unknown["repeat"] == 0) & (unknown["network"] == "STRING")]
    assert sources(table, once) == [] == sources(table, frame.iloc[:0])


def test_the_variance_of_blocks_is_in_scores_and_not_in_differences(study: Study) -> None:
    """Blocks and repeats shift all arms alike: scores vary by them, differences do not."""
    analysis = analyse(study())
    variance = analysis.contributions.shares
    assert variance is not None and variance.arms == 3
    by_source = variance.table.set_index("source")
    assert by_source.loc["block", "units"] == 7 and by_source.loc["data set", "units"] == 14
    sd = np.sqrt(by_source[["variance_score", "variance_difference"]])
    assert sd.loc["block", "variance_score"] > 3 * sd.loc["block", "variance_difference"]
    assert sd.loc["split + initial weights"].tolist() == pytest.approx([0.014, 0.014], abs=0.004)
    assert variance.table["share_error"].sum() == pytest.approx(1.0)
    rows = contributions_context(analysis, [])["shares"]
    assert rows[0]["Units"] == "7" and rows[0]["sd of scores"].endswith(" %)")
    assert any("of a mean difference's error" in sentence for sentence in contribution_sentences(analysis))


def test_a_constant_between_networks_is_no_variance(study: Study) -> None:
    """Networks are chosen: a constant between them changes no component, where blocks cross them."""
    table = study()
    easier = table.frame["value"] + 0.1 * table.frame["network"].eq("STRING")
    plain, shifted = (
        shares(table.frame.assign(value=v), "full", "auroc").table for v in (table.frame["value"], easier)
    )
    numbers = ["variance_score", "variance_difference", "share_error"]
    assert shifted[numbers].to_numpy() == pytest.approx(plain[numbers].to_numpy(), abs=1e-12)
    one = table.frame[table.frame["block"] == "cell0"]
    alone = shares(one.assign(value=easier), "full", "auroc")
    assert alone is not None and alone.table.loc[0, "variance_score"] > 0.003  # two data sets, two networks


def test_arms_with_failed_cells_are_left_out_and_without_a_reference_there_is_no_difference(study: Study) -> None:
    table = study(failed={("gnn=none", "cell1")})
    variance = shares(table.frame, "full", "auroc")
    alone = shares(table.frame, None, "auroc")
    assert variance is not None and variance.arms == 2
    assert alone is not None and alone.table[["variance_difference", "share_error"]].isna().all(axis=None)
