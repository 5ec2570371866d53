"""Stored experiments: several studies side by side, and one read back from MLflow."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from reports.stored.mlflow_reader import read_experiment
from study.store.tracking.store_file import default_uri

Knockout = Callable[..., Any]


def refused(completed: Any, *messages: str) -> None:
    assert completed.code == 2 and completed.err.startswith("error: ") and completed.err.count("\n") == 1, completed.err
    for words in messages:
        assert words in completed.err


ARMS = ("full model", "gnn=none", "degree")


def arm_digest(out: Path, arm: str) -> str:
    table = pd.read_parquet(out / "cells.parquet", columns=["arm", "arm_digest"])
    return str(table.loc[table["arm"] == arm, "arm_digest"].iloc[0])


def against(report: Path) -> set[str]:
    return set(pd.read_csv(report / "tables" / "paired_over_repeats.csv")["against"])


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock"}


@pytest.fixture
def other(finished: Path, tmp_path: Path) -> Callable[..., Path]:
    """Copy the finished study under another name, with some words of its plan and records replaced."""

    def make(**words: str) -> Path:
        folder = tmp_path / "other"
        shutil.copytree(finished, folder)
        for path in [folder / "plan.json", *folder.rglob("*.json")]:
            spaced = json.dumps(json.loads(path.read_text()))
            text = spaced.replace('"study": "tiny"', '"study": "again"')
            for old, new in words.items():
                text = text.replace(old, new)
            path.write_text(text)
        return folder

    return make


def test_arms_of_two_studies_stand_in_one_table(
    knockout: Knockout, finished: Path, other: Callable[..., Path], tmp_path: Path
):
    words = {arm_digest(finished, arm): f"digest-{n}" for n, arm in enumerate(ARMS)}
    both = (finished, other(**words), "--out", tmp_path / "both")
    completed = knockout("compare", *both)
    assert completed.code == 0, completed.err
    table = pd.read_parquet(tmp_path / "both" / "cells.parquet")
    assert set(table["arm"]) == {f"{s}: {a}" for s in ("tiny", "again") for a in ARMS}
    page = (tmp_path / "both" / "report.html").read_text(encoding="utf-8")
    assert "again: gnn=none" in page and against(tmp_path / "both") == {"tiny: full model"}
    assert "both/cells.parquet" in page
    assert hashlib.sha256((tmp_path / "both" / "cells.parquet").read_bytes()).hexdigest() in page
    assert knockout("compare", *both).code == 0, "a comparison is repeated"


@pytest.mark.slow
def test_arms_that_ran_the_same_cells_are_one(
    knockout: Knockout, finished: Path, other: Callable[..., Path], tmp_path: Path
):
    again = other(**{arm_digest(finished, "gnn=none"): "of-its-own"})
    completed = knockout("compare", finished, again, "--out", tmp_path / "both", "--reference", "again: full model")
    assert completed.code == 0, completed.err
    assert "'again: degree' is 'tiny: degree': the same cells, with scores within 0.0001" in " ".join(
        completed.out.split()
    )
    table = pd.read_parquet(tmp_path / "both" / "cells.parquet")
    assert set(table["arm"]) == {"tiny: full model", "tiny: gnn=none", "tiny: degree", "again: gnn=none"}
    assert against(tmp_path / "both") == {"tiny: full model"}, "the reference goes by its first name"


@pytest.mark.parametrize(("change", "stays"), [(1e-6, False), pytest.param(1e-3, True, marks=pytest.mark.slow)])
def test_cells_of_one_digest_are_one_up_to_rounding(
    knockout: Knockout, finished: Path, other: Callable[..., Path], tmp_path: Path, change: float, stays: bool
):
    cells = pd.read_parquet(finished / "cells.parquet")
    value = float(cells.query("arm == 'degree' and metric == 'auroc' and part == 'test'")["value"].iloc[0])
    again = other(**{repr(value): repr(value + change)})
    assert knockout("compare", finished, again, "--out", tmp_path / "both").code == 0
    arms = {f"tiny: {arm}" for arm in ARMS} | ({"again: degree"} if stays else set())
    assert set(pd.read_parquet(tmp_path / "both" / "cells.parquet")["arm"]) == arms


def test_a_cell_that_failed_in_one_study_alone_is_not_hidden(
    knockout: Knockout, finished: Path, other: Callable[..., Path], tmp_path: Path
):
    again = other()
    cell = pd.read_parquet(finished / "cells.parquet").query("arm == 'degree'")["cell"].iloc[0]
    record = again / "ledger" / f"{cell}.json"
    record.write_text(record.read_text().replace('"status": "ok"', '"status": "oom"'))
    assert '"oom"' in record.read_text()
    assert knockout("compare", finished, again, "--out", tmp_path / "both").code == 0
    assert "again: degree" in set(pd.read_parquet(tmp_path / "both" / "cells.parquet")["arm"])


@pytest.mark.parametrize("kind", ["study", "somebody's table", "file", "under a file"])
def test_files_in_the_folder_of_a_report_are_not_overwritten(
    knockout: Knockout, finished: Path, other: Callable[..., Path], tmp_path: Path, kind: str
):
    again, out = other(), tmp_path / "own" / "page"
    out.mkdir(parents=True)
    messages = {"somebody's table": "cells.parquet: this file was not written by an earlier report"}
    if kind == "study":
        out, messages[kind] = again, "this is the output folder of a study"
    elif kind == "somebody's table":
        (out / "cells.parquet").write_text("mine")
    else:
        (out / "file").write_text("mine")
        out = out / "file" / "below" if kind == "under a file" else out / "file"
    before = contents(tmp_path)
    mlflow = ("report", "--mlflow", default_uri(finished), "--experiment", "tiny")
    for call in (("compare", finished, again), mlflow):
        refused(
            knockout(*call, "--out", out), messages.get(kind, "file: this is a file; a report is written to a folder")
        )
        assert contents(tmp_path) == before


@pytest.mark.parametrize(
    "option",
    [("--metric", "aurocc"), ("--dataset", "netwrok")],
    ids=" ".join,
)
@pytest.mark.slow
def test_a_wrong_option_leaves_an_earlier_report_as_it_was(
    knockout: Knockout, finished: Path, other: Callable[..., Path], tmp_path: Path, option: tuple[str, str]
):
    again, out = other(), tmp_path / "page"
    uri = default_uri(finished)
    calls = {f"{finished}, {again}: ": ("compare", finished, again)}
    calls[f"{uri}, experiment 'tiny': "] = ("report", "--mlflow", uri, "--experiment", "tiny")
    for where, call in calls.items():
        refused(knockout(*call, "--out", out, *option), f"error: {where}unknown", repr(option[1]))
        assert not out.exists()
        assert knockout(*call, "--out", out).code == 0
        before = contents(out)
        refused(knockout(*call, "--out", out, *option), where)
        assert contents(out) == before
        shutil.rmtree(out)


@pytest.mark.slow
def test_the_reference_can_be_another_and_a_wrong_one_is_named(
    knockout: Knockout, finished: Path, other: Callable[..., Path], tmp_path: Path
):
    changed = other(**{arm_digest(finished, "gnn=none"): "of-its-own"})
    both = (finished, changed, "--out", tmp_path / "both", "--reference")
    refused(knockout("compare", *both, "again: gnn=non"), "Did you mean 'again: gnn=none'")
    assert not (tmp_path / "both").exists()
    assert knockout("compare", *both, "again: gnn=none").code == 0
    assert against(tmp_path / "both") == {"again: gnn=none"}


@pytest.mark.parametrize("column", ["data_digest", "split_digest"])
def test_studies_on_different_data_or_splits_are_refused_by_name(
    knockout: Knockout, finished: Path, other: Callable[..., Path], tmp_path: Path, column: str
):
    digest = pd.read_parquet(finished / "cells.parquet")[column].iloc[0]
    completed = knockout("compare", finished, other(**{digest: "fedcba"}), "--out", tmp_path / "both")
    refused(completed, "tiny and again", column, digest, "fedcba")
    assert not (tmp_path / "both").exists()


def test_studies_without_a_common_data_set_are_refused(
    knockout: Knockout, finished: Path, other: Callable[..., Path], tmp_path: Path
):
    changed = other(**{'"dataset": "net"': '"dataset": "web"'})
    refused(knockout("compare", finished, changed, "--out", tmp_path / "both"), "tiny has net; again has web")


def test_one_study_alone_is_not_compared(knockout: Knockout, finished: Path, tmp_path: Path):
    refused(knockout("compare", finished, "--out", tmp_path / "both"), "two output folders")
    twice = ("compare", finished, finished.parent / "." / "out", "--out", tmp_path / "both")
    refused(knockout(*twice), f"error: {finished}: this study is named twice")


def test_a_file_is_no_study(knockout: Knockout, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    Path("some.csv").write_text("arm,auroc\n")
    completed = knockout("compare", finished, "some.csv", "--out", "both")
    refused(completed, "error: some.csv: is a file; compare takes output folders of studies.")
    refused(knockout("status", "some.csv"), "error: some.csv: this is a file; give the output folder of a study.")
    refused(knockout("compare", finished, "some.csv/below", "--out", "both"), "some.csv/below: no study was run here")


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ('{"metric": "auroc", "rows": []}', "rows: list should have at least 1 item"),
        ('{"rows": 3}', "metric: field required"),
    ],
)
def test_a_plan_that_cannot_be_read_is_one_message(
    knockout: Knockout, finished: Path, tmp_path: Path, written: str, why: str
):
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "plan.json").write_text(written)
    completed = knockout("compare", finished, tmp_path / "study", "--out", tmp_path / "both")
    refused(completed, "the plan cannot be read", why)


def test_an_experiment_read_from_mlflow_is_the_tidy_table(finished: Path):
    read = read_experiment(default_uri(finished), "tiny").frame
    written = pd.read_parquet(finished / "cells.parquet")
    lost = {"device", "protocol", "versions"}
    assert set(written) - set(read) <= lost
    keys = ["cell", "part", "metric"]
    columns = [c for c in written if c not in lost]
    one, two = (t[columns].sort_values(keys, ignore_index=True) for t in (read, written))
    pd.testing.assert_frame_equal(one, two, check_dtype=False)


@pytest.mark.slow
def test_a_report_is_made_from_an_mlflow_store(knockout: Knockout, finished: Path, tmp_path: Path):
    out = tmp_path / "page"
    completed = knockout("report", "--mlflow", default_uri(finished), "--experiment", "tiny", "--out", out)
    assert completed.code == 0, completed.err
    direct = knockout("report", finished, "--out", tmp_path / "direct")
    assert direct.code == 0
    scores = [pd.read_csv(folder / "tables" / "scores_auroc.csv") for folder in (out, tmp_path / "direct")]
    pd.testing.assert_frame_equal(*scores)


def test_an_unknown_experiment_names_those_there_are(knockout: Knockout, finished: Path, tmp_path: Path):
    arguments = ("report", "--mlflow", default_uri(finished), "--experiment", "tinny", "--out", tmp_path / "page")
    refused(knockout(*arguments), "unknown experiment 'tinny'. Did you mean 'tiny'? Known: Default, tiny")
    assert not (tmp_path / "page").exists()


@pytest.mark.parametrize(
    "arguments", [["x.csv", "--mlflow", "a"], ["--mlflow", "a"], ["--experiment", "a"], ["x.csv", "--experiment", "a"]]
)
def test_half_of_a_call_is_refused(knockout: Knockout, arguments: list[str]):
    completed = knockout("report", *arguments)
    assert completed.code == 2 and "Error" in completed.err
