"""What the documentation shows is run as it stands, page by page and in order, on small data where it says.

A block whose first line or title names a file (``# study.yaml``) is that file. Only sizes are cut.
"""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
import pytest

from components.data.simulator import SimulatorSettings, simulate, write_beeline

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
COMMAND = re.compile(r"^    (knockout [a-z].*?)(?:\s+#.*)?$", re.M)
FILE = re.compile(r'^```\w+(?: title="(\S+)")?\n(?:# (\S+\.(?:yaml|py))\b[^\n]*\n)?(.*?)^```', re.M | re.S)
PYTHON = re.compile(r"^```python\n(.*?)^```", re.M | re.S)
CELLS = ("hESC", "hHEP", "mDC", "mESC", "mHSC-E", "mHSC-GM", "mHSC-L")
SMALL = {
    "training.epochs": "1",
    "training.graph_epochs": "1",
    "repeats": "1",
    "search.trials": "2",
    "search.confirm": "1",
}
# what is not run here, each with its reason; tests/test_docs.py has the command line parse all of it
NOT_RUN = {
    "knockout data fetch": "needs a network",
    "--cluster dask://10.0.0.1": "needs a cluster",
    "--scale paper": "needs a GPU",
    "knockout run scunigp-table3": "many minutes at any size; its plan is run",
    "knockout run baselines": "many minutes: each system has a budget of its own",
}
PAGES_RUN = [page for page in PAGES if COMMAND.search(page.read_text())]
TRAIN = """
import sys
import pandas as pd
options = dict(zip(sys.argv[1::2], sys.argv[2::2]))
asked = pd.read_csv(options["--pairs"], index_col=0)
asked.assign(score=range(len(asked))).to_csv(options["--out"], index=False)
"""


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with what the documentation takes for granted: data, networks, lists, a program."""
    folder = tmp_path_factory.mktemp("given")
    dataset = simulate(SimulatorSettings(genes=64, tfs=8, cells=60), seed=1)
    sets = [*(("STRING", cell) for cell in CELLS), ("Non-Specific", "mDC")]
    for seed, (network, cell) in enumerate(sets, 1):
        drawn = simulate(SimulatorSettings(genes=64, tfs=8, cells=60), seed=seed)
        write_beeline(drawn, folder / "beeline" / network / cell / "TFs+500")
    genes = np.array(dataset.genes)
    edges = pd.DataFrame({"TF": genes[dataset.edges[:, 0]], "target": genes[dataset.edges[:, 1]]})
    edges.to_csv(folder / "network.csv", index=False)
    (folder / "tfs.txt").write_text("\n".join(genes[dataset.tfs]) + "\n")
    counts = np.round(np.expm1(dataset.expression.T)).astype(np.float32)
    table = anndata.AnnData(dataset.expression.T, var=pd.DataFrame(index=list(genes)), layers={"counts": counts})
    table.obs_names = [f"cell{n}" for n in range(table.n_obs)]
    table.write_h5ad(folder / "cells.h5ad")
    weighed = edges.assign(importance=np.linspace(1, 0, len(edges)))
    weighed.to_csv(folder / "grnboost2.tsv", sep="\t", index=False, header=False)
    weighed.to_csv(folder / "adjacencies.csv", index=False)
    for cell in CELLS:
        for name, edges in ((f"outputs/{cell}/GENIE3/rankedEdges.csv", weighed), (f"links/{cell}.csv", weighed[1:])):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            edges.to_csv(folder / name, index=False)
    rows = [(s, t, "n", 0.9 - 0.1 * (s == "b") + 0.01 * n) for s in "ab" for n, t in enumerate(("liver", "lung"))]
    pd.DataFrame(rows, columns=["system", "tissue", "network", "score"]).to_csv(folder / "other.csv", index=False)
    (folder / "train.py").write_text(TRAIN)
    return folder


def small(line: str) -> list[str]:
    """Return a command with smaller sizes, as settings beside its study; its own settings stay."""
    words = shlex.split(line.replace("repeats=5", "repeats=1"))[1:]
    if words[0] not in ("plan", "run", "confirm") or not words[1].endswith(".yaml"):
        return words
    search = "\nsearch:" in Path(words[1]).read_text()
    named = {word.partition("=")[0] for word in words}
    kept = {key: value for key, value in SMALL.items() if search or not key.startswith("search.")}
    return [*words[:2], *(f"{key}={value}" for key, value in kept.items() if key not in named), *words[2:]]


def lines(page: Path) -> list[str]:
    return [line for line in COMMAND.findall(page.read_text()) if "..." not in line]


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("page", PAGES_RUN, ids=lambda page: page.name)
def test_commands_run_as_they_stand(
    page: Path, given: Path, knockout: Callable[..., Any], forked: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    folder = Path(shutil.copytree(given, tmp_path / "work"))
    monkeypatch.chdir(folder)
    for title, comment, text in FILE.findall(page.read_text()):
        if title or comment:
            (folder / (title or comment)).write_text(text)
    failures = []
    for line in lines(page):
        if any(part in line for part in NOT_RUN):
            continue
        if "other-results" in line and Path("results").is_dir():
            shutil.copytree("results", "other-results")
        if "exams/{dataset}" in line:
            score_exams(folder / "exams")
        done = knockout(*small(line))
        if done.code:
            failures.append(f"{line}\n{done.out[-1500:]}{done.err[-1500:]}")
    assert not failures, "\n\n".join(failures)


def score_exams(exams: Path) -> None:
    """Do what the page leaves to the reader: score the pairs of each exported exam."""
    for pairs in exams.rglob("Pairs.csv"):
        asked = pd.read_csv(pairs, index_col=0)
        asked.assign(score=range(len(asked))).to_csv(pairs.parent / "scores.csv", index=False)


def test_what_is_left_out_stands_in_the_documentation():
    shown = "\n".join(page.read_text() for page in PAGES)
    assert [part for part in NOT_RUN if part not in shown] == []


def test_every_block_of_python_is_python():
    blocks = [(page.name, text) for page in PAGES for text in PYTHON.findall(page.read_text())]
    assert len(blocks) > 5
    for name, text in blocks:
        compile(text, name, "exec")
