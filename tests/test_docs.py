"""Every command and every study file that the documentation shows is one that knockout takes."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer

from components.data.simulator import SimulatorSettings, simulate, write_beeline
from study.study_file.study import load_study
from study.study_file.yaml_file import YamlFile, parse_yaml

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "AGENTS.md")] + sorted((ROOT / "docs").glob("*.md"))
CELLS = ("hESC", "hHEP", "mDC", "mESC", "mHSC-E", "mHSC-GM", "mHSC-L")
COMMAND = re.compile(r"^(?:    |\$ )?(knockout [a-z].*?)(?:\s+#.*)?$", re.M)
BLOCK = re.compile(r"^```yaml\n(.*?)^```", re.M | re.S)


def commands() -> list[Any]:
    lines = [(page.name, line) for page in PAGES for line in COMMAND.findall(page.read_text()) if "..." not in line]
    return [pytest.param(line, id=f"{page}: {line}") for page, line in dict.fromkeys(lines)]


@pytest.mark.parametrize("line", commands())
def test_a_command_is_parsed_as_it_stands(line: str):
    from study.cli.main import app

    command: Any = typer.main.get_command(app)
    words = shlex.split(re.sub(r"\[(\S+)\]", r"\1", line) if "[=" in line else line)[1:]
    while hasattr(command, "commands"):
        command = command.commands[words.pop(0)]
    with command.make_context(command.name, words) as context:
        assert context.params


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folders that the documentation names, with a small data set in each."""
    root = tmp_path_factory.mktemp("data")
    dataset = simulate(SimulatorSettings(genes=64, tfs=8, cells=40), seed=1)
    for network in ("STRING", "Non-Specific"):
        for cell in CELLS:
            write_beeline(dataset, root / network / cell / "TFs+500")
    for name in ("cells.h5ad", "network.csv", "train.py", "geneformer.parquet"):
        (root / name).touch()
    return root


def studies() -> list[Any]:
    pages = [page for page in PAGES if page.name != "plugins.md"]  # tests/test_docs_run.py has its plug-ins
    blocks = [(page.name, block) for page in pages for block in BLOCK.findall(page.read_text())]
    return [pytest.param(block, id=f"{page}: {block.splitlines()[0]}") for page, block in blocks]


@pytest.mark.parametrize("block", studies())
def test_a_study_file_is_valid_as_it_stands(block: str, data: Path):
    file = parse_yaml(block, data / "shown.yaml")
    whole = {"name": "shown", "datasets": ["STRING/mDC/TFs+500"], **file.values}
    assert load_study(YamlFile(file.path, whole, file.lines)).arms


def test_blocks_and_commands_are_found():
    assert len(commands()) > 25 and len(studies()) > 5


def test_the_table_of_the_study_file_has_every_key():
    from study.study_file.keys import StudyFile

    table = (ROOT / "README.md").read_text().split("## The study file")[1]
    named = {name.split(".")[0] for name in re.findall(r"^\| `([\w.]+)` \|", table, re.M)}
    assert named == set(StudyFile.model_fields)
