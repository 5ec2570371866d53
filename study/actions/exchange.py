"""What is exchanged with other programs: exams, which are written as files, and lists of edges, which are scored."""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.core import registry
from components.core.errors import KnockoutError, UnknownNameError
from components.core.streams import Streams
from components.learning.exam_files import write_exam
from components.tables.files import sibling_suggestion
from study.plan.plan import Plan, make_plan
from study.spec.cell import Cell
from study.spec.datasets import load_dataset
from study.store.ledger import Ledger
from study.study_file.study import Study
from study.study_file.yaml_file import YamlFile, read_yaml
from study.train.exams import make_folds, make_split
from study.train.learner import asked_pairs, view_of

LIKELY = ("rankededges", "edges", "output", "network", "adjacencies", "scores")  # names of files that name no method
# of a study file that says on what is scored
KEPT = ("datasets", "split", "repeats", "first_repeat", "metric", "margin", "alpha")


@dataclass(frozen=True)
class Listed:
    """What one list says of one data set."""

    # names of list and data set
    name: str
    dataset: str
    share: float  # of the asked pairs: those that have a weight
    notes: tuple[str, ...]  # what was decided in reading the list


def scoring_study(files: Sequence[str], on: Sequence[str], keys: dict[str, Any]) -> YamlFile:
    """Return the study that scores lists, the first of them the reference.

    Parameters
    ----------
    files
        ``edges.csv`` or ``name=edges.csv``; ``{dataset}``, ``{network}``, ``{cell}``, ``{repeat}`` stand for those.
    on
        Data sets, or a study file whose data sets and exam are meant.
    keys
        Further keys of a study file, such as ``split`` and ``repeats``.

    Raises
    ------
    KnockoutError
        If a file is not there, or two lists have one name or one content.
    """
    lists = [_named(argument) for argument in files]
    names = [name for name, _ in lists]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise KnockoutError(f"two lists are named {twice[0]!r}; write NAME={lists[names.index(twice[0])][1]}.")
    _refuse_copies(lists)
    studies = [name for name in on if Path(name).suffix in (".yaml", ".yml")]
    if studies and len(on) > 1:
        raise KnockoutError(f"name data sets, or one study file; got {', '.join(on)}.", where="--on")
    shared = {key: value for key, value in read_yaml(Path(studies[0])).values.items() if key in KEPT} if studies else {}
    values: dict[str, Any] = {"name": "scored", "datasets": list(on), **shared, **keys}
    weighing = {key: values.pop(key) for key in ("weight", "signed") if key in values}
    arms = [{"name": name, "edges": file, **weighing} for name, file in lists]
    values["reference"] = arms[0]
    if arms[1:]:
        values["design"] = {"kind": "explicit", "arms": arms[1:]}
    return YamlFile(Path(studies[0]) if studies else Path("knockout score"), values, {})


def coverage(plan: Plan) -> list[Listed]:
    """Return what each list says of each data set, in the first repeat; lists of bare scores are left out."""
    lists = []
    for cell in plan.cells:
        if cell.repeat != plan.study.first_repeat or cell.arm.choices["scorer"].level != "edges":
            continue
        dataset = load_dataset(cell.dataset, cell.root)
        split = make_split(dataset, cell.split, cell.repeat)
        learner = cell.arm.choices["scorer"].build()
        view = view_of(cell.arm, dataset, split, Streams(dataset.digest, cell.repeat))
        if not learner.is_bare(view):
            edges = learner.read(view)
            weighed = edges.lookup(asked_pairs(split)[0], dataset.n_genes)[1]
            lists.append(Listed(cell.arm.name, dataset.name, float(weighed.mean()), edges.notes))
    return lists


def earlier_openings(plan: Plan, out: Path) -> dict[str, int]:
    """Return how many other lists were scored before on the test of each data set, as far as ``out`` remembers."""
    cells = [cell for cell in plan.cells if cell.arm.choices["scorer"].level == "edges"]
    labels = {(cell.labels.data_digest, cell.split.level): cell.labels.dataset for cell in cells}
    ledger = Ledger(out)
    earlier: dict[str, set[str]] = defaultdict(set)
    for record in ledger.read_all(ledger.cells() - {cell.digest for cell in cells}).values():
        identity = record.identity
        known = labels.get((str(identity.get("data")), str(identity.get("split", {}).get("level"))))
        if record.ok and known and identity["arm"]["scorer"]["level"] == "edges":
            earlier[known].add(str(identity["arm"]))
    return {dataset: len(arms) for dataset, arms in sorted(earlier.items())}


def _refuse_copies(lists: Sequence[tuple[str, str]]) -> None:
    """Refuse two lists, given by name and file, with the same content: one of them would not be in the table."""
    seen: dict[tuple[str, ...], tuple[str, str]] = {}
    for name, file in lists:
        contents = registry.parse("scorer", "edges", {"file": file}).identity()["file"]  # the pattern where none fits
        first, original = seen.setdefault(tuple(contents), (name, file))
        if first != name:
            raise KnockoutError(
                f"{first!r} and {name!r} are one list: {original} and {file} have the same content. Leave one out, or "
                "name the file that was meant."
            )


def _named(text: str) -> tuple[str, str]:
    """Return name and file of a list: its own, or that of its folder where files of many methods have one name."""
    name, equals, file = text.partition("=")
    if not equals or "/" in name:
        name, file = "", text
    path = Path(file)
    if "{" not in file and not path.is_file():
        raise KnockoutError(f"there is no list of edges.{sibling_suggestion(path)}", where=file)
    stem = path.name.removesuffix(".gz").partition(".")[0]
    generic = "{" in stem or stem.lower() in LIKELY
    folder = path.parent.name if generic and "{" not in path.parent.name else ""
    return name or folder or ("" if "{" in stem else stem) or "list", str(path.expanduser().absolute())


def export_exams(study: Study, to: Path, arm: str = "") -> list[Path]:
    """Write every exam of a study, ``TO/<data set>/repeat-0`` and so on, and return the folders.

    Training negatives are those that the sampler of ``arm``, by default the reference, draws for its first epoch. No
    label of the test is written.

    Raises
    ------
    KnockoutError
        If there is no such arm, or a folder is there already.
    """
    names = [each.name for each in study.arms]
    arm = study.aliases.get(arm, arm) or study.reference.name
    if arm not in names:
        raise UnknownNameError.of("arm", arm, names, where="--arm")
    cells = [cell for cell in make_plan(study).cells if cell.arm.name == arm]
    taken = [folder for cell in cells if (folder := _folder(to, cell)).exists()]
    if taken:
        raise KnockoutError("the folder is there already; name another one.", where=f"--to {taken[0]}")
    return [folder for cell in cells for folder in _export(cell, _folder(to, cell))]


def _folder(to: Path, cell: Cell) -> Path:
    return to / cell.labels.dataset / f"repeat-{cell.repeat}"


def _export(cell: Cell, folder: Path) -> list[Path]:
    """Write the exam of a cell, fold by fold; nothing is left of one that could not be written."""
    dataset = load_dataset(cell.dataset, cell.root)
    streams = Streams(dataset.digest, cell.repeat)
    folds = make_folds(dataset, cell.split, cell.repeat)
    written = []
    try:
        for number, split in enumerate(folds, start=1):
            fold = number if len(folds) > 1 else 0
            at = folder / f"fold-{fold}" if fold else folder
            write_exam(view_of(cell.arm, dataset, split, streams, fold), asked_pairs(split)[0], at)
            written.append(at)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return written
