"""The path from the reference to the best arm: greedy by validation, each step one change that acts."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from search_spaces.arm import Arm, parse_choice
from search_spaces.presets import preset
from study.actions.run import run_plan
from study.actions.screen import Screen
from study.plan.plan import make_plan
from study.run.engine import Means
from study.search.path import run_path, walk, write_path
from study.spec.folder import OutFolder
from study.store.ledger import Ledger
from study.store.tracking.runs import PATH
from study.store.tracking.store_file import default_uri
from study.store.tracking.tracker import Tracker, send_path
from study.study_file.study import load_study


def reference() -> Arm:
    return preset("knockout-small").arm("full model", {"gnn": {"gat": {"heads": 2, "dropout": 0.1}}})


def better(arm: Arm, **changes: Any) -> Arm:
    return arm.vary({factor: parse_choice(factor, choice) for factor, choice in changes.items()})


def scored(values: dict[str, float]) -> Any:
    """Score an arm by the levels and rates that it has; keep which arms were asked for."""

    def score(arms: Sequence[Arm]) -> dict[str, float | None]:
        score.asked.append(len(arms))  # type: ignore[attr-defined]
        return {arm.digest: sum(values.get(level, 0.0) for level in arm.levels().values()) for arm in arms}

    score.asked = []  # type: ignore[attr-defined]
    return score


def test_the_change_that_gains_most_comes_first():
    full = reference()
    winner = better(full, gnn="gcn", fusion="late", contrast="supcon")
    score = scored({"gcn": 0.1, "late": 0.3, "supcon": -0.2})
    steps = walk(full, winner, score)
    assert steps is not None and [step.changed for step in steps] == ["", "fusion=late", "gnn=gcn", "contrast=supcon"]
    assert steps[-1].arm.digest == winner.digest and [step.tried for step in steps] == [0, 3, 2, 1]
    assert score.asked == [3, 2, 1]


def test_settings_of_one_level_are_changes_of_their_own():
    full = reference()
    settings = full.choices["gnn"].settings.model_dump(mode="json")
    winner = better(full, gnn={"gat": {**settings, "heads": 4, "dropout": 0.3}})
    steps = walk(full, winner, scored({}))
    assert steps is not None and {step.changed for step in steps[1:]} == {"gnn.gat.heads=4", "gnn.gat.dropout=0.3"}


def test_what_a_change_silences_is_changed_with_it():
    full = reference()
    winner = better(full, gnn="none", fusion="late")
    assert "fusion" in winner.silenced
    steps = walk(full, winner, scored({"none": 1.0}))
    assert steps is not None and [step.changed for step in steps] == ["", "gnn=none"]
    back = walk(winner, full, scored({"gat": 1.0}))
    assert back is not None and back[1].changed == "gnn=gat" and back[-1].arm.digest == full.digest


def test_a_change_whose_cells_failed_comes_last_and_a_stop_is_a_stop():
    full = reference()
    winner = better(full, gnn="gcn", fusion="late")

    def failing(arms: Sequence[Arm]) -> dict[str, float | None]:
        return {a.digest: None if a.levels()["fusion"] == "late" and a.levels()["gnn"] == "gat" else -5.0 for a in arms}

    steps = walk(full, winner, failing)
    assert steps is not None and [step.changed for step in steps[1:]] == ["gnn=gcn", "fusion=late"]
    assert walk(full, winner, lambda arms: None) is None
    alone = walk(full, full, scored({}))
    assert alone is not None and len(alone) == 1


@pytest.mark.slow
def test_confirm_walks_the_path_with_real_cells(finished_search: Path, knockout: Any, forked: None, tmp_path: Path):
    shutil.copytree(finished_search.parent, tmp_path / "copy")
    out, study = tmp_path / "copy" / "out", tmp_path / "copy" / "tiny.yaml"
    completed = knockout("confirm", study, "--out", out, "--path")
    assert completed.code == 0
    path = pd.read_csv(out / "search" / "path.csv")
    confirmed = pd.read_csv(out / "search" / "confirmed.csv")
    arm = confirmed[confirmed["role"] == "arm"]
    ends = [confirmed[confirmed["role"] == "reference"].iloc[0], (arm if len(arm) else confirmed).iloc[0]]
    for row, end in zip([path.iloc[0], path.iloc[-1]], ends, strict=True):
        assert (row["validation"], row["test"]) == pytest.approx((end["validation"], end["test"]))
    assert "Ablation path" in (out / "report" / "report.html").read_text()
    ledger = set((out / "ledger").iterdir())
    assert knockout("confirm", study, "--out", out, "--path").code == 0 and set((out / "ledger").iterdir()) == ledger


@pytest.mark.slow
def test_cells_of_the_path_go_to_mlflow_with_the_test_of_its_steps_alone(study_file: Any, forked: None, out: Path):
    """Validation rejected the changes that were tried and not kept; their test stays sealed."""
    from mlflow.tracking import MlflowClient

    arms = [{"name": "best", "gnn": "gcn", "fusion": "late"}]
    file = study_file(design={"kind": "explicit", "arms": arms}, repeats=1, controls=False)
    plan = make_plan(load_study(file))
    run_plan(plan, out, Screen().progress().__enter__(), Means())
    folder, tracker = OutFolder(out).search, Tracker(plan.study.name, out, stage=PATH)
    folder.root.mkdir()
    (winner,) = [arm for arm in plan.study.arms if arm.name == "best"]
    steps = run_path(plan, winner, out, Screen().progress().__enter__(), Means(), tracker)
    assert steps is not None and len(steps) == 3
    client = MlflowClient(default_uri(out))

    def of_path(level: str) -> list[Any]:
        stored = client.search_runs([client.get_experiment_by_name("tiny").experiment_id], max_results=1000)
        return [run for run in stored if run.data.tags.get("knockout.level") == level]

    sealed = of_path("path cell")
    assert len(sealed) == 2 and not [name for run in sealed for name in run.data.metrics if name.startswith("test")]
    write_path(steps, plan, out, folder)
    for _ in range(2):  # once more sends nothing
        assert len(send_path(folder, Tracker(plan.study.name, out, stage=PATH), Ledger(out))) == 2
        of_arms = {run.info.run_name: "test.auroc.mean" in run.data.metrics for run in of_path("path arm")}
        assert of_arms.keys() == {"gnn=gcn", "fusion=late"}
        assert [name for name, opened in of_arms.items() if opened] == [steps[1].changed]
        assert ["test.auroc" in run.data.metrics for run in of_path("path cell")].count(True) == 1
