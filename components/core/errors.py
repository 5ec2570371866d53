"""Errors that a user can correct: what was given, what is allowed, the nearest match, and where."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class KnockoutError(Exception):
    """A mistake that the user can correct in a study file, its data or a command: exit code 2, no traceback."""

    def __init__(self, message: str, *, where: str = "") -> None:
        self.message = message
        self.where = where
        super().__init__(f"{where}: {message}" if where else message)

    def __reduce__(self) -> tuple[object, ...]:
        """Keep ``where`` when pickled on the way back from a worker: keyword arguments are lost by default."""
        return (_rebuild, (type(self), self.message, self.where))


class UnknownNameError(KnockoutError):
    """A name that does not exist."""

    @classmethod
    def of(cls, kind: str, given: object, allowed: Iterable[str], *, where: str = "") -> UnknownNameError:
        """Return the error for an unknown ``kind`` of name: which was given, the nearest one, and all that exist."""
        names = list(allowed)
        hint = suggestion(str(given), names)
        return cls(f"unknown {kind} {given!r}.{hint} Known: {', '.join(names) or 'none'}.", where=where)


def nearest(given: str, allowed: Iterable[str]) -> str | None:
    """Return the allowed name closest to what was typed, in any case, or None if none is close."""
    by_lower, typed = {name.lower(): name for name in allowed}, given.lower()
    matches = difflib.get_close_matches(typed, by_lower, n=3, cutoff=0.5)
    swapped = [match for match in matches if sorted(match) == sorted(typed)]  # 'gnc' means 'gcn', not 'gin'
    return by_lower[(swapped or matches)[0]] if matches else None


def suggestion(given: str, allowed: Iterable[str]) -> str:
    """Return " Did you mean 'x'?" for the nearest allowed name, or nothing if none is close."""
    match = nearest(given, allowed)
    return f" Did you mean {match!r}?" if match else ""


def _rebuild(cls: type[KnockoutError], message: str, where: str) -> KnockoutError:
    return cls(message, where=where)
