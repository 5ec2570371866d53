"""Mistakes in a result table that its owner can mend, worded so that they can."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["ReportError", "nearest"]


class ReportError(Exception):
    """A table, or a question about it, from which no honest report of a study can be made.

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
    def unknown(cls, kind: str, given: str, known: Iterable[str], *, where: str = "") -> ReportError:
        """Say which ``kind`` of name a study does not have, which it has, and which was probably meant."""
        names = sorted({str(name) for name in known})
        hint = nearest(given, names)
        meant = f" Did you mean {hint!r}?" if hint else ""
        return cls(f"unknown {kind} {given!r}.{meant} Known: {', '.join(names) or 'none'}.", where=where)


def nearest(given: str, known: Iterable[str]) -> str | None:
    """Return the name of a study closest to what was typed, or None if nothing is close."""
    by_lower = {name.lower(): name for name in known}
    found = difflib.get_close_matches(given.lower(), by_lower, n=1, cutoff=0.5)
    return by_lower[found[0]] if found else None
