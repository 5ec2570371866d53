"""Mistakes in a result table that its owner can mend, worded so that they can."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence


class ReportError(Exception):
    """A table, or a question about it, from which no honest report can be made.

    Parameters
    ----------
    message
        What was given, what exists, and what to do about it.
    where
        File, and row where there is one.
    """

    def __init__(self, message: str, *, where: str = "") -> None:
        self.message = message
        self.where = where
        super().__init__(f"{where}: {message}" if where else message)

    @classmethod
    def unknown(cls, kind: str, word: str, known: Iterable[str], *, where: str = "") -> ReportError:
        """Return an error that names the unknown name, the known ones and the nearest of them."""
        names = sorted({str(name) for name in known})
        return cls(f"unknown {kind} {word!r}.{meant(nearest(word, names))} Known: {listed(names)}.", where=where)


def meant(hint: str | None) -> str:
    """Ask whether the nearest name was meant, or nothing where none is near."""
    return f" Did you mean {hint!r}?" if hint else ""


def listed(names: Sequence[str], most: int = 12) -> str:
    """Write names side by side, and how many more there are than anybody reads."""
    if len(names) > most:
        return f"{', '.join(names[:most])} and {len(names) - most} more"
    return ", ".join(names) or "none"


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the name closest to what was typed, or None if nothing is close."""
    by_lower = {name.lower(): name for name in known}
    matches = difflib.get_close_matches(word.lower(), by_lower, n=1)
    return by_lower[matches[0]] if matches else None
