"""``import knockout``: a study as an object, from files, dicts and AnnData objects."""

from __future__ import annotations

import os
import re
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy import sparse

import knockout as ko
from components.core.dataset import Dataset
from components.data.simulator import SimulatorSettings, simulate

anndata = pytest.importorskip("anndata")

SMALL = anndata.AnnData(np.ones((2, 2), dtype=np.float32))
ONE_CELL = {"controls": ["degree"], "repeats": 1, "training": {"epochs": 1, "graph_epochs": 1}}


@pytest.fixture
def content(study_file: Callable[..., Path]) -> Callable[..., dict[str, Any]]:
    """Return the keys of the tiny study, some replaced."""
    return lambda **changes: {**yaml.safe_load(study_file().read_text()), **changes}


def everything(root: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in root.rglob("*")}


def as_objects(dataset: Dataset, *, kind: Any = sparse.csr_matrix) -> dict[str, Any]:
    """Return a data set as objects of a notebook."""
    genes = np.array(dataset.genes)
    cells = pd.DataFrame({"batch": "a"}, index=[f"cell{i}" for i in range(dataset.n_cells)])
    adata = anndata.AnnData(kind(dataset.expression.T), obs=cells, var=pd.DataFrame(index=list(genes)))
    network = pd.DataFrame({"TF": genes[dataset.edges[:, 0]], "Target": genes[dataset.edges[:, 1]]})
    return {"adata": adata, "network": network, "tfs": list(genes[dataset.tfs]), "name": "mine"}


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return simulate(SimulatorSettings(genes=64, tfs=8, cells=40), seed=1)


def test_a_finished_study_plans_reports_and_gives_its_table(finished: Path, tmp_path: Path):
    out = Path(shutil.copytree(finished, tmp_path / "out"))
    before = everything(out)
    study = ko.study(finished.parent / "tiny.yaml")
    plan = study.plan(out)
    assert (plan.cells, plan.missing, plan.seconds, plan.smallest_p) == (6, 0, None, 1.0)
    assert list(plan.arms["arm"]) == list(study.arms) and list(plan.arms["done"]) == [2, 2, 2]
    assert "tiny: 6 cells, 6 done" in repr(plan) and "cannot reach .05" in repr(plan)
    assert everything(out) == before, "a plan writes nothing"
    pd.testing.assert_frame_equal(ko.results(out), pd.read_parquet(finished / "cells.parquet"))
    assert everything(out) == before, "neither does a look at the table"
    report = ko.report(out, tmp_path / "page")
    assert Path(report) == report.path == (tmp_path / "page" / "report.html").resolve()
    assert list(report.verdicts["arm"]) == ["gnn: gat → none"] and "Not registered." in repr(report)


def test_a_study_is_bundled_and_checked(finished: Path, tmp_path: Path):
    study = ko.study(finished.parent / "tiny.yaml")
    study.out = finished
    checked = ko.check(study.bundle(tmp_path / "s.zip"))
    assert list(checked.columns) == ["what", "agrees", "seen"] and checked["agrees"].all() and len(checked) > 4
    with pytest.raises(ko.KnockoutError, match="no such archive"):
        ko.check(tmp_path / "none.zip")


def test_a_notebook_shows_the_conclusions_and_the_page(finished: Path, tmp_path: Path):
    report = ko.report(finished, tmp_path / "page")
    inline = report._repr_html_()
    assert inline.startswith("<p>Not registered.</p>") and "gnn: gat → none" in inline.split("<details>")[0]
    assert "<iframe srcdoc=" in inline and 'sandbox="allow-scripts"' in inline
    page = inline.split('srcdoc="')[1].split('"')[0]
    assert "<" not in page, "the page is quoted whole"


def test_a_study_comes_from_a_file_a_text_a_dict_or_a_name(study_file: Any, tmp_path: Path):
    path = study_file()
    text = path.read_text()
    studies = [ko.study(path), ko.study(str(path)), ko.study(text), ko.study(yaml.safe_load(text))]
    assert {study.arms for study in studies} == {("full model", "gnn=none", "degree")}
    assert len({repr(study) for study in studies}) == 1 and "3 arms, 1 data set, 2 repeats" in repr(studies[0])
    assert ko.study(path, overrides=["gnn=[gcn]"]).arms == ("full model", "gnn=gcn", "degree")
    given = yaml.safe_load(text)
    given |= {"controls": ("degree",), "repeats": np.int64(2), "margin": np.float64(0.02)}
    assert ko.study(given).arms == studies[0].arms


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"repeats": 0}, "study given in Python, repeats: "),
        ({"desing": {}}, "Did you mean 'design'"),
        ({"datasets": [{"adata": 3, "network": "n.csv", "name": "x"}]}, "an AnnData object is needed, got 'int'"),
        ({"datasets": [{"adata": None, "network": "n.csv"}]}, "'name' is missing"),
        ({"datasets": [{"adata": None, "name": "x"}]}, "'network' is missing"),
        ({"datasets": [{"adata": None, "netwrok": 1}]}, "Did you mean 'network'"),
        ({"datasets": [{"adata": SMALL, "name": "x", "network": "missing.csv"}]}, "missing.csv: no such file"),
        ({"datasets": [{"adata": SMALL, "name": "x", "network": 5}]}, "datasets[0].network: a DataFrame or a path"),
    ],
)
def test_a_mistake_is_a_knockout_error_with_its_place(content: Any, change: dict[str, Any], message: str):
    with pytest.raises(ko.KnockoutError, match=re.escape(message)):
        ko.study(content(**change))


def test_what_is_no_study_or_no_list_is_refused(study_file: Any):
    for call, message in (
        (lambda: ko.study(5), "not 'int'"),
        (lambda: ko.study(study_file(), overrides="repeats=1"), "write ['repeats=1']"),
        (lambda: ko.study("missing.yaml"), "there is no such study file"),
        (lambda: ko.study(study_file(), overrides=["repaets=1"]), "repaets=1: unknown key"),
        (lambda: ko.study(study_file()).results, "no study was run yet"),
        (lambda: ko.study(study_file()).run(), "no study was run yet"),
        (lambda: ko.study(study_file()).run("o", timeout=0), "timeout: minutes above 0"),
        (lambda: ko.results("missing"), "no study was run here"),
        (lambda: ko.report("missing.csv"), "missing.csv"),
        (lambda: ko.report("missing.csv", alpha=2), "alpha: 2 is out of range"),
    ):
        with pytest.raises(ko.KnockoutError) as refused:
            call()
        assert message in str(refused.value)
    itself: dict[str, Any] = {}
    itself["a"] = itself
    with pytest.raises(ko.KnockoutError, match="holds itself"):
        ko.study(itself)


def test_no_password_is_in_an_error(study_file: Any, tmp_path: Path):
    with pytest.raises(ko.KnockoutError) as refused:
        ko.study(study_file()).run(tmp_path / "o", tracking_uri="ftp://me:sesame1@nowhere/x", verbose=False)
    assert "sesame1" not in str(refused.value) and refused.value.__cause__ is None and not (tmp_path / "o").exists()


def test_anndata_objects_are_checked_and_planned_without_an_output_folder(
    content: Any, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    study = ko.study(content(datasets=[as_objects(dataset)]))
    plan = study.plan(cost=False)
    assert "datasets[0] mine: 64 genes x 40 cells, 8 TFs" in repr(plan) and "log scale (values have decimals" in repr(
        plan
    )
    assert plan.blocks == ("mine",) and [p.name for p in tmp_path.iterdir()] == ["tiny.yaml"]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda x: np.round(x * 3), "datasets[0].adata: raw counts"),
        (lambda x: x - x.mean(axis=0), "Scaled values cannot be used"),
        (lambda x: np.where(x == x.max(), np.nan, x), "must be finite"),
        (lambda x: np.concatenate([x[:20], x[:20]]), "have the values of another cell"),
    ],
)
def test_an_anndata_object_is_refused_for_what_a_file_is_refused_for_and_nothing_is_written(
    content: Any, dataset: Dataset, tmp_path: Path, spoil: Callable[[Any], Any], message: str
):
    entry = as_objects(dataset, kind=np.asarray)
    entry["adata"] = anndata.AnnData(spoil(entry["adata"].X), obs=entry["adata"].obs, var=entry["adata"].var)
    with pytest.raises(ko.KnockoutError) as refused:
        ko.study(content(datasets=[entry])).run(tmp_path / "o", verbose=False)
    assert message in str(refused.value) and "datasets[0].adata" in str(refused.value)
    assert not (tmp_path / "o").exists() and "/knockout-" not in str(refused.value)


def test_unclear_roles_of_a_network_are_not_guessed(content: Any, dataset: Dataset):
    entry = as_objects(dataset)
    entry["network"] = entry["network"].set_axis(["a", "b"], axis=1)
    with pytest.raises(ko.KnockoutError, match=r"datasets\[0\].network: .*a study does not guess"):
        ko.study(content(datasets=[entry])).plan()


@pytest.mark.slow
def test_a_study_of_anndata_objects_is_that_of_the_same_data_and_goes_on_from_the_command_line(
    content: Any, dataset: Dataset, out: Path, forked: None, knockout: Any, tmp_path: Path
):
    values = content(datasets=[as_objects(dataset)], design={"factors": {"gnn": ["none"]}}, **ONE_CELL)
    study = ko.study(values)
    assert study.run(out, verbose=False) is study and study.complete and study.out == out
    assert set(study.results["data_digest"]) == {dataset.digest} and set(study.results["dataset"]) == {"mine"}
    before = everything(out / "ledger")
    moved = Path(shutil.move(out, tmp_path / "moved"))
    again = knockout("plan", moved / "given" / "study.yaml", "--out", moved, "--no-cost")
    assert again.code == 0 and "3 cells, 3 done" in again.out and "edited" not in again.out
    dense = ko.study({**values, "datasets": [as_objects(dataset, kind=np.asarray)]}).plan(moved, cost=False)
    assert dense.missing == 0, "the same values, however they are stored"
    assert len(before) == 3 and not any("obs" in str(p) for p in (moved / "given").iterdir())
    written = anndata.read_h5ad(next((moved / "given").glob("*.h5ad")))
    assert list(written.obs.columns) == [], "names and values, nothing else of the object"


def test_files_beside_anndata_objects_keep_their_place(content: Any, dataset: Dataset, tmp_path: Path):
    from components.data.simulator import write_beeline

    write_beeline(simulate(SimulatorSettings(genes=64, tfs=8, cells=40), seed=2), tmp_path / "data" / "net")
    values = content(datasets=[as_objects(dataset), "net"])
    assert ko.study(values, data=tmp_path / "data").plan(cost=False).blocks == ("mine", "net")
    with pytest.raises(ko.KnockoutError, match=r"datasets\[1\].path: a pattern"):
        ko.study({**values, "datasets": [as_objects(dataset), "*"]}, data=tmp_path / "data")


def test_a_layer_is_taken_in_place_of_x(content: Any, dataset: Dataset):
    entry = as_objects(dataset)
    entry["adata"].layers["log"] = entry["adata"].X.copy()
    entry["adata"].X = sparse.csr_matrix(np.round(entry["adata"].X.toarray() * 9))
    assert ko.study(content(datasets=[{**entry, "layer": "log"}])).plan(cost=False).cells == 6
    with pytest.raises(ko.KnockoutError, match=r"unknown layer 'lgo'\. Did you mean 'log'"):
        ko.study(content(datasets=[{**entry, "layer": "lgo"}]))


def test_a_folder_of_another_study_takes_no_objects(content: Any, dataset: Dataset, finished: Path, tmp_path: Path):
    out = Path(shutil.copytree(finished, tmp_path / "out"))
    with pytest.raises(ko.KnockoutError, match="belongs to the study 'tiny'"):
        ko.study(content(name="other", datasets=[as_objects(dataset)])).run(out, verbose=False)
    assert not (out / "given").exists()


def test_a_sealed_search_shows_trials_and_no_test(finished_search: Path, tmp_path: Path):
    study = ko.study(finished_search.parent / "tiny.yaml")
    plan = study.plan(finished_search)
    assert (plan.proposed, plan.finished) == (2, 2) and "what varies" in repr(plan)
    study.out = finished_search
    assert len(study.trials) == 2
    with pytest.raises(ko.KnockoutError, match=r"sealed until \.confirm"):
        _ = study.results
    report = study.report(tmp_path / "page")
    assert report.verdicts.empty and "sealed" in repr(report)


@pytest.mark.slow
def test_a_search_is_confirmed(finished_search: Path, tmp_path: Path, forked: None, capsys: Any):
    out = Path(shutil.copytree(finished_search, tmp_path / "out"))
    study = ko.study(finished_search.parent / "tiny.yaml").confirm(out)
    assert study.complete and set(study.results["repeat"]) == {1}
    assert "optimism gap" in capsys.readouterr().out
    assert "optimism gap" in repr(study.report())
    assert (out / "commands.txt").read_text().splitlines()[-1].endswith(f".confirm('{out}')")


@pytest.mark.slow
def test_what_failed_is_a_warning_however_quiet_the_run(plugin: Path, content: Any, out: Path, forked: None):
    study = ko.study(content(design={"kind": "explicit", "arms": [{"scorer": "boom"}]}, controls=False, repeats=1))
    with pytest.warns(UserWarning, match="tiny: 0 of 2 cells missing, 1 failed"):
        study.run(out, verbose=False)
    assert not study.complete and study.results["value"].isna().any()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert "1 cell failed" not in repr(study.plan(cost=False))


@pytest.mark.slow
def test_a_notebook_runs_a_study_and_shows_its_report(tmp_path: Path, study_file: Any):
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    study_file(**ONE_CELL, lanes="cpu:1")
    cells = [
        "import knockout\nstudy = knockout.study('tiny.yaml')\nstudy.plan(cost=False)",
        "study.run('out').results.shape",
        "study.report()",
        "knockout.study('missing.yaml')",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    folder = Path(ko.__file__).parents[1]
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    client = nbclient.NotebookClient(notebook, resources={"metadata": {"path": str(tmp_path)}}, allow_errors=True)
    client.execute(env=environment)
    planned, ran, reported, missing = (cell.outputs for cell in notebook.cells)
    assert "3 cells, 0 done" in planned[-1]["data"]["text/plain"] and "<pre>" in planned[-1]["data"]["text/html"]
    assert "3/3 cells" in "".join(o.get("text", "") for o in ran) and ran[-1]["data"]["text/plain"].startswith("(")
    assert "<iframe srcdoc=" in reported[-1]["data"]["text/html"]
    assert missing[-1]["ename"] == "KnockoutError"
