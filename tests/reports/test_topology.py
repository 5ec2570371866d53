"""What expression adds to topology, from predictions whose truth is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import analyse
from sklearn.metrics import roc_auc_score

from reports.build import write
from reports.findings.controls.topology import beyond_topology
from reports.page.sentences.summary import summary
from reports.statistics.stacking import measured, stack
from reports.stored.cells import Predictions
from reports.table.table import Table
from study.spec.folder import OutFolder

Study = Callable[..., Table]
ARMS = {
    "full": ("reference", 0.8),
    "gnn=none": ("arm", 0.7),
    "topology": ("control", 0.8),
    "noise": ("control", 0.7),
}
PAIRS = 600


def predicted(table: Table, folder: Path, expression: float, folds: int = 1) -> Predictions:
    """Give cells predictions: topology and arms score half of the signal, the reference also that of expression."""
    (folder / "predictions").mkdir()
    for (dataset, repeat), cells in table.frame.groupby(["dataset", "repeat"]):
        rng = np.random.default_rng([len(str(dataset)), int(str(repeat))])
        graph, signal = rng.normal(size=(2, PAIRS))
        label = (graph + signal + rng.normal(size=PAIRS) > 1.5).astype(np.int8)
        scores = {
            "topology": graph + 0.3 * rng.normal(size=PAIRS),
            "full": 10 * (graph + expression * signal) + 3 * rng.normal(size=PAIRS),
            "noise": graph + 0.5 * rng.normal(size=PAIRS),
            "gnn=none": rng.normal(size=PAIRS),
        }
        frame = pd.DataFrame(
            {
                "tf": [f"TF{i % 12}" for i in range(PAIRS)],
                "target": [f"G{i // 12:03}" for i in range(PAIRS)],
                "label": label,
                "part": np.where(np.arange(PAIRS) % 3 == 0, "validation", "test"),
                "fold": (np.arange(PAIRS) // 3) % folds,
            }
        )
        for arm, cell in cells[["arm", "cell"]].drop_duplicates().itertuples(index=False):
            shuffled = frame.assign(score=scores[arm]).sample(frac=1, random_state=0)  # the order of rows is not fixed
            shuffled.to_parquet(folder / "predictions" / f"{cell}.parquet", index=False)
    predictions = Predictions.beside(OutFolder(folder).table, OutFolder(folder).predictions_folder)
    assert predictions is not None
    return predictions


def test_what_expression_shows_is_added_to_topology(study: Study, tmp_path: Path) -> None:
    table = study(blocks=3, repeats=2, arms=ARMS)
    a = analyse(table)
    beyond = beyond_topology(a, predicted(table, tmp_path, expression=1.0).every_part)
    assert beyond.effects is not None and beyond.effects["auroc"].low > 0.03
    assert {g.dataset for g in beyond.gains} == set(a.datasets)
    assert all((g.arm, g.against) == ("topology + full", "topology + noise") for g in beyond.gains)
    rows = beyond.scores[beyond.scores["metric"] == "auroc"]
    assert (rows["with_reference"] > rows["alone"]).all()
    assert summary(a, beyond)[2].startswith("On top of topology, expression adds +0.")


def test_raw_auprc_has_no_mean_over_networks_and_what_is_left_out_is_stated(study: Study, tmp_path: Path) -> None:
    table = replace(study(blocks=3, repeats=2, arms=ARMS), metric="auprc")
    a = analyse(table)
    beyond = beyond_topology(a, predicted(table, tmp_path, expression=1.0).every_part)
    assert summary(a, beyond)[2] == "On top of topology, expression adds to AUPRC on 6 of 6 data sets."
    fewer = replace(beyond, gains=tuple(g for g in beyond.gains if g.dataset != a.datasets[0]), effects={})
    assert summary(a, fewer)[2].endswith("on 5 of 5 data sets; 1 data set left out for missing cells.")


def test_expression_that_shows_nothing_adds_nothing(study: Study, tmp_path: Path) -> None:
    table = study(blocks=4, repeats=2, arms=ARMS)
    beyond = beyond_topology(analyse(table), predicted(table, tmp_path, expression=0.0).every_part)
    assert beyond.effects is not None and abs(beyond.effects["auroc"].mean) < 0.01


def test_one_repeat_of_one_data_set_is_stated_without_an_interval(study: Study, tmp_path: Path) -> None:
    table = study(lambda frame: frame[frame["network"] == "STRING"], blocks=1, repeats=1, arms=ARMS)
    a = analyse(table)
    sentence = summary(a, beyond_topology(a, predicted(table, tmp_path, expression=1.0).every_part))[2]
    assert sentence.startswith("On top of topology, expression adds +0.") and "interval" not in sentence
    assert sentence.endswith(f" AUROC on one repeat of {a.datasets[0]}.")


def test_each_fold_is_weighed_by_its_own_validation(study: Study, tmp_path: Path) -> None:
    """A validation pair of one fold is a test pair of another: its label must not weigh that fold's scores."""
    table = study(blocks=1, repeats=1, arms=ARMS)
    predictions = predicted(table, tmp_path, expression=1.0, folds=2)
    a = analyse(table)
    dataset = a.datasets[0]
    order = ["part", "fold", "tf", "target"]
    alone, full = (predictions.every_part(arm, dataset)[0].sort_values(order) for arm in ("topology", "full"))
    both, test = np.column_stack([alone["score"], full["score"]]), (alone["part"] == "test").to_numpy()
    scores = np.empty(len(alone))
    for fold in (0, 1):
        mine = (alone["fold"] == fold).to_numpy()
        scores[mine & test] = stack(both[mine & ~test], alone["label"][mine & ~test].to_numpy(), both[mine & test])
    expected = roc_auc_score(alone["label"][test], scores[test])
    rows = beyond_topology(a, predictions.every_part).scores
    mine = rows[(rows["metric"] == "auroc") & (rows["dataset"] == dataset)]
    assert mine["with_reference"].item() == pytest.approx(expected)


@pytest.mark.parametrize("lacking", ["topology", "noise"])
def test_a_missing_control_is_named(study: Study, tmp_path: Path, lacking: str) -> None:
    table = study(blocks=1, arms={arm: how for arm, how in ARMS.items() if arm != lacking})
    beyond = beyond_topology(analyse(table), predicted(table, tmp_path, expression=1.0).every_part)
    assert beyond.note == f"this table lacks the control {lacking}" and not beyond.gains


def test_predictions_of_the_test_alone_are_not_weighed(study: Study, tmp_path: Path) -> None:
    table = study(blocks=1, arms=ARMS)
    predictions = predicted(table, tmp_path, expression=1.0)
    for path in (tmp_path / "predictions").iterdir():
        frame = pd.read_parquet(path)
        frame[frame["part"] == "test"].drop(columns=["part", "fold"]).to_parquet(path, index=False)
    beyond = beyond_topology(analyse(table), predictions.every_part)
    assert beyond.note == "no repeat has validation predictions of all three arms"


def test_the_page_states_what_expression_adds(study: Study, tmp_path: Path) -> None:
    table = study(blocks=2, repeats=2, arms=ARMS)
    page = write(analyse(table), tmp_path / "report", predictions=predicted(table, tmp_path, expression=1.0)).page
    html = page.read_text(encoding="utf-8")
    assert "What expression adds to topology" in html and "On top of topology, expression adds" in html
    assert (page.parent / "tables" / "beyond_topology.csv").is_file()


def test_a_useless_score_takes_nothing_away() -> None:
    rng = np.random.default_rng(0)
    label = (rng.random(2000) < 0.2).astype(int)
    good, useless = label + rng.normal(size=2000), 50 * rng.normal(size=2000)
    half = np.arange(2000) < 1000
    both = np.column_stack([good, useless])
    joined = stack(both[half], label[half], both[~half])
    assert roc_auc_score(label[~half], joined) > roc_auc_score(label[~half], good[~half]) - 0.01


def test_within_tf_score_is_the_mean_over_tfs() -> None:
    tfs, labels = np.array(["B", "A", "B", "A", "C"]), np.array([1, 1, 0, 0, 1])
    assert measured(np.array([2.0, 1.0, 1.0, 3.0, 0.0]), labels, tfs)["within_tf_auroc"] == 0.5
