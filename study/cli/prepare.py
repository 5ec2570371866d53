"""What ``knockout data prepare`` shows: what was read, dropped and kept, and what a person should look at."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console

from components.core.errors import KnockoutError
from components.core.settings import parse_settings
from components.data.prepare.prepare import LabFiles, Prepared, PrepareSettings
from components.data.prepare.prepare import prepare as make
from study.cli.display import make_console, show_table

__all__ = ["prepare"]

EXAMPLES = 3


def prepare(
    files: LabFiles, to: Path, given: dict[str, Any], *, name: str = "", cell: str = "", overwrite: bool = False
) -> Path:
    """Make a data set of a lab's files and show the account of it.

    Parameters
    ----------
    files
        Expression, network and what else there is.
    to
        Folder to make; with ``name`` and ``cell`` the folder below which it is made.
    given
        Settings of :class:`PrepareSettings`.
    name, cell
        Network and cell type, as tables and the statistics should call them; both or none.
    overwrite
        Whether an earlier data set there may be replaced.

    Returns
    -------
    Path
        The data set's folder.

    Raises
    ------
    KnockoutError
        For a mistake in the options or the files.
    """
    settings = parse_settings(PrepareSettings, given, owner="prepare", where="knockout data prepare")
    if files.gene_ordering is None and settings.p_value != PrepareSettings().p_value:
        raise KnockoutError("p-values come from a gene ordering; give --gene-ordering as well.", where="--p-value")
    prepared = make(files, _place(to, name, cell, settings), settings, overwrite=overwrite)
    console = make_console()
    _show(console, prepared)
    shown = shlex.quote(str(_short(prepared.folder)))
    console.print(f"data: {prepared.folder}", soft_wrap=True)
    console.print("      summary.json, dropped.csv and symbols.csv there say what was left out and why", soft_wrap=True)
    console.print(f"next: knockout data check {shown}", soft_wrap=True)
    return prepared.folder


def _place(to: Path, name: str, cell: str, settings: PrepareSettings) -> Path:
    if bool(name) != bool(cell):
        message = "give --name and --cell together: the set is made at DIR/NAME/CELL/TFs+N."
        raise KnockoutError(message, where="knockout data prepare")
    for option, value in (("--name", name), ("--cell", cell)):
        if Path(value).name != value:
            raise KnockoutError(f"{value!r} cannot be the name of a folder.", where=option)
    return Path(to).expanduser() / name / cell / f"TFs+{settings.genes}" if name else Path(to).expanduser()


def _short(folder: Path) -> Path:
    return folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder


def _show(console: Console, prepared: Prepared) -> None:
    made, summary = prepared.dataset, prepared.summary
    title = f"{made.name}: {made.n_genes} genes x {made.n_cells} cells, {len(made.tfs)} TFs, {len(made.edges)} edges"
    for what, said in (*summary["files"].items(), ("values", summary["values"])):
        console.print(f"{what.replace('_', ' ')}: {said}", soft_wrap=True)
    console.print()
    dropped = pd.DataFrame(prepared.account.dropped, columns=["kind", "name", "reason"])
    rows: list[tuple[str, str, object, str]] = []
    for kind, counted in prepared.account.counts().items():
        rows.append((kind, "read", counted["read"], ""))
        for reason, number in counted["dropped"].items():
            names = dropped.loc[(dropped["kind"] == kind) & (dropped["reason"] == reason), "name"]
            listed = ", ".join(names[:EXAMPLES]) + (", ..." if number > EXAMPLES else "")
            rows.append(("", reason, -number, listed))
        rows.append(("", "kept", counted["kept"], ""))
    show_table(console, title, ["", "step", "number", "for example"], rows)
    for note in summary["notes"]:
        console.print(f"- {note}", soft_wrap=True)
    if summary["notes"]:
        console.print()
