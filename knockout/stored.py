"""What is read of stored studies (tables, reports, bundles), and one kind of error for every mistake of a user."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pandas as pd

from components.core.errors import KnockoutError, redact
from knockout.notebook import Report
from reports.errors import ReportError
from reports.options import ReportOptions
from study.actions import report as reports
from study.actions.bundle import check as bundles
from study.actions.screen import Screen
from study.cli.options import TRACKING
from study.store.table import tidy

Paths = str | os.PathLike[str]


@contextmanager
def mistakes(*uris: str | None) -> Iterator[None]:
    """Raise every mistake of a user as a :class:`KnockoutError`, without the passwords of the URLs in use."""
    try:
        yield
    except (KnockoutError, ReportError) as error:
        secrets = [uri for uri in (*uris, os.environ.get(TRACKING)) if uri]
        kind = type(error) if isinstance(error, KnockoutError) else KnockoutError
        raise kind(redact(error.message, *secrets), where=redact(error.where, *secrets)) from None
    except OSError as error:
        if error.filename is None:
            raise
        raise KnockoutError(f"{error.strerror or error}.", where=str(error.filename)) from None


def results(out: Paths) -> pd.DataFrame:
    """Return the tidy table of an output folder: one row per finished cell, part and metric, failures with NaN.

    Raises
    ------
    KnockoutError
        If no cell has ended there, or the test of its search is sealed.
    """
    folder = Path(out)
    if reports.sealed(folder):
        message = "the test of this search is sealed until .confirm(); .trials has its scores on validation."
        raise KnockoutError(message, where=str(folder))
    plan, records = reports.ended_cells(folder)
    return tidy(plan.rows, records)


def report(
    source: Paths,
    out: Paths | None = None,
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
    if alpha is not None and not 0 < alpha < 1:
        raise KnockoutError(f"{alpha} is out of range.", where="alpha")
    if margin is not None and not 0 < margin < float("inf"):
        raise KnockoutError(f"{margin} is out of range.", where="margin")
    options = ReportOptions(arm, block, dataset, metric, reference, margin=margin)
    request = reports.Request(options, alpha, tuple(draw), f"knockout.report({str(source)!r})", pdf)
    with mistakes():
        return Report(reports.report(Path(source), None if out is None else Path(out), request, Screen()))


def check(bundle: Paths) -> pd.DataFrame:
    """Check a bundle as ``knockout check`` does; return what was compared: ``what, agrees, seen``, one row each.

    Raises
    ------
    KnockoutError
        If it is no bundle, is damaged, or is made to harm.
    """
    with mistakes():
        findings = bundles.check(Path(bundle), Screen()).findings
    return pd.DataFrame([(one.what, one.agrees, one.detail) for one in findings], columns=["what", "agrees", "seen"])
