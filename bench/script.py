"""What a scientist would write without a harness: the cells of a study one by one, in one process, logged to MLflow.

``python bench/script.py STUDY OUT`` trains each arm on each data set in each repeat, and prints their AUROCs.
"""

from __future__ import annotations

import json
import sys
from itertools import product
from pathlib import Path

import mlflow
import optuna
import torch

from components.core.metrics import evaluate
from study.spec.datasets import load_dataset
from study.study_file.study import load_study
from study.train.exams import make_split
from study.train.score import fixed_order, score_fold


def main(study_file: Path, out: Path) -> None:
    """Train and log every cell."""
    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    out.mkdir()
    mlflow.set_tracking_uri(f"sqlite:///{out / 'mlflow.db'}")
    mlflow.set_experiment("script")
    study = load_study(study_file)
    datasets = [load_dataset(spec, study.root) for spec in study.datasets]
    cells = {f"{arm.name} on {d.name}, {r}": (arm, d, r) for arm, d, r in product(study.arms, datasets, range(2))}

    def objective(trial: optuna.Trial) -> float:
        name = trial.suggest_categorical("cell", [*cells])
        arm, dataset, repeat = cells[name]
        with mlflow.start_run(run_name=name):
            mlflow.log_params({"arm": arm.name, "dataset": dataset.name, "repeat": repeat, **arm.levels()})
            split = make_split(dataset, study.splits[0], repeat)
            with fixed_order("cpu"):
                outcome = score_fold(arm, dataset, split, repeat, study.budget, "cpu")
            for curve, values in outcome.curves.items():
                for epoch, value in enumerate(values):
                    mlflow.log_metric(curve, value, step=epoch)
            scores = {k: float(v) for k, v in evaluate(outcome.test, split.test_labels, split.test).items()}
            mlflow.log_metrics({f"test.{metric}": value for metric, value in scores.items()})
        return scores["auroc"]

    search = optuna.create_study(sampler=optuna.samplers.GridSampler({"cell": [*cells]}), direction="maximize")
    search.optimize(objective)
    sys.stdout.write(json.dumps(sorted(trial.value for trial in search.trials if trial.value is not None)))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
