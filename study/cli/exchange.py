"""The commands that exchange files with other programs: exams as files, and lists of edges."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from components.core.errors import KnockoutError, command
from components.core.metrics import METRICS
from reports.words.numbers import count
from study.actions.exchange import coverage, earlier_openings, export_exams
from study.actions.preview import READING, check_folder
from study.actions.run import run_planned
from study.actions.source import Source
from study.cli import studies
from study.cli.display import Terminal, show_table
from study.plan.plan import make_plan
from study.run.engine import Means
from study.spec.folder import OutFolder
from study.study_file.yaml_file import YamlFile


def score(source: Source, out: Path, means: Means, *, command: str) -> int:
    """Score lists of edges on the exams of data sets, and report; return the exit code."""
    screen, study = Terminal(), source.load()
    check_folder(study, out, screen)
    with screen.busy(READING):
        plan = make_plan(study)
        lists, earlier = coverage(plan), earlier_openings(plan, out)
    rows = [[e.name, e.dataset, f"{100 * e.share:.1f} %", "; ".join(e.notes)] for e in lists]
    if rows:
        show_table(screen.console, "asked pairs that a list weighs", ["list", "data set", "listed", "notes"], rows)
        screen.say("pairs that a list does not weigh are level, below those that it does")
    for dataset, lists_before in earlier.items():
        screen.say(
            f"the test of {dataset} was opened before, for {count(lists_before, 'other list')}: a list that was chosen "
            "or changed by those scores is no longer tested by it"
        )
    code = studies.end(run_planned(plan, out, screen, means, command), out, screen)
    if OutFolder(out).table.exists():
        _show_scores(screen, pd.read_parquet(OutFolder(out).table), [arm.name for arm in study.arms])
    return code


def _show_scores(screen: Terminal, cells: pd.DataFrame, arms: Sequence[str]) -> None:
    """Print the mean test scores of each arm over data sets and repeats."""
    test = cells[(cells["part"] == "test") & cells["arm"].isin(arms)]
    means = test.pivot_table(index="arm", columns="metric", values="value", aggfunc="mean", sort=False)
    names = [name for name in METRICS if name in means]
    rows = [[arm, *(f"{float(means[name][arm]):.3f}" for name in names)] for arm in arms if arm in means.index]
    show_table(screen.console, "test, mean over data sets and repeats", ["list or control", *names], rows)


def export(source: str, to: Path, data: Path | None, only: tuple[str, ...], keys: dict[str, Any], arm: str) -> None:
    """Write the exams of a study, or of data sets, as files, and say how scores come back."""
    screen, chosen = Terminal(), {key: value for key, value in keys.items() if value}
    is_study = Path(source).suffix in (".yaml", ".yml")
    if is_study and chosen:
        key = next(iter(chosen))
        raise KnockoutError(f"a study file says its {key} itself; leave --{key} out.", where=f"--{key}")
    values: dict[str, Any] = {"name": "exams", "datasets": [source], **chosen}
    study = Source(source if is_study else YamlFile(Path("export-split"), values, {}), data, only=only).load()
    with screen.busy("writing the exams"):
        folders = export_exams(study, to, arm)
    fold = "/fold-{fold}" if folders[0].name.startswith("fold-") else ""
    files = f"{to}/{{dataset}}/repeat-{{repeat}}{fold}/scores.csv"
    options = {"on": source, "data": data, **chosen, "out": "OUT"}
    typed = [word for key, value in options.items() if value for word in (f"--{key}", value)]
    screen.say(f"{count(len(folders), 'exam')} written, the first into {folders[0]}")
    screen.say("each has the pairs to be scored in Pairs.csv; once a file scores.csv stands beside each:")
    screen.say(command("knockout", "score", f"mine={files}", *typed))
