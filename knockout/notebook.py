"""What a notebook shows of a plan and of a report."""

from __future__ import annotations

import html
import io
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd
from rich.console import Console

from reports.build import Written
from study.actions.preview import Preview
from study.cli.studies import show_cost, show_preview, show_search
from study.plan.cost.total import Estimate
from study.search.search import Search
from study.study_file.study import Study as Checked

WIDTH = 120  # characters of a printed plan


class _Printed:
    def __init__(self, notes: Sequence[str], *parts: Callable[[Console], None]) -> None:
        console = Console(
            file=io.StringIO(),
            width=WIDTH,
            highlight=False,
            markup=False,
            emoji=False,
            force_jupyter=False,
            color_system=None,
        )
        with console.capture() as printed:
            for show in parts:
                show(console)
        self._text = "\n".join([*notes, printed.get().rstrip()])

    def __repr__(self) -> str:
        return self._text

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(self._text)}</pre>"


class Plan(_Printed):
    """What a design would run, cost and be able to prove; printed, it says so.

    Attributes
    ----------
    cells, missing
        Number of cells, and of those that have not ended.
    arms
        ``arm, role, parts, cells, done``, one row per arm.
    blocks
        Names of the independent units.
    smallest_p
        The smallest adjusted p that the design can reach.
    seconds
        What the missing cells take on one lane; None if it was not asked for.
    """

    def __init__(self, preview: Preview, notes: Sequence[str], cost: Estimate | None) -> None:
        self.arms = preview.arms
        self.cells, self.missing = int(self.arms["cells"].sum()), preview.missing
        self.blocks, self.smallest_p = tuple(preview.blocks), preview.smallest_p
        self.seconds = cost.seconds if cost is not None else None
        parts = [lambda console: show_preview(console, preview)]
        if cost is not None:
            parts.append(lambda console: show_cost(console, preview, cost))
        super().__init__(notes, *parts)


class SearchPlan(_Printed):
    """What a search would vary, and how far it is; printed, it says so.

    Attributes
    ----------
    space
        ``parameter, range``, one row per parameter.
    proposed, finished
        Number of trials.
    """

    def __init__(self, study: Checked, search: Search, notes: Sequence[str]) -> None:
        self.space = pd.DataFrame(search.space.describe())
        self.proposed, self.finished = search.proposed, len(search.finished)
        super().__init__(notes, lambda console: show_search(console, study, search))


class Report:
    """A report that was written; a notebook shows its sentences and first table, and the page below them.

    Attributes
    ----------
    path
        ``report.html``.
    sentences
        What it opens with.
    verdicts
        Difference, interval, p, word and worst block of each comparison with the reference; empty where there is none.
    """

    def __init__(self, written: Written) -> None:
        self.path: Path = written.page.resolve()
        self.sentences = written.sentences
        heads = {"name": "arm", "word": "verdict", "worst": "worst block"}
        columns = ["name", "difference", "interval", "p", "word", "worst"]
        rows = written.verdicts.get("rows", [])
        self.verdicts = pd.DataFrame(rows, columns=columns).rename(columns=heads)

    def __fspath__(self) -> str:
        return str(self.path)

    def __repr__(self) -> str:
        table = [] if self.verdicts.empty else ["", self.verdicts.to_string(index=False)]
        return "\n".join([*self.sentences, *table, "", f"report: {self.path}"])

    def _repr_html_(self) -> str:
        """Return the sentences and the table, which any viewer shows, and the page, which one that runs it does."""
        lines = "".join(f"<p>{html.escape(sentence)}</p>" for sentence in self.sentences)
        table = "" if self.verdicts.empty else self.verdicts.to_html(index=False, border=0)
        page = html.escape(self.path.read_text(encoding="utf-8"), quote=True)
        frame = f'<iframe srcdoc="{page}" width="100%" height="700" style="border:0" sandbox="allow-scripts"></iframe>'
        where = html.escape(str(self.path))
        return f"{lines}{table}<details><summary>the report: {where}</summary>{frame}</details>"
