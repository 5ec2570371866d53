"""A report prints the commands that made its study: those that ran cells, each once, in order."""

from __future__ import annotations

from pathlib import Path

from study.store.commands import COMMANDS, commands_of, remember


def test_commands_are_kept_once_and_in_order(tmp_path: Path) -> None:
    assert commands_of(tmp_path) == ()
    assert remember(tmp_path, "knockout run a.yaml --out o") == ("knockout run a.yaml --out o",)
    remember(tmp_path, "knockout run a.yaml --out o --lanes cpu:2")
    again = remember(tmp_path, "knockout run a.yaml --out o")
    assert again == ("knockout run a.yaml --out o", "knockout run a.yaml --out o --lanes cpu:2")
    assert commands_of(tmp_path) == again


def test_a_command_is_one_line_whatever_was_typed(tmp_path: Path) -> None:
    assert remember(tmp_path, "knockout run 'a\nb.yaml'") == ("knockout run 'a b.yaml'",)
    assert remember(tmp_path, "") == ("knockout run 'a b.yaml'",)
    assert (tmp_path / COMMANDS).read_text().count("\n") == 1
