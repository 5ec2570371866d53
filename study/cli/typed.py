"""The command as it was typed."""

from __future__ import annotations

import sys

from components.core.errors import command, redact


def typed() -> str:
    """Return the command as it was typed, without passwords."""
    parts = map(parts_of, sys.argv[1:])
    return command("knockout", *(f"{option}{equals}{redact(value, value)}" for option, equals, value in parts))


def parts_of(argument: str) -> tuple[str, str, str]:
    """Return ``--option``, ``=`` and value of an argument; a value alone where it names no option."""
    return argument.partition("=") if argument.startswith("--") else ("", "", argument)
