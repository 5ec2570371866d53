"""The part of the command line that reads what is stored: reports, comparisons, MLflow, bundles.

Heavy libraries are imported inside the commands, so that help answers at once.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from components.core.errors import command
from reports.words.numbers import count
from study.cli.options import Alpha, Block, Draw, Margin, Metric, Pdf, Reference, Report, Tracking, Within, typed
from study.spec.machine import cores

EXIT_DISAGREES = 1


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
    pdf: Pdf = False,
) -> None:
    """Write a page (report.html), tables/ (CSV, LaTeX) and figures/ (SVG, CSV) from a study or anybody's table.

    A table has a row per score, or per run with its scores in columns: arm (method, model), dataset, block, repeat
    (seed, run), auroc, auprc, ...; the options name other columns.
    """
    if (source is None) == (mlflow is None):
        raise typer.BadParameter("give either an output folder or table, or --mlflow URI --experiment NAME")
    if (mlflow is None) != (experiment is None):
        raise typer.BadParameter("--mlflow and --experiment go together")
    from reports.options import ReportOptions
    from study.cli.stored import experiments as report_commands
    from study.cli.stored import reporting

    options = ReportOptions(arm, block, dataset, metric, reference, margin=margin)
    request = report_commands.Request(options, alpha, tuple(draw or ()), typed(), pdf, cores())
    if mlflow is not None and experiment is not None:
        report_commands.of_experiment(mlflow, experiment, out, request)
    elif source is not None:
        reporting.report(source, out, request)


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
    pdf: Pdf = False,
) -> None:
    """Report stored studies side by side, each arm named '<study>: <arm>'; same data and splits only."""
    from reports.options import ReportOptions
    from study.cli.stored import experiments as report_commands

    options = ReportOptions(None, block, dataset, metric, reference, margin=margin)
    request = report_commands.Request(options, alpha, command=typed(), as_pdf=pdf, processes=cores())
    report_commands.compare(outs, out, request)


def track(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="output folder of a study")],
    tracking_uri: Tracking = None,
) -> None:
    """Send to MLflow what a study has recorded and the store lacks, or all of it to a new store."""
    from study.cli.stored import experiments

    experiments.track(out, tracking_uri)


def bundle(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="output folder of a study")],
    to: Annotated[Path, typer.Option("--to", metavar="ZIP", help="archive to write")],
) -> None:
    """Pack a study for a reviewer: question, table, report, commands, versions, digests. No data, no predictions."""
    from study.actions.bundle import pack
    from study.cli.display import Terminal

    screen = Terminal()
    packed = pack.bundle(out, to, screen)
    screen.say(f"bundle:  {packed.path.resolve()} ({count(len(packed.members), 'file')}; no data, no predictions)")
    screen.say(f"SHA-256: {packed.digest}")
    screen.say(f"next:    {command('knockout', 'check', packed.path)}")


def check(path: Annotated[Path, typer.Argument(metavar="ZIP", help="what knockout bundle wrote")]) -> None:
    """Check a bundle: every digest, and the report, made again from the table in it. Exit code 1 where it differs."""
    from study.actions.bundle import check as of_bundle
    from study.cli.display import Terminal, show_table

    screen = Terminal()
    checked = of_bundle.check(path, screen)
    rows = [[finding.what, "agrees" if finding.agrees else "DIFFERS", finding.detail] for finding in checked.findings]
    show_table(screen.console, f"{checked.study}: {path.name}", ["what", "", "seen"], rows)
    screen.say(f"SHA-256: {checked.digest}")
    if not checked.agrees:
        wrong = sum(not finding.agrees for finding in checked.findings)
        screen.say(f"{count(wrong, 'thing')} of {len(rows)} differ: do not trust this bundle.")
        raise typer.Exit(EXIT_DISAGREES)
    screen.say("The bundle agrees with itself. That it is the one that was published, its SHA-256 says.")
