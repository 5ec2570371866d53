"""What the ``knockout data`` commands print: checks and audits of data sets, downloads, accounts of made ones."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from components.core.errors import KnockoutError, command, first_of
from components.core.settings import parse_settings
from components.data import beeline, readers
from components.data.prepare.prepare import LabFiles, Prepared, PrepareSettings
from components.data.prepare.prepare import prepare as make
from components.tables.network import read_network
from reports.words.numbers import count
from search_spaces.arm import parse_choice
from study.actions.preview import AUDITING, AuditTable, audit_table
from study.cli.display import Terminal, make_console, show_table

EXAMPLES = 3
BESIDE = 4  # data sets in one table of the leak audit


def check(folder: Path, split: str, network_file: Path | None) -> None:
    """Print what data sets hold, and what their exam gives away."""
    screen = Terminal()
    choice = parse_choice("split", split, where="--split")
    if not folder.is_dir() or (folder / "BL--ExpressionData.csv").exists():
        paths = [folder]
    else:
        paths = readers.find(folder) or [folder]
    with screen.busy("reading the data sets"):
        datasets = [readers.read(path, network_file=network_file) for path in paths]
    if network_file is not None:
        for note in read_network(network_file, {gene.upper() for gene in datasets[0].genes}).notes:
            screen.say(f"- {note}")
    summaries = [readers.summary(dataset) for dataset in datasets]
    rows = [[d.name, *map(_plain, s.values())] for d, s in zip(datasets, summaries, strict=True)]
    show_table(screen.console, "data sets", ["data set", *summaries[0]], rows)
    with screen.busy(AUDITING):
        audited = audit_table(datasets, (choice,) * len(datasets))
    show_audit(screen.console, audited)


def _plain(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def show_audit(console: Console, audited: AuditTable) -> None:
    """Print the leak audit of each data set's exam, as many data sets beside each other as can be read."""
    for first in range(0, len(audited.columns), BESIDE):
        columns = slice(first, first + BESIDE)
        rows = [[name, *values[columns]] for name, *values in audited.rows]
        show_table(console, f"leak audit ({audited.exam})", ["", *audited.columns[columns]], rows)
    for note in audited.notes:
        console.print(note, markup=False, soft_wrap=True)


def fetch(
    collection: str,
    *,
    networks: Sequence[str] = (),
    cells: Sequence[str] = (),
    genes: Sequence[str] = (),
    to: Path | None = None,
    source: str = beeline.SOURCE,
) -> Path:
    """Download the chosen data sets into a folder and show how; files that are there already are checked and kept."""
    beeline.check_source(collection, source)
    files = beeline.choose(beeline.listed(), networks, cells, genes)
    folder = beeline.default_folder() if to is None else Path(to).expanduser()
    console = make_console()
    console.print(beeline.NOTICE, soft_wrap=True)
    _download(files, folder, source, console)
    first = folder / files[0].network / files[0].cell
    console.print(f"data: {folder.resolve()}", soft_wrap=True)
    console.print(f"next: {command('knockout', 'data', 'check', first)}", soft_wrap=True)
    return folder


def _download(files: Sequence[beeline.RemoteFile], to: Path, source: str, console: Console) -> None:
    """Download folder after folder: one line for each, and a bar on a terminal."""
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
        task = progress.add_task("files", total=len(files))
        for folder, group in itertools.groupby(files, key=lambda file: file.folder):
            fetched = []
            for file in group:
                progress.update(task, description=f"{folder}/{file.name}")
                fetched.append(beeline.download(file, to, source))
                progress.advance(task)
            counts = {"fetched": sum(fetched), "there already": len(fetched) - sum(fetched)}
            line = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
            console.print(f"{folder}: {line}", soft_wrap=True)


def prepare(files: LabFiles, to: Path, raw: dict[str, Any], *, name: str, cell: str, overwrite: bool) -> None:
    """Make a data set of a lab's files and show the account of it."""
    settings = parse_settings(PrepareSettings, raw, owner="prepare", where="knockout data prepare")
    if files.gene_ordering is None and settings.p_value != PrepareSettings().p_value:
        raise KnockoutError("p-values come from a gene ordering; give --gene-ordering as well.", where="--p-value")
    screen = Terminal()
    with screen.busy("reading the files and making the data set"):
        prepared = make(files, _place(to, name, cell, settings), settings, overwrite=overwrite)
    _show(screen.console, prepared)
    screen.say(f"data: {prepared.folder}")
    screen.say("      summary.json, dropped.csv and symbols.csv there say what was left out and why")
    here = Path.cwd()
    short = prepared.folder.relative_to(here) if prepared.folder.is_relative_to(here) else prepared.folder
    screen.say(f"next: {command('knockout', 'data', 'check', short)}")


def _place(to: Path, name: str, cell: str, settings: PrepareSettings) -> Path:
    if bool(name) != bool(cell):
        message = "give --name and --cell together: the set is made at DIR/NAME/CELL/TFs+N."
        raise KnockoutError(message, where="knockout data prepare")
    for option, value in (("--name", name), ("--cell", cell)):
        if Path(value).name != value:
            raise KnockoutError(f"{value!r} cannot be the name of a folder.", where=option)
    return Path(to).expanduser() / name / cell / f"TFs+{settings.genes}" if name else Path(to).expanduser()


def _show(console: Console, prepared: Prepared) -> None:
    dataset, summary = prepared.dataset, prepared.summary
    title = (
        f"{dataset.name}: {count(dataset.n_genes, 'gene')} x {count(dataset.n_cells, 'cell')}, "
        f"{count(len(dataset.tfs), 'TF')}, {count(len(dataset.edges), 'edge')}"
    )
    for what, text in (*summary["files"].items(), ("values", summary["values"])):
        console.print(f"{what.replace('_', ' ')}: {text}", soft_wrap=True)
    console.print()
    rows: list[tuple[str, str, object, str]] = []
    for kind, counted in prepared.account.counts().items():
        rows.append((kind, "read", counted["read"], ""))
        for reason, number in counted["dropped"].items():
            names = [name for of, name, why in prepared.account.dropped if (of, why) == (kind, reason)]
            rows.append(("", reason, -number, first_of(names, EXAMPLES)))
        rows.append(("", "kept", counted["kept"], ""))
    show_table(console, title, ["", "step", "number", "for example"], rows)
    for note in summary["notes"]:
        console.print(f"- {note}", soft_wrap=True)
    if summary["notes"]:
        console.print()
