"""Who may know whom (architecture.md), read from the source; and what answers without loading torch."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.registry import FACTORS

ROOT = Path(__file__).parents[1]


def imports(package: str) -> Iterator[tuple[str, str]]:
    """Yield (module, imported name as far as it is known), nested imports and type checking included."""
    files = sorted((ROOT / package).rglob("*.py"))
    assert len(files) > 2, package
    for path in files:
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                yield from ((module, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{module} imports relatively"
                yield from ((module, f"{node.module}.{alias.name}") for alias in node.names)


def below(name: str, *packages: str) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


@pytest.mark.parametrize(
    ("package", "forbidden"),
    [
        ("components", ["search_spaces", "study", "reports", "optuna", "mlflow", "joblib"]),
        ("search_spaces", ["study", "reports", "torch", "torch_geometric", "mlflow", "joblib"]),
        ("reports", ["components", "search_spaces", "study", "torch", "torch_geometric", "optuna", "mlflow", "joblib"]),
    ],
)
def test_imports_run_one_way(package: str, forbidden: list[str]):
    found = [(module, name) for module, name in imports(package) if below(name, *forbidden)]
    assert [(m, name) for m, name in found if not (m == "reports.stored.mlflow_reader" and below(name, "mlflow"))] == []


def test_search_spaces_know_settings_and_no_parts():
    allowed = ["components.registry", "components.settings", "components.errors", "components.budget"]
    known = [name for _, name in imports("search_spaces") if below(name, "components")]
    assert known and [name for name in known if not below(name, *allowed, "components.registry")] == []


def test_the_study_knows_parts_by_name_only():
    exam = ("components.splits",)  # the exam is no part: cells are handed its type
    concrete = [m for factor in FACTORS.values() for m in factor.modules if m not in exam]
    assert "components.fusion" in concrete
    assert [pair for pair in imports("study") if below(pair[1], *concrete)] == []


def test_only_the_command_line_sees_the_reports():
    seen = {module for module, name in imports("study") if below(name, "reports")}
    rooms = ("cli", "commands", "search_commands", "report_commands", "reporting", "catalogue")
    assert seen <= {f"study.{room}" for room in rooms}


def test_mlflow_is_known_in_one_file():
    assert {module for module, name in imports("study") if below(name, "mlflow")} == {"study.tracking"}


@pytest.mark.parametrize(
    ("statement", "left_out"),
    [
        ("import study.cli", ["torch", "mlflow", "optuna", "pandas", "matplotlib"]),
        ("from study.cli import app; app(['--help'], standalone_mode=False)", ["torch", "mlflow", "optuna", "pandas"]),
        ("from study.cli import app; app(['run', '-h'], standalone_mode=False)", ["torch", "mlflow", "optuna"]),
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
