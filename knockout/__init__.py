"""Ablation and hyperparameter studies from Python; ``import knockout`` loads no heavy library before it is needed.

>>> import knockout
>>> study = knockout.study("study.yaml", overrides=["repeats=5"])  # doctest: +SKIP
>>> study.plan()  # doctest: +SKIP
>>> study.run("results").report()  # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any

from components.core.errors import KnockoutError

if TYPE_CHECKING:
    import pandas as pd

    from knockout.shown import Report
    from knockout.studies import Study

__all__ = ["KnockoutError", "Study", "check", "report", "results", "study"]


def __getattr__(name: str) -> Any:
    if name != "Study":
        raise AttributeError(f"module 'knockout' has no attribute {name!r}")
    from knockout.studies import Study

    return Study


def study(
    source: str | PathLike[str] | Mapping[str, Any],
    *,
    overrides: Sequence[str] = (),
    data: str | PathLike[str] | None = None,
    scale: str | None = None,
    only: Sequence[str] = (),
    lanes: str | None = None,
) -> Study:
    """Read and check a study; nothing is run or written.

    Parameters
    ----------
    source
        Path of a study file, its text, its keys as a dict, or the name of a ready-made study. In a dict, an entry of
        ``datasets`` may be an AnnData object: ``{"adata": adata, "network": table, "tfs": names, "name": "mDC"}``, see
        :mod:`knockout.attached`.
    overrides
        Keys to set, add or drop, as the command line takes them: ``["training.epochs=3", "gnn=[gat,gcn]"]``.
    data
        Folder that paths of data sets start from; default: that of the study file, or the working directory.
    scale, only, lanes
        As ``knockout run`` takes them.

    Raises
    ------
    KnockoutError
        For anything wrong: what was given, what is allowed, where.
    """
    from knockout.front import make_study

    return make_study(source, overrides=overrides, data=data, scale=scale, only=only, lanes=lanes)


def results(out: str | PathLike[str]) -> pd.DataFrame:
    """Return the tidy table of an output folder: one row per finished cell, part and metric, failures with NaN.

    Raises
    ------
    KnockoutError
        If no cell has ended there, or the test of its search is sealed.
    """
    from knockout.stored import read_results

    return read_results(out)


def report(
    source: str | PathLike[str],
    out: str | PathLike[str] | None = None,
    *,
    arm: str | None = None,
    block: str | None = None,
    dataset: str | None = None,
    metric: str | None = None,
    reference: str | None = None,
    alpha: float | None = None,
    margin: float | None = None,
    draw: Sequence[str] = (),
    pdf: bool = False,
) -> Report:
    """Write the report of an output folder or of any tidy table, as ``knockout report`` does, and return it.

    Raises
    ------
    KnockoutError
        If the table cannot be analysed, or the report cannot be written.
    """
    from knockout.stored import make_report

    return make_report(
        source,
        out,
        arm=arm,
        block=block,
        dataset=dataset,
        metric=metric,
        reference=reference,
        alpha=alpha,
        margin=margin,
        draw=draw,
        pdf=pdf,
    )


def check(bundle: str | PathLike[str]) -> pd.DataFrame:
    """Check a bundle as ``knockout check`` does; return what was compared: ``what, agrees, seen``, one row each.

    Raises
    ------
    KnockoutError
        If it is no bundle, is damaged, or is made to harm.
    """
    from knockout.stored import check_bundle

    return check_bundle(bundle)
