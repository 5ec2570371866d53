"""What the commands do: plan, run, check data, in terms of the rooms below."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from rich.console import Console

from components import readers
from components.audit import AUDIT, audit
from components.dataset import Dataset
from reports.statistics.attainability import blocks_needed, smallest_p
from reports.words.numbers import count
from search_spaces.arm import Choice, parse_choice
from study.cells import make_split
from study.config import Study, load_study
from study.cost import estimate
from study.display import LiveProgress, duration, make_console, show_table
from study.engine import Means, Outcome, run_plan
from study.lanes import describe as describe_lanes
from study.ledger import Ledger
from study.plan import Plan, make_plan
from study.reporting import close

__all__ = ["Source", "data_check", "demo", "plan", "run"]

EXIT_INCOMPLETE = 3  # some cells failed or were not run; the report says which


@dataclass(frozen=True)
class Source:
    """A study as the command line names it: file or name, and what :func:`study.config.load_study` takes beside it."""

    study: str
    data: Path | None = None
    scale: str | None = None
    only: tuple[str, ...] = ()
    lanes: str | None = None

    def load(self) -> Study:
        """Read and validate the study."""
        return load_study(self.study, data=self.data, lanes=self.lanes, scale=self.scale, only=self.only)


def run(source: Source, out: Path, means: Means | None = None, *, command: str = "") -> int:
    """Run what is missing of a study and report; return the exit code."""
    study, means = source.load(), means or Means()
    if study.search is not None:
        from study import search_commands

        return search_commands.search(study, out, means, command=command)
    console = make_console()
    tuned = _tune(study, out, console, means)
    if tuned is None:
        console.print("stopped before every arm was tuned; run the same command again to go on")
        return EXIT_INCOMPLETE
    outcome = run_planned(make_plan(tuned), out, console, means)
    close(outcome, out, console, command)
    return 0 if outcome.complete and not outcome.failed else EXIT_INCOMPLETE


def _tune(study: Study, out: Path, console: Console, means: Means) -> Study | None:
    if study.tune is None:
        return study
    from study.searches import tune

    with LiveProgress(console) as progress:
        return tune(study, out, progress, means)


def demo(out: Path, *, lanes: str | None = None) -> int:
    """Run the embedded study and report; return the exit code."""
    with resources.as_file(resources.files("study") / "demo.yaml") as study_file:
        console = make_console()
        started = time.perf_counter()
        planned = make_plan(load_study(study_file, lanes=lanes))
        console.print(f"{planned.study.name}: {len(planned.cells)} cells on {describe_lanes(planned.study.lanes)}")
        outcome = run_planned(planned, out, console, Means())
        console.print(f"The study took {duration(time.perf_counter() - started)}.\n")
        close(outcome, out, console, "knockout demo")
    return 0 if outcome.complete and not outcome.failed else EXIT_INCOMPLETE


def plan(source: Source, out: Path | None, *, cost: bool) -> None:
    """Print what a study would run, what is done, what it costs and what it can prove."""
    console, study, out = make_console(), source.load(), out or Path(Path(source.study).stem)
    if study.search is not None:
        from study import search_commands

        return search_commands.plan(study, out)
    planned, ledger = make_plan(study), Ledger(out)
    _show_arms(console, planned, ledger)
    for alias, arm in study.aliases.items():
        console.print(f"'{alias}' is the same model as '{arm}': trained once, counted once.")
    console.print(f"metric {study.metric}, {study.repeats} repeats, lanes: {describe_lanes(study.lanes)}\n")
    _show_audit(console, planned.datasets, study.splits)
    console.print(_attainable(study, {d.block for d in planned.datasets}))
    if study.tune is not None:
        cells = study.tune.repeats * len(study.datasets)
        console.print(
            f"before that every trained arm is tuned: {study.tune.trials} trials of {count(cells, 'cell')} each, on "
            f"repeats 0 to {study.tune.repeats - 1}; arms are compared on later ones"
        )
    missing = len(planned.missing(ledger))
    if cost and missing:
        found = estimate(planned, ledger)
        lanes_n = len(study.lanes)
        console.print(
            f"{missing} cells to run: about {duration(found.seconds / lanes_n)} on {lanes_n} lanes "
            f"({duration(found.at_most / lanes_n)} if no cell stops early)."
        )


def data_check(folder: Path, split: str, network_file: Path | None) -> None:
    """Print what data sets hold, and what their exam gives away."""
    console = make_console()
    choice = parse_choice("split", split, where="--split")
    if folder.suffix == ".h5ad" or (folder / "BL--ExpressionData.csv").exists():
        paths = [folder]
    else:
        paths = readers.find(folder) or [folder]
    datasets = [readers.read(path, network_file=network_file) for path in paths]
    summaries = [readers.summary(dataset) for dataset in datasets]
    show_table(
        console,
        "data sets",
        ["data set", *summaries[0]],
        [[d.name, *map(_plain, s.values())] for d, s in zip(datasets, summaries, strict=True)],
    )
    _show_audit(console, tuple(datasets), (choice,) * len(datasets))


def _plain(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def run_planned(planned: Plan, out: Path, console: Console, means: Means) -> Outcome:
    """Run a plan with a progress display."""
    with LiveProgress(console) as progress:
        return run_plan(planned, out, progress, means)


def _show_arms(console: Console, planned: Plan, ledger: Ledger) -> None:
    done = ledger.read_all(row.cell for row in planned.rows)
    lines = []
    for arm in planned.study.arms:
        cells = [row for row in planned.rows if row.arm_digest == arm.digest and row.arm == arm.name]
        acting = ", ".join(f"{f}={level}" for f, level in arm.levels().items() if level != "-" and f != "optimizer")
        finished = sum(row.cell in done for row in cells)
        lines.append([arm.name, arm.role, acting, len(cells), finished, len(cells) - finished])
    title = f"{planned.study.name}: {len(planned.rows)} cells, {len(done)} done"
    show_table(console, title, ["arm", "role", "parts", "cells", "done", "missing"], lines)


def _show_audit(console: Console, datasets: Sequence[Dataset], splits: Sequence[Choice]) -> None:
    columns = [audit(d, make_split(d, s, 0)) for d, s in zip(datasets, splits, strict=True)]
    rows = [[name, *(column[name] for column in columns)] for name in AUDIT]
    names = [f"{d.name} ({s.level})" for d, s in zip(datasets, splits, strict=True)]
    show_table(console, "leak audit (repeat 0)", ["", *names], rows)


def _attainable(study: Study, blocks: set[str]) -> str:
    comparisons = sum(arm.role == "arm" for arm in study.arms)
    n, family = len(blocks), max(comparisons, 1)
    if not comparisons:
        return f"{n} independent blocks; only controls are compared with the reference: described, not tested."
    least = smallest_p(n, family)
    needed = blocks_needed(family)
    verdict = (
        "so this design can reach .05."
        if least <= 0.05
        else f"so this design cannot reach .05; it would take {needed} blocks."
    )
    return (
        f"{count(n, 'independent block')} ({', '.join(sorted(blocks))}), {count(comparisons, 'comparison')} with the "
        f"reference: the smallest p that an exact Wilcoxon test with Holm can give is {least:.3g}, {verdict}"
    )
