"""The part of the command line that makes, fetches and checks data sets for a study.

Heavy libraries are imported inside the commands, so that help answers at once.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from components.core import registry
from components.data.prepare.settings import PrepareSettings
from study.cli.options import DataRoot, Only

data_app = typer.Typer(help="Fetch data sets, and look at them before they are used.", no_args_is_help=True)


@data_app.command("check")
def data_check(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="a data set, or a folder of data sets")],
    split: Annotated[str, typer.Option(help="exam protocol to audit")] = registry.FACTORS["split"].absent,
    network_file: Annotated[Path | None, typer.Option(help="network, beside an .h5ad file")] = None,
) -> None:
    """Check data sets, and audit what their exam gives away without expression."""
    from study.cli.data import datasets

    datasets.check(folder, split, network_file)


@data_app.command("fetch")
def data_fetch(
    collection: Annotated[str, typer.Argument(metavar="COLLECTION", help="what to fetch: beeline")],
    network: Annotated[list[str] | None, typer.Option(help="e.g. STRING; repeat for more; default: all")] = None,
    cell: Annotated[list[str] | None, typer.Option(help="cell type, e.g. mDC; repeat for more; default: all")] = None,
    genes: Annotated[list[str] | None, typer.Option(help="500 or 1000; default: both")] = None,
    to: Annotated[Path | None, typer.Option("--to", metavar="DIR", help="default: in the user's cache")] = None,
    source: Annotated[str | None, typer.Option(metavar="URL", help="a copy of the GENELink repository")] = None,
) -> None:
    """Download published data sets, check every file, and go on where an earlier call stopped."""
    from components.data import beeline
    from study.cli.data import datasets

    datasets.fetch(
        collection,
        networks=network or (),
        cells=cell or (),
        genes=genes or (),
        to=to,
        source=source or beeline.SOURCE,
    )


@data_app.command("export-split")
def data_export_split(
    source: Annotated[str, typer.Argument(metavar="STUDY|DATASET", help="study file, or data set or pattern")],
    to: Annotated[Path, typer.Option("--to", metavar="DIR", help="a folder per data set and repeat is made in it")],
    data: DataRoot = None,
    only: Only = None,
    split: Annotated[str | None, typer.Option(help="of a data set: exam; default: all_non_targets")] = None,
    repeats: Annotated[int | None, typer.Option(min=1, help="of a data set: number of repeats; default: 3")] = None,
    arm: Annotated[str, typer.Option(help="whose training negatives are written; default: the reference")] = "",
) -> None:
    """Write exams as files in GENELink's layout, for programs that run elsewhere; no label of the test is in them."""
    from study.cli import exchange

    exchange.export(source, to, data, tuple(only or ()), {"split": split, "repeats": repeats}, arm)


PREPARE = PrepareSettings()


def _setting(name: str, *flags: str) -> Any:
    """Show a setting as an option; what it means and allows is written in :class:`PrepareSettings` alone."""
    return typer.Option(*flags, help=PrepareSettings.model_fields[name].description)


@data_app.command("prepare")
def data_prepare(
    source: Annotated[
        Path,
        typer.Argument(metavar="INPUT", help=".h5ad, table of genes x cells (.csv, .tsv, .gz), or BEELINE's folder"),
    ],
    to: Annotated[Path, typer.Option("--to", metavar="DIR", help="folder to make")],
    network: Annotated[Path | None, typer.Option(help="table of regulator, target; default: the one beside")] = None,
    tfs: Annotated[Path | None, typer.Option(help="TF list; default: every regulator of the network")] = None,
    synonyms: Annotated[Path | None, typer.Option(help="CSV of alias, symbol")] = None,
    gene_ordering: Annotated[Path | None, typer.Option(help="BEELINE's GeneOrdering.csv: gene, p, variance")] = None,
    name: Annotated[str, typer.Option(help="network's name; the set is made at DIR/NAME/CELL/TFs+N")] = "",
    cell: Annotated[str, typer.Option(help="cell type, the block of the statistics; with --name")] = "",
    genes: Annotated[int, _setting("genes")] = PREPARE.genes,
    min_cells_share: Annotated[float, _setting("min_cells_share")] = PREPARE.min_cells_share,
    counts: Annotated[str, _setting("counts")] = PREPARE.counts,
    library_size: Annotated[float, _setting("library_size")] = PREPARE.library_size,
    p_value: Annotated[float, _setting("p_value")] = PREPARE.p_value,
    layer: Annotated[str, _setting("layer")] = PREPARE.layer,
    gene_column: Annotated[str, _setting("gene_column")] = PREPARE.gene_column,
    repair_dates: Annotated[bool, _setting("repair_dates", "--repair-dates")] = PREPARE.repair_dates,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="replace the data set that lies there")] = False,
) -> None:
    """Make a data set of your own expression and network, and say what was left out and why."""
    from components.data.prepare.prepare import LabFiles
    from study.cli.data import datasets

    files = LabFiles(source, network, tfs, synonyms, gene_ordering)
    settings = {key: value for key, value in locals().items() if key in PrepareSettings.model_fields}
    datasets.prepare(files, to, settings, name=name, cell=cell, overwrite=overwrite)
