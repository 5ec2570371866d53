"""What a cell costs beside its training."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import numpy as np
from cases import data

from study.store.ledger import Ledger


def bench_own_share(trained, once, tell):
    """Everything of a cell that is not forward, loss, backward or step: exam, draws, metrics, ledger, MLflow."""
    cell = once(lambda: trained)
    share = 1 - cell.model_seconds / cell.seconds
    epochs = sum(len(values) for name, values in cell.result.record.curves.items() if name.endswith("_loss"))
    label = f"harness's own share of a cell ({data()[1]}, scunigp-small, {epochs} epochs, {cell.seconds:.0f} s)"
    tell(label, f"{100 * share:.1f} %", "< 5 %", share < 0.05)


def bench_records(trained, once, tell, tmp_path: Path):
    """The ledger's write, predictions included, and the MLflow run of a cell."""
    predictions = {
        "tf": np.repeat(["TF1", "TF2"], 7500),
        "target": np.array([f"G{i % 900}" for i in range(15_000)]),
        "label": np.zeros(15_000, dtype=np.int8),
        "score": np.linspace(0, 1, 15_000, dtype=np.float32),
    }
    n, row, out = 20, trained.plan.cells[0].row, trained.tracker.folder.root

    def measure() -> tuple[float, float]:
        records = [trained.result.record.model_copy(update={"cell": f"{i:020d}"}) for i in range(n)]
        started = time.perf_counter()
        for record in records:
            assert Ledger(out).write(record, predictions)
        written = time.perf_counter()
        for record in records:
            trained.tracker.log(row.model_copy(update={"cell": record.cell}), record)
        return (written - started) / n, (time.perf_counter() - written) / n

    ledger, mlflow = once(measure)
    tell("ledger per cell (record and predictions of 15,000 pairs)", f"{1000 * ledger:.1f} ms")
    tell("MLflow per cell (sqlite; metrics, curves, parameters, predictions)", f"{1000 * mlflow:.1f} ms")
    shutil.rmtree(out / "predictions", ignore_errors=True)
