import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from components.core import registry
from components.data.simulator import SimulatorSettings, simulate, write_beeline
from search_spaces.presets import PRESETS

ROOT = Path(__file__).parents[2]
TABLE1 = ROOT.parent / "shared" / "published" / "scunigp_table1_auroc.csv"

Knockout = Callable[..., Any]


def refused(completed: Any, *messages: str) -> None:
    assert completed.code == 2
    assert "Traceback" not in completed.err + completed.out
    for words in messages:
        assert words in " ".join(completed.err.split()), completed.err


def one_error(completed: Any, *messages: str) -> None:
    refused(completed, *messages)
    assert completed.err.startswith("error: ") and completed.err.count("\n") == 1


def test_version_is_that_of_the_package(knockout: Knockout):
    completed = knockout("--version")
    assert (completed.code, completed.out) == (0, f"knockout {version('knockout')}\n")


@pytest.mark.parametrize(
    "arguments",
    [
        ["rnu"],
        ["run"],
        ["run", "a.yaml"],
        ["run", "a.yaml", "--out"],
        ["plan"],
        ["status"],
        ["report"],
        ["report", "x.csv", "--alpha", "2"],
        ["report", "x.csv", "--alpha", "small"],
        ["components", "--presents"],
        ["demo", "extra"],
        ["data", "chekc", "x"],
        ["data", "check"],
    ],
    ids=" ".join,
)
def test_a_wrong_call_ends_with_exit_code_2_and_what_is_wrong(knockout: Knockout, arguments: list[str]):
    refused(knockout(*arguments), "Error")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "missing.yaml", "--out", "o"], "missing.yaml: there is no such study file"),
        (["run", ".", "--out", "o"], "this is a folder"),
        (["plan", "missing.yaml"], "no such study file"),
        (["status", "missing"], "missing: no study was run here"),
        (["status", "."], "no study was run here"),
        (["report", "missing.csv"], "missing.csv"),
        (["report", "."], "no study was run here"),
        (["components", "gn"], "unknown factor 'gn'. Did you mean 'gnn'"),
        (["demo", "--lanes", "gpu", "--out", "o"], "'gpu' is no lane"),
        (["data", "check", "missing"], "no such file or folder"),
        (["data", "check", ".", "--split", "per_tff"], "Did you mean 'per_tf'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_users_mistake_ends_with_one_line_and_writes_nothing(
    knockout: Knockout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
):
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    one_error(knockout(*arguments), message)
    assert list((tmp_path / "empty").iterdir()) == []


@pytest.mark.parametrize("command", ["plan", "run"])
def test_a_mistake_in_the_study_file_is_placed_and_writes_nothing(
    knockout: Knockout, study_file: Callable[..., Path], tmp_path: Path, command: str
):
    study = study_file(design={"factors": {"gnn": ["gta"]}})
    one_error(knockout(command, study, "--out", tmp_path / "o"), f"{study}, line", "design.factors.gnn[0]", "'gat'")
    one_error(knockout(command, study_file(), "--out", tmp_path / "o", "--lanes", "gpu"), "--lanes", "no lane")
    study = study_file(datasets=["nowhere"])
    one_error(knockout(command, study, "--out", tmp_path / "o"), "there is no data set", "nowhere")
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.yaml"]


def test_silent_arms_are_refused_before_anything_is_written(
    plugin: Path, knockout: Knockout, study_file: Callable[..., Path], tmp_path: Path
):
    arms = [{"contrast": {"silent": {"strength": value}}} for value in (1.0, 2.0)]
    study = study_file(design={"kind": "explicit", "arms": arms})
    one_error(knockout("run", study, "--out", tmp_path / "o"), "never reaches the model")
    assert not (tmp_path / "o").exists()


def test_an_output_folder_that_cannot_be_made_is_refused(
    knockout: Knockout, study_file: Callable[..., Path], tmp_path: Path
):
    (tmp_path / "file").write_text("")
    one_error(knockout("run", study_file(), "--out", tmp_path / "file"), "cannot be made")


def test_a_study_ran_to_its_end_has_everything_and_is_not_run_again(
    knockout: Knockout, finished: Path, tmp_path: Path, forked: None
):
    shutil.copytree(finished, tmp_path / "out")
    out, study = tmp_path / "out", finished.parent / "tiny.yaml"
    assert (out / "report" / "report.html").stat().st_size > 1000
    assert len(pd.read_parquet(out / "cells.parquet")["cell"].unique()) == 6
    before = {path: path.stat().st_mtime_ns for path in (out / "ledger").iterdir()}
    (out / "report" / "report.html").unlink()
    again = knockout("run", study, "--out", out)
    assert again.code == 0 and "6 cells are in the ledger already; 0 to run" in again.out
    assert {path: path.stat().st_mtime_ns for path in (out / "ledger").iterdir()} == before
    assert (out / "report" / "report.html").exists()


def test_status_and_plan_count_what_is_done(knockout: Knockout, finished: Path):
    status = knockout("status", finished)
    assert status.code == 0 and "6 of 6 cells (6 ok)" in status.out and "2/2" in status.out
    plan = knockout("plan", finished.parent / "tiny.yaml", "--out", finished)
    assert plan.code == 0 and "6 cells, 6 done" in plan.out and "cells to run" not in plan.out
    assert "cannot reach .05" in " ".join(plan.out.split())


def test_plan_estimates_the_cost_and_writes_nothing(
    knockout: Knockout, study_file: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    completed = knockout("plan", study_file())
    assert completed.code == 0 and "6 cells to run: about" in completed.out and "leak audit" in completed.out
    later = knockout("plan", study_file(first_repeat=2), "--no-cost").out
    assert "cells to run" not in later and "leak audit (repeat 2, " in later
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.yaml"]


@pytest.mark.slow
def test_failed_cells_give_exit_code_3_are_explained_and_run_again_when_asked(
    plugin: Path, knockout: Knockout, study_file: Callable[..., Path], out: Path, forked: None
):
    # with what the console could take for markup in the message
    study = study_file(design={"kind": "explicit", "arms": [{"scorer": "boom"}]}, controls=False, repeats=1)
    completed = knockout("run", study, "--out", out)
    assert completed.code == 3 and "1 cell failed" in completed.out and "boom went off [/at all]" in completed.out
    status = knockout("status", out)
    assert status.code == 0 and "error: scorer=boom / net / repeat 0: ValueError: boom went off [/at all]" in status.out
    assert "0 to run" in knockout("run", study, "--out", out).out
    again = knockout("run", study, "--out", out, "--retry-failed")
    assert again.code == 3 and "1 cell is in the ledger already; 1 to run" in again.out


@pytest.mark.slow
def test_report_of_a_study_is_written_where_asked(knockout: Knockout, finished: Path, tmp_path: Path):
    completed = knockout("report", finished, "--out", tmp_path / "page")
    assert completed.code == 0
    page = (tmp_path / "page" / "report.html").read_text()
    ran, reported = page[page.index("<p>The commands:</p>") :].split("</pre>")[0].split("\n")[-2:]
    assert ran.split(">")[-1].startswith("knockout run ") and reported.startswith("knockout report ")
    assert "table_sha256" in page


def test_report_of_a_foreign_table(knockout: Knockout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    rows = [
        (m, f"c{b}", 0.7 + 0.01 * b + 0.1 * (m == "a") + 0.001 * b * b * (m == "c")) for m in "abc" for b in range(8)
    ]
    pd.DataFrame(rows, columns=["method", "cell", "auroc"]).to_csv("mine.csv", index=False)
    columns = ["--arm", "method", "--block", "cell", "--metric", "auroc"]
    completed = knockout("report", "mine.csv", *columns, "--reference", "a")
    assert completed.code == 0 and "Against a, worse: b and c." in completed.out and "worst block" in completed.out
    assert (tmp_path / "report-mine" / "report.html").exists()
    conclusions = tmp_path / "report-mine" / "tables" / "conclusions.csv"
    assert set(pd.read_csv(conclusions)["margin"]) == {0.01}
    assert knockout("report", "mine.csv", *columns, "--reference", "a", "--margin", "0.03").code == 0
    assert set(pd.read_csv(conclusions)["margin"]) == {0.03}
    refused(knockout("report", "mine.csv", *columns, "--margin", "0"), "--margin")
    one_error(knockout("report", "mine.csv", *columns, "--dataset", "netwrok"), "unknown dataset column 'netwrok'")
    one_error(knockout("report", "mine.csv", *columns, "--reference", "z"), "z")
    one_error(knockout("report", "mine.csv", "--arm", "methdo", "--block", "cell", "--metric", "auroc"), "method")


def test_the_table_of_a_study_is_reported_as_csv_too(knockout: Knockout, finished: Path, tmp_path: Path):
    table = pd.read_parquet(finished / "cells.parquet")
    table.to_csv(tmp_path / "cells.csv", index=False)
    table.to_parquet(tmp_path / "cells.parquet", index=False)
    for name in ("cells.csv", "cells.parquet"):
        assert knockout("report", tmp_path / name, "--out", tmp_path / f"report-{name}").code == 0
    one, other = (pd.read_csv(tmp_path / f"report-cells.{kind}/tables/findings.csv") for kind in ("csv", "parquet"))
    pd.testing.assert_frame_equal(one, other)


def test_a_report_is_refused_where_it_cannot_be_written(knockout: Knockout, tmp_path: Path):
    rows = [(m, f"c{b}", 0.7 + b / 100 + (m == "a") / 10) for m in "ab" for b in range(3)]
    paper = tmp_path / "paper"
    (paper / "tables").mkdir(parents=True)
    table = paper / "tables" / "scores.csv"
    pd.DataFrame(rows, columns=["method", "cell", "auroc"]).to_csv(table, index=False)
    before = table.read_bytes()
    (paper / "report.html").write_text("<title>my own page</title>")
    one_error(knockout("report", table, "--out", paper), f"{paper}/report.html: this file was not written")
    for out in (table, table / "below"):
        one_error(knockout("report", table, "--out", out), f"{table}: this is a file; a report is written to a folder")
    assert sorted(path.name for path in paper.rglob("*")) == ["report.html", "scores.csv", "tables"]
    (paper / "report.html").unlink()
    assert knockout("report", table, "--out", paper).code == 0
    assert table.read_bytes() == before and (paper / "tables" / "scores_auroc.csv").exists()
    one_error(knockout("report", paper / "tables" / "scores_auroc.csv", "--out", paper), "is made of this table")


def test_the_command_line_runs_as_a_module_too():
    completed = subprocess.run(
        [sys.executable, "-m", "study.cli.main", "rnu"], cwd=ROOT, capture_output=True, text=True
    )
    assert completed.returncode == 2 and "No such command 'rnu'" in completed.stderr


@pytest.mark.slow
def test_report_of_the_published_table_gives_the_published_test(knockout: Knockout, tmp_path: Path):
    if not TABLE1.exists():
        pytest.skip(f"the published table is not here: {TABLE1}")
    columns = ["--arm", "method", "--block", "network,cell", "--metric", "auroc"]
    completed = knockout("report", TABLE1, *columns, "--out", tmp_path / "page")
    assert completed.code == 0
    assert "Better: 34 pairs" in completed.out
    tests = pd.read_csv(tmp_path / "page" / "tables" / "global_test.csv")
    assert tests["chi2"].round(2).tolist() == [159.15] and tests["kendalls_w"].round(3).tolist() == [0.804]


def test_data_check_shows_sizes_and_leaks(knockout: Knockout, tmp_path: Path):
    for seed in (1, 2):
        write_beeline(simulate(SimulatorSettings(genes=64, tfs=8, cells=40), seed=seed), tmp_path / f"net-{seed}")
    completed = knockout("data", "check", tmp_path)
    assert completed.code == 0 and "leak audit" in completed.out
    assert (
        "leak audit (repeat 0, all_non_targets)" in completed.out
        and "net-1" in completed.out
        and "net-2" in completed.out
    )
    alone = knockout("data", "check", tmp_path / "net-1", "--split", "per_tf_as_published")
    assert alone.code == 0 and "(repeat 0, per_tf_as_published)" in alone.out and "net-2" not in alone.out


def test_plan_warns_where_validation_differs_from_the_test(knockout: Knockout, study_file: Callable[..., Path]):
    line = "validation asks otherwise than the test: 50.0% of validation's pairs are edges"
    assert line in knockout("plan", study_file(split={"per_tf": {"validation": "matched"}}), "--no-cost").out
    assert line not in knockout("plan", study_file(split="per_tf"), "--no-cost").out


def test_data_check_of_what_is_no_data_set_names_the_reason(knockout: Knockout, tmp_path: Path):
    (tmp_path / "empty").mkdir()
    one_error(knockout("data", "check", tmp_path / "empty"), "not a data set", "Known layouts")
    write_beeline(simulate(SimulatorSettings(genes=64, tfs=8, cells=40)), tmp_path / "broken")
    (tmp_path / "broken" / "TF.csv").unlink()
    one_error(knockout("data", "check", tmp_path / "broken"), "missing file(s): TF.csv")
    (tmp_path / "x.h5ad").write_text("")
    one_error(knockout("data", "check", tmp_path / "x.h5ad"), "needs a network file")


def test_components_lists_every_level_and_preset(plugin: Path, knockout: Knockout):
    completed = knockout("components")
    assert completed.code == 0
    for factor in registry.FACTORS:
        for level, cls in registry.levels(factor).items():
            assert f"{factor}.{level}" in completed.out
            for setting in cls.Settings.model_fields:
                assert setting in completed.out
    assert "contrast.silent" in completed.out, "plug-ins are listed too"
    only = knockout("components", "gnn")
    assert "gnn.gat" in only.out and "fusion.late" not in only.out
    presets = knockout("components", "--presets")
    assert presets.code == 0 and all(name in presets.out for name in PRESETS)


def test_the_demo_study_is_sound_and_large_enough_for_its_test():
    from reports.statistics.attainability import smallest_p
    from study.study_file.study import load_study

    study = load_study(ROOT / "study" / "cli" / "demo.yaml")
    blocks = {spec.block for spec in study.datasets}
    assert smallest_p(len(blocks)) <= 0.05
    assert yaml.safe_load((ROOT / "study" / "cli" / "demo.yaml").read_text())["name"] == study.name


def test_overrides_are_printed_reach_the_cells_and_name_their_argument(
    knockout: Knockout, study_file: Callable[..., Path], tmp_path: Path, finished: Path
):
    study = study_file()
    completed = knockout("plan", study, "training.epochs=3", "gnn=[gcn]", "repeats=1", "--no-cost")
    assert (
        completed.code == 0
        and "set training.epochs: 3\nset design.factors.gnn: [gcn]\nset repeats: 1\n" in completed.out
    )
    assert "tiny: 3 cells, 0 done" in completed.out and "gnn=gcn" in completed.out
    for command in ("plan", "run", "confirm"):
        refusal = knockout(command, study, "~controls", "trainig.epochs=3", "--out", tmp_path / "o")
        one_error(refusal, "error: trainig.epochs=3: unknown key 'trainig'. Did you mean 'training'?")
    assert not (tmp_path / "o").exists()
    edited = knockout("plan", study, "repeats=5", "--out", finished, "--no-cost")
    assert edited.code == 0 and "edited since the last run: repeats: 2 -> 5" in edited.out


@pytest.mark.slow
def test_a_plan_names_the_changed_file_of_the_code(
    knockout: Knockout, study_file: Callable[..., Path], tmp_path: Path, out: Path, forked: None
):
    (tmp_path / "train.py").write_text("import shutil, sys\nshutil.copy(sys.argv[1], sys.argv[2])\n")
    arm = {"name": "mine", "command": f"{sys.executable} train.py {{pairs}} {{scores}}"}
    study = study_file(design={"kind": "explicit", "arms": [arm]}, repeats=1)
    knockout("run", study, "--out", out)
    assert "code changed" not in knockout("plan", study, "--out", out, "--no-cost").out
    (tmp_path / "train.py").write_text("import shutil, sys\nshutil.copyfile(sys.argv[1], sys.argv[2])\n")
    line = "code changed since the last run, so cells that use it run again: train.py\n"
    assert line in knockout("plan", study, "--out", out, "--no-cost").out
