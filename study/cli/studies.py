"""The commands on studies: plan, run, confirm, demo."""

from __future__ import annotations

import time
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

from rich.console import Console

from reports.statistics.attainability import blocks_needed
from reports.words.metrics import ALPHA
from reports.words.numbers import are, count, joined, level
from search_spaces.space.space import Space
from study.actions import preview as actions
from study.actions import run as running
from study.actions.preview import READING, Preview
from study.actions.run import Ended
from study.actions.source import Source
from study.cli.data.datasets import show_audit
from study.cli.display import Terminal, duration, show_table
from study.plan.cost.total import Estimate
from study.plan.plan import make_plan
from study.run.engine import Means
from study.search.search import Search
from study.spec.machine import cores
from study.spec.machine import describe as describe_lanes
from study.study_file.study import Study, load_study

EXIT_INCOMPLETE = 3  # some cells failed or were not run; the report says which


def run(source: Source, out: Path, means: Means | None = None, *, command: str = "") -> int:
    """Run what is missing of a study and report; return the exit code."""
    screen = Terminal()
    return end(running.run(source.load(), out, screen, means or Means(), command=command), out, screen)


def demo(out: Path, *, lanes: str | None = None) -> int:
    """Run the embedded study and report; return the exit code."""
    screen, started = Terminal(), time.perf_counter()
    with resources.as_file(resources.files("study.cli") / "demo.yaml") as study_file, screen.busy(READING):
        planned = make_plan(load_study(study_file, lanes=lanes))
    cells = count(len(planned.cells), "cell")
    screen.console.print(f"{planned.study.name}: {cells} on {describe_lanes(planned.study.lanes)}")
    ended = running.run_planned(planned, out, screen, Means(drawing=cores()), "knockout demo")
    screen.console.print(f"The study took {duration(time.perf_counter() - started)}.\n")
    return end(ended, out, screen)


def end(ended: Ended, out: Path, screen: Terminal) -> int:
    """Print what a call came to, and return the exit code."""
    from study.cli.stored.reporting import show_end

    show_end(screen.console, ended, out)
    return 0 if ended.complete else EXIT_INCOMPLETE


def plan(source: Source, out: Path | None, *, quick: bool, share_cells: bool = False, register: bool = False) -> None:
    """Print what a study would run, what is done, what it costs and what it can prove; register it if asked to."""
    screen, study = Terminal(), source.load()
    folder = actions.check_folder(study, out, screen, share_cells=share_cells)
    if register:
        actions.register(study, out, screen)
    if study.search is not None:
        return show_search(screen.console, study, actions.preview_search(study, folder, screen))
    preview = actions.preview(study, folder, screen)
    show_preview(screen.console, preview)
    if preview.missing and not quick:
        show_cost(screen.console, preview, preview.cost(screen))


def show_preview(console: Console, preview: Preview) -> None:
    """Print the cells of a planned design, what its exams give away, and what it can prove."""
    study = preview.plan.study
    arms = preview.arms.assign(missing=preview.arms["cells"] - preview.arms["done"])
    title = f"{study.name}: {count(int(arms['cells'].sum()), 'cell')}, {arms['done'].sum()} done"
    show_table(console, title, [*arms], arms.to_numpy().tolist())
    for alias, arm in study.aliases.items():
        console.print(f"'{alias}' is the same model as '{arm}': trained once, counted once.")
    for line in preview.programs:
        console.print(line, soft_wrap=True, markup=False)
    console.print(f"metric {study.metric}, {count(study.repeats, 'repeat')}, lanes: {describe_lanes(study.lanes)}\n")
    show_audit(console, preview.audit)
    for line in preview.plan.notes:
        console.print(line, soft_wrap=True)
    console.print(_attainable(preview))
    if study.tune is not None:
        per_trial = count(study.tune.repeats * len(study.datasets), "cell")
        budget, last = count(study.tune.trials or 0, "trial"), study.first_repeat - 1
        console.print(
            f"before that every trained arm is tuned: {budget} of {per_trial} each, on "
            f"repeats {last + 1 - study.tune.repeats} to {last}; arms are compared on later ones"
        )


def show_cost(console: Console, preview: Preview, cost: Estimate) -> None:
    """Print what the missing cells will take, and how that is known."""
    lanes, beside = len(preview.plan.study.lanes), sum(cost.slow.values()) + cost.unknown + cost.rescored
    priced = f"; {preview.missing - beside} of them" if beside else ""
    console.print(
        f"{count(preview.missing, 'cell')} to run{priced}: about {duration(cost.seconds / lanes)} on "
        f"{count(lanes, 'lane')} ({duration(cost.at_most / lanes)} if no cell stops early)."
    )
    if cost.rescored:
        console.print(
            f"{count(cost.rescored, 'cell')} of these were trained before: stored scores give the new metric."
        )
    if cost.timed < cost.kinds:
        console.print(
            f"{cost.timed} of {cost.kinds} kinds of cells (an arm's shape on a data set) were timed; the others are "
            "taken to cost what the nearest of these does.",
            soft_wrap=True,
        )
    if cost.slow:
        console.print(
            f"{count(sum(cost.slow.values()), 'cell')} of {joined(list(cost.slow), 4)} are not in it: a run takes "
            "longer than a plan spends; what they take is known once one cell of each has ended.",
            soft_wrap=True,
        )
    if cost.unknown:
        console.print(
            f"{count(cost.unknown, 'cell')} of programs of your own are not in it: a plan runs none of them; "
            "what they take is known once one cell of each has ended.",
            soft_wrap=True,
        )


def _settled(space: Space) -> Iterator[str]:
    """Yield the levels that every trial has, each with the settings that it was given."""
    for factor, choice in space.settled.items():
        settings = [f"{name}={getattr(choice.settings, name)}" for name in sorted(choice.settings.model_fields_set)]
        yield f"{factor}={choice.level}" + (f"({', '.join(settings)})" if settings else "")


def show_search(console: Console, study: Study, search: Search) -> None:
    """Print what a search would vary, how far it is, and what a trial is."""
    from study.search.run import uncounted

    spec, space = search.spec, search.space
    show_table(console, f"{study.name}: what varies", ["parameter", "range"], [[*d.values()] for d in space.describe()])
    console.print(f"in every trial: {', '.join(_settled(space))}", soft_wrap=True)
    sets = count(len(study.datasets), "data set")
    ends = count(spec.trials, "trial") if spec.trials else f"{spec.hours:g} h" if spec.hours else "the whole grid"
    warm = sum(trial.warm for trial in search.finished)
    pruner = spec.pruner if search.proposer.prunes else "none"
    console.print(
        f"{spec.sampler}, {ends}, {spec.parallel} in flight, pruner {pruner}; "
        f"a trial is judged by {', '.join(search.objectives)} on validation over "
        f"{count(len(search.reference_cells), 'cell')} ({sets} x {count(study.repeats, 'repeat')})",
        soft_wrap=True,
    )
    console.print(
        f"{count(search.proposed, 'trial')} proposed so far, {warm} more {are(warm)} in the ledger already (warm)"
    )
    for line in uncounted(search):
        console.print(line, soft_wrap=True)


def _attainable(preview: Preview) -> str:
    blocks = count(len(preview.blocks), "independent block")
    if not preview.comparisons:
        return f"{blocks}; only controls are compared with the reference: described, not tested."
    least, alpha = preview.smallest_p, preview.plan.study.alpha or ALPHA
    verdict = (
        f"so this design can reach {level(alpha)}."
        if len(preview.blocks) >= blocks_needed(alpha)
        else f"so this design cannot reach {level(alpha)}; it would take {count(blocks_needed(alpha), 'block')}."
    )
    return (
        f"{blocks} ({', '.join(preview.blocks)}), {count(preview.comparisons, 'comparison')} with the "
        f"reference: the smallest adjusted p (max-T over whole blocks) is {least:.3g}, {verdict}"
    )
