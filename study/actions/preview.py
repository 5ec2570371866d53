"""What a study would run, what is done, what it costs and what it can prove, before anything is spent."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import pandas as pd
from threadpoolctl import threadpool_limits

from components.core.dataset import Dataset
from components.core.errors import KnockoutError
from components.core.streams import Streams
from components.split.audit import AUDIT, audit
from components.split.validation import differences
from reports.page.sentences.planned import look_lines
from reports.side_by_side import side_by_side
from reports.statistics.attainability import smallest_p
from reports.words.metrics import ALPHA, metric_of
from reports.words.numbers import count, joined
from search_spaces.arm import Choice
from study.actions.screen import Screen
from study.actions.source import show_changes
from study.plan.cost.total import Estimate, estimate
from study.plan.plan import Plan, make_plan
from study.plan.probe import as_on_a_lane
from study.search.search import Search
from study.spec.folder import OutFolder
from study.spec.machine import cores
from study.store.ledger import Ledger
from study.store.owner import refuse_other_study
from study.store.registration import RegistrationRecord, question_of, write_registration
from study.study_file.study import Study
from study.train.exams import make_split

NO_FOLDER = Path(os.devnull)  # a plan without an output folder: nothing is done
READING = "reading the data sets and setting their exams"
AUDITING = "auditing what each exam gives away"
AT_ONCE = 1_000_000  # test pairs of an exam; audits of larger ones wait for each other's memory
UNKNOWN_CODE = "not known, so a change in it runs nothing again; name its files: code: [train.py, model]"


@dataclass(frozen=True)
class AuditTable:
    """What the exams of data sets give away."""

    exam: str  # the number of the repeat, and the protocol where all share one
    columns: list[str]  # a name per data set, with its protocol where they differ
    rows: list[list[str]]  # name of each quantity and its value per data set, as text
    notes: list[str]  # where validation asks otherwise than the test
    seconds: dict[tuple[str, str], float]  # of each rule on each data set


def audit_table(datasets: Sequence[Dataset], splits: Sequence[Choice], repeat: int = 0) -> AuditTable:
    """Return the leak audit of each data set's exam in a repeat."""
    exams = [make_split(dataset, split, repeat) for dataset, split in zip(datasets, splits, strict=True)]
    tasks = [
        partial(audit, exam, Streams(dataset.digest, repeat)) for dataset, exam in zip(datasets, exams, strict=True)
    ]
    few = max(len(exam.test) for exam in exams) <= AT_ONCE
    import_module("sklearn.ensemble")  # or every fork would import it, for a second
    with as_on_a_lane("cpu", 1), threadpool_limits(1):  # a rule is fitted faster than threads agree on it
        audits = side_by_side(tasks, cores() if few else 1)
    names = [dataset.name for dataset in datasets]
    remarks = [(name, differences(exam)) for name, exam in zip(names, exams, strict=True)]
    notes = [f"{name}: validation asks otherwise than the test: {text}" for name, text in remarks if text]
    rows = [[name, *(of.figures[name] for of in audits)] for name in AUDIT]
    seconds = {(rule, name): s for name, of in zip(names, audits, strict=True) for rule, s in of.seconds.items()}
    if len({split.level for split in splits}) == 1:
        return AuditTable(f"repeat {repeat}, {splits[0].level}", names, rows, notes, seconds)
    names = [f"{name} ({split.level})" for name, split in zip(names, splits, strict=True)]
    return AuditTable(f"repeat {repeat}", names, rows, notes, seconds)


@dataclass(frozen=True)
class Preview:
    """A planned design."""

    # its cells; the output folder whose finished cells count
    plan: Plan
    out: Path
    arms: pd.DataFrame  # ``arm, role, parts, cells, done``: numbers of cells by arm, the reference first
    audit: AuditTable  # what the exams give away

    @property
    def missing(self) -> int:
        """Number of cells that have not ended."""
        return int((self.arms["cells"] - self.arms["done"]).sum())

    @property
    def blocks(self) -> list[str]:
        """Names of the independent units."""
        return sorted({dataset.block for dataset in self.plan.datasets})

    @property
    def comparisons(self) -> int:
        """Number of arms that are tested against the reference."""
        return sum(arm.role in ("arm", "baseline") for arm in self.plan.study.arms)

    @property
    def programs(self) -> list[str]:
        """Say of each arm that is a program which files count as its code: where they change, its cells run again."""
        lines = {}
        for arm in self.plan.study.arms:
            settings: Any = arm.choices["scorer"].settings
            if not hasattr(settings, "sources") or settings.expression != "true":
                continue
            files = list(settings.sources())
            known = f"{joined(files, 4)}: its cells run again where these change" if files else UNKNOWN_CODE
            lines[arm.digest] = f"code of {arm.name!r}: {known}"
        return list(lines.values())

    @property
    def smallest_p(self) -> float:
        """The smallest adjusted p that the design can reach."""
        return smallest_p(len(self.blocks))

    def cost(self, screen: Screen) -> Estimate:
        """Return the seconds that the missing cells take; times a few batches where no finished cell tells them."""
        with screen.busy("timing a few batches of the arms (--quick leaves it out)") as say:
            return estimate(self.plan, Ledger(self.out), say, self.audit.seconds)


def check_folder(study: Study, out: Path | None, screen: Screen, *, share_cells: bool = False) -> Path:
    """Return the folder whose cells count; refuse one of another study, and show what changed since its last run."""
    folder = out or NO_FOLDER
    refuse_other_study(study.name, folder, share_cells=share_cells)
    show_changes(study, folder, screen)
    return folder


def preview(study: Study, out: Path, screen: Screen) -> Preview:
    """Plan a design, count what is done in ``out``, and audit its exams; nothing is written."""
    with screen.busy(READING):
        plan = make_plan(study)
    records = Ledger(out).read_all(cell.digest for cell in plan.cells)
    cells = Counter(cell.arm.name for cell in plan.cells)
    done = Counter(cell.arm.name for cell in plan.cells if cell.digest in records)
    arms = []
    for arm in study.arms:
        acting = ", ".join(f"{f}={level}" for f, level in arm.levels().items() if level != "-" and f != "optimizer")
        arms.append((arm.name, arm.role, acting, cells[arm.name], done[arm.name]))
    with screen.busy(AUDITING):
        audited = audit_table(plan.datasets, study.splits, study.first_repeat)
    return Preview(plan, out, pd.DataFrame(arms, columns=["arm", "role", "parts", "cells", "done"]), audited)


def preview_search(study: Study, out: Path, screen: Screen) -> Search:
    """Return the search that a study asks for, as far as it has come in ``out``; nothing is written."""
    from study.search.run import open_search

    with screen.busy(READING):
        return open_search(study, out)


def register(study: Study, out: Path | None, screen: Screen) -> RegistrationRecord:
    """Write what a study asks into its folder, of a search what its confirmation asks; return what is registered there.

    Raises
    ------
    KnockoutError
        If no folder is named, a look comes after the last block, or another question is registered there.
    """
    if out is None:
        raise KnockoutError("the question is written into the output folder; name it with --out.", where="--register")
    registered = study
    if study.search is not None:
        registered = replace(study, first_repeat=study.fresh_repeat, repeats=study.search.confirm)
    with screen.busy(READING):
        record = make_plan(registered).record
    question = question_of(record, out, margin=metric_of(record.metric).margin, alpha=ALPHA)
    if study.looks and study.looks[-1] >= len(question.blocks):
        message = f"a look comes before all {len(question.blocks)} blocks are in; got {list(study.looks)}."
        raise KnockoutError(message, where="looks")
    known = write_registration(question, out)
    screen.say(f"registered on {known.date}, digest {known.digest[:12]}: {OutFolder(out).registration.resolve()}")
    for line in look_lines(known.looks, len(known.blocks), known.alpha):
        screen.say(line)
    if known.ended:
        number = count(known.ended, "cell")
        screen.say(f"{number} of it had ended by then, and the report will say so.")
    return known
