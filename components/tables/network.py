"""Networks in the tables of any database: which column names the regulators and which the targets."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from components.core.errors import KnockoutError
from components.tables.csvfile import Column, Table, is_number, read_table
from components.tables.titles import role_of

LEAST_SHARE = 0.05  # of the best column's share of genes, below which a column does not name genes
MANY = 10  # regulators, from which on twice as many regulators as targets are suspicious
SWAPPED = 1.5  # times as many targets as regulators in the list of TFs, from which on the columns are swapped
CURE = "Name the two columns TF and Target in the first row"


@dataclass(frozen=True)
class Network:
    """Edges of a network as written, one value per edge in each column."""

    path: Path
    regulators: Column
    targets: Column
    guessed: bool  # whether the roles of the columns come from their places
    notes: tuple[str, ...]  # which columns were taken, if their titles do not say, and which were left out
    others: tuple[Column, ...] = ()  # that name neither

    @property
    def edges(self) -> list[tuple[str, str]]:
        """Regulator and target of each edge."""
        return list(zip(self.regulators.values, self.targets.values, strict=True))


def read_network(path: Path, genes: Container[str], tfs: Iterable[str] = ()) -> Network:
    """Read the edges of a network: by the titles of its columns or, where they say nothing, by their places.

    One known title settles both roles. Of several columns of one role that with names of the expression is taken,
    symbols before identifiers.

    Parameters
    ----------
    path
        Table of any separator, with or without a header, plain or gzip.
    genes
        Names in the expression, in upper case.
    tfs
        Known TFs; none if unknown.

    Raises
    ------
    KnockoutError
        If the file is unreadable or has no edge, if it is unclear which column regulates, or if the columns fit the TFs
        far better when swapped.
    """
    written = read_table(path)
    _refuse_matrix(written, genes)
    table = _with_header(written, genes)
    if not table.rows:
        raise KnockoutError("the network has no edge; expected one per row below the header.", where=str(path))
    columns = table.columns
    shares = [_share(column.values, genes) for column in columns]
    (regulator, target), guessed = _roles(table, shares)
    others = tuple(column for place, column in enumerate(columns) if place not in (regulator, target))
    notes = tuple(_notes(table, (regulator, target), guessed))
    network = Network(path, columns[regulator], columns[target], guessed, notes, others)
    _refuse_swapped(network, {tf.upper() for tf in tfs})
    return network


def _refuse_matrix(table: Table, genes: Container[str]) -> None:
    """Refuse a matrix of edges, whose titles are genes and whose values are numbers, and no genes."""
    weights = [
        column.name.upper() in genes and all(is_number(v) and v.upper() not in genes for v in column.values)
        for column in table.columns
    ]
    if table.rows and sum(weights) > 1:
        message = "this is a matrix of genes; a network has one row per edge, with the columns TF and Target."
        raise KnockoutError(message, where=str(table.path))


def _with_header(table: Table, genes: Container[str]) -> Table:
    """Return the table with a header of blank titles if its first row is an edge."""
    roles = [role_of(title) for title in table.header]
    roles_known = {role[0] for role in roles if role}
    recurs = [any(row[place] == title for row in table.rows) for place, title in enumerate(table.header)]
    if len(roles_known) > 1 and not all(recurs[place] for place, role in enumerate(roles) if role):
        return table
    others = [(place, title) for place, title in enumerate(table.header) if title and not roles[place]]
    is_edge = any(title.upper() in genes for _, title in others)
    if not roles_known:
        is_edge |= any(is_number(title) or recurs[place] for place, title in others)
    if not is_edge and len(roles_known) < 2:
        return table
    return Table(table.path, ("",) * len(table.header), (1, *table.lines), (table.header, *table.rows))


def _share(values: Sequence[str], genes: Container[str]) -> float:
    names = {value.upper() for value in values if value}
    return sum(name in genes for name in names) / max(len(names), 1)


def _roles(table: Table, shares: Sequence[float]) -> tuple[tuple[int, int], bool]:
    """Return the places of regulators and targets, and whether they are guessed."""
    regulator, target = (_best(table, role, shares) for role in ("regulator", "target"))
    if regulator is not None and target is not None:
        return (regulator, target), False
    names = _name_columns(table, shares)
    known = regulator if regulator is not None else target
    if known is None:
        if len(names) != 2:
            raise _unclear(table, names)
        return (names[0], names[1]), True
    gene = _best(table, "gene", shares)
    role = "regulator" if regulator is not None else "target"
    names = [p for p in names if p != known and (role_of(table.header[p]) or ("",))[0] != role]
    others = names if gene is None else [gene]
    if len(others) != 1:
        raise _unclear(table, [known, *others])
    return ((known, others[0]) if regulator is not None else (others[0], known)), False


def _best(table: Table, role: str, shares: Sequence[float]) -> int | None:
    """Return the column of a role that names genes of the expression, by symbol if there is one; None for none."""
    ranks = {p: known[1] for p, title in enumerate(table.header) if (known := role_of(title)) and known[0] == role}
    if not ranks:
        return None
    most = max(shares[place] for place in ranks)
    ranks = {place: rank for place, rank in ranks.items() if shares[place] >= most / 2}
    first = min(ranks.values())
    best = [place for place, rank in ranks.items() if rank == first]
    if len({tuple(row[place] for row in table.rows) for place in best}) > 1:
        raise _unclear(table, best)
    return best[0]


def _name_columns(table: Table, shares: Sequence[float]) -> list[int]:
    """Return the columns that could name genes: those with genes of the expression, or else all that hold text."""
    names = [place for place, share in enumerate(shares) if share > LEAST_SHARE * max(shares)]
    if len(names) > 1:
        return names
    texts = [p for p in range(len(shares)) if not all(is_number(row[p]) or not row[p] for row in table.rows)]
    return sorted({*names, *texts})


def _unclear(table: Table, places: Sequence[int]) -> KnockoutError:
    if len(table.header) < 2 or len(places) < 2:
        header = ", ".join(table.header)
        message = f"a network needs two columns, regulator and target (Gene1,Gene2); given: {header}."
    else:
        titles = ", ".join(repr(table.header[p]) if table.header[p] else f"column {p + 1}" for p in places)
        message = f"which column regulates and which is the target is unclear: {titles} could be either. {CURE}."
    return KnockoutError(message, where=f"{table.path}, row 1")


def _notes(table: Table, places: tuple[int, int], guessed: bool) -> Iterable[str]:
    titles = [repr(table.header[p]) if table.header[p] else str(p + 1) for p in places]
    if guessed:
        header = "" if any(table.header) else "the network has no header; "
        yield f"{header}columns {titles[0]} and {titles[1]} are taken as regulator and target, by their place"
    named = [p for p, title in enumerate(table.header) if title not in ("", "Unnamed: 0")]
    unused = [repr(table.header[p]) for p in named if p not in places]
    if unused:
        yield f"not used of the network: {', '.join(unused)}; every row counts as an edge, whatever they hold"


def _refuse_swapped(network: Network, tfs: set[str]) -> None:
    """Refuse a network whose targets are TFs, or whose places were guessed and look swapped."""
    names = [column.values for column in (network.regulators, network.targets)]
    numbers = [len(set(values)) for values in names]
    listed = [sum(name.upper() in tfs for name in values) / len(values) for values in names]
    fault = ""
    if listed[1] >= max(0.5, SWAPPED * listed[0]):
        fault = (
            f"{100 * listed[0]:.0f} % of the regulators and {100 * listed[1]:.0f} % of the targets are in the TF list"
        )
    elif not tfs and network.guessed and numbers[0] >= max(MANY, 2 * numbers[1]):
        fault = f"{numbers[0]} regulators of {numbers[1]} targets"
    if fault:
        titles = [network.regulators.name or "the first", network.targets.name or "the second"]
        taken = f"{titles[0]!r} was taken as regulator, {titles[1]!r} as target"
        raise KnockoutError(f"{fault}: the columns look swapped ({taken}). {CURE}.", where=str(network.path))
