"""Completions by TAB, requested as the shells do: bash runs its own function over the words it splits."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from components.core.registry import FACTORS
from search_spaces.presets import PRESETS
from search_spaces.studies import named_studies
from study.cli.completion import KEYS
from study.study_file.keys import StudyFile

ROOT = Path(__file__).parents[2]
KNOCKOUT = Path(sys.executable).with_name("knockout")
BASH = """
eval "$(knockout --show-completion bash)"
COMP_WORDS=({words}); COMP_CWORD={at}
_knockout_completion knockout
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


def environment() -> dict[str, str]:
    path = f"{KNOCKOUT.parent}:{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}


def offered(words: list[str], folder: Path) -> list[str]:
    """Return what bash offers for the last of some words."""
    quoted = " ".join(f"'{word}'" for word in words)
    script = BASH.format(words=quoted, at=len(words) - 1)
    completed = subprocess.run(
        ["bash", "--norc", "-c", script], capture_output=True, text=True, cwd=folder, env=environment()
    )
    assert completed.returncode == 0 and completed.stderr == "", completed.stderr
    return completed.stdout.split()


@pytest.mark.skipif(not KNOCKOUT.exists(), reason="knockout is not installed beside this Python")
@pytest.mark.slow
def test_bash_completes_commands_studies_keys_and_values(tmp_path: Path):
    (tmp_path / "mine.yaml").touch()
    (tmp_path / "my-studies").mkdir()
    (tmp_path / "my.csv").touch()
    assert sorted(offered(["knockout", "comp"], tmp_path)) == ["compare", "components"]
    assert offered(["knockout", "run", "scu"], tmp_path) == [n for n in named_studies() if n.startswith("scu")]
    assert offered(["knockout", "run", "m"], tmp_path) == ["mine.yaml", "my-studies/"]
    assert offered(["knockout", "plan", "mine.yaml", "training.e"], tmp_path) == ["training.epochs="]
    # as bash splits preset=gp
    words = ["knockout", "run", "mine.yaml", "preset", "=", "gp"]
    assert offered(words, tmp_path) == [name for name in PRESETS if name.startswith("gp")]
    assert offered(["knockout", "components", "g"], tmp_path) == ["gnn"]
    assert offered(["knockout", "report", "x.csv", "--metric", "aupr"], tmp_path) == ["auprc", "auprc_ratio"]


def zsh(line: str, folder: Path) -> str:
    script = ["-c", "import sys; sys.argv = ['knockout']; from study.cli.main import main; main()"]
    variables = {"_KNOCKOUT_COMPLETE": "complete_zsh", "_TYPER_COMPLETE_ARGS": line}
    completed = subprocess.run(
        [sys.executable, *script], capture_output=True, text=True, cwd=folder, env={**environment(), **variables}
    )
    return completed.stdout


def test_other_shells_hand_over_the_whole_word(tmp_path: Path):
    assert "knockout-small" in zsh("knockout run a.yaml preset=knock", tmp_path)
    assert "preset=knockout-small" in zsh("knockout run a.yaml preset=knock", tmp_path)
    assert '"~repeats"' in zsh("knockout plan a.yaml ~rep", tmp_path)


def test_the_keys_that_are_offered_are_those_of_the_study_file():
    assert set(KEYS) == set(StudyFile.model_fields)
    assert {"gnn", "fusion"} <= set(FACTORS)
