"""What answers without loading heavy libraries; who may import whom is in pyproject (import-linter)."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("statement", "left_out"),
    [
        ("import study.cli.main", ["torch", "mlflow", "optuna", "pandas", "matplotlib"]),
        (
            "from study.cli.main import app; app(['--help'], standalone_mode=False)",
            ["torch", "mlflow", "optuna", "pandas"],
        ),
        ("from study.cli.main import app; app(['run', '-h'], standalone_mode=False)", ["torch", "mlflow", "optuna"]),
        ("import reports, reports.statistics.attainability", ["torch", "optuna", "mlflow", "matplotlib"]),
        ("import reports.table.table, reports.findings.analysis, reports.build", ["torch", "optuna", "mlflow"]),
        ("import components, search_spaces, study", ["torch", "mlflow", "optuna", "pandas"]),
    ],
)
def test_heavy_libraries_are_left_out(statement: str, left_out: list[str]):
    script = f"import sys; {statement}; print(); print(*(m for m in {left_out} if m in sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == ""
