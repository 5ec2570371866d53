"""Learning curves: the recorded losses and scores, the picked epoch, and whether the budget was large enough."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import analyse

from reports.errors import ReportError
from reports.figures.canvas import styles, svg
from reports.figures.cells.learning import MOST_ARMS, learning
from reports.figures.stored import MOST_TRAINED, matching, training_pictures
from reports.stored.cells import Curves
from reports.table.table import Table
from study.spec.folder import OutFolder

VALIDATION = {0: [0.5, 0.7, 0.8, 0.8], 1: [0.6, 0.9, 0.7], 2: [0.5, 0.6, 0.7, 0.75]}  # by repeat: keeps 3, 2, 4
TRAINED = {"full", "gnn=none", "fusion=early", "noise"}


def curves_of(repeat: int, graph: bool) -> dict[str, list[float]]:
    values = VALIDATION[repeat]
    curves = {"joint_loss": [1 / (e + 1) for e in range(len(values))], "joint_validation_auroc": values}
    if graph:
        curves |= {"graph_loss": [0.9, 0.8], "graph_validation_auroc": [0.4, 0.6]}
    return curves


def record(folder: Path, cell: str, curves: Mapping[str, list[float]], budget: dict[str, int] | None) -> None:
    (folder / "ledger").mkdir(exist_ok=True)
    text = json.dumps({"cell": cell, "curves": curves, "identity": {"budget": budget}})
    (folder / "ledger" / f"{cell}.json").write_text(text)


@pytest.fixture
def trained(study: Callable[..., Table], tmp_path: Path) -> tuple[Table, Curves]:
    table = study(blocks=2, repeats=3)
    for arm, cell, repeat in table.frame[["arm", "cell", "repeat"]].drop_duplicates().itertuples(index=False):
        curves = curves_of(repeat, graph=arm != "gnn=none") if arm in TRAINED else {}
        record(tmp_path, cell, curves, {"epochs": 4, "graph_epochs": 5} if curves else None)
    stored_curves = Curves.beside(OutFolder(tmp_path).table, OutFolder(tmp_path).ledger)
    assert stored_curves is not None
    return table, stored_curves


def on_one(curves: Curves) -> Curves:
    """Keep one data set: four panels are drawn in half the time of eight."""
    return Curves(curves.folder, curves.cells.query("dataset == 'STRING-cell0'"))


def test_the_epoch_kept_is_the_first_with_the_highest_validation_score(trained: tuple[Table, Curves]):
    joint = trained[1].of("full", "STRING-cell0", 10)["joint"]
    assert [(one.repeat, one.picked) for one in joint] == [(0, 3), (1, 2), (2, 4)]
    assert joint[0].metric == "auroc" and joint[0].allowed == 4
    assert [one.validation for one in joint] == [tuple(VALIDATION[repeat]) for repeat in range(3)]
    assert len(trained[1].of("full", "STRING-cell0", 2)["joint"]) == 2
    assert trained[1].of("degree", "STRING-cell0", 10) == {"joint": [], "graph": []}


def test_arms_are_the_reference_and_the_best_others_that_were_trained(trained: tuple[Table, Curves]):
    drawn = learning(analyse(trained[0]), trained[1])
    assert drawn is not None
    numbers = drawn.numbers
    assert list(dict.fromkeys(numbers["arm"])) == ["full", "fusion=early", "gnn=none"]  # noise is a control
    assert len(set(numbers["arm"])) <= MOST_ARMS
    assert set(numbers.query("arm == 'gnn=none'")["stage"]) == {"joint"}


def test_lines_are_the_curves_and_the_mean_ends_where_the_first_repeat_did(trained: tuple[Table, Curves]):
    analysis = analyse(trained[0])
    drawn = learning(analysis, on_one(trained[1]))
    assert drawn is not None
    validation = drawn.figure.axes[1]  # second row: joint stage, validation
    assert validation.get_ylabel() == "joint stage\nvalidation AUROC"
    colour = styles(analysis)["full"][0]
    repeats, mean, picked = [line for line in validation.get_lines() if line.get_color() == colour]
    x, y = (np.asarray(of(), dtype=float) for of in (repeats.get_xdata, repeats.get_ydata))
    lines = [[]]
    for epoch, value in zip(x, y, strict=True):
        lines += [[]] if np.isnan(epoch) else []
        lines[-1] += [] if np.isnan(value) else [(epoch, value)]
    assert lines[:-1] == [list(enumerate(values, start=1)) for values in VALIDATION.values()]
    shortest = np.array([values[:3] for values in VALIDATION.values()])
    assert np.asarray(mean.get_ydata()).tolist() == pytest.approx(shortest.mean(axis=0).tolist())
    marks = dict(zip(np.asarray(picked.get_xdata()).tolist(), np.asarray(picked.get_ydata()).tolist(), strict=True))
    assert marks == {3: 0.8, 2: 0.9, 4: 0.75}


def test_the_caption_states_who_chose_and_how_many_epochs_were_too_few(trained: tuple[Table, Curves]):
    (picture,) = training_pictures(analyse(trained[0]), trained[1])
    assert "highest validation AUROC. The test had no say in it." in picture.caption
    # 3 arms x 2 data sets, of each the third repeat; two arms have a graph stage, which stopped in time
    assert "6 of the 18 kept epochs of the joint stage are the last that the budget allowed" in picture.caption
    assert "None of the 12 kept epochs of the graph stage is the last" in picture.caption
    assert picture.drawing.numbers["dataset"].nunique() == MOST_TRAINED == 2
    assert "2 more data sets not drawn" in picture.caption
    assert "full 2 to 4" in picture.alt
    assert "<image" not in picture.svg


def test_data_sets_that_are_asked_for_are_all_drawn(trained: tuple[Table, Curves]):
    a = analyse(trained[0])
    datasets = matching(a, ["STRING-*", "Specific-cell1"])
    assert datasets == tuple(d for d in a.datasets if d != "Specific-cell0")
    one, other = training_pictures(a, trained[1], datasets)
    assert [one.name, other.name] == ["learning_curves", "learning_curves_2"]
    drawn = [*dict.fromkeys(one.drawing.numbers["dataset"]), *dict.fromkeys(other.drawing.numbers["dataset"])]
    assert drawn == list(datasets)
    assert all("1 more data set not drawn" in picture.caption for picture in (one, other))


def test_a_data_set_that_is_not_there_cannot_be_asked_for(trained: tuple[Table, Curves]):
    with pytest.raises(ReportError, match=r"--draw: unknown data set 'STRING-cel0'\. Did you mean 'STRING-cell0'"):
        matching(analyse(trained[0]), ["STRING-cell1", "STRING-cel0"])


def test_the_figure_is_the_same_every_time(trained: tuple[Table, Curves]):
    one, two = (learning(analyse(trained[0]), on_one(trained[1])) for _ in range(2))
    assert one is not None and two is not None and svg(one.figure) == svg(two.figure)


def test_a_record_without_its_budget_has_no_note_on_it(trained: tuple[Table, Curves], tmp_path: Path):
    for path in (tmp_path / "ledger").glob("*.json"):
        path.write_text(json.dumps({"curves": json.loads(path.read_text())["curves"]}))
    (picture,) = training_pictures(analyse(trained[0]), on_one(trained[1]))
    assert "budget" not in picture.caption


def test_of_an_exam_with_folds_the_first_is_drawn(trained: tuple[Table, Curves], tmp_path: Path):
    other = {f"fold_2/{name}": [0.1] for name in curves_of(0, graph=False)}
    record(tmp_path, "full-STRING-cell0-0", curves_of(0, graph=False) | other, None)
    (first, *_) = trained[1].of("full", "STRING-cell0", 10)["joint"]
    assert first.validation == tuple(VALIDATION[0]) and first.folds == 2
    (picture,) = training_pictures(analyse(trained[0]), on_one(trained[1]))
    assert "Of every exam with folds the first is shown" in picture.caption


def test_repeats_that_are_not_drawn_are_counted(trained: tuple[Table, Curves], monkeypatch: pytest.MonkeyPatch):
    for module in ("cells.learning", "stored"):
        monkeypatch.setattr(f"reports.figures.{module}.MOST_REPEATS", 2)
    (picture,) = training_pictures(analyse(trained[0]), on_one(trained[1]))
    assert "Only the first 2 repeats are drawn." in picture.caption
    assert set(picture.drawing.numbers["repeat"]) == {0, 1}


def test_records_of_other_cells_are_not_read(trained: tuple[Table, Curves], tmp_path: Path):
    (tmp_path / "ledger" / "searched.json").write_text("of a search trial")
    curves = Curves.beside(OutFolder(tmp_path).table, OutFolder(tmp_path).ledger)
    assert curves is not None and "searched" not in set(curves.cells["cell"])
    assert learning(analyse(trained[0]), on_one(curves)) is not None
    assert Curves.beside(OutFolder(tmp_path / "ledger").table, OutFolder(tmp_path / "ledger").ledger) is None


def test_a_study_of_which_nothing_is_trained_has_no_curves(trained: tuple[Table, Curves]):
    untrained = Curves(trained[1].folder, trained[1].cells.query("arm == 'degree' or arm == 'pcc'"))
    assert training_pictures(analyse(trained[0]), untrained) == []


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[]",
        '{"curves": 3}',
        "{}",
        '{"curves": {"joint_loss": [1.0], "joint_validation_auroc": [0.5, 0.6]}}',
        '{"curves": {"joint_loss": [], "joint_validation_auroc": []}}',
        '{"curves": {"joint_validation_auroc": [0.5]}}',
        '{"curves": {"joint_loss": ["x"], "joint_validation_auroc": [0.5]}}',
    ],
)
def test_a_damaged_record_is_named(trained: tuple[Table, Curves], tmp_path: Path, content: str):
    path = tmp_path / "ledger" / "full-STRING-cell0-1.json"
    path.write_text(content)
    _: Any = trained[1].of("full", "STRING-cell0", 1)  # the first repeat alone is sound, and the only one read
    assert not trained[1].unread
    assert (
        len(trained[1].of("full", "STRING-cell0", 10)["joint"])
        == len(trained[1].cells.query("arm == 'full' and dataset == 'STRING-cell0'")) - 1
    )
    assert "this record is damaged" in trained[1].unread[str(path)]
