"""Every block of README and docs is executed as it stands, page by page and in order, on small data where it says.

A block that names a file, by its title or its first line (``# study.yaml``), is that file. Only sizes are cut.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
import pytest
import yaml

import knockout as package
from components import plugins
from components.core import registry
from components.data.simulator import SimulatorSettings, simulate, write_beeline

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "examples" / "knockout-example"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
CELLS = ("hESC", "hHEP", "mDC", "mESC", "mHSC-E", "mHSC-GM", "mHSC-L")
SMALL = {
    "training.epochs": "1",
    "training.graph_epochs": "1",
    "repeats": "1",
    "search.trials": "2",
    "search.confirm": "1",
}
# all that is not executed here, by a pattern of its text, each with its reason
NOT_RUN = {
    r"^make ": "sets up, builds or tests this repository; the gate runs the targets",
    r"^pip install": "needs a network",
    r"^knockout data fetch": "needs a network",
    r"^optuna-dashboard ": "serves a page until it is stopped",
    r"^mlflow ui": "serves a page until it is stopped",
    r"^dask scheduler": "serves until it is stopped; tests/study/run has clusters",
    r"^(CUDA_VISIBLE_DEVICES=0 )?dask worker": "serves until it is stopped",
    r"--cluster dask://10\.0\.0\.1": "needs that cluster",
    r"SLURMCluster": "needs SLURM",
    r"--scale paper": "needs a GPU",
    r"^knockout run scunigp-table3": "many minutes at any size; its plan is run",
    r"^knockout run baselines": "many minutes: each system has a budget of its own",
    r"examples/what-expression-is-worth/": "an hour on sets of five networks, which the page reports",
}
TRAIN = """
import sys
import pandas as pd
options = dict(zip(sys.argv[1::2], sys.argv[2::2]))
asked = pd.read_csv(options["--pairs"], index_col=0)
asked.assign(score=range(len(asked))).to_csv(options["--out"], index=False)
"""
# a repository of the layout that docs/bring-your-own.md describes: paths in the code, a model at its end
THEIRS = """
import argparse
import pandas as pd, torch
parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int)
torch.manual_seed(parser.parse_args().seed)
data_feature = torch.from_numpy(pd.read_csv('/home/them/data/BL--ExpressionData.csv', index_col=0).to_numpy()).float()
train = torch.from_numpy(pd.read_csv('Data/mDC/Train_set.csv', index_col=0).to_numpy())
adj = torch.zeros(len(data_feature), len(data_feature))
adj[train[:, 0], train[:, 1]] = train[:, 2].float()
model = lambda features, adj, pairs: (features[pairs[:, 0]] * features[pairs[:, 1]]).sum(1) + adj[pairs[:, 0]].sum(1)
"""


@dataclass(frozen=True)
class Block:
    """A block of a page: its language (``sh`` where it is indented), the file that it is (``""``: none), its text."""

    language: str
    title: str
    text: str

    @property
    def reason(self) -> str:
        """Why it is not executed; empty if it is."""
        return next((reason for pattern, reason in NOT_RUN.items() if re.search(pattern, self.text)), "")


def blocks(page: Path) -> Iterator[Block]:
    """Yield the blocks of a page in order; each line of an indented one is a command."""
    fence = r'^```(?P<language>\w*)(?: title="(?P<title>\S+)")?\n(?P<text>.*?)^```$'
    for match in re.finditer(rf"{fence}|^    (?P<command>\S[^\n]*)", page.read_text(), re.M | re.S):
        if match["command"]:
            yield Block("sh", "", re.sub(r"\s+#.*", "", match["command"]))
        else:
            named = re.match(r"# (\S+\.(?:yaml|py))\b", match["text"])
            yield Block(match["language"], match["title"] or (named[1] if named else ""), match["text"])


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the inputs that the documentation presumes: data, networks, lists, programs."""
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
    features = np.random.default_rng(1).normal(size=(len(genes), 8))
    pd.DataFrame(features, index=genes, columns=list("abcdefgh")).to_parquet(folder / "geneformer.parquet")
    weighed = edges.assign(importance=np.linspace(1, 0, len(edges)))
    weighed.to_csv(folder / "grnboost2.tsv", sep="\t", index=False, header=False)
    weighed.to_csv(folder / "adjacencies.csv", index=False)
    for cell in CELLS:
        for name, edges in ((f"outputs/{cell}/GENIE3/rankedEdges.csv", weighed), (f"links/{cell}.csv", weighed[1:])):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            edges.to_csv(folder / name, index=False)
    rows = [(s, t, "n", 0.9 - 0.1 * (s == "b") + 0.01 * n) for s in "ab" for n, t in enumerate(("liver", "lung"))]
    pd.DataFrame(rows, columns=["system", "tissue", "network", "score"]).to_csv(folder / "other.csv", index=False)
    for name in ("cells.h5ad", "network.csv"):  # beside the data as well: paths start from --data
        shutil.copy(folder / name, folder / "beeline")
    (folder / "train.py").write_text(TRAIN)
    (folder / "theirs").mkdir()
    (folder / "theirs" / "main.py").write_text(THEIRS)
    return folder


def small(words: list[str]) -> list[str]:
    """Return the words of a command with smaller sizes, as settings beside its study; its own settings stay."""
    words = [word.replace("repeats=5", "repeats=1") for word in words]
    if words[0] not in ("plan", "run", "confirm") or not words[1].endswith(".yaml"):
        return words
    named = {word.partition("=")[0] for word in words}
    smaller = [f"{key}={value}" for key, value in sizes(Path(words[1])).items() if key not in named]
    return [*words[:2], *smaller, *words[2:]]


def sizes(study: Path) -> dict[str, str]:
    keys = yaml.safe_load(study.read_text())
    return {key: value for key, value in SMALL.items() if "search" in keys or not key.startswith("search.")}


class Reader:
    """Executes a page, block by block, in a folder with the inputs that it presumes."""

    def __init__(self, page: Path, folder: Path, knockout: Callable[..., Any]) -> None:
        self.blocks, self.folder, self.knockout = list(blocks(page)), folder, knockout
        self.names: dict[str, Any] = {}  # what earlier blocks of Python defined
        self.printed = ""

    def failures(self) -> Iterator[str]:
        """Execute every block; yield what failed."""
        for number, block in enumerate(self.blocks):
            if block.reason:
                continue
            try:
                fault = getattr(self, f"do_{block.language}")(block, number)
            except Exception:
                fault = traceback.format_exc()
            if fault:
                yield f"{block.text}\n{fault[-3000:]}"

    def do_sh(self, block: Block, number: int) -> str:
        """Run a command: one of knockout in this process, another one in a shell."""
        if not block.text.startswith("knockout "):
            completed = subprocess.run(["bash", "-ec", block.text], capture_output=True, text=True)
            return (
                f"exit code {completed.returncode}\n{completed.stdout}{completed.stderr}"
                if completed.returncode
                else ""
            )
        if "other-results" in block.text and Path("results").is_dir():
            shutil.copytree("results", "other-results")
        ended = self.knockout(*small(shlex.split(block.text)[1:]))
        self.printed = ended.out
        return f"exit code {ended.code}\n{ended.out}{ended.err}" if ended.code else ""

    def do_yaml(self, block: Block, number: int) -> str:
        """Write a study, and plan it where no command of the page does."""
        path = self.folder / (block.title or f"block-{number}.yaml")
        keys = {"name": "shown", "datasets": ["STRING/mDC/TFs+500"], **yaml.safe_load(block.text)}
        path.write_text(block.text if block.title else yaml.safe_dump(keys))
        if block.title and any(path.name in other.text for other in self.blocks if other.language == "sh"):
            return ""
        ended = self.knockout("plan", path.name, "--data", "beeline")
        return f"exit code {ended.code}\n{ended.out}{ended.err}" if ended.code else ""

    def do_python(self, block: Block, number: int) -> str:
        """Compare an excerpt with its file, write a script that a study names, or execute the block."""
        example = EXAMPLE / block.title
        if block.title and example.is_file():
            return "" if block.text in example.read_text() else f"{example} reads otherwise"
        if block.title:
            (self.folder / block.title).write_text(block.text)
            named = any(block.title in other.text for other in self.blocks if other.language == "yaml")
            return "" if named else "no study of the page runs it"
        exec(compile(block.text, "block", "exec"), self.names)
        return ""

    def do_csv(self, block: Block, number: int) -> str:
        """Write a table that a later command reads."""
        (self.folder / block.title).write_text(block.text)
        later = self.blocks[number:]
        return "" if any(block.title in other.text for other in later if other.language == "sh") else "nobody reads it"

    def do_text(self, block: Block, number: int) -> str:
        """Compare the output on the page with that of the command before it: all but numbers."""
        if shape(block.text) in shape(self.printed):
            return ""
        return f"printed was\n{self.printed}"


def shape(text: str) -> str:
    """Return a text with each number as #, and without the widths of columns."""
    numbers = re.sub(r"[+-]?\d+(\.\d+)?", "#", text)
    return re.sub(r" +", " ", re.sub(r"━+", "━", numbers)).replace(" \n", "\n").strip()


@pytest.fixture
def registered() -> Iterator[None]:
    """Forget the plug-ins of a page."""
    loaded, levels = dict(plugins._LOADED), {name: dict(registry.levels(name)) for name in registry.FACTORS}
    yield
    for name in plugins._LOADED.keys() - loaded.keys():
        del plugins._LOADED[name], sys.modules[name]
    for name, of in levels.items():
        registry._LEVELS[name].clear()
        registry._LEVELS[name].update(of)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.usefixtures("forked", "registered")
@pytest.mark.parametrize("page", [page for page in PAGES if any(blocks(page))], ids=lambda page: page.name)
def test_blocks_run_as_they_stand_and_in_order(
    page: Path, given: Path, knockout: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    folder = Path(shutil.copytree(given, tmp_path / "work"))
    shutil.copy(EXAMPLE / "knockout_example" / "factorisation.py", folder)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    study = package.study

    def small_study(source: str, overrides: Any = (), **options: Any) -> Any:
        named = [word.replace("repeats=5", "repeats=1") for word in overrides]
        return study(source, overrides=[*(f"{k}={v}" for k, v in sizes(Path(source)).items()), *named], **options)

    monkeypatch.setattr(package, "study", small_study)
    failures = list(Reader(page, folder, knockout).failures())
    assert not failures, "\n\n".join(failures)


def test_what_is_left_out_stands_in_the_documentation():
    every = [block for page in PAGES for block in blocks(page)]
    assert len(every) > 60
    assert [pattern for pattern in NOT_RUN if not any(re.search(pattern, block.text) for block in every)] == []
    languages = {name.removeprefix("do_") for name in vars(Reader) if name.startswith("do_")}
    assert {block.language for block in every} <= languages
