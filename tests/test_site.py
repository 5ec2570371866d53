"""The site as `make docs` builds it: its notebooks run in a real kernel, and their pages show the outputs."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from components.data.simulator import SimulatorSettings, simulate, write_beeline

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))


def cells(path: Path) -> list[dict[str, Any]]:
    return [cell for cell in json.loads(path.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]


def test_notebooks_are_kept_without_outputs():
    assert [path.stem for path in NOTEBOOKS] == ["ablation", "own-model", "search"]
    assert not any(cell["outputs"] or cell["execution_count"] for path in NOTEBOOKS for cell in cells(path))


def build_pages(site: Path) -> dict[str, str]:
    """Build the site, and return the text of the notebooks' pages, the reports in them left out."""
    build = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", str(site)]
    completed = subprocess.run(
        build, cwd=ROOT, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True
    )
    assert completed.returncode == 0, completed.stdout + completed.stderr
    texts = {path.stem: (site / "notebooks" / path.stem / "index.html").read_text() for path in NOTEBOOKS}
    assert all("<iframe srcdoc=" in text and 'class="output"' not in text for text in texts.values())
    assert not any("knockout-notebook-" in text for text in texts.values()), "no path of the machine is shown"
    return {name: unescape(re.sub(r"<[^>]*>", " ", text)) for name, text in texts.items()}


NUMBERS = r"\s+[+−]0\.\d{3}\s+\[.*\]\s+[\d.]+\s+"  # difference, interval, p
SHOWN = {
    "ablation": rf"gnn: gat → none{NUMBERS}(costs|may go|earns its keep|the data cannot tell)\s",
    "search": r"On fresh repeats .* scores 0\.\d+ in validation AUROC, an optimism gap of [+−]0\.\d+",
    "own-model": rf"mine{NUMBERS}(better|worse|not worse|practically equal|the data cannot tell)\s",
}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_notebooks_show_what_they_are_about(tmp_path: Path):
    pages = build_pages(tmp_path)  # once: workers share no fixture
    assert [name for name, pattern in SHOWN.items() if not re.search(pattern, pages[name])] == []


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_takes_the_beeline_data_where_they_are(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for seed, cell in enumerate(("hESC", "hHEP", "mDC", "mESC", "mHSC-E", "mHSC-GM", "mHSC-L")):
        dataset = simulate(SimulatorSettings(genes=64, tfs=8, cells=40), seed=seed)
        write_beeline(dataset, tmp_path / "data" / "STRING" / cell / "TFs+500")
    monkeypatch.setenv("BEELINE", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    space: dict[str, Any] = {}
    for cell in cells(path):
        source = "".join(cell["source"])
        if source.startswith("%%writefile "):
            (tmp_path / source.split(maxsplit=2)[1]).write_text(source.partition("\n")[2])
        elif "study.run(" in source:
            break
        else:
            exec(compile(source, path.name, "exec"), space)
    assert space["real"] and ("mDC" in repr(space["study"].plan(cost=False, verbose=False)) or path.stem == "search")
