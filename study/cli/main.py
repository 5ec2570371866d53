"""The command line: the one place that sees components, search spaces, the study and the reports.

Heavy libraries are imported inside the commands, so that help answers at once.
"""

from __future__ import annotations

import atexit
import gc
import os
import sys
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from components.core.errors import KnockoutError, redact
from reports.errors import ReportError
from study.cli.data.commands import data_app
from study.cli.options import (
    TRACKING,
    Cluster,
    DataRoot,
    Factor,
    Lanes,
    Metric,
    Only,
    Out,
    Overrides,
    Retry,
    Scale,
    ShareCells,
    Storage,
    StudyFile,
    Timeout,
    Tracking,
    parts_of,
    typed,
)
from study.cli.stored import commands as stored
from study.spec.machine import cores

app = typer.Typer(
    name="knockout",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(data_app, name="data")


def _print_version(value: bool) -> None:
    if value:
        typer.echo(f"knockout {version('knockout')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="print the version, and exit")
    ] = False,
) -> None:
    """Knock out one part of a gene-regulatory-network model at a time, and say honestly what it was worth."""


@app.command()
def run(
    study: StudyFile,
    out: Out,
    overrides: Overrides = None,
    data: DataRoot = None,
    scale: Scale = None,
    only: Only = None,
    lanes: Lanes = None,
    cluster: Cluster = None,
    storage: Storage = None,
    tracking_uri: Tracking = None,
    retry_failed: Retry = False,
    timeout: Timeout = None,
    share_cells: ShareCells = False,
) -> None:
    """Run what is missing of a study, then write its report. Stop it at any time; run it again to go on."""
    from study.cli import studies as commands

    source = commands.Source(study, data, scale, tuple(only or ()), lanes, tuple(overrides or ()))
    seconds = timeout and 60 * timeout
    means = commands.Means(tracking_uri, storage, cluster, retry_failed, share_cells, seconds, drawing=cores())
    raise typer.Exit(commands.run(source, out, means, command=typed()))


@app.command()
def confirm(
    study: StudyFile,
    out: Out,
    overrides: Overrides = None,
    top: Annotated[int, typer.Option(min=1, help="how many of the best arms")] = 1,
    again: Annotated[bool, typer.Option("--again", help="open the test once more, for other arms")] = False,
    path: Annotated[bool, typer.Option("--path", help="walk there from the reference, change by change")] = False,
    data: DataRoot = None,
    scale: Scale = None,
    only: Only = None,
    lanes: Lanes = None,
    cluster: Cluster = None,
    tracking_uri: Tracking = None,
    retry_failed: Retry = False,
    timeout: Timeout = None,
) -> None:
    """Retrain a search's best arm and the reference on fresh repeats, and open the test once."""
    from study.actions import run as running
    from study.cli import studies as commands

    source, screen = commands.Source(study, data, scale, (), lanes, tuple(overrides or ())), commands.Terminal()
    seconds = timeout and 60 * timeout
    means = commands.Means(tracking_uri, None, cluster, retry_failed, timeout_s=seconds, drawing=cores())
    searched = source.load()
    asked = replace(source, only=tuple(only)).load() if only else searched
    ended = running.confirm(searched, asked, out, screen, means, top=top, again=again, path=path, command=typed())
    raise typer.Exit(commands.end(ended, out, screen))


@app.command()
def plan(
    study: StudyFile,
    overrides: Overrides = None,
    data: DataRoot = None,
    out: Annotated[Path | None, typer.Option("--out", help="output folder, to see what is done already")] = None,
    scale: Scale = None,
    only: Only = None,
    lanes: Lanes = None,
    quick: Annotated[
        bool, typer.Option("--quick", "--no-cost", help="do not time a few batches of the arms to estimate the cost")
    ] = False,
    share_cells: ShareCells = False,
    register: Annotated[bool, typer.Option("--register", help="write the question to OUT/registration.yaml")] = False,
) -> None:
    """Show what a study would run, cost and be able to prove, before anything is spent."""
    from study.cli import studies as commands

    source = commands.Source(study, data, scale, tuple(only or ()), lanes, tuple(overrides or ()))
    commands.plan(source, out, quick=quick, share_cells=share_cells, register=register)


@app.command()
def status(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="output folder of a study")],
    watch: Annotated[bool, typer.Option("--watch", help="go on until the study is complete, or Ctrl-C")] = False,
    every: Annotated[float, typer.Option(min=0.1, metavar="SECONDS", help="with --watch: time between looks")] = 2.0,
) -> None:
    """Show which cells of a study are done, running, missing or failed, and why; from any terminal."""
    from study.cli.stored import status as of_folder

    if watch:
        of_folder.watch(out, every)
    else:
        of_folder.show(out)


app.command()(stored.report)


@app.command()
def score(
    edges: Annotated[
        list[str],
        typer.Argument(metavar="[NAME=]EDGES...", help="edge lists; {dataset}, {network}, {cell}, {repeat} in paths"),
    ],
    on: Annotated[list[str], typer.Option("--on", metavar="DATASET|STUDY", help="data sets, or a study's; repeatable")],
    out: Out,
    data: DataRoot = None,
    split: Annotated[str | None, typer.Option(help="exam; default: the study's, or all_non_targets")] = None,
    repeats: Annotated[int | None, typer.Option(min=1, help="paired repeats; default: the study's, or 3")] = None,
    metric: Metric = None,
    weight: Annotated[str | None, typer.Option(metavar="COLUMN", help="weights; default: by title")] = None,
    signed: Annotated[bool, typer.Option("--signed", help="a weight below 0 means 'unlikely'")] = False,
    baseline: Annotated[list[str] | None, typer.Option(help="a known method beside them: pcc, genie3 ...")] = None,
    lanes: Lanes = None,
    tracking_uri: Tracking = None,
) -> None:
    """Score edge lists of other tools (BEELINE, GRNBoost2, pySCENIC, CellOracle ...) on an exam, beside the controls.

    The first list is the reference of the report. Lists that are scored later on the same tests are told apart.
    """
    from study.actions.exchange import scoring_study
    from study.cli import exchange

    options = {"split": split, "repeats": repeats, "metric": metric, "weight": weight, "baselines": baseline}
    keys = {key: value for key, value in options.items() if value} | ({"signed": True} if signed else {})
    source = exchange.Source(scoring_study(edges, on, keys), data, lanes=lanes)
    raise typer.Exit(exchange.score(source, out, exchange.Means(tracking_uri, drawing=cores()), command=typed()))


app.command()(stored.compare)
app.command()(stored.track)
app.command()(stored.bundle)
app.command()(stored.check)


@app.command()
def components(
    factor: Factor = None,
    presets: Annotated[bool, typer.Option("--presets", help="list the presets instead")] = False,
    studies: Annotated[bool, typer.Option("--studies", help="list the ready-made studies instead")] = False,
) -> None:
    """List every factor, level and setting with default, range and meaning."""
    from study.cli import components as catalogue

    if studies:
        catalogue.show_studies()
    elif presets:
        catalogue.show_presets()
    else:
        catalogue.show(factor)


@app.command()
def demo(
    out: Annotated[Path, typer.Option("--out", help="output folder")] = Path("demo"),
    lanes: Lanes = None,
) -> None:
    """Run a real ablation study on simulated data: a minute or two on two cores, nothing to download."""
    from study.cli import studies as commands

    raise typer.Exit(commands.demo(out, lanes=lanes))


def main() -> None:
    """Run the command line; a user's mistake ends with one message and exit code 2."""
    # threads that wait for each other by spinning take the cores of the lanes
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    # Python looks for garbage at every 700 new objects: a tenth of the CPU of a report, imports included
    gc.set_threshold(5_000, 20, 100)
    atexit.register(gc.freeze)  # or it looks through all objects of MLflow and torch before it ends: 2 s
    try:
        app()
    except (KnockoutError, ReportError) as error:
        _end(str(error))
    except OSError as error:  # a folder in the place of a file, a disk that is full or read-only
        if error.filename is None:
            raise
        _end(f"{error.filename}: {error.strerror or error}.")
    except KeyboardInterrupt:
        sys.stderr.write("stopped; run the same command again to go on\n")
        sys.exit(130)


def _end(message: str) -> NoReturn:
    """End the command with a message that gives no password away."""
    urls = [value for _, _, value in map(parts_of, sys.argv[1:]) if "://" in value]
    sys.stderr.write(f"error: {redact(message, *urls, os.environ.get(TRACKING, ''))}\n")
    sys.exit(2)


if __name__ == "__main__":
    main()
