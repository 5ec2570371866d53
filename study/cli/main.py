"""The command line: the one place that sees components, search spaces, the study and the reports.

Heavy libraries are imported inside the commands, so that help answers at once.
"""

from __future__ import annotations

import math
import os
import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from components.core.errors import KnockoutError, redact
from reports.errors import ReportError
from study.cli.data import data_app

app = typer.Typer(
    name="knockout",
    help="Knock out one part of a gene-regulatory-network model at a time, and say honestly what it was worth.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(data_app, name="data")

StudyFile = Annotated[
    str, typer.Argument(metavar="STUDY", help="study file, or a ready-made study: knockout components --studies")
]
DataRoot = Annotated[Path | None, typer.Option("--data", help="folder that data set paths start from")]
Out = Annotated[Path, typer.Option("--out", help="output folder; may hold earlier results, which are kept")]
Scale = Annotated[str | None, typer.Option(help="cpu or paper, where a study offers both; default: cpu")]
Only = Annotated[
    list[str] | None, typer.Option(help="only data sets that fit this pattern, e.g. '*/mDC/*'; repeatable")
]
ShareCells = Annotated[
    bool, typer.Option("--share-cells", help="the folder may belong to another study: its finished cells count")
]
Lanes = Annotated[str | None, typer.Option(help="workers: auto, cpu:2, cuda:0, cuda:0,cuda:1x3")]
Cluster = Annotated[str | None, typer.Option(metavar="URL", help="dask://host:port: cells go to a Dask cluster")]
Storage = Annotated[str | None, typer.Option(metavar="URL", help="Optuna RDB of a search; default: a file in OUT")]
Block = Annotated[str | None, typer.Option(help="columns of the independent unit, e.g. network,cell")]
Within = Annotated[str | None, typer.Option("--dataset", help="columns of what lies inside a unit, e.g. network")]
Metric = Annotated[str | None, typer.Option(help="primary metric")]
Reference = Annotated[str | None, typer.Option(help="arm that the others are compared with")]
Alpha = Annotated[
    float | None, typer.Option(min=0.0001, max=0.5, help="level of the tests; default: the study's, or 0.05")
]


def _above_zero(value: float | None) -> float | None:
    """Refuse a margin within which nothing can lie."""
    if value is not None and not 0 < value < math.inf:
        raise typer.BadParameter(f"{value:g} is not a finite number above 0")
    return value


Margin = Annotated[
    float | None,
    typer.Option(callback=_above_zero, help="differences below it do not matter; default: the study's, or 0.01"),
]
Draw = Annotated[
    list[str] | None,
    typer.Option(metavar="DATASET", help="draw edges, training, t-SNE of these data sets: '*/mDC/*'; may be repeated"),
]
Report = Annotated[
    Path | None,
    typer.Option(
        "--out",
        help="folder of the report; default: OUT/report, or report-TABLE, report-NAME here; own files in it stay",
    ),
]
Timeout = Annotated[
    float | None, typer.Option(min=0.01, metavar="MINUTES", help="end cells that take longer; default: none")
]
Retry = Annotated[bool, typer.Option("--retry-failed", help="run failed cells again")]
TRACKING = "MLFLOW_TRACKING_URI"
Tracking = Annotated[
    str | None, typer.Option(metavar="URI", envvar=TRACKING, help="MLflow store; default: sqlite in OUT")
]


@app.command()
def run(
    study: StudyFile,
    out: Out,
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

    source = commands.Source(study, data, scale, tuple(only or ()), lanes)
    means = commands.Means(tracking_uri, storage, cluster, retry_failed, share_cells, _seconds(timeout))
    raise typer.Exit(commands.run(source, out, means, command=_typed()))


@app.command()
def confirm(
    study: StudyFile,
    out: Out,
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
    from study.cli import studies as commands

    source = commands.Source(study, data, scale, (), lanes)
    means = commands.Means(tracking_uri, None, cluster, retry_failed, timeout_s=_seconds(timeout))
    searched = source.load()
    confirmed = replace(source, only=tuple(only)).load() if only else searched
    code = commands.confirm(searched, confirmed, out, means, top=top, again=again, path=path, command=_typed())
    raise typer.Exit(code)


@app.command()
def plan(
    study: StudyFile,
    data: DataRoot = None,
    out: Annotated[Path | None, typer.Option("--out", help="output folder, to see what is done already")] = None,
    scale: Scale = None,
    only: Only = None,
    lanes: Lanes = None,
    cost: Annotated[bool, typer.Option(help="time one epoch of each arm to estimate the cost")] = True,
    share_cells: ShareCells = False,
    register: Annotated[bool, typer.Option("--register", help="write the question to OUT/registration.yaml")] = False,
) -> None:
    """Show what a study would run, cost and be able to prove, before anything is spent."""
    from study.cli import studies as commands

    source = commands.Source(study, data, scale, tuple(only or ()), lanes)
    commands.plan(source, out, cost=cost, share_cells=share_cells, register=register)


@app.command()
def status(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="output folder of a study")],
    watch: Annotated[bool, typer.Option("--watch", help="go on until the study is complete, or Ctrl-C")] = False,
    every: Annotated[float, typer.Option(min=0.1, metavar="SECONDS", help="with --watch: time between looks")] = 2.0,
) -> None:
    """Show which cells of a study are done, running, missing or failed, and why; from any terminal."""
    from study.cli import status as of_folder

    if watch:
        of_folder.watch(out, every)
    else:
        of_folder.show(out)


@app.command()
def report(
    source: Annotated[
        Path | None, typer.Argument(metavar="OUT|TABLE", help="output folder, or any tidy CSV or parquet")
    ] = None,
    out: Report = None,
    mlflow: Annotated[str | None, typer.Option(metavar="URI", help="MLflow store to read, in place of OUT")] = None,
    experiment: Annotated[str | None, typer.Option(metavar="NAME", help="with --mlflow: experiment, or study")] = None,
    arm: Annotated[str | None, typer.Option(help="column that names the arm or method, or several with commas")] = None,
    block: Block = None,
    dataset: Within = None,
    metric: Metric = None,
    reference: Reference = None,
    alpha: Alpha = None,
    margin: Margin = None,
    draw: Draw = None,
) -> None:
    """Write a page (report.html), tables/ (CSV, LaTeX) and figures/ (SVG, PDF, CSV) from a study or anybody's table.

    A table has a row per score, or per run with its scores in columns: arm (method, model), dataset, block, repeat
    (seed, run), auroc, auprc, ...; the options name other columns.
    """
    if (source is None) == (mlflow is None):
        raise typer.BadParameter("give either an output folder or table, or --mlflow URI --experiment NAME")
    if (mlflow is None) != (experiment is None):
        raise typer.BadParameter("--mlflow and --experiment go together")
    from reports.options import ReportOptions
    from study.cli import reporting
    from study.cli import stored as report_commands

    options = ReportOptions(arm, block, dataset, metric, reference, margin=margin)
    request = reporting.Request(options, alpha, tuple(draw or ()), _typed())
    if mlflow is not None and experiment is not None:
        report_commands.of_experiment(mlflow, experiment, out, request)
    elif source is not None:
        reporting.report(source, out, request)


@app.command()
def compare(
    outs: Annotated[list[Path], typer.Argument(metavar="OUT1 OUT2...", help="output folders of studies")],
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="folder of the report and cells.parquet, its table")
    ],
    block: Block = None,
    dataset: Within = None,
    metric: Metric = None,
    reference: Reference = None,
    alpha: Alpha = None,
    margin: Margin = None,
) -> None:
    """Report stored studies side by side, each arm named '<study>: <arm>'; same data and splits only."""
    from reports.options import ReportOptions
    from study.cli import reporting
    from study.cli import stored as report_commands

    options = ReportOptions(None, block, dataset, metric, reference, margin=margin)
    report_commands.compare(outs, out, reporting.Request(options, alpha, command=_typed()))


@app.command()
def track(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="output folder of a study")],
    tracking_uri: Tracking = None,
) -> None:
    """Send to MLflow what a study has recorded and the store lacks, or all of it to a new store."""
    from study.cli import stored

    stored.track(out, tracking_uri)


@app.command()
def components(
    factor: Annotated[str | None, typer.Argument(help="one factor; all if not given")] = None,
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
    """Run a real ablation study on simulated data: 2 to 5 minutes on two cores, nothing to download."""
    from study.cli import studies as commands

    raise typer.Exit(commands.demo(out, lanes=lanes))


def main() -> None:
    """Run the command line; a user's mistake ends with one message and exit code 2."""
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


def _seconds(minutes: float | None) -> float | None:
    return None if minutes is None else 60 * minutes


def _end(message: str) -> NoReturn:
    """End the command with a message that gives no password away."""
    urls = [value for _, _, value in map(_parts, sys.argv[1:]) if "://" in value]
    sys.stderr.write(f"error: {redact(message, *urls, os.environ.get(TRACKING, ''))}\n")
    sys.exit(2)


def _typed() -> str:
    """Return the command as it was typed, without passwords."""
    parts = map(_parts, sys.argv[1:])
    return shlex.join(["knockout", *(f"{option}{equals}{redact(value, value)}" for option, equals, value in parts)])


def _parts(argument: str) -> tuple[str, str, str]:
    """Return ``--option``, ``=`` and value of an argument; a value alone where it names no option."""
    return argument.partition("=") if argument.startswith("--") else ("", "", argument)


if __name__ == "__main__":
    main()
