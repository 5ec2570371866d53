import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
import pytest

from components.core.errors import KnockoutError
from components.scorer.own.program import Place, run_program
from components.scorer.own.watch import Output
from study.plan.cost.total import estimate
from study.plan.plan import Plan, make_plan
from study.search.run import open_tuning
from study.spec.cell import Cell
from study.spec.folder import OutFolder
from study.spec.machine import Lane
from study.spec.records import Status
from study.store.ledger import Ledger
from study.study_file.study import load_study
from study.train.cell import CellResult, run_cell
from study.train.exams import make_folds

LANE = Lane("cpu", 1)
# scores a pair by the product of its profiles, and keeps what it was handed
TRAIN = """
import json, shutil, sys
from pathlib import Path
import numpy as np
pairs, scores, expression, seed, kept = sys.argv[1:6]
print("seed", seed)
folder = Path(pairs).parent
if kept != "-":
    shutil.copytree(folder, kept, dirs_exist_ok=True)
values = np.array([line.split(",")[1:] for line in Path(expression).read_text().splitlines()[1:]], dtype=float)
asked = [[int(v) for v in line.split(",")[1:]] for line in Path(pairs).read_text().splitlines()[1:]]
with open(scores, "w") as file:
    file.write("TF,Target,score\\n")
    for tf, target in asked:
        file.write(f"{tf},{target},{values[tf] @ values[target]}\\n")
"""
RUN = f"{sys.executable} train.py {{pairs}} {{scores}} {{expression}} {{seed}} {{kept}}"


@pytest.fixture
def cells(study_file: Callable[..., Path], tmp_path: Path) -> Callable[..., list[Cell]]:
    """Return the cells of one arm of a study, a program unless something else is asked for."""
    (tmp_path / "train.py").write_text(TRAIN)

    def of(arm: str = "mine", *, study: dict[str, Any] | None = None, **given: Any) -> list[Cell]:
        entry = {"name": "mine", "command": RUN, "kept": "-"} | given
        entry = {key: value for key, value in entry.items() if key != "kept" or "{kept}" in entry["command"]}
        design = {"kind": "explicit", "arms": [entry]}
        plan = make_plan(load_study(study_file(design=design, **(study or {}))))
        return [cell for cell in plan.cells if cell.arm.name == arm]

    return of


def auroc(result: CellResult) -> float:
    assert result.record.ok, result.record.reason
    return float(result.record.scores["test"]["auroc"])


def test_a_program_is_scored_as_any_arm(cells: Callable[..., list[Cell]], tmp_path: Path):
    first, second = (run_cell(cell, LANE, tmp_path / "out") for cell in cells())
    assert 0.3 < auroc(first) < 1.0
    assert first.record.peak_memory_mb > 0
    printed = OutFolder(tmp_path / "out").output(first.record.cell).read_text()
    assert printed.startswith("$ cd ") and "\nseed " in printed
    assert not list((tmp_path / "out" / "scratch").iterdir())
    seeds = [OutFolder(tmp_path / "out").output(r.record.cell).read_text().split("seed ")[1] for r in (first, second)]
    assert seeds[0] != seeds[1]


@pytest.mark.parametrize("split", ["all_non_targets", "per_tf", {"kfold_pooled": {"folds": 3}}], ids=str)
def test_no_label_of_the_test_is_handed_out(cells: Callable[..., list[Cell]], tmp_path: Path, split: Any):
    cell = cells(kept=str(tmp_path / "kept"), study={"split": split})[0]
    result = run_cell(cell, LANE, tmp_path / "out")
    assert result.record.ok, result.record.reason
    from study.spec.datasets import load_dataset

    dataset = load_dataset(cell.dataset, cell.root)
    last = make_folds(dataset, cell.split, cell.repeat)[-1]  # each fold's files were copied over the last one's
    tables = {path.name: pd.read_csv(path, index_col=0) for path in (tmp_path / "kept").glob("*.csv")}
    labelled = {name for name, table in tables.items() if "Label" in table}
    assert labelled == {"Train_set.csv", "Validation_set.csv"}
    test = set(map(tuple, last.test[last.test_labels == 1].tolist()))
    for name in (*labelled, "Pool.csv"):
        handed = set(map(tuple, tables[name][["TF", "Target"]].to_numpy().tolist()))
        assert not handed & test, name
    test_pairs = tables["Pairs.csv"][["TF", "Target"]].to_numpy()
    assert len(test_pairs) == len(last.validation) + len(last.test)
    assert (np.lexsort(test_pairs.T[::-1]) == np.arange(len(test_pairs))).all(), (
        "an order that is not that of the labels"
    )


def test_noise_and_permuted_are_the_program_on_other_expression(cells: Callable[..., list[Cell]], tmp_path: Path):
    handed_out = tmp_path / "kept"
    true = run_cell(cells(controls=["noise", "permuted"])[0], LANE)
    permuted = run_cell(cells("mine (permuted)", controls=["noise", "permuted"], kept=str(handed_out))[0], LANE)
    noise = run_cell(cells("mine (noise)", controls=["noise", "permuted"], kept=str(handed_out))[0], LANE)
    assert len({auroc(true), auroc(permuted), auroc(noise)}) == 3
    values = pd.read_csv(handed_out / "BL--ExpressionData.csv", index_col=0).to_numpy()
    assert (values < 0).any() and abs(values.mean()) < 0.1, "noise was handed out"


def test_a_tuned_program_is_run_with_the_values_that_are_drawn(study_file: Callable[..., Path], tmp_path: Path):
    (tmp_path / "train.py").write_text(TRAIN)
    entry = {"name": "mine", "command": f"{RUN} {{lr}}", "kept": "-", "lr": 0.5}
    vary = {"command": {"lr": [1e-4, 1e-2, "log"]}}
    tune = {"trials": 3, "repeats": 1, "vary": vary, "fixed": ["negatives"]}
    study = load_study(study_file(design={"kind": "explicit", "arms": [entry], "tune": tune}))
    search = next(search for arm, search in open_tuning(study, tmp_path / "out") if arm.name == "mine")
    assert search is not None
    for _ in range(2):
        cell = search.take()
        assert cell is not None
    drawn = cell.arm.choices["scorer"].settings.own["lr"]
    assert 1e-4 <= drawn <= 1e-2, "the second trial: the first one has the value of the file"
    assert run_cell(cell, LANE, tmp_path / "out").record.ok
    assert OutFolder(tmp_path / "out").output(cell.digest).read_text().splitlines()[1].endswith(f" {drawn}")


FAILURES = {
    "code": ("import sys; print('no GPU'); sys.exit(4)", Status.ERROR, "ended with code 4; its last lines: no GPU"),
    "no scores": ("pass", Status.ERROR, "the program wrote no scores"),
    "killed": ("import os; os.kill(os.getpid(), 9)", Status.OOM, "was ended by signal 9"),
    "says so": ("raise MemoryError('CUDA out of memory')", Status.OOM, "CUDA out of memory"),
}


@pytest.mark.parametrize("code, status, message", FAILURES.values(), ids=FAILURES)
def test_a_program_that_fails_is_a_failed_cell_with_its_output(
    cells: Callable[..., list[Cell]], tmp_path: Path, code: str, status: Status, message: str
):
    (tmp_path / "fails.py").write_text(code)
    cell = cells(command=f"{sys.executable} fails.py {{scores}}")[0]
    record = run_cell(cell, LANE, tmp_path / "out").record
    assert record.status is status and message in record.reason and not record.scores
    assert OutFolder(tmp_path / "out").output(cell.digest).exists()
    if message.startswith("ended"):
        assert f"All that it printed: output/{cell.digest}.txt" in record.reason
    assert not list((tmp_path / "out" / "scratch").iterdir())


def test_what_a_program_leaves_behind_ends_with_it(cells: Callable[..., list[Cell]], tmp_path: Path):
    (tmp_path / "leaves.sh").write_text(
        f"sleep 600 & echo $! > {tmp_path}/child\nprintf '\\033[31mno\\033[0m'\nexit 3\n"
    )
    record = run_cell(cells(command="sh leaves.sh {scores}")[0], LANE).record
    assert record.reason.endswith("its last lines: no"), "no colours in a table"
    child = int((tmp_path / "child").read_text())
    wait_for(lambda: has_ended(child))


DAEMON = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        open(sys.argv[1], "w").write(str(os.getpid()))
        time.sleep(600)
    os._exit(0)
os.wait()
while not (os.path.exists(sys.argv[1]) and os.path.getsize(sys.argv[1])):
    time.sleep(0.01)
time.sleep(float(sys.argv[2]))
"""


@pytest.mark.parametrize("lasts, limit_s", [(0, None), (600, 2.0)], ids=["its end", "a time limit"])
@pytest.mark.slow
def test_a_daemon_ends_with_the_program_that_started_it(
    cells: Callable[..., list[Cell]], tmp_path: Path, lasts: int, limit_s: float | None
):
    (tmp_path / "daemon.py").write_text(DAEMON)
    cell = cells(command=f"{sys.executable} daemon.py {tmp_path}/child {lasts} {{scores}}")[0]
    started = time.monotonic()
    record = run_cell(cell, LANE, timeout_s=limit_s).record
    assert record.status is (Status.TIMEOUT if limit_s else Status.ERROR) and time.monotonic() - started < 30
    assert has_ended(int((tmp_path / "child").read_text()))


def test_the_first_and_the_last_of_what_a_program_prints_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Output.__init__, "__defaults__", (1000,))
    code = "for k in range(100_000): print(f'line {k}')"
    run_program([sys.executable, "-c", code], Place(tmp_path), tmp_path, tmp_path / "log")
    printed = (tmp_path / "log").read_text()
    before, _, after = printed.partition("\n[... ")
    assert before.count("line") > 100 and "\nline 0\n" in before and len(printed) < 2500
    cut, _, last = after.partition(" bytes are cut here ...]\n")
    assert last.endswith("line 99999\n") and len(last) == 1000
    whole = sum(len(f"line {k}\n") for k in range(100_000))
    assert int(cut) == whole - 2000


def test_a_short_output_is_kept_whole(tmp_path: Path):
    run_program(["printf", "one\\ntwo"], Place(tmp_path), tmp_path, tmp_path / "log")
    assert (tmp_path / "log").read_text().splitlines()[2:] == ["one", "two"]


@pytest.mark.slow
def test_a_time_limit_ends_a_program_with_its_children(cells: Callable[..., list[Cell]], tmp_path: Path):
    (tmp_path / "endless.sh").write_text(f"sleep 600 & echo $! > {tmp_path}/child\nsleep 600\n")
    cell = cells(command="sh endless.sh {scores}")[0]
    started = time.monotonic()
    record = run_cell(cell, LANE, timeout_s=1.0).record
    assert record.status is Status.TIMEOUT and time.monotonic() - started < 30
    child = int((tmp_path / "child").read_text())
    wait_for(lambda: has_ended(child))


@pytest.mark.slow
def test_a_killed_worker_takes_its_program_along(tmp_path: Path):
    code = (
        "from pathlib import Path; from components.scorer.own.program import Place, run_program;"
        "run_program(['sh', '-c', 'echo $$ > pid; exec sleep 600'], Place(Path('.')), Path('.'), Path('log'))"
    )
    environment = dict(os.environ, PYTHONPATH=str(Path(__file__).parents[3]))
    worker = subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, env=environment)
    wait_for(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().strip() != "")
    program = int((tmp_path / "pid").read_text())
    worker.kill()
    worker.wait()
    wait_for(lambda: has_ended(program))


def has_ended(pid: int) -> bool:
    """Return whether a process has ended, be it a zombie or not."""
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def wait_for(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    last = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < last
        time.sleep(0.05)


def test_an_environment_comes_first_on_the_path_and_a_container_sees_two_folders(
    cells: Callable[..., list[Cell]], tmp_path: Path
):
    (tmp_path / "venv" / "bin").mkdir(parents=True)
    tool = tmp_path / "venv" / "bin" / "score-it"
    tool.write_text("#!/bin/sh\nenv > $1; exit 3\n")
    tool.chmod(0o755)
    record = run_cell(cells(command=f"score-it {tmp_path}/env {{scores}}", env="venv")[0], Lane("cpu", 3)).record
    assert "code 3" in record.reason
    variables = dict(line.split("=", 1) for line in (tmp_path / "env").read_text().splitlines() if "=" in line)
    assert variables["VIRTUAL_ENV"] == str(tmp_path / "venv") and variables["OMP_NUM_THREADS"] == "3"
    assert variables["CUDA_VISIBLE_DEVICES"] == ""
    docker = tmp_path / "venv" / "bin" / "docker"
    docker.write_text(f"#!/bin/sh\necho $@ > {tmp_path}/docker\nexit 3\n")
    docker.chmod(0o755)
    run_cell(cells(command="run {pairs} {scores}", env="venv", container="lab/model:1")[0], LANE, tmp_path / "out")
    words = (tmp_path / "docker").read_text().split()
    assert words[:2] == ["run", "--rm"] and "lab/model:1" in words and words[words.index("--network") + 1] == "none"
    assert f"{tmp_path}:{tmp_path}" in words and words[words.index("-w") + 1] == str(tmp_path)
    docker.write_text("#!/bin/sh\necho no such image\nexit 125\n")
    reason = run_cell(
        cells(command="run {pairs} {scores} ", env="venv", container="lab/model:1")[0], LANE
    ).record.reason
    assert "docker lab/model:1 ended with code 125; its last lines: no such image" in reason


def test_code_that_changed_since_the_plan_fails_the_cell(cells: Callable[..., list[Cell]], tmp_path: Path):
    cell = cells()[0]
    assert cell.digest
    (tmp_path / "train.py").write_text(TRAIN + "\n# changed\n")
    assert "changed since this run was planned" in run_cell(cell, LANE).record.reason


def test_a_plan_runs_no_program(study_file: Callable[..., Path], tmp_path: Path):
    command = f"sh -c 'touch {tmp_path}/ran; exit 1' {{scores}}"
    plan = make_plan(load_study(study_file(baselines=[{"name": "mine", "command": command}])))
    assert estimate(plan, Ledger(tmp_path / "out")).unknown == 2
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "entry, message",
    [
        ({"command": "x {scores}", "folder": "gone"}, "there is no folder"),
        ({"command": "x {scores}", "env": "envs/gone"}, "there is no environment"),
        ({"command": "x {scores}", "code": ["gone.py"]}, "there is no"),
        ({"command": "no-such-program {scores}"}, "there is no program 'no-such-program' on PATH"),
        ({"command": "sh trian.py {scores}"}, "there is no .*trian.py. Did you mean 'train.py'"),
        ({"command": "sh train.py {scores}", "container": "x", "runtime": "singularity"}, "no program 'singularity'"),
    ],
)
def test_what_is_not_there_is_refused_by_the_plan(study_file: Callable[..., Path], entry: dict[str, Any], message: str):
    (study_file().parent / "train.py").touch()
    with pytest.raises(KnockoutError, match=message):
        make_plan(load_study(study_file(baselines=[{"name": "mine"} | entry])))


def test_the_identity_of_other_arms_has_no_program_in_it(cells: Callable[..., list[Cell]]):
    assert "program" not in json.dumps(cells("full model")[0].identity)


def plan_of(path: Path) -> Plan:
    return make_plan(load_study(path))


def test_lists_of_edges_by_name_of_the_data_set(study_file: Callable[..., Path], tmp_path: Path):
    rows = ["TF,target,weight", *(f"G{a:03},G{b:03},{a - b}" for a in range(1, 65) for b in range(1, 65) if a != b)]
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "edges.csv").write_text("\n".join(rows))
    plan = plan_of(study_file(baselines=[{"name": "listed", "edges": "{dataset}/edges.csv"}]))
    cell = next(cell for cell in plan.cells if cell.arm.name == "listed")
    before = cell.digest
    assert 0 < auroc(run_cell(cell, LANE)) < 1
    (tmp_path / "net" / "edges.csv").write_text("\n".join(rows[:-1]))
    plan = plan_of(study_file(baselines=[{"name": "listed", "edges": "{dataset}/edges.csv"}]))
    assert next(cell for cell in plan.cells if cell.arm.name == "listed").digest != before
    with pytest.raises(KnockoutError, match=r"net has no list of edges .*edge\.csv. Did you mean 'edges.csv'"):
        plan_of(study_file(baselines=[{"name": "listed", "edges": "{dataset}/edge.csv"}]))
