import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from alembic.runtime.migration import MigrationContext
from mlflow.tracking import MlflowClient

from components.core.errors import KnockoutError
from study.plan.plan import Plan, make_plan
from study.spec.folder import OutFolder
from study.spec.machine import Lane
from study.spec.records import CellRecord, CellRow, Status
from study.store.ledger import Ledger
from study.store.tracking import experiment, store_file
from study.store.tracking.store_file import default_uri
from study.store.tracking.tracker import Tracker
from study.study_file.study import load_study
from study.train.cell import CellResult, run_cell

KEY, PARENT = "knockout.key", "mlflow.parentRunId"
ROOT = Path(__file__).parents[3]


@pytest.fixture
def plan(study_file: Callable[..., Path]) -> Plan:
    return make_plan(load_study(study_file()))


@pytest.fixture
def results(plan: Plan) -> dict[str, CellResult]:
    return {cell.digest: run_cell(cell, Lane("cpu", 1)) for cell in plan.cells}


def rows(plan: Plan) -> list[CellRow]:
    return [cell.row for cell in plan.cells]


def record(plan: Plan, results: dict[str, CellResult], out: Path) -> None:
    """What a run does: a tracker of its own, every cell logged, everything closed."""
    tracker = Tracker(plan.study.name, out)
    for row in rows(plan):
        if row.cell in results:
            result = results[row.cell]
            Ledger(out).write(result.record, result.predictions)
            tracker.log(row, result.record)
    tracker.close(rows(plan), {cell: result.record for cell, result in results.items()})


def runs(out: Path) -> dict[str, Any]:
    client = MlflowClient(default_uri(out))
    experiment = client.get_experiment_by_name("tiny")
    stored = client.search_runs([experiment.experiment_id], max_results=1000)
    assert len({run.data.tags[KEY] for run in stored}) == len(stored), "a run stands twice"
    return {run.data.tags[KEY]: run for run in stored}


def history(out: Path, run_id: str, metric: str) -> list[tuple[int, float]]:
    return [(m.step, m.value) for m in MlflowClient(default_uri(out)).get_metric_history(run_id, metric)]


def test_curves_of_later_folds_are_recorded_under_their_own_names(study_file: Callable[..., Path], out: Path):
    planned = make_plan(load_study(study_file(split="kfold_pooled", repeats=1, controls=False)))
    results = {cell.digest: run_cell(cell, Lane("cpu", 1)) for cell in planned.cells}
    record(planned, results, out)
    row = rows(planned)[0]
    run = runs(out)[f"tiny/cell/{row.cell}/{row.arm_digest}"]
    losses = results[row.cell].record.curves["fold_2/joint_loss"]
    assert losses and history(out, run.info.run_id, "fold_2/joint_loss") == list(enumerate(losses, start=1))


def test_runs_are_nested_study_arm_cell_and_hold_everything(plan: Plan, results: dict[str, CellResult], out: Path):
    record(plan, results, out)
    stored = runs(out)
    assert len(stored) == 1 + 3 + 6
    study = stored["tiny/study"]
    assert PARENT not in study.data.tags
    for row, cell in zip(rows(plan), plan.cells, strict=True):
        arm, run = stored[f"tiny/arm/{row.arm_digest}"], stored[f"tiny/cell/{row.cell}/{row.arm_digest}"]
        assert arm.data.tags[PARENT] == study.info.run_id
        assert run.data.tags[PARENT] == arm.info.run_id
        assert (run.info.status, arm.info.status, study.info.status) == ("FINISHED",) * 3
        result = results[row.cell].record
        assert run.data.metrics["test.auroc"] == result.scores["test"]["auroc"]
        assert run.data.params["repeat"] == str(row.repeat) and run.data.params["arm"] == row.arm
        assert run.data.params["training.epochs"] == str(cell.budget.epochs)
        assert run.data.tags["knockout.code_digest"] == row.code_digest
        assert run.data.tags["mlflow.source.git.commit"] == result.versions["git_commit"]
        for name, values in result.curves.items():
            assert history(out, run.info.run_id, name) == list(enumerate(values, start=1))
        artifacts = Path(run.info.artifact_uri.removeprefix("file://")) / "predictions" / f"{row.cell}.parquet"
        assert artifacts.read_bytes() == OutFolder(out).predictions(row.cell).read_bytes()
    reference = stored[f"tiny/arm/{rows(plan)[0].arm_digest}"]
    values = [results[row.cell].record.scores["test"]["auroc"] for row in rows(plan) if row.arm == "full model"]
    assert reference.data.metrics["test.auroc.mean"] == pytest.approx(sum(values) / 2)
    assert reference.data.params["gnn.gat.heads"] == "2"


def test_the_first_view_compares_arms_and_data_sets_are_named(plan: Plan, results: dict[str, CellResult], out: Path):
    """The interface reads a view from a tag of the experiment; its path is printed at the end of a run."""
    tracker = Tracker(plan.study.name, out)
    tracker.begin(plan.record)
    tracker.close(rows(plan), {})
    assert not tracker.trouble
    record(plan, results, out)
    client = MlflowClient(default_uri(out))
    experiment = client.get_experiment_by_name("tiny")
    assert experiment is not None
    assert tracker.view == f"#/experiments/{experiment.experiment_id}/runs?viewStateShareKey=knockout"
    view = json.loads(experiment.tags["mlflow.sharedViewState.knockout"])
    listed = client.search_runs([experiment.experiment_id], view["searchFilter"])
    assert {run.info.run_name for run in listed} == {row.arm for row in rows(plan)}
    assert view["selectedColumns"][0] == view["orderByKey"] == "metrics.`test.auroc.mean`"
    assert "params.`gnn`" in view["selectedColumns"] and view["orderByAsc"] is False
    for run in listed:
        used = {(one.dataset.name, one.dataset.digest) for one in run.inputs.dataset_inputs}
        assert used == {(row.dataset, row.data_digest) for row in rows(plan) if row.arm == run.info.run_name}


def test_recording_again_adds_nothing(plan: Plan, results: dict[str, CellResult], out: Path):
    record(plan, results, out)
    before = {key: run.info.run_id for key, run in runs(out).items()}
    record(plan, results, out)
    after = runs(out)
    assert {key: run.info.run_id for key, run in after.items()} == before
    assert {run.info.status for run in after.values()} == {"FINISHED"}


def test_a_study_that_was_stopped_is_taken_up_in_the_same_runs(plan: Plan, results: dict[str, CellResult], out: Path):
    some = {row.cell: results[row.cell] for row in rows(plan)[:2]}
    record(plan, some, out)
    stopped = runs(out)
    assert stopped["tiny/study"].info.status == "KILLED"
    record(plan, results, out)
    assert {k: r.info.run_id for k, r in runs(out).items()}.items() >= {
        k: r.info.run_id for k, r in stopped.items()
    }.items()
    assert {run.info.status for run in runs(out).values()} == {"FINISHED"}


def test_a_failed_cell_takes_the_mean_from_its_arm_and_a_retry_gives_it_back(
    plan: Plan, results: dict[str, CellResult], out: Path
):
    row = rows(plan)[0]
    cell, arm = f"tiny/cell/{row.cell}/{row.arm_digest}", f"tiny/arm/{row.arm_digest}"
    record(plan, results | {row.cell: CellResult(CellRecord(cell=row.cell, status=Status.DIVERGED, reason="NaN"))}, out)
    stored = runs(out)
    assert stored[cell].info.status == "FAILED" and stored[cell].data.tags["knockout.reason"] == "NaN"
    assert "test.auroc" not in stored[cell].data.metrics
    assert stored[arm].data.metrics["cells_failed"] == 1.0 and "test.auroc.mean" not in stored[arm].data.metrics
    record(plan, results, out)
    stored = runs(out)
    assert len(stored) == 10
    assert stored[cell].info.status == "FINISHED" and stored[cell].data.metrics["test.auroc"]
    assert stored[arm].data.metrics["cells_failed"] == 0.0 and "test.auroc.mean" in stored[arm].data.metrics


def test_a_cell_left_open_by_a_killed_driver_is_written_anew(plan: Plan, results: dict[str, CellResult], out: Path):
    record(plan, results, out)
    row = rows(plan)[0]
    cell = f"tiny/cell/{row.cell}/{row.arm_digest}"
    MlflowClient(default_uri(out)).update_run(runs(out)[cell].info.run_id, status="RUNNING")
    record(plan, results, out)
    assert len(runs(out)) == 10 and runs(out)[cell].info.status == "FINISHED"


@pytest.mark.parametrize("uri", ["foo://bar", "postgresql+none://a/b"])
def test_a_store_that_mlflow_does_not_support_is_refused_before_anything_runs(tmp_path: Path, uri: str):
    with pytest.raises(KnockoutError, match="MLflow cannot use this store") as refused:
        Tracker("tiny", tmp_path, uri).refuse_unknown()
    assert refused.value.where == uri


def test_telemetry_is_off_before_mlflow_is_imported(tmp_path: Path):
    script = f"""
import os, sys
from pathlib import Path
from study.store.tracking.tracker import Tracker
class Watch:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "mlflow":
            print(name, os.environ.get("MLFLOW_DISABLE_TELEMETRY"))
            sys.exit()
assert "mlflow" not in sys.modules
sys.meta_path.insert(0, Watch())
Tracker("x", Path({str(tmp_path)!r}))._store.client
"""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW")} | {"PYTHONPATH": str(ROOT)}
    completed = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    assert completed.stdout == "mlflow true\n"


def die_while_the_store_is_made(out: Path) -> None:
    MigrationContext.run_migrations = lambda *_: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore[method-assign]
    Tracker("tiny", out)._store.client  # noqa: B018  makes the store


@pytest.mark.slow
def test_a_kill_while_the_store_is_made_leaves_no_partial_store(
    plan: Plan, results: dict[str, CellResult], tmp_path: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(store_file, "_cached_store", lambda: tmp_path / "kept.db")  # none yet: a store is migrated
    killed = multiprocessing.get_context("fork").Process(target=die_while_the_store_is_made, args=(tmp_path,))
    killed.start()
    killed.join()
    assert killed.exitcode == -9
    assert list(tmp_path.glob(".mlflow-*/mlflow.db")) and not (tmp_path / "mlflow.db").exists()

    def migrated(uri: str) -> MlflowClient:
        """Copy a store that was migrated before, which takes no time, to where one is made anew."""
        store = Path(uri.removeprefix("sqlite:///"))
        if not store.exists():
            shutil.copy(empty_store, store)
        return client(uri)

    client = store_file.prepared_client()
    for module in (experiment, store_file):
        monkeypatch.setattr(module, "prepared_client", lambda: migrated)
    record(plan, results, tmp_path)
    assert len([key for key in runs(tmp_path) if "/cell/" in key]) == len(results)
    assert not list(tmp_path.glob(".mlflow-*"))
