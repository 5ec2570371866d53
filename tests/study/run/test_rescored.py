"""A metric that is added later is computed from stored scores: the same number, to the last bit, and no training."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from components.core import metrics
from components.core.metrics import Words, register_metric
from study.plan.cost.total import estimate
from study.plan.plan import make_plan
from study.run.pool import Pool
from study.run.rescored import Rescorer
from study.spec.cell import Cell
from study.spec.machine import Lane
from study.store.ledger import Ledger
from study.study_file.study import load_study
from study.train.cell import run_cell

LANE = Lane("cpu", 1)
FOLDS = {"kfold_pooled": {"folds": 2}}


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Restore the metrics after a test."""
    before = dict(metrics.METRICS)
    yield
    metrics.OWN.clear()
    metrics.METRICS.clear()
    metrics.METRICS.update(before)


@pytest.fixture
def cells(study_file: Callable[..., Path]) -> Callable[[], dict[str, Cell]]:
    """Return the cells of a study of one repeat as they are now, by arm."""

    def plan() -> dict[str, Cell]:
        changes: dict[str, Any] = {"repeats": 1, "baselines": ["pcc"], "controls": ["degree", "topology"]}
        planned = make_plan(load_study(study_file(split=FOLDS, **changes))).cells
        named = {cell.arm.name: cell for cell in planned}
        assert all(cell.digest for cell in named.values())  # kept by the cell: its identity as of now
        return named

    return plan


def run(cell: Cell, ledger: Ledger) -> None:
    result = run_cell(cell, LANE)
    assert ledger.write(result.record, result.predictions, result.embeddings)


def add_metric() -> None:
    """Register a metric that reads all it is given, ties and order of the pairs included."""
    words = Words("weighed", "A sum that every bit of scores and pairs changes.")

    @register_metric("weighed", words)
    def weighed(scores: np.ndarray, labels: np.ndarray, pairs: np.ndarray) -> float:
        return float((scores * (1 + labels) * np.arange(len(pairs)) * (pairs[:, 0] + 0.37 * pairs[:, 1])).sum())


@pytest.mark.slow
def test_what_is_computed_later_is_what_training_computes(cells: Callable[[], dict[str, Cell]], out: Path):
    ledger, before = Ledger(out), cells()
    for cell in before.values():
        run(replace(cell, saves_embeddings=True), ledger)
    assert Rescorer(ledger).record(next(iter(before.values()))) is None  # nothing was added
    add_metric()
    rescorer, after = Rescorer(ledger), cells()
    for name, cell in after.items():
        assert cell.digest != before[name].digest
        record, trained = rescorer.record(cell), run_cell(cell, LANE).record
        assert record is not None and record.scores == trained.scores and "weighed" in record.scores["test"], name
        assert record.identity == trained.identity and record.split_digest == trained.split_digest
        assert ledger.read(cell.digest) == record and ledger.folder.predictions(cell.digest).exists()
        saved = [ledger.folder.embeddings(digest).exists() for digest in (before[name].digest, cell.digest)]
        assert saved[0] == saved[1]
    assert rescorer.recorded == len(after) == len({cell.digest for cell in after.values()})


def test_the_pool_sends_no_such_cell_to_a_worker(cells: Callable[[], dict[str, Cell]], out: Path):
    class NoWorkers:
        lanes, broken = (LANE,), ()

        def __enter__(self) -> None: ...
        def __exit__(self, *_: object) -> None: ...

    cell = cells()["degree"]
    run(cell, Ledger(out))
    add_metric()
    waiting = [cells()["degree"]]
    pool: Any = Pool(NoWorkers(), out)  # type: ignore[arg-type]
    records = list(pool.run(lambda: waiting.pop() if waiting else None))
    assert ["weighed" in record.scores["test"] for _, record in records] == [True] and pool.rescorer.recorded == 1


def test_a_plan_counts_them_beside_what_it_prices(study_file: Callable[..., Path], out: Path):
    study = study_file(repeats=1, controls=["degree", "reverse_degree"])
    for cell in make_plan(load_study(study)).cells[-1:]:
        run(cell, Ledger(out))
    add_metric()
    plan = make_plan(load_study(study))
    cost = estimate(plan, Ledger(out))
    assert (len(plan.missing(Ledger(out))), cost.rescored, cost.kinds) == (4, 1, 3)


def shuffled(path: Path) -> None:
    frame = pd.read_parquet(path)
    frame.assign(score=frame["score"].to_numpy()[::-1]).to_parquet(path, index=False)


@pytest.mark.parametrize("spoil", [Path.unlink, lambda path: path.write_text("cut"), shuffled])
def test_without_the_scores_of_the_record_a_cell_is_trained(
    cells: Callable[[], dict[str, Cell]], out: Path, spoil: Callable[[Path], object]
):
    ledger, cell = Ledger(out), cells()["degree"]
    run(cell, ledger)
    spoil(ledger.folder.predictions(cell.digest))
    add_metric()
    assert Rescorer(ledger).record(cells()["degree"]) is None


def test_another_training_and_a_metric_that_fails_are_trained(cells: Callable[[], dict[str, Cell]], out: Path):
    ledger, name = Ledger(out), "degree"
    run(cells()[name], ledger)
    add_metric()
    assert Rescorer(ledger).record(replace(cells()[name], repeat=7)) is None
    metrics.METRICS["weighed"] = lambda *_: 1 / 0
    assert Rescorer(ledger).record(cells()[name]) is None
