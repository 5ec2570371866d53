"""Where two files of a report say different things."""

from __future__ import annotations

import html
import io
import re
from collections.abc import Sequence
from itertools import zip_longest

import numpy as np
import pandas as pd

TOLERANCE = 1e-6  # of numbers that were computed on another machine, relative and absolute
_DRAWN = re.compile(r"<svg\b.*?</svg>", re.DOTALL | re.IGNORECASE)
_TAGS = re.compile(r"<[^>]*>")
_BEFORE, _LONGEST = 40, 120  # characters that are shown, before the first difference and in all


def difference_of_tables(packed: bytes, derived: bytes) -> str:
    """Return where two CSV tables differ, numbers by more than the tolerance; empty where they agree."""
    try:
        one, other = (pd.read_csv(io.BytesIO(table), dtype=str, keep_default_na=False) for table in (packed, derived))
    except (ValueError, UnicodeDecodeError) as error:
        return f"not readable as a table: {error}"
    if list(one.columns) != list(other.columns) or len(one) != len(other):
        return f"{len(one)} rows of {', '.join(one.columns)}; derived: {len(other)} rows of {', '.join(other.columns)}"
    for column in one.columns:
        a, b = (pd.to_numeric(table[column], errors="coerce").to_numpy(dtype=float) for table in (one, other))
        unlike = np.flatnonzero(one[column].ne(other[column]) & ~np.isclose(a, b, rtol=TOLERANCE, atol=TOLERANCE))
        if len(unlike):
            row = int(unlike[0])
            return f"row {row + 2}, {column}: {one[column].iloc[row]}; derived: {other[column].iloc[row]}"
    return ""


def difference_of_texts(packed: bytes, derived: bytes, apart: Sequence[str] = ()) -> str:
    """Return the first line in which two pages (UTF-8) differ but for pictures and ``apart``; empty if they agree."""
    for lines in zip_longest(_lines(packed, apart), _lines(derived, apart), fillvalue=""):
        if lines[0] != lines[1]:
            one, other = map(_words, lines)
            unlike = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), 0)
            start = max(0, unlike - _BEFORE)
            return f"{_short(one, start)!r}; derived: {_short(other, start)!r}"
    return ""


def _lines(page: bytes, apart: Sequence[str]) -> list[str]:
    text = _DRAWN.sub("", page.decode("utf-8", errors="replace"))
    for words in apart:
        text = text.replace(words, "")
    return [line.strip() for line in text.splitlines() if line.strip()]


def _words(line: str) -> str:
    """Return what a line says; the line itself where it is markup alone."""
    return " ".join(html.unescape(_TAGS.sub(" ", line)).split()) or line


def _short(text: str, start: int) -> str:
    end = start + _LONGEST
    return f"{'...' if start else ''}{text[start:end]}{'...' if text[end:] else ''}"
