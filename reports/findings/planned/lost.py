"""Repeats that arms lost, not by their own doing: killed, timed out, ended in an error, not run."""

from __future__ import annotations

import pandas as pd

from reports.errors import listed
from reports.findings.results import Refusal
from reports.table.status import WORST, Status

_LISTED = 4


def lost_repeats(frame: pd.DataFrame, metric: str) -> list[Refusal]:
    """Name the repeats that single arms lost, and warn where what is left may be what was easy.

    Parameters
    ----------
    frame
        The tidy rows, see :class:`reports.table.table.Table`.
    metric
        Primary metric.
    """
    rows = frame[frame["metric"] == metric]
    cells = rows.pivot(index=["dataset", "repeat"], columns="arm", values="status")  # noqa: PD010  a gap is kept
    out: list[Refusal] = []
    lost = {str(arm): _lost(cells[arm]) for arm in cells}
    for arm, gaps in lost.items():
        if not gaps.empty:
            out += _of_arm(arm, gaps, cells[arm])
    slow = [str(arm) for arm in cells if cells[arm].eq(Status.TIMEOUT).any()]
    if len(slow) == 1 and len(lost) > 1:
        message = f"Only {slow[0]} lost cells to the time limit. Slow cells are no chance sample, so what is left may "
        message += "be what it finds easy: raise --timeout and run them again (--retry-failed)."
        out.append(Refusal("timeouts of one arm", slow[0], message, "warning"))
    return out


def _lost(statuses: pd.Series) -> pd.Series:
    """Return what became of the repeats that an arm lost, on the data sets of which it has others."""
    gone = ~statuses.isin([Status.OK, *WORST])
    elsewhere = (~gone).groupby(level="dataset").transform("any")
    return statuses[gone & elsewhere].fillna("not run")


def _of_arm(arm: str, gaps: pd.Series, statuses: pd.Series) -> list[Refusal]:
    rows = gaps.rename("status").reset_index().to_dict("records")
    named = [f"repeat {row['repeat']} of {row['dataset']} ({row['status']})" for row in rows]
    message = f"{arm} lost {listed(named, _LISTED)}. Its comparisons leave these repeats out of both arms."
    out = [Refusal("lost repeats", arm, message, "warning")]
    share = gaps.groupby(level="dataset").size() / statuses.groupby(level="dataset").size()
    if most := sorted(map(str, share.index[share > 0.5])):
        message = f"{arm} lost more than half of its repeats on {listed(most, _LISTED)}: what is left may be what was "
        message += "easy. Run them again (--retry-failed) before its means are believed."
        out.append(Refusal("most repeats lost", arm, message, "warning"))
    return out
