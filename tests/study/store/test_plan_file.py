"""A report prints the commands that made its study: those that ran cells, each once, in order."""

from __future__ import annotations

from pathlib import Path

from study.spec.folder import OutFolder
from study.store.plan_file import add_command, read_commands


def test_commands_are_kept_once_and_in_order(tmp_path: Path) -> None:
    assert read_commands(tmp_path) == ()
    assert add_command(tmp_path, "knockout run a.yaml --out o") == ("knockout run a.yaml --out o",)
    add_command(tmp_path, "knockout run a.yaml --out o --lanes cpu:2")
    again = add_command(tmp_path, "knockout run a.yaml --out o")
    assert again == ("knockout run a.yaml --out o", "knockout run a.yaml --out o --lanes cpu:2")
    assert read_commands(tmp_path) == again


def test_a_command_is_one_line_whatever_was_typed(tmp_path: Path) -> None:
    assert add_command(tmp_path, "knockout run 'a\nb.yaml'") == ("knockout run 'a b.yaml'",)
    assert add_command(tmp_path, "") == ("knockout run 'a b.yaml'",)
    assert OutFolder(tmp_path).commands.read_text().count("\n") == 1
