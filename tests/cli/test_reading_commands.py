"""What commands leave alone: `plan` and `status` write nothing; `report` and `confirm` drop nothing.

On a study, a search and a tuned ablation that are complete, as they are and after the study file, the data or the code
changed.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.core.errors import KnockoutError
from study.cli.display import LiveProgress
from study.plan.progress import ProgressReader
from study.run.engine import Means
from study.search.optuna_store import OptunaStore
from study.search.run import SearchLog, open_search
from study.search.search import Search
from study.search.trial import read_trials
from study.spec import cell as cells
from study.spec.folder import OutFolder, SearchFolder
from study.store.claims import Claims, read_claims
from study.store.drivers import read_drivers
from study.store.ledger import Ledger
from study.store.tracking.tracker import Tracker
from study.study_file.study import load_study
from study.train.checkpoint import Checkpoint

Knockout = Callable[..., Any]
Content = dict[str, Any]

KEPT = ("ledger", "predictions", "embeddings", "search/trials", "tune")  # what cost something


def everything(root: Path) -> dict[str, tuple[int, bytes | None]]:
    """Return time of change and content of every file and folder, the root included."""
    return {
        str(path.relative_to(root)): (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else None)
        for path in [root, *root.rglob("*")]
    }


def stored_contents(out: Path) -> dict[str, bytes]:
    """Return the content of every record, trial, prediction and embedding."""
    files = [path for name in KEPT for path in (out / name).rglob("*") if path.is_file() and ".lock" not in path.name]
    contents = {str(path.relative_to(out)): path.read_bytes() for path in files}
    assert {name.split("/")[0] for name in contents} >= {"ledger", "predictions"}
    return contents


def edited(**changes: Any) -> Callable[[Content], Content]:
    return lambda content: {**content, **changes}


def other_level(content: Content) -> Content:
    return {**content, "design": {**content["design"], "factors": {"gnn": ["none", "gcn"]}}}


def narrowed(content: Content) -> Content:
    rates = {"adam": {"learning_rate": [9e-3, 1e-2]}}
    return {**content, "search": {**content["search"], "vary": {"gnn": ["gcn"], "optimizer": [rates]}}}


def other_data(content: Content) -> Content:
    first, *rest = content["datasets"]
    return {**content, "datasets": [{**first, "seed": 7}, *rest]}


FILE: dict[str, Callable[[Content], Content]] = {
    "level added": other_level,
    "space narrowed": narrowed,
    "repeats changed": edited(repeats=3),
    "other data": other_data,
}
CHANGES = {
    "study": ("nothing", "level added", "repeats changed", "other data", "other code"),
    "search": ("nothing", "space narrowed", "repeats changed", "fewer data sets", "other data", "other code"),
    "tuning": ("nothing", "level added", "repeats changed", "fewer data sets", "other data", "other code"),
}
TRAINING = [("search", "nothing"), ("search", "space narrowed")]  # as does ("search", "fewer data sets")
CASES = [
    pytest.param(kind, change, marks=pytest.mark.slow)  # its folder takes long, or it trains
    if kind == "tuning" or change == "fewer data sets"
    else (kind, change)
    for kind, changes in CHANGES.items()
    for change in changes
]


@pytest.fixture
def changed(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str, str], tuple[Path, Path, list[str]]]:
    """Copy a finished folder, and change its study file, its data or the code; return both, and options."""

    def make(kind: str, change: str) -> tuple[Path, Path, list[str]]:
        name = {"study": "finished", "search": "finished_search", "tuning": "finished_tuning"}[kind]
        finished = request.getfixturevalue(name)
        out, file = tmp_path / "out", tmp_path / "tiny.yaml"
        shutil.copytree(finished, out)
        content = yaml.safe_load((finished.parent / "tiny.yaml").read_text())
        file.write_text(yaml.safe_dump(FILE.get(change, edited())(content), sort_keys=False))
        if change == "other code":
            monkeypatch.setattr(cells, "code_digest", lambda levels: "0" * 16)
        return file, out, ["--only", "net"] if change == "fewer data sets" else []

    return make


@pytest.fixture
def begun(finished: Path, finished_search: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Collect the cells that are sent to workers, once the finished folders are there."""
    labels: list[str] = []
    was = LiveProgress.started
    monkeypatch.setattr(LiveProgress, "started", lambda self, cell: labels.append(cell.label) or was(self, cell))
    return labels


@pytest.mark.parametrize(("kind", "change"), CASES)
def test_plan_and_status_write_nothing(knockout: Knockout, changed: Callable[..., Any], kind: str, change: str):
    file, out, only = changed(kind, change)
    before = everything(out)
    status = knockout("status", out)
    assert status.code == 0 and "complete" in status.out and status.err == ""
    assert everything(out) == before, "status wrote"
    planned = knockout("plan", file, "--out", out, "--no-cost", *only)
    assert planned.code == 0 and planned.err == ""
    assert everything(out) == before, "plan wrote"
    if kind == "search":
        stale = "run starts the search anew" in " ".join(planned.out.split())
        assert stale == (change not in ("nothing", "space narrowed"))


def test_timing_what_is_missing_writes_nothing(knockout: Knockout, changed: Callable[..., Any]):
    file, out, _ = changed("study", "level added")
    before = everything(out)
    planned = knockout("plan", file, "--out", out)
    assert planned.code == 0 and "2 cells to run: about" in planned.out
    assert everything(out) == before


@pytest.mark.parametrize("kind", ["study", "search", pytest.param("tuning", marks=pytest.mark.slow)])
def test_a_report_drops_nothing(knockout: Knockout, changed: Callable[..., Any], kind: str):
    """It reads neither study file nor data; the code is another one here."""
    _, out, _ = changed(kind, "other code")
    page = OutFolder(out).search.report if kind == "search" else OutFolder(out).report
    shutil.rmtree(page)
    before = everything(out)
    assert knockout("report", out).code == 0
    assert (page / "report.html").exists()
    now = everything(out)
    report, parents = str(page.relative_to(out)), {".", "search"}
    written = {name for name in now.keys() | before.keys() if now.get(name) != before.get(name)}
    assert {n for n in written if n not in parents and not n.startswith(report)} <= {"cells.parquet"}


@pytest.mark.parametrize(
    ("kind", "change"),
    [pytest.param(*case, marks=pytest.mark.slow) if case in TRAINING else case for case in CASES],
)
def test_confirm_drops_nothing(
    knockout: Knockout, changed: Callable[..., Any], begun: list[str], forked: None, kind: str, change: str
):
    file, out, only = changed(kind, change)
    before, records = everything(out), stored_contents(out)
    completed = knockout("confirm", file, "--out", out, *only)
    if kind != "search":
        assert completed.code == 2 and "has a design, no search" in completed.err
        assert everything(out) == before
    elif change in ("repeats changed", "other data", "other code"):
        assert completed.code == 2 and "were scored on other data sets, repeats or code" in completed.err
        assert everything(out) == before
    elif change == "space narrowed":
        assert completed.code == 2 and "has 1 finished trials and is not over" in completed.err, (
            "the other lies outside"
        )
        assert everything(out) == before
    else:
        assert completed.code == 0, completed.err
        assert stored_contents(out).items() >= records.items()
        assert begun and not any(label.startswith("trial") and "repeat 0" in label for label in begun)
        assert (out / "search" / "confirmed.csv").exists() and (out / "report" / "report.html").exists()
    if only and kind == "search":
        assert all(" / net / " in label for label in begun)
        trials = everything(out / "search" / "trials")
        begun.clear()
        again = knockout("run", file, "--out", out)
        assert again.code == 0 and begun == []
        assert everything(out / "search" / "trials") == trials
        assert stored_contents(out).items() >= records.items()


def test_nothing_is_made_by_being_constructed(finished_search: Path, tmp_path: Path):
    study, out = load_study(finished_search.parent / "tiny.yaml"), tmp_path / "nowhere" / "out"
    folder = OutFolder(out).search
    opened = open_search(study, out)
    search = Search(study, opened.datasets, opened.space, opened.spec, Ledger(out), folder)
    assert search.finished == [] and not search.over and search.best() == []
    tracker = Tracker("tiny", out)
    SearchLog(search, "tiny", tracker, LiveProgress, Means())
    OptunaStore("tiny", folder), read_trials(folder), read_trials(SearchFolder(out))
    Claims(out), Checkpoint(out / "state.pt", "cell")
    assert Ledger(out).cells() == set() and Ledger(out).read("cell") is None
    assert read_claims(out) == [] and read_drivers(out) == []
    with pytest.raises(KnockoutError, match="no study was run here"):
        ProgressReader(out).read()
    assert list(tmp_path.iterdir()) == []


# in a folder whose search has been confirmed: what a search rewrites as it goes, and what drivers leave behind
RECORDS = {
    "trial": "search/trials/000000.json",
    "clock": "search/clock.json",
    "summary": "search/search.json",
    "table": "search/trials.csv",
    "claim": "claims/0123456789abcdef0123.json",
    "driver": "claims/drivers/0123456789abcdef.json",
}
DAMAGE = {
    "empty": b"",
    "cut": b'{"version":1,"number',
    "other": b"[1, 2]\n3\n",
    "later": b'{"version":2,"news":true}',
    "binary": b"\xff\xfe\x00\x81",
}


def damage(out: Path, name: str, content: bytes) -> None:
    path = out / RECORDS[name]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


@pytest.mark.parametrize("name", RECORDS)
def test_a_damaged_file_stops_neither_status_nor_plan(knockout: Knockout, changed: Callable[..., Any], name: str):
    file, out, _ = changed("search", "nothing")
    for how, content in DAMAGE.items():
        damage(out, name, content)
        before = everything(out)
        for command in (("status", out), ("plan", file, "--out", out)):
            completed = knockout(*command)
            assert (completed.code, completed.err) == (0, ""), (how, command, completed.err)
            assert "Traceback" not in completed.out
        assert everything(out) == before


@pytest.mark.parametrize("how", DAMAGE)
def test_damaged_files_stop_no_run_and_cost_no_cell(
    knockout: Knockout, changed: Callable[..., Any], begun: list[str], forked: None, how: str
):
    file, out, _ = changed("search", "nothing")
    cells_before = {path.name: path.read_bytes() for path in (out / "ledger").iterdir()}
    sound = {name: (out / path).read_text() for name, path in RECORDS.items() if (out / path).exists()}
    for name in RECORDS:
        damage(out, name, DAMAGE[how])
    completed = knockout("run", file, "--out", out)
    assert completed.code == 0, completed.err
    assert begun == [] and {path.name: path.read_bytes() for path in (out / "ledger").iterdir()} == cells_before
    for name in ("trial", "table"):
        assert (out / RECORDS[name]).read_text() == sound[name], "it is written anew as it was"
    summaries = [json.loads(text) for text in ((out / RECORDS["summary"]).read_text(), sound["summary"])]
    assert summaries[0] == summaries[1] | {"storage": str(out / "search" / "optuna.log")}
    assert not list((out / "claims" / "drivers").glob("*.json"))
    assert knockout("report", out).code == 0


@pytest.mark.parametrize("name", [name for name in RECORDS if name not in ("summary", "table")])
def test_a_damaged_file_stops_no_report(knockout: Knockout, changed: Callable[..., Any], name: str):
    _, out, _ = changed("search", "nothing")
    damage(out, name, DAMAGE["cut"])
    assert knockout("report", out).code == 0


@pytest.mark.slow
def test_a_damaged_claim_blocks_no_cell(
    knockout: Knockout, changed: Callable[..., Any], begun: list[str], forked: None
):
    file, out, _ = changed("study", "nothing")
    record = min((out / "ledger").iterdir())
    before = record.read_text()
    record.unlink()
    (out / "claims" / record.name).write_bytes(DAMAGE["cut"])
    assert knockout("run", file, "--out", out).code == 0
    assert len(begun) == 1 and json.loads(record.read_text())["scores"] == json.loads(before)["scores"]
    assert not list((out / "claims").glob("*.json"))


@pytest.mark.parametrize("name", ["summary", "table"])
@pytest.mark.parametrize("how", DAMAGE)
def test_a_report_of_a_search_with_a_damaged_table_names_it(
    knockout: Knockout, changed: Callable[..., Any], name: str, how: str
):
    _, out, _ = changed("search", "nothing")
    damage(out, name, DAMAGE[how])
    before = everything(out)
    completed = knockout("report", out)
    assert completed.code == 2 and RECORDS[name] in completed.err and completed.err.count("\n") == 1
    assert everything(out) == before
