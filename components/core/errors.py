"""The user's mistakes, worded once: what was given, what is allowed, the nearest match, where it stands."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class KnockoutError(Exception):
    """A mistake in a study, its data or its command that the user can mend (exit code 2, no traceback)."""

    def __init__(self, message: str, *, where: str = "") -> None:
        self.message = message
        self.where = where
        super().__init__(f"{where}: {message}" if where else message)

    def __reduce__(self) -> tuple[object, ...]:
        """Survive the way back from a worker process (keyword arguments are not pickled by default)."""
        return (_rebuild, (type(self), self.message, self.where))


class UnknownNameError(KnockoutError):
    """A name in a study that nothing is registered under."""

    @classmethod
    def of(cls, kind: str, given: object, allowed: Iterable[str], *, where: str = "") -> UnknownNameError:
        """Say which ``kind`` of name was given, which exist, and which one was probably meant."""
        names = list(allowed)
        hint = nearest(str(given), names)
        meant = f" Did you mean {hint!r}?" if hint else ""
        return cls(f"unknown {kind} {given!r}.{meant} Known: {', '.join(names) or 'none'}.", where=where)


def nearest(given: str, allowed: Iterable[str]) -> str | None:
    """Return the allowed name closest to what was typed, or None if nothing is close."""
    by_lower = {name.lower(): name for name in allowed}
    found = difflib.get_close_matches(given.lower(), by_lower, n=1, cutoff=0.5)
    return by_lower[found[0]] if found else None


def _rebuild(cls: type[KnockoutError], message: str, where: str) -> KnockoutError:
    return cls(message, where=where)
