"""What each part contributes: Shapley values and interactions against orders counted by hand, and the page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import combinations, permutations, product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import analyse, build, study_frame
from test_factorial import GRID, factors

from reports.figures.factors import waterfall_numbers
from reports.findings.contributions.worth import Worth, worth
from reports.options import ReportOptions
from reports.page.sections.contributions import contribution_sentences
from reports.page.sentences.methods import methods
from reports.statistics.contributions import shapley_weights
from reports.statistics.pairs.max_t import half_widths
from reports.table.blocks import arm_levels
from reports.table.table import Table, load

Study = Callable[..., Table]
PARTS = {"gnn": ("gat", "none"), "contrast": ("supcon", "off"), "fusion": ("late", "early")}


def by_orders(v: np.ndarray, parts: int) -> list[float]:
    """Average what each part adds over every order in which parts may come."""
    added = [[] for _ in range(parts)]
    for order in permutations(range(parts)):
        subset = 0
        for part in order:
            added[part].append(v[subset | 1 << part] - v[subset])
            subset |= 1 << part
    return [float(np.mean(one)) for one in added]


def by_dividends(v: np.ndarray, parts: int) -> list[float]:
    """Grabisch & Roubens 1999 in the other form: what a set adds beyond all its subsets, shared among its pairs."""
    dividend = {
        s: sum((-1) ** (s.bit_count() - t.bit_count()) * v[t] for t in range(2**parts) if t & s == t)
        for s in range(2**parts)
    }
    masks = [1 << one | 1 << other for one, other in combinations(range(parts), 2)]
    return [sum(d / (s.bit_count() - 1) for s, d in dividend.items() if s & mask == mask) for mask in masks]


@pytest.mark.parametrize("parts", [2, 3, 4])
def test_values_are_averages_over_all_orders_and_pairs_share_dividends(parts: int) -> None:
    v = np.random.default_rng(parts).random(2**parts)
    assert v @ shapley_weights(parts) == pytest.approx(by_orders(v, parts))
    assert (v @ shapley_weights(parts)).sum() == pytest.approx(v[-1] - v[0])
    assert v @ shapley_weights(parts, 2) == pytest.approx(by_dividends(v, parts))


@pytest.mark.slow
def test_values_and_pairs_are_those_of_shapiq() -> None:
    from shapiq import ExactComputer

    parts = 4
    v = np.random.default_rng(1).random(2**parts)
    exact = ExactComputer(lambda sets: v[sets.astype(int) @ (1 << np.arange(parts))], n_players=parts)
    values, pairs = exact("SV", 1), exact("SII", 2)
    assert v @ shapley_weights(parts) == pytest.approx([values[(i,)] for i in range(parts)])
    assert v @ shapley_weights(parts, 2) == pytest.approx([pairs[pair] for pair in combinations(range(parts), 2)])


WIDE = {"gnn": ("gat", "gcn", "none"), "fusion": ("late", "early", "multiscale"), "contrast": ("supcon", "off")}
WIDE |= {"negatives": ("uniform", "same_tf")}


class Looked:
    """A surrogate with the score of every arm, queried by indices of levels, ``[arms, factors]``."""

    def __init__(self, scores: dict[tuple[str, ...], float], parts: dict[str, tuple[str, ...]]) -> None:
        self.scores, self.parts = scores, parts

    def predict(self, asked: np.ndarray) -> np.ndarray:
        points = [tuple(names[int(n)] for n, names in zip(row, self.parts.values(), strict=True)) for row in asked]
        return np.array([self.scores[point] for point in points])


@pytest.mark.slow
def test_a_factorial_of_four_factors_is_credited_as_by_hypershap() -> None:
    """Its ablation game from every mixture of levels that are out, averaged; pairs by the index SII.

    Its default, FSII, is another index: a pair's value in the best additive fit of pairs, without the share that sets
    of three and more have in SII.
    """
    hypershap, space = pytest.importorskip("hypershap"), pytest.importorskip("ConfigSpace")

    def score(gnn: str, fusion: str, contrast: str, negatives: str) -> float:
        both = (gnn == "gat") * (fusion != "early")
        return 0.03 * both + 0.02 * (gnn == "gcn") - 0.01 * both * (contrast == "off") * (negatives == "same_tf")

    frame = table(score, WIDE)
    shapley = credited(frame)
    means = frame.groupby([*WIDE])["value"].mean().to_dict()
    factors = [space.CategoricalHyperparameter(name, levels) for name, levels in WIDE.items()]
    configurations = space.ConfigurationSpace(space={factor.name: factor for factor in factors})
    ordered = {name: tuple(configurations[name].choices) for name in configurations}  # its order of factors
    by_place = {tuple(dict(zip(WIDE, point, strict=True))[name] for name in ordered): v for point, v in means.items()}
    task = hypershap.ExplanationTask.from_base_model(configurations, Looked(by_place, ordered))
    # the level that stands for a factor's absence, where it has one, else each of its other levels
    out = {"gnn": ("none",), "fusion": ("early", "multiscale"), "contrast": ("off",), "negatives": ("same_tf",)}
    whole = space.Configuration(configurations, values={name: levels[0] for name, levels in WIDE.items()})
    stripped = [
        space.Configuration(configurations, values=dict(zip(out, point, strict=True)))
        for point in product(*out.values())
    ]
    explainer = hypershap.HyperSHAP(task)
    values = explainer.ablation_multibaseline(whole, stripped, index="SV", order=1)
    pairs = explainer.ablation_multibaseline(whole, stripped, index="SII", order=2)
    place = {name: number for number, name in enumerate(ordered)}
    by_factor = shapley.parts.set_index("factor")["value"]
    assert {f: by_factor[f] for f in WIDE} == pytest.approx({f: values[(place[f],)] for f in WIDE})
    assert shapley.pairs["value"].tolist() == pytest.approx(
        [pairs[tuple(sorted((place[one], place[other])))] for one, other in shapley.pairs[["one", "other"]].to_numpy()]
    )


def table(score: Callable[..., float], parts: dict[str, tuple[str, ...]] = PARTS, blocks: int = 7) -> pd.DataFrame:
    """One row per arm and block of a full factorial; the first level of each factor is the reference's."""
    rng, rows = np.random.default_rng(0), []
    for b in range(blocks):
        shift = rng.normal(0, 0.05)
        for point in product(*parts.values()):
            first = point == tuple(names[0] for names in parts.values())
            arm = "full" if first else "+".join(point)
            row = {**dict(zip(parts, point, strict=True)), "arm": arm, "role": "reference" if first else "arm"}
            value = 0.7 + shift + score(*point) + rng.normal(0, 0.004)
            place = {"block": f"cell{b}", "dataset": f"cell{b}", "repeat": 0, "metric": "auroc", "status": "ok"}
            rows.append({**row, **place, "value": value})
    return pd.DataFrame(rows)


def credited(frame: pd.DataFrame) -> Worth:
    shapley = worth(frame, arm_levels(frame), "full", "auroc", 0.05)
    assert shapley is not None
    return shapley


def added(gnn: str, contrast: str, fusion: str) -> float:
    return 0.04 * (gnn == "gat") + 0.02 * (gnn == "gat") * (contrast == "supcon") - 0.01 * (fusion == "late")


def test_what_a_part_is_worth_over_blocks() -> None:
    frame = table(added)
    shapley = credited(frame)
    means = frame.pivot_table(index="block", columns="arm", values="value")
    order = ["none+off+early", "gat+off+early", "none+supcon+early", "gat+supcon+early"]
    order += ["none+off+late", "gat+off+late", "none+supcon+late", "full"]
    v = means[order].to_numpy()
    phi = np.array([by_orders(one, 3) for one in v])
    by_factor = shapley.parts.set_index("factor")
    assert by_factor.loc[list(PARTS), "value"].tolist() == pytest.approx(phi.mean(axis=0))
    half = half_widths(np.column_stack([phi, v[:, -1] - v[:, 0]]))
    assert (by_factor["high"] - by_factor["value"]).loc[[*PARTS, ""]].tolist() == pytest.approx(half)
    assert by_factor.loc["gnn", "leave_one_out"] == pytest.approx((v[:, 7] - v[:, 6]).mean())
    assert by_factor.loc["gnn", "add_one_in"] == pytest.approx((v[:, 1] - v[:, 0]).mean())
    assert by_factor.loc["", "value"] == pytest.approx(shapley.whole - shapley.stripped)
    assert by_factor.index.tolist() == ["gnn", "contrast", "fusion", ""]  # the largest first, then the total
    pairs = shapley.pairs.set_index(["one", "other"])["value"]
    assert pairs["gnn", "contrast"] == pytest.approx(np.mean([by_dividends(one, 3)[0] for one in v]))


def test_bars_fall_from_the_reference_to_the_stripped_model() -> None:
    shapley = credited(table(added))
    bars = waterfall_numbers(shapley)
    assert bars["start"].iloc[0] == bars["start"].iloc[-1] == shapley.whole
    assert bars["end"].iloc[-2:].tolist() == pytest.approx([shapley.stripped] * 2)
    assert bars["end"].iloc[:-2].tolist() == pytest.approx(bars["start"].iloc[1:-1].tolist())


def test_a_mixture_that_was_not_run_leaves_no_exact_value() -> None:
    frame = table(added)
    levels = arm_levels(frame)
    for arm in ("none+off+early", "gat+off+late"):
        assert worth(frame[frame["arm"] != arm], levels.drop(index=arm), "full", "auroc", 0.05) is None


def test_two_arms_of_one_mixture_leave_it_open_which_is_meant() -> None:
    frame = table(added)
    wide = frame[frame["arm"] == "none+off+early"].assign(arm="none+off+early, wide")
    both = pd.concat([frame, wide])
    assert worth(both, arm_levels(both), "full", "auroc", 0.05) is None


def test_out_is_none_or_off_and_else_the_mean_of_the_other_levels() -> None:
    parts = {"gnn": ("gat", "gcn", "none"), "fusion": ("late", "early", "mid")}
    worths = {"gat": 0.05, "gcn": 0.03, "none": 0.0, "late": 0.03, "early": 0.02, "mid": -0.02}
    frame = table(lambda *point: sum(worths[level] for level in point), parts)
    by_factor = credited(frame).parts.set_index("factor")
    assert by_factor.loc["gnn", "out"] == "none" and by_factor.loc["fusion", "out"] == "early / mid"
    assert by_factor.loc["gnn", "value"] == pytest.approx(0.05, abs=0.005)
    assert by_factor.loc["fusion", "value"] == pytest.approx(0.03, abs=0.005)
    needless = frame[frame["gnn"] != "gcn"]
    pd.testing.assert_frame_equal(credited(needless).parts.set_index("factor"), by_factor)


def test_an_arm_in_which_a_factor_cannot_act_stands_for_all_its_levels() -> None:
    """As studies write it: without a graph there is nothing to fuse."""
    parts = {"gnn": ("gat", "none"), "fusion": ("late", "early")}
    frame = table(lambda gnn, fusion: 0.05 * (gnn == "gat") + 0.01 * (gnn == "gat" and fusion == "late"), parts)
    once = frame[frame["arm"] != "none+early"].replace({"fusion": {"late": "-"}, "arm": {"none+late": "none"}})
    once.loc[once["arm"] == "full", "fusion"] = "late"
    shapley = credited(once)
    mean = once.groupby("arm")["value"].mean()
    value = shapley.parts.set_index("factor")["value"]
    assert value["fusion"] == pytest.approx((mean["full"] - mean["gat+early"]) / 2)
    assert value["gnn"] == pytest.approx((mean["full"] + mean["gat+early"]) / 2 - mean["none"])


def test_blocks_in_which_a_mixture_failed_are_left_out_and_named() -> None:
    frame = table(added)
    crashed = (frame["arm"] == "none+off+early") & (frame["block"] == "cell2")
    shapley = credited(frame.assign(status=frame["status"].mask(crashed, "oom"), value=frame["value"].mask(crashed)))
    assert shapley.blocks == 6
    assert [(d.block, d.arms, d.why) for d in shapley.left_out] == [("cell2", ("none+off+early",), "failed")]
    assert worth(table(added, blocks=1), arm_levels(frame), "full", "auroc", 0.05) is None


def test_a_reference_whose_factor_cannot_act_and_raw_auprc_have_no_parts() -> None:
    frame = table(added)
    levels = arm_levels(frame)
    assert worth(frame, levels, "full", "auprc", 0.05) is None
    assert worth(frame, levels, "nobody", "auroc", 0.05) is None
    idle = levels.assign(**{f: ["-" if arm == "full" else one for arm, one in levels[f].items()] for f in levels})
    assert worth(frame, idle, "full", "auroc", 0.05) is None


@pytest.mark.slow
@pytest.mark.parametrize("blocks", [5, 7])
def test_intervals_of_all_parts_hold_together(blocks: int) -> None:
    """Every block has its own effect of each level; 400 studies, standard error .011."""
    rng, held = np.random.default_rng(5), 0
    weights, there = shapley_weights(3), np.array([[s >> i & 1 for i in range(3)] for s in range(8)])
    truth = np.array([0.04, 0.0, -0.01])
    for _ in range(400):
        taste = rng.normal(0, [0.02, 0.005, 0.01], (blocks, 3))
        phi = ((truth + taste) @ there.T + rng.normal(0, 0.004, (blocks, 8))) @ weights
        held += bool((np.abs(phi.mean(axis=0) - truth) <= half_widths(phi)).all())
    assert 0.92 <= held / 400 <= 0.99


def test_the_section_of_a_crossed_study(study: Study, tmp_path: Path) -> None:
    grid_table = study(factors, arms=GRID)
    analysis = analyse(grid_table)
    sentences = contribution_sentences(analysis)
    assert sentences[0].startswith("All parts of full together are worth +0.")
    assert any("gnn +0." in sentence for sentence in sentences) and any("Between networks" in one for one in sentences)
    assert max(len(sentence.split()) for sentence in sentences) <= 25
    assert "exact Shapley values" in methods(analysis)
    page = build(grid_table, tmp_path / "out").read_text()
    assert '<section id="contributions">' in page and "gnn: gat → none" in page
    names = {path.name for path in (tmp_path / "out" / "tables").iterdir()}
    assert {"contributions.csv", "contributions.tex", "contribution_pairs.csv", "marginal_contrasts.csv"} <= names
    assert {"variance_shares.csv"} <= names and (tmp_path / "out" / "figures" / "waterfall_auroc.csv").exists()
    numbers = pd.read_csv(tmp_path / "out" / "tables" / "contributions.csv")
    assert set(numbers["metric"]) == {"auroc", "auprc_ratio"}
    assert r"$\to$" in (tmp_path / "out" / "tables" / "contributions.tex").read_text()


def test_a_table_that_supports_none_of_it_has_no_section(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    frame = study_frame(blocks=6, repeats=1, arms={"a": ("arm", 0.7), "b": ("arm", 0.6)})
    frame = frame[(frame["network"] == "STRING") & (frame["part"] == "test") & (frame["metric"] == "auroc")]
    frame[["arm", "dataset", "value"]].rename(columns={"value": "auroc"}).to_csv(path, index=False)
    page = build(load(path), tmp_path / "out").read_text()
    assert 'id="contributions"' not in page and "Shapley" not in page


def test_mixed_digests_leave_nothing_to_credit(study: Study) -> None:
    stale = analyse(study(lambda f: factors(f).assign(data_digest=f["arm"]), arms=GRID)).contributions
    assert stale.worths == () and stale.shares is None and stale.reversals is None


def test_a_csv_of_a_full_factorial_is_credited(tmp_path: Path) -> None:
    path, columns = tmp_path / "table.csv", [*PARTS, "arm", "dataset", "auroc"]
    table(added).rename(columns={"value": "auroc"})[columns].to_csv(path, index=False)
    options = ReportOptions(reference="full")
    (shapley,) = analyse(load(path, options), replace(options, alpha=0.1)).contributions.worths
    assert shapley.parts["factor"].tolist() == ["gnn", "contrast", "fusion", ""] and shapley.blocks == 7
    assert (shapley.parts["low"] < shapley.parts["value"]).all()
