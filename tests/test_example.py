"""The example package, as a lab would use it: installed, tested by the suites in the wheel, and in a study."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "examples" / "knockout-example"


def run(*command: str, cwd: Path, site: Path) -> str:
    env = {**os.environ, "PYTHONPATH": f"{site}{os.pathsep}{ROOT}"}
    completed = subprocess.run([sys.executable, *command], cwd=cwd, env=env, capture_output=True, text=True)
    assert completed.returncode == 0, completed.stdout + completed.stderr
    return completed.stdout


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the package beside knockout, without a network."""
    source, site = tmp_path_factory.mktemp("source") / "example", tmp_path_factory.mktemp("site")
    shutil.copytree(EXAMPLE, source)
    offline = ["--no-deps", "--no-build-isolation", "--no-index", "--target", str(site)]
    run("-m", "pip", "install", "--quiet", *offline, str(source), cwd=source, site=site)
    return site


@pytest.mark.slow
def test_its_own_tests_pass(site: Path, tmp_path: Path):
    tests = shutil.copytree(EXAMPLE / "tests", tmp_path / "tests")
    assert "passed" in run("-m", "pytest", "-q", "-p", "no:cacheprovider", str(tests), cwd=tmp_path, site=site)


@pytest.mark.slow
def test_its_parts_are_listed_and_its_study_runs(site: Path, tmp_path: Path):
    shutil.copy(EXAMPLE / "study.yaml", tmp_path)
    main = "from study.cli.main import main; main()"
    assert "example_sgc" in run("-c", main, "components", "gnn", cwd=tmp_path, site=site)
    run("-c", main, "run", "study.yaml", "--out", "out", cwd=tmp_path, site=site)
    table = pd.read_parquet(tmp_path / "out" / "cells.parquet")
    assert set(table["status"]) == {"ok"}
    assert {"full model", "SGC", "ranks", "focal loss", "roles", "roles (noise)"} <= set(table["arm"])
    hits = table[(table["metric"] == "example_hits") & (table["part"] == "test")]
    assert hits["value"].between(0.0, 1.0).all()
    assert set(table.loc[table["arm"] == "ranks", "example_scale"]) == {"ranks"}
    assert "hits at 100" in (tmp_path / "out" / "report" / "report.html").read_text()
