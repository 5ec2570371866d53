"""Stored experiments: several studies side by side, and one read back from MLflow."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from reports.errors import ReportError
from reports.stored.mlflow_reader import read_experiment
from study.tracking import default_uri

Knockout = Callable[..., Any]


def refused(ended: Any, *said: str) -> None:
    assert ended.code == 2 and ended.err.startswith("error: ") and ended.err.count("\n") == 1, ended.err
    for words in said:
        assert words in ended.err


@pytest.fixture
def other(finished: Path, tmp_path: Path) -> Callable[..., Path]:
    """Copy the finished study under another name, with some words of its plan and records replaced."""

    def make(**words: str) -> Path:
        folder = tmp_path / "other"
        shutil.copytree(finished, folder)
        for path in [folder / "plan.json", *folder.rglob("*.json")]:
            text = path.read_text().replace('"study": "tiny"', '"study": "again"')
            for old, new in words.items():
                text = text.replace(old, new)
            path.write_text(text)
        return folder

    return make


def test_arms_of_two_studies_stand_in_one_table(
    knockout: Knockout, finished: Path, other: Callable[..., Path], tmp_path: Path
):
    ended = knockout("compare", finished, other(), "--out", tmp_path / "both")
    assert ended.code == 0, ended.err
    table = pd.read_parquet(tmp_path / "both" / "cells.parquet")
    assert set(table["arm"]) == {f"{s}: {a}" for s in ("tiny", "again") for a in ("full model", "gnn=none", "degree")}
    page = (tmp_path / "both" / "report.html").read_text(encoding="utf-8")
    assert "again: gnn=none" in page and "What each part of tiny: full model is worth" in page


def test_the_reference_can_be_another_and_a_wrong_one_is_named(
    knockout: Knockout, finished: Path, other: Callable[..., Path], tmp_path: Path
):
    both = (finished, other(), "--out", tmp_path / "both", "--reference")
    refused(knockout("compare", *both, "again: ful model"), "Did you mean 'again: full model'")
    assert not (tmp_path / "both").exists()
    assert knockout("compare", *both, "again: full model").code == 0
    assert "part of again: full model is" in (tmp_path / "both" / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("column", ["data_digest", "split_digest"])
def test_studies_on_different_data_or_splits_are_refused_by_name(
    knockout: Knockout, finished: Path, other: Callable[..., Path], tmp_path: Path, column: str
):
    digest = pd.read_parquet(finished / "cells.parquet")[column].iloc[0]
    ended = knockout("compare", finished, other(**{digest: "fedcba"}), "--out", tmp_path / "both")
    refused(ended, "tiny and again", column, digest, "fedcba")
    assert not (tmp_path / "both").exists()


def test_studies_without_a_common_data_set_are_refused(
    knockout: Knockout, finished: Path, other: Callable[..., Path], tmp_path: Path
):
    changed = other(**{'"dataset": "net"': '"dataset": "web"'})
    refused(knockout("compare", finished, changed, "--out", tmp_path / "both"), "tiny has net; again has web")


def test_one_study_alone_is_not_compared(knockout: Knockout, finished: Path, tmp_path: Path):
    refused(knockout("compare", finished, "--out", tmp_path / "both"), "two output folders")
    refused(knockout("compare", finished, finished, "--out", tmp_path / "both"), "named twice")


def test_an_experiment_read_from_mlflow_is_the_tidy_table(finished: Path):
    read, written = read_experiment(default_uri(finished), "tiny"), pd.read_parquet(finished / "cells.parquet")
    lost = {"device", "protocol", "versions"}
    assert set(written) - set(read) <= lost
    keys = ["cell", "part", "metric"]
    columns = [c for c in written if c not in lost]
    one, two = (t[columns].sort_values(keys, ignore_index=True) for t in (read, written))
    pd.testing.assert_frame_equal(one, two, check_dtype=False)


def test_a_report_is_made_from_an_mlflow_store(knockout: Knockout, finished: Path, tmp_path: Path):
    out = tmp_path / "page"
    ended = knockout("report", "--mlflow", default_uri(finished), "--experiment", "tiny", "--out", out)
    assert ended.code == 0, ended.err
    direct = knockout("report", finished, "--out", tmp_path / "direct")
    assert direct.code == 0
    scores = [pd.read_csv(folder / "tables" / "scores_auroc.csv") for folder in (out, tmp_path / "direct")]
    pd.testing.assert_frame_equal(*scores)


def test_an_unknown_experiment_names_those_there_are(knockout: Knockout, finished: Path, tmp_path: Path):
    asked = ("report", "--mlflow", default_uri(finished), "--experiment", "tinny", "--out", tmp_path / "page")
    refused(knockout(*asked), "unknown experiment 'tinny'. Did you mean 'tiny'? Known: Default, tiny")
    assert not (tmp_path / "page").exists()


@pytest.mark.parametrize("kind", ["sqlite:///{}/none.db", "{}/none", "foo://bar"])
def test_a_store_that_is_not_there_is_one_message_and_is_not_made(tmp_path: Path, kind: str):
    with pytest.raises(ReportError, match=r"no such MLflow store|does not answer"):
        read_experiment(kind.format(tmp_path), "tiny")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments", [["x.csv", "--mlflow", "a"], ["--mlflow", "a"], ["--experiment", "a"], ["x.csv", "--experiment", "a"]]
)
def test_half_of_a_call_is_refused(knockout: Knockout, arguments: list[str]):
    ended = knockout("report", *arguments)
    assert ended.code == 2 and "Error" in ended.err
