"""The arguments and options that commands share, each with what it means, and the command as it was typed."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Annotated

import typer

from components.core.errors import command, redact
from study.cli import completion

StudyFile = Annotated[
    str,
    typer.Argument(
        metavar="STUDY",
        help="study file, or a ready-made study: knockout components --studies",
        autocompletion=completion.studies,
    ),
]
Overrides = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[KEY=VALUE]...",
        help="keys of the study to set (training.epochs=3, gnn=gat, 'gnn=[gat,gcn]'), +add or ~drop",
        autocompletion=completion.overrides,
        show_default=False,
    ),
]
DataRoot = Annotated[Path | None, typer.Option("--data", help="folder that data set paths start from")]
Out = Annotated[Path, typer.Option("--out", help="output folder; may hold earlier results, which are kept")]
Scale = Annotated[
    str | None,
    typer.Option(help="cpu or paper, where a study offers both; default: cpu", autocompletion=lambda: ["cpu", "paper"]),
]
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
Metric = Annotated[str | None, typer.Option(help="primary metric", autocompletion=completion.metrics)]
Reference = Annotated[str | None, typer.Option(help="arm that the others are compared with")]
Alpha = Annotated[
    float | None, typer.Option(min=0.0001, max=0.5, help="level of the tests; default: the study's, or 0.05")
]


def _above_zero(value: float | None) -> float | None:
    """Refuse a margin within which nothing can lie."""
    if value is not None and not 0 < value < math.inf:
        raise typer.BadParameter(f"{value:g} is not a finite number above 0")
    return value


Factor = Annotated[str | None, typer.Argument(help="one factor; all if not given", autocompletion=completion.factors)]
Margin = Annotated[
    float | None,
    typer.Option(callback=_above_zero, help="differences below it do not matter; default: the study's, or 0.01"),
]
Draw = Annotated[
    list[str] | None,
    typer.Option(metavar="DATASET", help="draw edges, training, t-SNE of these data sets: '*/mDC/*'; may be repeated"),
]
Pdf = Annotated[bool, typer.Option("--pdf", help="write figures as PDF, too")]
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


def typed() -> str:
    """Return the command as it was typed, without passwords."""
    parts = map(parts_of, sys.argv[1:])
    return command("knockout", *(f"{option}{equals}{redact(value, value)}" for option, equals, value in parts))


def parts_of(argument: str) -> tuple[str, str, str]:
    """Return ``--option``, ``=`` and value of an argument; a value alone where it names no option."""
    return argument.partition("=") if argument.startswith("--") else ("", "", argument)
