"""Every figure shows the numbers that a direct computation gives, and none is drawn where it would mislead."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from conftest import ARMS, analyse
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.text import Text
from scipy import stats
from sklearn.metrics import precision_recall_curve

from reports.build import write
from reports.figures.analysed import bars, distribution, heatmap, more_pictures, pictures
from reports.figures.canvas import pdf, shortened, styles, svg, with_prefix
from reports.figures.cells.edges import GRID, curve, mean_scores, network, precision_recall, score_heatmap, subject
from reports.figures.factors import crossed, interaction
from reports.figures.stored import edge_pictures
from reports.figures.worth import MOST, gain_per_cost, worth
from reports.options import ReportOptions
from reports.stored.cells import Predictions
from reports.table.table import Table, load
from study.spec.folder import OutFolder

pytestmark = pytest.mark.slow  # whole reports, one a test

Study = Callable[..., Table]
FACTORIAL = {
    f"{gnn}/{fusion}": ("reference" if (gnn, fusion) == ("gat", "multi") else "arm", level)
    for (gnn, fusion), level in {
        ("gat", "multi"): 0.80,
        ("gat", "early"): 0.78,
        ("none", "multi"): 0.70,
        ("none", "early"): 0.60,
    }.items()
}


def by_factor(frame: pd.DataFrame) -> pd.DataFrame:
    parts = frame["arm"].str.split("/", expand=True)
    return frame.assign(gnn=parts[0], fusion=parts[1])


def block_means(table: Table, metric: str = "auroc") -> pd.DataFrame:
    rows = table.frame[table.frame["metric"] == metric]
    by_data_set = rows.groupby(["block", "dataset", "arm"], as_index=False)["value"].mean()
    inside = stats.gmean if metric == "auprc" else "mean"  # one network's AUPRC is not another's
    return by_data_set.pivot_table(index="block", columns="arm", values="value", aggfunc=inside)


def test_the_heatmap_holds_the_mean_of_every_arm_and_the_best_of_every_data_set(study: Study) -> None:
    table = study(blocks=2)
    numbers = heatmap(analyse(table), "auroc").numbers
    rows = table.frame[table.frame["metric"] == "auroc"]
    truth = rows.groupby(["arm", "dataset"])["value"].mean()
    drawn = numbers.set_index(["arm", "dataset"])
    pd.testing.assert_series_equal(drawn["value"].sort_index(), truth, check_names=False)
    best = truth.groupby("dataset").idxmax().tolist()
    assert set(drawn.index[drawn["best"]]) == set(best)


def test_a_failed_arm_is_never_best_and_has_a_dash(study: Study) -> None:
    arms = {**ARMS, "lucky": ("arm", 0.9)}
    drawn = heatmap(analyse(study(blocks=2, arms=arms, failed={("lucky", "cell0")})), "auroc")
    assert drawn is not None
    hit = drawn.numbers.query("arm == 'lucky' and dataset.str.endswith('cell0')")
    assert hit["value"].isna().all() and not hit["best"].any()
    assert [t.get_text() for t in drawn.figure.axes[0].texts].count("–") == len(hit) == 2


def test_many_data_sets_turn_the_heatmap(study: Study) -> None:
    few, many = (heatmap(analyse(study(blocks=n)), "auroc") for n in (2, 6))
    assert few is not None and many is not None
    assert len(few.figure.axes[0].get_yticklabels()) == len(ARMS)
    assert len(many.figure.axes[0].get_yticklabels()) == 12


def test_the_opening_picture_shows_the_differences_and_words_of_the_findings(study: Study) -> None:
    analysis = analyse(study(blocks=8))
    drawn = worth(analysis)
    assert drawn is not None
    by_arm, words = drawn.numbers.set_index("arm"), {c.finding.arm: c.word for c in analysis.conclusions}
    for f in (f for f in analysis.findings if f.metric == "auroc" and f.effect):
        assert tuple(by_arm.loc[f.arm, ["mean", "low", "high", "n"]]) == (
            f.effect.mean,
            f.effect.low,
            f.effect.high,
            8,
        )
        assert by_arm.loc[f.arm, "word"] == words.get(f.arm, "control")
    texts = [text.get_text() for text in drawn.figure.axes[0].texts]
    assert "earns its keep" in texts and "controls" in texts


def test_the_opening_picture_puts_the_lowest_first_and_controls_beneath(study: Study) -> None:
    numbers = worth(analyse(study(blocks=7))).numbers  # type: ignore[union-attr]
    rivals, controls = numbers[numbers["role"] != "control"], numbers[numbers["role"] == "control"]
    assert rivals["mean"].is_monotonic_increasing and controls["mean"].is_monotonic_decreasing
    assert numbers["role"].tolist()[-len(controls) :] == ["control"] * len(controls)


def test_the_opening_picture_of_one_data_set_is_over_its_repeats(study: Study) -> None:
    drawn = worth(analyse(study(lambda f: f[f["network"] == "STRING"], blocks=1, repeats=9)))
    assert drawn is not None and set(drawn.numbers["over"]) == {"repeats of one data set", "blocks"}


@pytest.mark.filterwarnings("error")
def test_long_names_and_letters_of_any_script_are_drawn_without_a_clash(study: Study) -> None:
    arms = {"full": ("reference", 0.8), "日本語 " + "no graph branch " * 3: ("arm", 0.78), "x": ("arm", 0.77)}
    drawn = worth(analyse(study(lambda f: f.drop(columns="gnn"), arms=arms)))
    assert drawn is not None and svg(drawn.figure) and pdf(drawn.figure)
    boxes = [tick.label1.get_window_extent() for tick in drawn.figure.axes[0].xaxis.get_major_ticks()]
    assert all(one.x1 < other.x0 for one, other in pairwise(boxes))


def test_an_interval_of_two_blocks_does_not_decide_the_scale(study: Study) -> None:
    def unlike(frame: pd.DataFrame) -> pd.DataFrame:
        where = (frame["block"] == "cell1") & (frame["role"] == "arm")
        return frame.assign(value=frame["value"].where(~where, frame["value"] - 0.3))

    drawn = worth(analyse(study(unlike, blocks=2)))
    assert drawn is not None
    reach = 4 * drawn.numbers["mean"].abs().max()
    assert (drawn.numbers["high"] > 1.5 * reach).any()
    low, high = drawn.figure.axes[0].get_xlim()
    assert -1.2 * reach < low < 0 < high < 1.2 * reach


def test_without_a_reference_no_part_is_worth_anything(study: Study) -> None:
    arms = {"ours": ("arm", 0.8), "theirs": ("arm", 0.75)}
    assert worth(analyse(study(arms=arms))) is None


@pytest.mark.parametrize("metric", ["auroc", "auprc"])
def test_bars_are_means_over_blocks_with_t_intervals(study: Study, metric: str) -> None:
    table = study(blocks=7)
    numbers = bars(analyse(table), metric).numbers
    for row in numbers.to_dict("records"):
        values = block_means(table, metric)[row["arm"]]
        low, high = stats.t.interval(0.95, 6, loc=values.mean(), scale=stats.sem(values))
        assert (row["mean"], row["low"], row["high"], row["n"]) == pytest.approx((values.mean(), low, high, 7))


def test_a_bar_begins_at_guessing(study: Study) -> None:
    drawn = bars(analyse(study()), "auroc")
    figure, numbers = drawn.figure, drawn.numbers
    assert {p.get_x() for p in figure.axes[0].patches} == {0.5}
    assert [p.get_x() + p.get_width() for p in figure.axes[0].patches] == pytest.approx(numbers["mean"].tolist())


def test_costs_stand_beside_the_difference_to_the_reference(study: Study) -> None:
    def dear(frame: pd.DataFrame) -> pd.DataFrame:
        return frame.assign(seconds=frame["arm"].map(len) * 10.0, parameters=np.where(frame["role"] == "control", 0, 9))

    table = study(dear)
    drawn = gain_per_cost(analyse(table), "auroc")
    figure, numbers = drawn.figure, drawn.numbers
    means = block_means(table)
    for row in numbers.to_dict("records"):
        assert row["mean"] == pytest.approx((means[row["arm"]] - means["full"]).mean(), abs=1e-6)
        assert row["median seconds"] == len(row["arm"]) * 10.0
    assert set(numbers["arm"]) == set(ARMS) and len(figure.axes) == 2


def test_ticks_of_a_logarithmic_axis_are_plain_numbers(study: Study) -> None:
    ticks = [0.0, 0.001, 0.1, 1.0, 100.0, 1e3, 1e5, 1e6, 1e9, -10.0]
    assert [*map(with_prefix, ticks)] == ["0", "0.001", "0.1", "1", "100", "1 k", "100 k", "1 M", "1 G", "−10"]
    table = study(lambda f: f.assign(seconds=f["arm"].map(len) ** 4 * 1.0, parameters=9))
    figure = gain_per_cost(analyse(table), "auroc").figure
    svg(figure)
    labels = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert "1 k" in labels and not any("$" in label for label in labels)


def test_without_costs_or_with_one_cost_for_all_nothing_is_drawn(study: Study) -> None:
    assert gain_per_cost(analyse(study()), "auroc") is None
    bare = study(lambda f: f.drop(columns=["seconds", "parameters"]))
    assert gain_per_cost(analyse(bare), "auroc") is None


def test_marginal_means_of_crossed_factors(study: Study) -> None:
    table = study(by_factor, arms=FACTORIAL)
    numbers = interaction(analyse(table), "auroc").numbers
    means = block_means(table)
    inside = means[list(FACTORIAL)].sub(means[list(FACTORIAL)].mean(axis=1), axis=0)
    assert len(numbers) == 4
    for row in numbers.to_dict("records"):
        levels = {row["factor"]: row["level"], row["by"]: row["by_level"]}
        values = means[f"{levels['gnn']}/{levels['fusion']}"]
        scale = stats.sem(inside[f"{levels['gnn']}/{levels['fusion']}"]) * np.sqrt(4 / 3)  # Morey 2008
        low, high = stats.t.interval(0.95, 6, loc=values.mean(), scale=scale)
        assert (row["mean"], row["low"], row["high"]) == pytest.approx((values.mean(), low, high))


def test_one_factor_at_a_time_shows_no_interaction(study: Study) -> None:
    arms = {name: arm for name, arm in FACTORIAL.items() if name != "none/early"}
    assert interaction(analyse(study(by_factor, arms=arms)), "auroc") is None
    assert interaction(analyse(study()), "auroc") is None


def test_factors_with_unlike_rests_are_not_crossed() -> None:
    levels = pd.DataFrame(
        {"gnn": ["a", "a", "b", "b"], "fusion": ["x", "y", "x", "y"], "contrast": ["1", "1", "1", "2"]}
    )
    assert not crossed(levels, "gnn", "fusion")
    assert crossed(levels.assign(contrast="1"), "gnn", "fusion")


@settings(max_examples=40, deadline=None)
@given(
    labels=st.lists(st.booleans(), min_size=4, max_size=40).filter(lambda v: 0 < sum(v) < len(v)),
    seed=st.integers(0, 1000),
    ties=st.booleans(),
)
def test_precision_at_a_recall_is_that_of_the_strictest_cut_off_reaching_it(
    labels: list[bool], seed: int, ties: bool
) -> None:
    score = np.random.default_rng(seed).normal(size=len(labels))
    score = score.round() if ties else score
    table = pd.DataFrame({"label": np.array(labels, dtype=int), "score": score})
    precision, recall, thresholds = precision_recall_curve(table["label"], table["score"])
    by_hand = []
    for r in GRID:
        strict = max(i for i in range(len(thresholds)) if recall[i] >= r - 1e-12)
        by_hand.append(precision[strict])
    assert curve(table) == pytest.approx(by_hand)


def predicted(table: Table, folder: Path, *, seed: int = 0) -> Predictions:
    """Give every finished cell of a study predictions as the ledger writes them: better arms score edges higher."""
    rng, out = np.random.default_rng(seed), folder / "predictions"
    out.mkdir()
    pairs = pd.MultiIndex.from_product([[f"TF{i}" for i in range(8)], [f"G{i:02}" for i in range(30)]])
    truth = rng.random(len(pairs)) < 0.2
    for cell, arm in table.frame[["cell", "arm"]].drop_duplicates().itertuples(index=False):
        chosen = np.sort(rng.choice(len(pairs), 150, replace=False))
        score = truth[chosen] * 4 * (ARMS[arm][1] - 0.4) + rng.normal(size=150)
        frame = pairs[chosen].to_frame(index=False, name=["tf", "target"])
        frame.assign(label=truth[chosen].astype(np.int8), score=score.astype(np.float32)).to_parquet(
            out / f"{cell}.parquet", index=False
        )
    predictions = Predictions.beside(OutFolder(folder).table, OutFolder(folder).predictions_folder)
    assert predictions is not None
    return predictions


@pytest.fixture
def small(study: Study, tmp_path: Path) -> tuple[Table, Predictions]:
    table = study(blocks=1, repeats=3)
    return table, predicted(table, tmp_path)


def test_curves_are_means_over_repeats_with_t_bands(small: tuple[Table, Predictions]) -> None:
    table, predictions = small
    numbers = precision_recall(analyse(table), predictions).numbers
    rows = numbers.query("arm == 'full' and dataset == 'STRING-cell0'")
    curves = np.array([curve(t) for t in predictions.of("full", "STRING-cell0")])
    assert len(curves) == 3
    assert rows["precision"].to_numpy() == pytest.approx(curves.mean(axis=0))
    half = stats.t.ppf(0.975, 2) * stats.sem(curves, axis=0)
    assert rows["high"].to_numpy() == pytest.approx(np.minimum(curves.mean(axis=0) + half, 1))


def test_curves_show_the_reference_and_only_the_strongest_control(small: tuple[Table, Predictions]) -> None:
    table, predictions = small
    numbers = precision_recall(analyse(table), predictions).numbers
    assert set(numbers["arm"]) == {"full", "gnn=none", "fusion=early", "pcc", "degree"}


def test_two_repeats_have_no_band(study: Study, tmp_path: Path) -> None:
    table = study(blocks=1, repeats=2)
    numbers = precision_recall(analyse(table), predicted(table, tmp_path)).numbers
    assert numbers["low"].isna().all() and numbers["precision"].notna().all()


def test_top_edges_are_the_highest_means_over_repeats(small: tuple[Table, Predictions]) -> None:
    table, predictions = small
    analysis = analyse(table)
    assert subject(analysis) == "full"
    scores = mean_scores(predictions, "full", "STRING-cell0")
    every = pd.concat(predictions.of("full", "STRING-cell0"))
    truth = every.groupby(["tf", "target"])["score"].mean().sort_values(ascending=False)
    drawn = network(scores)
    figure, edges = drawn.figure, drawn.numbers
    assert len(edges) == 100
    assert edges["score"].to_numpy() == pytest.approx(truth.head(100).to_numpy())
    hubs = edges["tf"].value_counts()
    assert {t.get_text() for t in figure.axes[0].texts} <= set(hubs.index)
    assert hubs.idxmax() in {t.get_text() for t in figure.axes[0].texts}


def test_the_score_heatmap_shows_scores_as_they_are(small: tuple[Table, Predictions]) -> None:
    scores = mean_scores(small[1], "full", "STRING-cell0")
    numbers = score_heatmap(scores).numbers
    both = numbers.merge(scores, on=["tf", "target"], suffixes=("", "_true"))
    assert len(both) == len(numbers) and (both["score"] == both["score_true"]).all()


def test_too_few_pairs_are_no_network() -> None:
    few = pd.DataFrame({"tf": ["A"], "target": ["B"], "label": [1], "score": [1.0], "repeats": [1]})
    assert network(few) is None and score_heatmap(few) is None


def test_predictions_outside_the_table_are_not_read(small: tuple[Table, Predictions], tmp_path: Path) -> None:
    (tmp_path / "predictions" / "searched.parquet").write_text("of a search trial")
    predictions = Predictions.beside(OutFolder(tmp_path).table, OutFolder(tmp_path).predictions_folder)
    assert predictions is not None and "searched" not in set(predictions.cells["cell"])
    assert (
        Predictions.beside(
            OutFolder(tmp_path / "predictions").table, OutFolder(tmp_path / "predictions").predictions_folder
        )
        is None
    )


def test_damaged_predictions_are_left_out_and_named(small: tuple[Table, Predictions], tmp_path: Path) -> None:
    table, predictions = small
    arm, dataset, cell = predictions.cells[["arm", "dataset", "cell"]].iloc[0]
    path, sound = tmp_path / "predictions" / f"{cell}.parquet", len(predictions.of(arm, dataset))
    pd.DataFrame({"tf": ["A"]}).to_parquet(path)
    assert len(predictions.of(arm, dataset)) == sound - 1
    assert "lack target, label, score" in predictions.unread[str(path)]
    path.write_text("not parquet")
    page = write(analyse(table, ReportOptions()), tmp_path / "report", predictions=predictions).page.read_text()
    assert "not readable predictions" in predictions.unread[str(path)]
    assert path.name in page and "files that cannot be read" in page


def test_processes_draw_the_report_that_one_draws(small: tuple[Table, Predictions], tmp_path: Path) -> None:
    table, predictions = small
    (predictions.folder / f"{predictions.cells['cell'].iloc[0]}.parquet").write_text("not parquet")
    files = []
    for processes in (1, 3):
        out, fresh = tmp_path / str(processes), Predictions(predictions.folder, predictions.cells)
        written = write(analyse(table, ReportOptions()), out, predictions=fresh, processes=processes)
        files.append(
            {str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*.*") if path.name[0] != "."}
        )
        assert "files that cannot be read" in written.page.read_text()
    assert files[0] == files[1] and any(name.endswith(".svg") for name in files[0])


def test_predictions_of_other_arms_draw_nothing(small: tuple[Table, Predictions]) -> None:
    table, predictions = small
    strange = Predictions(predictions.folder, predictions.cells.assign(arm="somebody else"))
    assert edge_pictures(analyse(table), strange) == []


def test_edges_of_every_data_set_asked_for_are_drawn(small: tuple[Table, Predictions]) -> None:
    table, predictions = small
    a = analyse(table)
    names = [p.name for p in edge_pictures(a, predictions, a.datasets)]
    each = [f"{kind}_{d}" for d in a.datasets for kind in ("top_edges", "edge_scores")]
    assert len(a.datasets) == 2 and names == ["precision_recall", *each]


def test_every_picture_is_valid_has_words_and_stays_the_same(small: tuple[Table, Predictions]) -> None:
    table, predictions = small
    one, two = (more_pictures(a) + edge_pictures(a, predictions) for a in (analyse(table), analyse(table)))
    assert [p.name.split("_")[0] for p in one] == ["heatmap", "bars", "precision", "top", "edge"]
    for first, second in zip(one, two, strict=True):
        assert ElementTree.fromstring(first.svg).tag.endswith("svg")
        assert first.svg == second.svg and "<image" not in first.svg
        assert len(first.alt) > len(first.caption) > 60 and not first.drawing.numbers.empty
    assert pdf(one[0].drawing.figure) == pdf(two[0].drawing.figure)


def test_pdfs_hold_real_letters_and_no_date(study: Study) -> None:
    drawn = bars(analyse(study(blocks=2)), "auroc")
    assert drawn is not None
    text = pdf(drawn.figure)
    assert text.startswith(b"%PDF") and b"/Type3" not in text and b"CreationDate" not in text
    assert b"/CIDFontType2" in text or b"/TrueType" in text


def test_an_arm_has_one_colour_in_all_figures(study: Study) -> None:
    analysis = analyse(study(blocks=6))
    colour = styles(analysis)["gnn=none"][0].lower()
    for draw in (bars, distribution):
        drawn = draw(analysis, "auroc")
        assert drawn is not None and colour in svg(drawn.figure).lower()


@pytest.mark.slow
def test_the_report_writes_svg_pdf_and_numbers_of_every_figure(
    small: tuple[Table, Predictions], tmp_path: Path
) -> None:
    table, predictions = small
    page = write(analyse(table), tmp_path / "report", predictions=predictions, as_pdf=True).page
    names = {path.stem for path in (page.parent / "figures").glob("*.svg")}
    assert {"precision_recall", "heatmap_auroc", "bars_auroc"} <= names
    for name in names:
        assert (page.parent / "figures" / f"{name}.pdf").read_bytes().startswith(b"%PDF")
        assert (page.parent / "figures" / f"{name}.csv").is_file()
    html = page.read_text(encoding="utf-8")
    assert html.count('<figure role="img"') == len(names)
    assert "Predicted edges" in html and "Other metrics" in html


@pytest.mark.slow
def test_an_arm_that_lacks_a_block_has_dots_and_no_mean(study: Study) -> None:
    """A mean over the blocks that it finished would be too high."""
    arms = {**ARMS, "lucky": ("arm", 0.85)}
    a = analyse(study(blocks=7, arms=arms, failed={("lucky", "cell0")}))
    numbers = bars(a, "auroc").numbers
    lucky = numbers.set_index("arm").loc["lucky"]
    assert np.isnan(lucky["mean"]) and lucky["n"] == 6
    assert numbers.set_index("arm")["mean"].drop("lucky").notna().all()
    (drawn,) = [p for p in pictures(a) if p.name == "distribution_auroc"]
    assert "lucky" not in drawn.alt and "an arm that lacks a point has no box" in drawn.caption
    (drawn,) = [p for p in pictures(a) if p.name == "bars_auroc"]
    assert "Arms with failed or missing cells have dots and no mean." in drawn.caption


def test_lines_of_an_interaction_run_from_left_to_right(study: Study) -> None:
    """Arms come reference first, so their levels are in no order of the axis."""
    levels = [(g, f) for g in ("none", "gat", "gcn") for f in ("late", "early", "multiscale")]
    arms = {f"{g},{f}": ("reference" if (g, f) == ("none", "early") else "arm", 0.7) for g, f in levels}

    def factors(frame: pd.DataFrame) -> pd.DataFrame:
        return frame.assign(gnn=frame["arm"].str.split(",").str[0], fusion=frame["arm"].str.split(",").str[1])

    drawn = interaction(analyse(study(factors, blocks=5, repeats=1, arms=arms)), "auroc")
    assert drawn is not None
    lines = [line for line in drawn.figure.axes[0].get_lines() if len(line.get_xdata()) == 3]
    assert len(lines) >= 3
    for line in lines:
        assert (np.diff(np.asarray(line.get_xdata(), dtype=float)) > 0).all()


@pytest.mark.parametrize("name", ["short", "a very long name of an arm that no column of a journal can hold"])
def test_figures_fit_a_column_of_a_journal(study: Study, name: str) -> None:
    """At 85 mm no letter is smaller than 5.5 points."""
    a = analyse(study(blocks=6, arms={**ARMS, name: ("arm", 0.7)}))
    for drawn in (bars(a, "auroc"), heatmap(a, "auroc"), distribution(a, "auroc"), worth(a)):
        assert drawn is not None
        figure = drawn.figure
        sizes = [text.get_fontsize() for text in figure.findobj(Text) if text.get_text().strip()]
        inches = float(ElementTree.fromstring(svg(figure)).attrib["width"].removesuffix("pt")) / 72
        assert min(sizes) * 85 / 25.4 / inches >= 5.5


class TestManyArmsWithLongNames:
    """No two arms have the same label in a figure, and no labels overlap."""

    ARMS = tuple(f"gnn=gat(heads={i}, widths=[256, 128]), fusion=multiscale, negatives=hard" for i in range(30))

    def test_no_two_shortened_names_are_one(self) -> None:
        cut = shortened(self.ARMS, 28)
        assert len(set(cut.values())) == 30 and max(map(len, cut.values())) <= 28
        assert "heads=7," in cut[self.ARMS[7]]
        ends = shortened([f"{'a' * 40}{i}{'b' * 40}{j}{'c' * 40}" for i in range(2) for j in range(2)])
        assert len(set(ends.values())) == 4

    def test_a_name_is_never_maths_nor_left_out_of_a_legend(self) -> None:
        assert shortened(["$x$ \\z", "_a", "two\nlines"]) == {
            "$x$ \\z": r"\$x\$ \z",
            "_a": " _a",
            "two\nlines": "two lines",
        }

    @pytest.mark.slow
    def test_ticks_are_few_and_every_figure_is_drawn(self, tmp_path: Path) -> None:
        rng = np.random.default_rng(0)
        rows = [
            {"arm": arm, "dataset": f"d{block}", "$m$ \\z": 0.9 - place / 100 + rng.normal(0, 0.01)}
            for place, arm in enumerate(("$full$ \\z", *self.ARMS))
            for block in range(7)
        ]
        pd.DataFrame(rows).to_csv(tmp_path / "t.csv", index=False)
        a = analyse(load(tmp_path / "t.csv", ReportOptions(metric="$m$ \\z", reference="$full$ \\z")))
        drawn = {one.name.split("_$")[0]: one for one in pictures(a)}
        assert drawn.keys() >= {"worth", "distribution", "heatmap", "bars"}
        (axes,) = drawn["worth"].drawing.figure.axes
        assert len(axes.get_yticks()) == MOST < 30
        assert f"{len(self.ARMS) - MOST} rows not drawn" in [text.get_text() for text in axes.texts]
        assert f"Of {len(self.ARMS)} rows the first and the last 12 are drawn" in drawn["worth"].caption
        boxes = [tick.label1.get_window_extent() for tick in axes.xaxis.get_major_ticks()]
        assert all(one.x1 < other.x0 for one, other in pairwise(boxes))


def test_arms_are_sorted_as_people_count(study: Study) -> None:
    arms = dict.fromkeys(("layer 10", "layer 2", "1.10", "1.9", "b"), ("arm", 0.7)) | {"full": ("reference", 0.8)}
    assert analyse(study(arms=arms, blocks=2)).arms == ("full", "1.9", "1.10", "b", "layer 2", "layer 10")
