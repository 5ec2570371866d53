"""Lists of TFs: one name per line, or one column of a table."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from components.core.errors import KnockoutError
from components.tables.csvfile import Column, rows_of
from components.tables.titles import role_of

LIST = "one gene name per line, with or without a title such as TF, or a table with a column TF"
ROLES = {"regulator": 0, "gene": 1}


def tf_list(path: Path, genes: Sequence[str]) -> Column:
    """Return the TFs of a file: of the column that names genes of the expression, or else of that titled TF.

    Parameters
    ----------
    path
        List or table, with or without titles and row numbers.
    genes
        Names in the expression.

    Raises
    ------
    KnockoutError
        If the file is unreadable or has no TF, or a column says that some rows are no TFs.
    """
    rows = list(rows_of(path, expected=LIST))
    known, header = {gene.upper() for gene in genes}, rows[0][1]
    place = _column(rows, known)
    title, has_title = header[place], _is_title(header, place, known)
    if has_title:
        rows = rows[1:]
        _refuse_others(header, rows, path)
    values = [(line, row[place]) for line, row in rows if row[place]]
    if not values:
        raise KnockoutError(f"no TFs; expected {LIST}.", where=str(path))
    return Column(path, title if has_title else "TF", tuple(line for line, _ in values), tuple(v for _, v in values))


def _column(rows: Sequence[tuple[int, Sequence[str]]], known: set[str]) -> int:
    header = rows[0][1]
    shares = [sum(row[place].upper() in known for _, row in rows) / len(rows) for place in range(len(header))]
    fitting = [place for place, share in enumerate(shares) if share >= max(shares) / 2]

    def rank(place: int) -> tuple[int, tuple[int, int], float, bool]:
        role, kind = role_of(header[place]) or ("", (9, 9))
        return ROLES.get(role, 2), kind, -shares[place], all(row[place].isdecimal() for _, row in rows[1:])

    return min(fitting, key=rank)


def _is_title(header: Sequence[str], place: int, known: set[str]) -> bool:
    title, role = header[place].upper(), role_of(header[place])
    if title in known:
        return title in ("TF", "TFS")  # TF is transferrin, too, which is no TF
    return (role is not None and role[0] in ROLES) or len(header) > 1


def _refuse_others(header: Sequence[str], rows: Sequence[tuple[int, Sequence[str]]], path: Path) -> None:
    """Refuse a table that says of some rows that they are no TFs."""
    for place, title in enumerate(header):
        if re.sub(r"[\W_]", "", title.casefold()) == "istf":
            others = [line for line, row in rows if row[place].lower() not in ("yes", "true", "1", "y")]
            if others:
                message = f"{len(others)} of {len(rows)} rows are no TFs, says column {title!r}; leave them out"
                raise KnockoutError(f"{message}.", where=f"{path}, row {others[0]}")
