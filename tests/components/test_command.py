from pathlib import Path
from typing import Any

import pytest

from components.core import registry
from components.core.errors import KnockoutError
from components.core.settings import paths_from
from search_spaces.arm import Choice, parse_choice

RUN = "python train.py --pairs {pairs} --out {scores} --lr {lr}"


def choice(folder: Path, **settings: Any) -> Choice:
    with paths_from(folder):
        return parse_choice("scorer", {"command": {"run": RUN, "lr": 0.1} | settings})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "here").mkdir()
    for name in ("train.py", "model.py", "notes.txt"):
        (tmp_path / "here" / name).write_text("1")
    return tmp_path / "here"


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"run": "x {pairz} {scores} {lr}"}, "{pairz} stands for nothing. Did you mean 'pairs'"),
        ({"run": "x {pairs} {lr}"}, "hand it {scores}"),
        ({"foldr": "a"}, "write {foldr} where its value goes; or did you mean 'folder'."),
        ({"run": "x {scores} {lr}", "rate": 1}, "the command does not read rate: write {rate} where its value goes."),
        ({"run": "x 'a {scores} {lr}"}, "No closing quotation in the command"),
        ({"run": "x {scores} {lr} | tee log"}, "no shell reads the command, so | is an argument"),
        ({"run": "x {scores"}, "write {{ for a brace"),
        ({"run": "x {scores} {seed} {lr}", "seed": 3}, "seed is set by knockout"),
        ({"runtime": "doker"}, "docker"),
    ],
)
def test_a_command_that_could_not_run_as_meant_is_refused(folder: Path, settings: dict[str, Any], message: str):
    with pytest.raises(KnockoutError) as error:
        choice(folder, **settings)
    assert message in str(error.value)


def test_its_code_is_part_of_the_arm_and_its_place_is_not(folder: Path):
    before = choice(folder).canonical
    (folder / "notes.txt").write_text("2")
    moved = folder.rename(folder.parent / "there")
    assert choice(moved).canonical == before
    (moved / "model.py").write_text("2")  # beside train.py, which the command names
    assert choice(moved).canonical != before


def test_what_counts_as_code_can_be_set(folder: Path):
    before = choice(folder, code=["train.py"]).canonical
    (folder / "model.py").write_text("2")
    assert choice(folder, code=["train.py"]).canonical == before
    (folder / "train.py").write_text("2")
    assert choice(folder, code=["train.py"]).canonical != before
    with pytest.raises(KnockoutError, match=r"there is no .*gone\.py"):
        choice(folder, code=["gone.py"]).canonical  # noqa: B018


@pytest.mark.parametrize("run", ["python -m pack.train {scores} {lr}", "python ../here/pack/train.py {scores} {lr}"])
def test_modules_and_scripts_elsewhere_count_with_their_neighbours(folder: Path, run: str):
    (folder / "pack").mkdir()
    (folder / "pack" / "train.py").write_text("1")
    (folder / "pack" / "layers.py").write_text("1")
    before = choice(folder, run=run).canonical
    (folder / "pack" / "layers.py").write_text("2")
    assert choice(folder, run=run).canonical != before


def test_installed_packages_and_hidden_folders_are_no_code(folder: Path):
    before = choice(folder).canonical
    for name in (".git", "env", "__pycache__"):
        (folder / name).mkdir()
        (folder / name / "x.py").write_text("1")
    (folder / "env" / "pyvenv.cfg").touch()
    assert choice(folder).canonical == before


def test_a_setting_of_its_own_is_inherited_but_by_another_program(folder: Path):
    reference = choice(folder)
    with paths_from(folder):
        varied = parse_choice("scorer", {"command": {"lr": 0.2}}, beside=reference)
        other = parse_choice("scorer", {"command": {"run": "R {scores}"}}, beside=reference)
    assert varied.settings.run == RUN and varied.settings.own == {"lr": 0.2}
    assert varied.label(reference) == "command(lr=0.2)"
    assert other.settings.own == {}


def test_command_alone_is_refused_before_anything_runs():
    scorer = registry.level("scorer", "command")
    with pytest.raises(KnockoutError, match="which command"):
        scorer(registry.parse("scorer", "command")).check(None)
