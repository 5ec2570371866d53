"""`knockout status` on folders whose files are written here; what real studies leave is tested elsewhere."""

import io
import json
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from study.cli.stored import status
from study.plan.progress import ProgressReader
from study.spec.machine import Lane
from study.spec.records import CellRecord, CellRow, PlanRecord, SearchRecord, Status
from study.store.claims import Claims
from study.store.ledger import Ledger
from study.store.plan_file import write_plan

Knockout = Callable[..., Any]
TRIALS = "number,state,warm,arm,arm_digest,cells,seconds,objective:auroc,objective:seconds,param:gnn\n"


def row(cell: str, arm: str, dataset: str, repeat: int) -> CellRow:
    texts = dict.fromkeys(("role", "network", "block", "split", "data_digest", "code_digest"), "")
    named = {"study": "tiny", "arm": arm, "arm_digest": f"digest of {arm}", "dataset": dataset, "repeat": repeat}
    return CellRow(**named, **texts, levels={}, settings={}, training={}, cell=cell)


def plan(out: Path, repeats: int = 2) -> list[str]:
    points = [(arm, dataset, r) for r in range(repeats) for dataset in ("big", "small") for arm in ("full", "none")]
    rows = [row(f"{arm}-{dataset}-{r}", arm, dataset, r) for arm, dataset, r in points]
    write_plan(PlanRecord(metric="auroc", rows=rows), out)
    return [r.cell for r in rows]


def record(out: Path, cell: str, seconds: float = 60.0, **changes: Any) -> None:
    assert Ledger(out).write(CellRecord(cell=cell, seconds=seconds, **changes))


def trials(out: Path, *lines: str, **fields: Any) -> None:
    (out / "search").mkdir(parents=True, exist_ok=True)
    (out / "search" / "trials.csv").write_text(TRIALS + "".join(f"{line}\n" for line in lines))
    if fields:
        texts = dict.fromkeys(("study", "sampler", "pruner", "reference", "reference_digest", "storage"), "")
        lists = {name: [] for name in ("objectives", "datasets", "space", "pareto", "importances")}
        numbers = {"trials": None, "hours": None, "parallel": 4, "seed": 0, "repeats": 1}
        content = {"metric": "auroc", "exhausted": False, **texts, **lists, **numbers, **fields}
        (out / "search" / "search.json").write_text(SearchRecord(**content).text())


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.fixture
def at_each_look(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let something happen after each look in place of waiting; Ctrl-C after the last."""

    def happen(*events: Callable[[], object]) -> None:
        waiting = iter(events)

        def sleep(seconds: float) -> None:
            event = next(waiting, None)
            if event is None:
                raise KeyboardInterrupt
            event()

        monkeypatch.setattr(status.time, "sleep", sleep)

    return happen


def files(out: Path) -> dict[Path, tuple[int, bytes]]:
    return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in out.rglob("*") if path.is_file()}


@pytest.mark.parametrize("options", [[], ["--watch"]], ids=" ".join)
@pytest.mark.parametrize("there", ["nothing", "an empty folder", "a file"])
def test_what_is_no_study_is_one_message_and_left_alone(knockout: Knockout, out: Path, options: list[str], there: str):
    if there == "an empty folder":
        out.mkdir()
    elif there == "a file":
        out.write_text("nonsense")
    before = files(out.parent)
    completed = knockout("status", out, *options)
    assert (
        completed.code == 2
        and completed.err.startswith("error: ")
        and completed.err.count("\n") == 1
        and completed.out == ""
    )
    assert files(out.parent) == before


def test_status_states_progress_and_failures_and_writes_nothing(knockout: Knockout, out: Path):
    plan(out)
    record(out, "full-big-0")
    record(out, "none-big-0", status=Status.ERROR, reason="ValueError: boom went off [/at all]")
    record(out, "of-another-plan")
    before = files(out)
    completed = knockout("status", out)
    assert completed.code == 0 and "tiny: 2 of 8 cells (1 ok, 1 error)" in completed.out
    assert "error: none / big / repeat 0: ValueError: boom went off [/at all]" in completed.out
    assert ["full", "1/2", "0/2"] in [line.replace("│", " ").split() for line in completed.out.splitlines()]
    assert "nobody runs it now; about 6 min are left on one lane" in completed.out
    assert files(out) == before


def test_status_states_drivers_running_cells_and_the_time_left(knockout: Knockout, out: Path):
    cells = plan(out)
    for cell in cells[:4]:
        record(out, cell, seconds=600.0)
    with Claims(out) as driver:
        driver.work_on([Lane("cpu", 1), Lane("cpu", 1)])
        for cell in cells[3:6]:  # the first of them is recorded and about to be let go
            driver.take(cell, cell.replace("-", " / "))
        then = time.time() - 240
        os.utime(out / "claims" / f"{cells[4]}.json", (then, then))
        output = knockout("status", out).out
    assert f"driver: process {os.getpid()} on " in output and "2 x cpu (1 thread)" in output
    running = [line for line in output.splitlines() if line.startswith("running")]
    assert len(running) == 2 and f"full / big / 1: process {os.getpid()} on " in running[0]
    assert running[0].endswith("for 4 min")
    assert "about 18 min left" in output  # 4 cells of 10 minutes, of which 4 have gone by, on 2 lanes


def test_status_names_stale_claims(knockout: Knockout, out: Path):
    cells = plan(out)
    fork = multiprocessing.get_context("fork")
    with Claims(out) as driver:
        driver.take(cells[0], "full / big / repeat 0")
        (file,) = (out / "claims" / "drivers").iterdir()
        process = fork.Process(target=time.sleep, args=(0,))
        process.start()
        process.join()
        file.write_text(json.dumps({**json.loads(file.read_text()), "pid": process.pid}))
        output = knockout("status", out).out
    assert "stale: full / big / repeat 0: claimed by process" in output and "the next run takes it over" in output
    assert "running" not in output and "nobody runs it now" in output


def test_status_of_a_search_counts_its_trials_and_names_the_best(knockout: Knockout, out: Path):
    trials(
        out,
        "0,complete,True,old,a,4,40,0.8,40,gat",
        "1,complete,False,t1,b,4,30,0.7,30,gat",
        "2,pruned,False,t2,c,1,10,0.9,10,",
    )
    assert "search: 2 trials (1 complete, 1 pruned, 1 more found finished); best: auroc 0.8 on validation, old" in (
        knockout("status", out).out
    )
    trials(out, "0,complete,False,t0,a,4,30,0.7,30,gat", "1,failed,False,t1,b,1,10,,,", trials=4)
    output = knockout("status", out).out
    assert "search: 2 of 4 trials (1 complete, 1 failed)" in output and "about 40 s are left on one lane" in output
    trials(out, "0,complete,False,t0,a,4,30,0.7,30,gat", exhausted=True, trials=4)
    assert "complete\n" in knockout("status", out).out
    plan(out)
    output = knockout("status", out).out
    assert "tiny: 0 of 8 cells" in output and "best: auroc 0.7" in output


def test_the_best_of_an_objective_that_costs_is_the_least(knockout: Knockout, out: Path):
    trials(out, "0,complete,False,t0,a,4,30,0.7,30,gat", "1,complete,False,t1,b,4,20,0.6,20,gat")
    path = out / "search" / "trials.csv"
    path.write_text(path.read_text().replace("objective:auroc,objective:seconds", "objective:seconds,objective:auroc"))
    assert "best: seconds 0.6 on validation, t1" in knockout("status", out).out


def test_a_damaged_table_of_trials_is_named(knockout: Knockout, out: Path):
    trials(out)
    (out / "search" / "trials.csv").write_text("number\n1\n")
    completed = knockout("status", out)
    assert completed.code == 0 and completed.err == "" and "Traceback" not in completed.out
    (line,) = [line for line in completed.out.splitlines() if "trials.csv" in line]
    assert "the table is damaged" in line and "run the study again" in line


def test_status_of_a_tuned_ablation_counts_and_then_shows_its_arms(knockout: Knockout, out: Path):
    for arm in "ab":
        folder = out / "tune" / arm
        folder.mkdir(parents=True)
        (folder / "trials.csv").write_text(
            TRIALS + "0,complete,False,t0,a,4,30,0.7,30,\n1,complete,True,t1,a,4,3,0.7,3,\n"
        )
    assert "tuning: 2 trials ended" in knockout("status", out).out
    (out / "tune" / "tuning.csv").write_text(
        "arm,budget,trials,score,settings\nfull,20,20,0.71234,gnn.gat.heads=5\nrule,0,0,,\n"
    )
    output = knockout("status", out).out
    assert "gnn.gat.heads=5" in output and "0.7123 " in output and "nan" not in output.lower()


def test_watch_of_a_complete_study_ends_at_once(knockout: Knockout, out: Path, at_each_look: Callable[..., None]):
    for cell in plan(out):
        record(out, cell)
    at_each_look(lambda: pytest.fail("it waited"))
    completed = knockout("status", out, "--watch")
    assert completed.code == 0 and "tiny: 8 of 8 cells (8 ok); 0 running; complete" in completed.out


def test_watch_prints_a_line_when_something_changed_until_the_study_is_complete(
    knockout: Knockout, out: Path, at_each_look: Callable[..., None]
):
    cells = plan(out, repeats=1)
    driver = Claims(out).__enter__()

    def end_all() -> None:
        Ledger(out).forget(cells[0])
        for cell in cells:
            record(out, cell)

    at_each_look(
        lambda: None,
        lambda: driver.take(cells[0]),
        lambda: record(out, cells[0], status=Status.OOM, reason="too large"),
        lambda: None,
        end_all,
        lambda: driver.__exit__(None, None, None),
    )
    completed = knockout("status", out, "--watch")
    lines = [line.split(" ", 1)[1] for line in completed.out.splitlines()]
    assert completed.code == 0 and completed.err == ""
    assert lines == [
        "tiny: 0 of 4 cells (none); 0 running; time left: not known yet",
        "tiny: 0 of 4 cells (none); 1 running; time left: not known yet",
        "tiny: 1 of 4 cells (1 oom); 0 running; about 3 min left",
        "full / big / repeat 0: too large",
        "tiny: 4 of 4 cells (4 ok); 0 running; about 0 s left",
        "tiny: 4 of 4 cells (4 ok); 0 running; complete",
    ]


def test_ctrl_c_ends_the_watch_with_exit_code_0(knockout: Knockout, out: Path, at_each_look: Callable[..., None]):
    plan(out)
    at_each_look()
    completed = knockout("status", out, "--watch", "--every", "0.1")
    assert (completed.code, completed.err) == (0, "") and "tiny: 0 of 8 cells" in completed.out


def watch(out: Path, log: Path) -> None:
    from study.cli.main import main

    handle = os.open(log, os.O_WRONLY | os.O_CREAT)
    os.dup2(handle, 1), os.dup2(handle, 2)
    sys.stdout, sys.stderr = open(1, "w", closefd=False, buffering=1), open(2, "w", closefd=False)  # noqa: SIM115
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv = ["knockout", "status", str(out), "--watch"]
    main()


@pytest.fixture
def watching(out: Path, tmp_path: Path) -> Iterator[Any]:
    plan(out)
    process = multiprocessing.get_context("fork").Process(target=watch, args=(out, tmp_path / "log"))
    process.start()
    yield process
    process.kill()
    process.join()


def test_a_signal_ends_a_watch_in_a_process_of_its_own(watching: Any, tmp_path: Path):
    log, end = tmp_path / "log", time.monotonic() + 30
    while not (log.exists() and "of 8 cells" in log.read_text()):
        assert time.monotonic() < end
        time.sleep(0.02)
    os.kill(watching.pid, signal.SIGINT)
    watching.join(10)
    assert watching.exitcode == 0 and "Traceback" not in log.read_text() and "stopped" not in log.read_text()


def test_a_terminal_is_drawn_anew_and_keeps_the_last_picture(
    out: Path, at_each_look: Callable[..., None], monkeypatch: pytest.MonkeyPatch
):
    cells = plan(out)
    text = io.StringIO()
    terminal = Console(file=text, force_terminal=True, width=100, height=6, markup=False, highlight=False)
    monkeypatch.setattr(status, "make_console", lambda: terminal)
    at_each_look(*(lambda cell=cell: record(out, cell, status=Status.ERROR, reason="[/why]") for cell in cells))
    status.watch(out, 1.0)
    first, _, last = text.getvalue().rpartition("tiny: 8 of 8 cells")
    assert "tiny: 0 of 8 cells" in first and "tiny: 7 of 8 cells" in first
    assert last.count("error: ") == 8 and "[/why]" in last, "more than the six lines that fit while it was running"


def test_a_record_is_read_once_unless_it_is_forgotten_for_a_retry(out: Path, monkeypatch: pytest.MonkeyPatch):
    cells = plan(out)
    record(out, cells[0])
    record(out, cells[1], status=Status.ERROR, reason="first")
    read, was = [], Ledger.read
    monkeypatch.setattr(Ledger, "read", lambda self, cell: read.append(cell) or was(self, cell))
    reader = ProgressReader(out)
    assert reader.read().ended == reader.read().ended and sorted(read) == sorted(cells[:2])
    Ledger(out).forget(cells[1])
    record(out, cells[1], status=Status.ERROR, reason="second")
    record(out, cells[2])
    read.clear()
    assert reader.read().ended[cells[1]].reason == "second" and sorted(read) == sorted(cells[1:3])
    Ledger(out).forget(cells[1])
    assert set(reader.read().ended) == {cells[0], cells[2]}
    plan(out, repeats=3)
    assert len(reader.read().rows) == 12


def test_a_study_that_waits_for_its_driver_to_leave_is_not_complete(out: Path):
    for cell in plan(out):
        record(out, cell)
    with Claims(out):
        assert not ProgressReader(out).read().complete
    assert ProgressReader(out).read().complete
