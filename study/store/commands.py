"""The commands that made what a study's folder holds, so that a report can print them."""

from __future__ import annotations

from pathlib import Path

from study.spec.files import write_atomically

__all__ = ["COMMANDS", "commands_of", "remember"]

COMMANDS = "commands.txt"


def commands_of(out: Path) -> tuple[str, ...]:
    """Return the commands that ran cells of a study into ``out``, in the order in which each was first typed."""
    path = out / COMMANDS
    return tuple(path.read_text(encoding="utf-8").splitlines()) if path.is_file() else ()


def remember(out: Path, command: str) -> tuple[str, ...]:
    """Add a command to those that made what a study's folder holds, and return them all.

    One that was typed before, to go on, is not added again.
    """
    known = commands_of(out)
    line = " ".join(command.split())
    if not line or line in known:
        return known
    write_atomically(out / COMMANDS, lambda path: path.write_text("\n".join([*known, line]) + "\n", encoding="utf-8"))
    return (*known, line)
