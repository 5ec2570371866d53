"""Pair representations: checked on reading, measured without t-SNE, drawn deterministically, with their limits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import analyse
from sklearn.metrics import roc_auc_score

from reports.figures.canvas import svg
from reports.figures.cells.embedding import embedding, flat
from reports.figures.stored import embedding_pictures
from reports.stored.cells import FEWEST, NEIGHBOURS, Embeddings, separation
from reports.table.table import Table
from study.spec.folder import OutFolder

pytestmark = pytest.mark.slow  # whole reports, one a test

N, WIDTH = 90, 6


def arrays(n: int = N, width: int = WIDTH, seed: int = 0, **changes: Any) -> dict[str, Any]:
    """Make up pairs that mean nothing before training, and of which edges stand apart after it."""
    rng = np.random.default_rng(seed)
    label = (np.arange(n) % 3 == 0).astype(np.int8)
    before, after = rng.normal(size=(2, n, width)).astype(np.float32)
    after += 4 * label[:, None]
    names = {"tf": np.array([f"TF{i % 5}" for i in range(n)]), "target": np.array([f"G{i}" for i in range(n)])}
    return {**names, "label": label, "before": before, "after": after, "asked": np.array([4 * n, n]), **changes}


def save(folder: Path, cell: str, **pairs: Any) -> None:
    (folder / "embeddings").mkdir(exist_ok=True)
    np.savez(folder / "embeddings" / f"{cell}.npz", **pairs)


@pytest.fixture
def saved(study: Callable[..., Table], tmp_path: Path) -> tuple[Table, Embeddings]:
    table = study(blocks=3, repeats=2)
    for cell, seed in (("full-STRING-cell0-0", 0), ("full-Specific-cell0-1", 1), ("gnn=none-STRING-cell1-0", 2)):
        save(tmp_path, cell, **arrays(seed=seed))
    embeddings = Embeddings.beside(OutFolder(tmp_path).table, OutFolder(tmp_path).embeddings_folder)
    assert embeddings is not None
    return table, embeddings


def slow_separation(vectors: np.ndarray, labels: np.ndarray) -> float:
    scores = []
    for i in range(len(vectors)):
        far = [(float(np.sqrt(np.sum((vectors[i] - vectors[j]) ** 2))), j) for j in range(len(vectors)) if j != i]
        scores.append(np.mean([labels[j] for _, j in sorted(far)[:NEIGHBOURS]]))
    return float(roc_auc_score(labels, scores))


def test_separation_is_that_of_a_slow_loop_and_high_for_separate_classes():
    pairs = arrays()
    for name in ("before", "after"):
        assert separation(pairs[name], pairs["label"]) == pytest.approx(slow_separation(pairs[name], pairs["label"]))
    assert separation(pairs["before"], pairs["label"]) < 0.65
    assert separation(pairs["after"], pairs["label"]) > 0.99


def test_separation_of_too_few_pairs_or_one_class_is_nan():
    pairs = arrays()
    few = slice(FEWEST - 1)
    assert np.isnan(separation(pairs["after"][few], pairs["label"][few]))
    assert np.isnan(separation(pairs["after"], np.ones(N, dtype=np.int8)))


def test_the_figure_shows_the_same_pairs_before_and_after(saved: tuple[Table, Embeddings]):
    drawn = embedding(saved[1], "full", ["STRING-cell0", "Specific-cell0"])
    assert drawn is not None
    figure, numbers = drawn.figure, drawn.numbers
    assert len(numbers) == 2 * 2 * N and set(numbers["time"]) == {"before", "after"}
    first = numbers.query("dataset == 'STRING-cell0'")
    one, other = (first[first["time"] == time] for time in ("before", "after"))
    assert one[["tf", "target", "label"]].to_numpy().tolist() == other[["tf", "target", "label"]].to_numpy().tolist()
    pairs = arrays()
    for rows, name in ((one, "before"), (other, "after")):
        np.testing.assert_array_equal(rows[["x", "y"]].to_numpy(), flat(pairs[name]))
        assert rows["neighbours_auroc"].unique() == [separation(pairs[name], pairs["label"])]
    assert numbers.groupby("dataset")["repeat"].unique().map(list).to_dict() == {
        "STRING-cell0": [0],
        "Specific-cell0": [1],
    }
    left, right = figure.axes[:2]
    assert "before" in left.get_title() and "after" in right.get_title()
    for axes, rows in ((left, one), (right, other)):  # edges last, so on top
        _, edges = axes.collections
        np.testing.assert_allclose(edges.get_offsets(), rows.loc[rows["label"] == 1, ["x", "y"]])
        assert not axes.get_xticks().size and not axes.get_yticks().size


def test_the_figure_is_the_same_every_time(saved: tuple[Table, Embeddings]):
    one, two = (embedding(saved[1], "full", ["STRING-cell0"]) for _ in range(2))
    assert one is not None and two is not None and svg(one.figure) == svg(two.figure)


@pytest.mark.parametrize(
    "pairs",
    [arrays(n=FEWEST - 1), arrays(label=np.zeros(N, dtype=np.int8)), arrays(width=1)],
    ids=["few pairs", "one class", "one number per pair"],
)
def test_what_shows_nothing_is_not_drawn(saved: tuple[Table, Embeddings], tmp_path: Path, pairs: dict[str, Any]):
    save(tmp_path, "full-STRING-cell0-0", **pairs)
    assert embedding(saved[1], "full", ["STRING-cell0"]) is None


def test_pairs_that_all_look_alike_are_one_point():
    assert not flat(np.ones((N, WIDTH), dtype=np.float32)).any()


def test_every_arm_that_saved_has_a_picture_with_its_limits_in_words(saved: tuple[Table, Embeddings]):
    one, other = embedding_pictures(analyse(saved[0]), saved[1])
    assert [one.name, other.name] == ["embeddings_full", "embeddings_gnn=none"]
    pairs = arrays()
    expected = separation(pairs["after"], pairs["label"])
    assert f"STRING-cell0 {separation(pairs['before'], pairs['label']):.3f} before, {expected:.3f} after" in one.alt
    assert f"on STRING-cell0 {N} of {4 * N} test pairs, {N // 3} of {N} known edges" in one.caption
    for warning in ("distances between clusters", "mean nothing", "do not show that expression is read"):
        assert warning in one.caption
    assert "<image" not in one.svg


def test_pairs_of_the_data_sets_asked_for_are_drawn(saved: tuple[Table, Embeddings]):
    (picture,) = embedding_pictures(analyse(saved[0]), saved[1], ["Specific-cell0"])
    assert picture.name == "embeddings_full" and set(picture.drawing.numbers["dataset"]) == {"Specific-cell0"}
    assert "those kept, repeat 1:" in picture.caption


def test_only_cells_of_the_table_are_read(saved: tuple[Table, Embeddings], tmp_path: Path):
    (tmp_path / "embeddings" / "searched.npz").write_text("of a search trial")
    embeddings = Embeddings.beside(OutFolder(tmp_path).table, OutFolder(tmp_path).embeddings_folder)
    assert embeddings is not None and len(embeddings.cells) == 3
    assert embeddings.of("full", "STRING-cell2") is None
    assert (
        Embeddings.beside(
            OutFolder(tmp_path / "embeddings").table, OutFolder(tmp_path / "embeddings").embeddings_folder
        )
        is None
    )


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        (None, "not readable embeddings"),
        ({name: array for name, array in arrays().items() if name != "after"}, "lack"),
        (arrays(after=np.zeros((N - 1, WIDTH))), "damaged"),
        (arrays(after=np.full((N, WIDTH), np.nan)), "damaged"),
        (arrays(tf=np.array([["a"], 3], dtype=object)), "not readable embeddings"),
    ],
    ids=["no file of arrays", "an array is missing", "vectors are missing", "not finite", "code"],
)
def test_a_damaged_file_is_named(
    saved: tuple[Table, Embeddings], tmp_path: Path, pairs: dict[str, Any] | None, message: str
):
    if pairs is None:
        (tmp_path / "embeddings" / "full-STRING-cell0-0.npz").write_bytes(b"PK\x03\x04 cut short")
    else:
        save(tmp_path, "full-STRING-cell0-0", **pairs)
    assert saved[1].of("full", "STRING-cell0") is None
    ((path, reason),) = saved[1].unread.items()
    assert path.endswith("full-STRING-cell0-0.npz") and message in reason


@pytest.mark.slow  # trains a study
def test_a_study_shows_how_it_was_trained_and_what_that_did_to_pairs(
    study_file: Callable[..., Path], knockout: Callable[..., Any], tmp_path: Path
):
    from study.plan.plan import make_plan
    from study.store.ledger import Ledger
    from study.store.plan_file import write_plan
    from study.study_file.study import load_study
    from study.train.cell import run_cell

    data, budget = {"simulate": {"genes": 80, "tfs": 10, "cells": 40}, "name": "net"}, {"epochs": 3, "graph_epochs": 2}
    plan = make_plan(load_study(study_file(datasets=[data], training=budget, repeats=1)))
    for cell in plan.cells:
        result = run_cell(cell, plan.study.lanes[0])
        Ledger(tmp_path).write(result.record, result.predictions, result.embeddings)
    write_plan(plan.record, tmp_path)
    completed = knockout("report", tmp_path)
    assert completed.code == 0, completed.err
    figures, html = tmp_path / "report" / "figures", (tmp_path / "report" / "report.html").read_text(encoding="utf-8")
    for name, fold in (("learning_curves", "Training"), ("embeddings_full_model", "Pair representations")):
        assert f"<summary>{fold} (" in html
        assert all((figures / f"{name}.{suffix}").is_file() for suffix in ("svg", "csv"))
    cells = pd.read_parquet(tmp_path / "cells.parquet")
    pairs = pd.read_csv(figures / "embeddings_full_model.csv")
    first = cells.query("arm == 'full model' and repeat == 0")["cell"].iloc[0]
    test_pairs = pd.read_parquet(tmp_path / "predictions" / f"{first}.parquet").query("part == 'test'")
    assert set(pairs["asked"]) == {len(test_pairs)} and set(pairs["known"]) == {test_pairs["label"].sum()}
    curves = pd.read_csv(figures / "learning_curves.csv").query("stage == 'joint'")
    picked_epochs = curves.groupby(["arm", "repeat"])["picked"].first()
    recorded = cells.groupby(["arm", "repeat"])["best_epoch"].first()
    assert len(picked_epochs) == 2 and (picked_epochs == recorded.reindex(picked_epochs.index)).all()
