"""Kills the command line at random moments of every stage, two drivers at a time, and counts what that cost.

    .venv/bin/python bench/kills.py --kills 100 --seed 0

Two small studies, a design and a search with its confirmation, are run in folders of their own by two commands at once.
SIGKILL ends the process group of one of them, or of both, at a random moment of the stage whose turn it is; what was
killed is started again. In the end each study is run to its end, and compared with one that nobody disturbed: the same
cells with the same scores to the last bit, the same files, one finished run per cell in MLflow, a journal that Optuna
reads. Leave the sources alone meanwhile: code that changes makes other cells.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from reports.folder import LIST, digest
from study.search.optuna_store import OptunaStore
from study.search.proposals import quiet
from study.search.trial import read_trials
from study.spec.folder import OutFolder
from study.store.ledger import Ledger
from study.store.tracking.experiment import KEY
from study.store.tracking.store_file import default_uri, prepared_client

COMMON: dict[str, Any] = {
    "datasets": [{"simulate": {"genes": 64, "tfs": 8, "cells": 40}, "seed": 1, "name": "net"}],
    "preset": "knockout-small",
    "reference": {
        "gnn": {"gat": {"widths": [8, 4], "heads": 2}},
        "pair_encoder": {"transformer": {"dim": 16, "layers": 1, "heads": 2}},
        "fusion": {"multiscale": {"width": 16}},
    },
    "training": {"epochs": 30, "graph_epochs": 10},
    "lanes": "cpu:1",
}
DESIGN = {
    **COMMON,
    "name": "design",
    "design": {"factors": {"gnn": ["none", "gcn"], "fusion": ["early", "late"]}},
    "controls": ["degree"],
    "repeats": 6,
}
VARY = {"gnn": ["gcn", "none"], "optimizer": [{"adam": {"learning_rate": [1e-4, 1e-2]}}]}
SEARCH = {
    **COMMON,
    "name": "search",
    "repeats": 1,
    "search": {"trials": 10, "pruner": "none", "vary": VARY, "confirm": 3},
}
STUDIES = {"design": DESIGN, "search": SEARCH}


@dataclass(frozen=True)
class Stage:
    """A stage of a study: it is under way once a file that fits the pattern is written, and killed within the delay."""

    name: str
    study: str
    command: str
    pattern: str
    delay_s: float
    after: str = ""  # command that is run to its end first


STAGES = (
    Stage("training", "design", "run", "claims/*.json", 1.0),
    Stage("MLflow", "design", "run", "mlflow.db*", 0.3),
    Stage("report", "design", "run", "cells.parquet", 4.0),
    Stage("search", "search", "run", "search/trials/*.json", 0.5),
    Stage("search's report", "search", "run", "search/search.json", 3.0),
    Stage("confirm", "search", "confirm", "claims/*.json", 1.5, after="run"),
    Stage("confirm's report", "search", "confirm", "cells.parquet", 4.0),
)
TURNS = 4  # kills of a stage before the next has its turn
HUNG_S = 900.0
SOUND = (0, 3)  # complete; not complete, because the other driver has the rest or was killed


@dataclass
class Course:
    """Both studies in one folder, and what went wrong there."""

    root: Path
    faults: list[str] = field(default_factory=list)

    def out(self, study: str) -> Path:
        """Return the output folder of a study."""
        return self.root / study

    def start(self, study: str, command: str) -> subprocess.Popen[bytes]:
        """Start a command in a process group of its own."""
        self.root.mkdir(parents=True, exist_ok=True)
        file = self.root / f"{study}.yaml"
        file.write_text(yaml.safe_dump(STUDIES[study], sort_keys=False))
        knockout = Path(sys.executable).with_name("knockout")
        with self._log(study).open("ab") as log:
            arguments = [str(knockout), command, str(file), "--out", str(self.out(study))]
            return subprocess.Popen(arguments, stdout=log, stderr=log, start_new_session=True)

    def finish(self) -> None:
        """Run both studies to their end, the search once more after its confirmation: its page then shows that."""
        for study, command in (("design", "run"), ("search", "run"), ("search", "confirm"), ("search", "run")):
            code = self.start(study, command).wait()
            if code:
                self.faults.append(f"{command} {study} ended with {code}")
        for study in STUDIES:
            if b"Traceback" in self._log(study).read_bytes():
                self.faults.append(f"a traceback in {self._log(study)}")

    def _log(self, study: str) -> Path:
        return self.root / f"{study}.log"


def main() -> None:
    """Kill, run to the end, compare, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    rng, kills, faults = random.Random(arguments.seed), Counter[str](), Counter[str]()
    folder = Path(tempfile.mkdtemp(prefix="knockout-kills-"))
    undisturbed = Course(folder / "undisturbed")
    undisturbed.finish()
    faults["ended badly"] += len(undisturbed.faults)
    for number in itertools.count(1):
        left = arguments.kills - kills.total()
        if left <= 0:
            break
        course = Course(folder / f"course-{number}")
        for stage in STAGES:
            kills += kill_in(stage, course, min(TURNS, arguments.kills - kills.total()), rng)
        course.finish()
        counted = compare(course, undisturbed)
        faults["ended badly"] += len(course.faults)
        faults.update(kind for kind, _ in counted)
        reported = [*course.faults, *map(": ".join, counted)][:20]
        print(f"course {number}: {dict(kills)}", *reported, sep="\n  ", flush=True)
    print(f"{kills.total()} kills: {', '.join(f'{n} in {stage}' for stage, n in kills.items())}")
    print(", ".join(f"{faults[kind]} {kind}" for kind in ("lost", "doubled", "corrupt", "left over", "ended badly")))
    sys.exit(bool(faults.total()))


def kill_in(stage: Stage, course: Course, turns: int, rng: random.Random) -> Counter[str]:
    """Kill drivers in a stage, at most so many times; fewer if the stage is over before."""
    if stage.after:
        course.start(stage.study, stage.after).wait()
    kills: Counter[str] = Counter()
    drivers = [course.start(stage.study, stage.command) for _ in range(2)]
    while kills.total() < turns:
        code = _wait_for(stage, course.out(stage.study), drivers)
        if code is not None:
            if code not in SOUND:
                course.faults.append(f"a driver in {stage.name} ended with {code}")
            break
        time.sleep(rng.uniform(0, stage.delay_s))
        alive = [driver for driver in drivers if driver.poll() is None]
        for driver in rng.sample(alive, min(len(alive), rng.choice((1, 2, 2)))):
            os.killpg(driver.pid, signal.SIGKILL)
            driver.wait()
            kills[stage.name] += 1
        drivers = [d if d.poll() is None else course.start(stage.study, stage.command) for d in drivers]
    for driver in drivers:
        if driver.poll() is None:
            os.killpg(driver.pid, signal.SIGKILL)
            kills[stage.name] += 1
        driver.wait()
    return kills


def _wait_for(stage: Stage, out: Path, drivers: list[subprocess.Popen[bytes]]) -> int | None:
    """Wait until a stage is under way; return the exit code of the last driver if it ended before."""
    began = time.time()
    while time.time() - began < HUNG_S:
        codes = [driver.poll() for driver in drivers]
        failed = [code for code in codes if code is not None and code not in SOUND]
        if failed:
            return failed[0]
        if None not in codes:
            return codes[-1]
        if any(_written(path) > began for path in out.glob(stage.pattern)):
            return None
        time.sleep(0.02)
    return -1


def _written(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def compare(course: Course, undisturbed: Course) -> list[tuple[str, str]]:
    """Return what is lost, doubled, corrupt or left over in a folder, against that of an undisturbed study."""
    folders = {study: (course.out(study), undisturbed.out(study)) for study in STUDIES}
    checks = [check(*pair) for pair in folders.values() for check in (_cells, _runs, _files)]
    faults: list[tuple[str, str]] = []
    for each in [*checks, _trials(*folders["search"])]:
        try:
            faults += each
        except Exception as error:  # what cannot be read
            faults.append(("corrupt", repr(error)))
    return faults


def _cells(out: Path, other: Path) -> Iterator[tuple[str, str]]:
    """Compare records, predictions and the table."""
    records, expected = ({c: Ledger(o).read(c) for c in Ledger(o).cells()} for o in (out, other))
    yield from (("lost", f"cell {cell}") for cell in expected.keys() - records.keys())
    yield from (("doubled", f"cell {cell} of no plan") for cell in records.keys() - expected.keys())
    for cell in records.keys() & expected.keys():
        ours, theirs = (
            record.model_dump_json(include={"status", "scores", "curves", "best_epoch"})
            for record in (records[cell], expected[cell])
        )
        if ours != theirs:
            yield "corrupt", f"cell {cell}: {ours[:300]}, not {theirs[:300]}"
        frames = [pd.read_parquet(OutFolder(o).predictions(cell)) for o in (out, other)]
        if not frames[0].equals(frames[1]):
            yield "corrupt", f"predictions of {cell}"
    keys = ["cell", "part", "metric", "value"]
    tables = [pd.read_parquet(OutFolder(o).table)[keys].sort_values(keys, ignore_index=True) for o in (out, other)]
    if tables[0].duplicated(keys[:3]).any():
        yield "doubled", "rows of the table"
    elif not tables[0].equals(tables[1]):
        yield "corrupt", "the table"


def _runs(out: Path, other: Path) -> Iterator[tuple[str, str]]:
    """Compare how often a key has a finished run in MLflow, deleted ones included."""
    ours, theirs = _finished(out, deleted=True), _finished(other, deleted=True)
    yield from (("doubled", f"run {key}") for key, n in ours.items() if n > theirs[key])
    alive = _finished(out, deleted=False)
    yield from (("lost", f"run {key}") for key, n in theirs.items() if alive[key] < n)


def _finished(out: Path, *, deleted: bool) -> Counter[str]:
    client = prepared_client()(default_uri(out))
    from mlflow.entities import ViewType

    kind = ViewType.ALL if deleted else ViewType.ACTIVE_ONLY
    experiment = client.get_experiment_by_name(out.name)
    runs = client.search_runs([experiment.experiment_id], run_view_type=kind, max_results=5000)
    return Counter(run.data.tags[KEY] for run in runs if run.info.status == "FINISHED")


def _files(out: Path, other: Path) -> Iterator[tuple[str, str]]:
    """Compare names of files, and check that reports are whole."""
    ours, theirs = _names(out), _names(other)
    yield from (("lost", f"file {name}") for name in theirs - ours)
    yield from (("left over", f"file {name}") for name in ours - theirs)
    for list_file in out.rglob(LIST):
        for name, digests in json.loads(list_file.read_text())["files"].items():
            if digest(list_file.parent / name) not in digests:
                yield "corrupt", f"{list_file.parent / name}"


def _names(out: Path) -> set[str]:
    paths = (path.relative_to(out) for path in out.rglob("*") if path.is_file())
    apart = ("mlartifacts", "claims")  # named by run; by driver
    # a report that is being put together is swept after an hour
    return {str(path) for path in paths if path.parts[0] not in apart and not any(".report-" in p for p in path.parts)}


def _trials(out: Path, other: Path) -> Iterator[tuple[str, str]]:
    """Compare the trials of a search, and those in its journal."""
    ours, theirs = ({t.number: t.choices for t in read_trials(OutFolder(o).search)} for o in (out, other))
    yield from (("lost", f"trial {number}") for number in theirs.keys() - ours.keys())
    yield from (("doubled", f"trial {number}") for number in ours.keys() - theirs.keys())
    yield from (("corrupt", f"trial {n}") for n in ours.keys() & theirs.keys() if ours[n] != theirs[n])
    import optuna

    with quiet():
        storage = OptunaStore("search", OutFolder(out).search)._storage()
        stored = optuna.load_study(study_name="search", storage=storage).get_trials()
    if len(stored) != len(theirs):
        yield ("lost" if len(stored) < len(theirs) else "doubled"), f"{len(stored)} trials in the journal"


if __name__ == "__main__":
    main()
