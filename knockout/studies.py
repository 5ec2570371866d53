"""A study as an object: plan, run, results, report, confirm."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from components.core.errors import KnockoutError
from knockout.datasets import HEAD, STUDY, Attached
from knockout.notebook import Plan, Report, SearchPlan
from knockout.stored import Paths, mistakes, report, results
from reports.words.numbers import count
from study.actions import preview as previews
from study.actions import run as running
from study.actions.bundle import pack
from study.actions.run import Ended
from study.actions.screen import Screen
from study.actions.source import Source
from study.cli.display import Terminal
from study.cli.options import TRACKING
from study.cli.stored.reporting import show_end
from study.run.engine import Means
from study.spec.files import write_text
from study.spec.folder import OutFolder
from study.store.owner import refuse_other_study
from study.study_file.study import Study as Checked
from study.study_file.yaml_file import study_text


class Study:
    """A checked study; :func:`knockout.study` makes one.

    Attributes
    ----------
    out
        Output folder of the last run; None before.
    complete
        Whether the last call ran all there was to run, and nothing failed.
    """

    def __init__(self, source: Source, attached: Attached, checked: Checked, written: str) -> None:
        self._source, self._attached, self._checked, self._written = source, attached, checked, written
        self.out: Path | None = None
        self.complete = False

    @property
    def name(self) -> str:
        """Name of the study."""
        return self._checked.name

    @property
    def arms(self) -> tuple[str, ...]:
        """Names of the arms, the reference first."""
        return tuple(arm.name for arm in self._checked.arms)

    def __repr__(self) -> str:
        study = self._checked
        arms = "a search" if study.search else count(len(study.arms), "arm")
        size = f"{arms}, {count(len(study.datasets), 'data set')}, {count(study.repeats, 'repeat')}"
        where = f", out {str(self.out)!r}" if self.out else ""
        return f"<knockout.Study {study.name!r}: {size}{where}>"

    def plan(
        self,
        out: Paths | None = None,
        *,
        cost: bool = True,
        share_cells: bool = False,
        register: bool = False,
        verbose: bool = True,
    ) -> Plan | SearchPlan:
        """Return what would run, what is done in ``out``, what it costs and what it can prove.

        Parameters
        ----------
        out
            Output folder; default: that of the last run, if there was one.
        cost
            Whether a few batches of the arms are timed, to say what it costs.
        share_cells
            Whether ``out`` may belong to another study.
        register
            Whether the question is written to ``out``: ``registration.yaml``.
        verbose
            Whether what is being done is printed.
        """
        folder, screen = self._folder(out), _screen(verbose)
        with mistakes():
            notes = _Notes(self._attached.notes())
            known = previews.check_folder(self._checked, folder, notes, share_cells=share_cells)
            if register:
                previews.register(self._checked, folder, notes)
            if self._checked.search is not None:
                return SearchPlan(self._checked, previews.preview_search(self._checked, known, screen), notes.lines)
            preview = previews.preview(self._checked, known, screen)
            known_cost = preview.cost(screen) if cost and preview.missing else None
            return Plan(preview, notes.lines, known_cost)

    def run(
        self,
        out: Paths | None = None,
        *,
        tracking_uri: str | None = None,
        storage: str | None = None,
        cluster: str | None = None,
        retry_failed: bool = False,
        timeout: float | None = None,
        share_cells: bool = False,
        verbose: bool = True,
    ) -> Study:
        """Run what is missing, write the report, and return the study itself. Interrupt it at any time; run it again.

        Parameters
        ----------
        out
            Output folder; default: that of the last run.
        tracking_uri, storage, cluster, retry_failed, share_cells
            As ``knockout run`` takes them.
        timeout
            Minutes after which a cell is ended.
        verbose
            Whether progress is printed. What failed or is missing at the end is a warning in any case.
        """
        folder, screen = self._needed(out), _screen(verbose)
        means = _means(tracking_uri, storage, cluster, retry_failed, share_cells, timeout)
        with mistakes(tracking_uri, storage):
            study = self._placed(folder, share_cells, screen)
            ended = running.run(study, folder, screen, means, command=self._command("run", folder))
        return self._end(ended, folder, screen)

    def confirm(
        self,
        out: Paths | None = None,
        *,
        top: int = 1,
        again: bool = False,
        path: bool = False,
        only: Sequence[str] = (),
        tracking_uri: str | None = None,
        cluster: str | None = None,
        retry_failed: bool = False,
        timeout: float | None = None,
        verbose: bool = True,
    ) -> Study:
        """Retrain the best arms of the search on fresh repeats, open the test once, and return the study itself.

        Parameters
        ----------
        out
            Output folder of the search; default: that of the last run.
        top
            How many of the best arms.
        again
            Whether the test may be opened once more for other arms.
        path
            Whether the arms between the reference and the best one are trained, too.
        only
            Patterns of the data sets on which to confirm.
        tracking_uri, cluster, retry_failed, timeout, verbose
            As in :meth:`run`.
        """
        folder, screen = self._needed(out), _screen(verbose)
        means = _means(tracking_uri, None, cluster, retry_failed, False, timeout)
        with mistakes(tracking_uri):
            searched = self._placed(folder, False, screen)
            objects = OutFolder(folder).given if self._attached else None
            study = load(replace(self._source, only=tuple(only)), objects) if only else searched
            ended = running.confirm(
                searched,
                study,
                folder,
                screen,
                means,
                top=top,
                again=again,
                path=path,
                command=self._command("confirm", folder),
            )
        return self._end(ended, folder, screen)

    @property
    def results(self) -> pd.DataFrame:
        """The tidy table of the last run: one row per finished cell, part and metric."""
        return results(self._needed(None))

    @property
    def trials(self) -> pd.DataFrame:
        """The trials of the search that was last run, one row each, scored on validation."""
        file = OutFolder(self._needed(None)).search.trial_table
        if not file.is_file():
            raise KnockoutError("no trial has ended here.", where=str(file))
        return pd.read_csv(file)

    def report(self, out: Paths | None = None, **options: Any) -> Report:
        """Write the report of the last run anew and return it; options as in :func:`knockout.report`."""
        return report(self._needed(None), out, **options)

    def bundle(self, to: Paths) -> Path:
        """Pack the last run for a reviewer, as ``knockout bundle`` does, and return the archive."""
        with mistakes():
            return pack.bundle(self._needed(None), Path(to), Screen()).path

    def _placed(self, folder: Path, share_cells: bool, screen: Screen) -> Checked:
        """Return the study with its AnnData objects, checked, read from ``folder``, where they are written once."""
        if not self._attached:
            return self._checked
        for note in self._attached.notes():
            screen.say(note)
        refuse_other_study(self.name, folder, share_cells=share_cells)
        placed = OutFolder(folder).given
        self._attached.write(placed)
        write_text(placed / STUDY, HEAD + study_text(self.name, self._checked.content))
        return load(self._source, placed)

    def _folder(self, out: Paths | None) -> Path | None:
        return self.out if out is None else Path(out)

    def _needed(self, out: Paths | None) -> Path:
        folder = self._folder(out)
        if folder is None:
            raise KnockoutError("no study was run yet; name an output folder: study.run('results').", where="out")
        return folder

    def _command(self, verb: str, folder: Path) -> str:
        return f"{self._written}.{verb}({str(folder)!r})"

    def _end(self, ended: Ended, folder: Path, screen: Screen) -> Study:
        self.out, self.complete = folder, ended.complete
        if isinstance(screen, Terminal):
            show_end(screen.console, ended, folder)
        if not ended.complete:
            outcome, what = ended.outcome, ended.unfinished
            if outcome is not None and not what:
                what = f"{outcome.planned - outcome.done} of {outcome.planned} cells missing, {outcome.failed} failed"
            warnings.warn(f"{self.name}: {what}; run it again to go on.", stacklevel=3)
        return self


def load(source: Source, objects: Path | None) -> Checked:
    """Read a study, its AnnData objects, if there are any, from a folder."""
    with mistakes():
        return (source if objects is None else replace(source, data=objects)).load()


class _Notes(Screen):
    """Keeps the lines that it is given."""

    def __init__(self, lines: Sequence[str]) -> None:
        self.lines = list(lines)

    def say(self, text: str) -> None:
        """Keep a line."""
        self.lines.append(text)


def _screen(verbose: bool) -> Screen:
    return Terminal() if verbose else Screen()


def _means(
    uri: str | None, storage: str | None, cluster: str | None, again: bool, share_cells: bool, timeout: float | None
) -> Means:
    if timeout is not None and not timeout > 0:
        raise KnockoutError(f"minutes above 0 are needed, got {timeout}.", where="timeout")
    uri = uri if uri is not None else os.environ.get(TRACKING)
    return Means(uri, storage, cluster, again, share_cells, None if timeout is None else 60 * timeout)
