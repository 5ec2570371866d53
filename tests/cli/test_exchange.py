from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from components.data.simulator import SimulatorSettings, simulate, write_beeline


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for seed, cell in enumerate(("one", "two"), start=1):
        write_beeline(
            simulate(SimulatorSettings(genes=64, tfs=8, cells=40), seed=seed), tmp_path / "data" / "net" / cell
        )
    return tmp_path / "data"


def answer(folder: Path, scores: Callable[[pd.DataFrame], Any]) -> None:
    """Write a score for each pair that an exam asks for."""
    pairs = pd.read_csv(folder / "Pairs.csv", index_col=0)
    genes = pd.read_csv(folder / "Target.csv", index_col=0)["Gene"]
    named = {"Gene1": genes[pairs["TF"]].to_numpy(), "Gene2": genes[pairs["Target"]].to_numpy()}
    pd.DataFrame({**named, "EdgeWeight": scores(pairs)}).to_csv(folder / "scores.csv", index=False)


@pytest.mark.slow
@pytest.mark.usefixtures("forked")
def test_an_exam_goes_out_and_its_scores_come_back(knockout: Any, data: Path, tmp_path: Path, out: Path):
    to = tmp_path / "exams"
    completed = knockout("data", "export-split", "net/one", "--data", data, "--to", to, "--repeats", 2)
    assert completed.code == 0, completed.err
    folders = sorted(path.parent for path in to.rglob("Pairs.csv"))
    assert len(folders) == 2 and "2 exams written" in completed.out
    assert all("Label" not in pd.read_csv(folder / "Pairs.csv") for folder in folders)
    command = next(line for line in completed.out.splitlines() if line.startswith("knockout score"))
    rng = np.random.default_rng(0)
    for folder in folders:
        answer(folder, lambda pairs: rng.random(len(pairs)))
    pattern = command.split("'")[1]
    scored = knockout("score", pattern, "--on", "net/one", "--data", data, "--repeats", 2, "--out", out)
    assert scored.code == 0, scored.err
    table = pd.read_parquet(out / "cells.parquet")
    mine = table[(table["arm"] == "mine") & (table["part"] == "test") & (table["metric"] == "auroc")]
    assert len(mine) == 2 and mine["value"].between(0.3, 0.7).all()
    assert {"degree", "topology", "identity", "reverse_degree"} == set(table[table["role"] == "control"]["arm"])
    assert "100.0 %" in scored.out and (out / "report" / "report.html").exists()
    answer(folders[0], lambda pairs: pairs["Target"])
    again = knockout("score", pattern, "--on", "net/one", "--data", data, "--repeats", 2, "--out", out)
    assert "was opened before, for 1 other list" in again.out, again.out + again.err


@pytest.mark.slow
@pytest.mark.usefixtures("forked")
def test_many_lists_are_one_table_and_what_is_not_listed_is_level(knockout: Any, data: Path, tmp_path: Path, out: Path):
    genes = [f"G{k:03}" for k in range(1, 65)]
    rows = [f"{a}\t{b}\t{k}" for k, a in enumerate(genes) for b in genes[:20] if a != b]
    for method in ("grnboost2", "pyscenic"):
        (tmp_path / method).mkdir()
        (tmp_path / method / "rankedEdges.csv").write_text("TF\ttarget\timportance\n" + "\n".join(rows))
        rows.pop()
    files = [f"{tmp_path}/{method}/rankedEdges.csv" for method in ("grnboost2", "pyscenic")]
    scored = knockout("score", *files, "--on", "net/one", "--data", data, "--repeats", 1, "--out", out)
    assert scored.code == 0, scored.err
    table = pd.read_parquet(out / "cells.parquet")
    assert {"grnboost2", "pyscenic"} < set(table["arm"])
    assert "pairs that a list does not weigh are level" in scored.out


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["score", "gone.csv", "--on", "net/one"], "gone.csv: there is no list of edges"),
        (["score", "{net}/edges.csv", "--on", "net/one"], "in braces may stand dataset, network, cell, repeat, fold"),
        (["score", "a={cell}.csv", "a={dataset}.csv", "--on", "net/one"], "two lists are named 'a'"),
        (["score", "a={cell}.csv", "--on", "net/gone"], "net/gone"),
        (["score", "a={cell}.csv", "--on", "net/one", "--split", "per_tv"], "Did you mean 'per_tf'"),
        (["data", "export-split", "net/gone", "--to", "x"], "net/gone"),
        (["data", "export-split", "net/one", "--to", "x", "--arm", "nobody"], "unknown arm 'nobody'"),
        (["data", "export-split", "study.yaml", "--to", "x", "--split", "per_tf"], "says its split itself"),
    ],
)
def test_a_mistake_is_one_message_and_writes_nothing(
    knockout: Any, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
):
    monkeypatch.chdir(tmp_path)
    out = ["--out", "out"] if arguments[0] == "score" else []
    completed = knockout(*arguments, "--data", data, *out)
    assert completed.code == 2 and message in completed.err and completed.err.count("\n") == 1
    assert not (tmp_path / "out").exists() and not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    "lists, named",
    [
        (["first.csv", "second.csv"], ("'first' and 'second'", "first.csv and ", "second.csv have")),
        (
            ["other.csv", "first.csv", "{cell}/copy.csv", "x={cell}/list.csv"],
            ("'copy' and 'x'", "{cell}/copy.csv and "),
        ),
    ],
)
def test_two_lists_with_one_content_are_named(
    knockout: Any, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lists: list[str], named: tuple[str, ...]
):
    monkeypatch.chdir(tmp_path)
    for name in ("first.csv", "second.csv", "other.csv"):
        Path(name).write_text(f"TF,target,importance\nG001,G002,{1 + (name == 'other.csv')}\n")
    for cell in ("one", "two"):
        Path(cell).mkdir()
        for name in ("copy.csv", "list.csv"):
            Path(cell, name).write_text(f"TF,target,importance\nG001,G003,{len(cell) + (cell == 'one')}\n")
    completed = knockout("score", *lists, "--on", "net/*", "--data", data, "--out", "out")
    assert completed.code == 2 and "the same content" in completed.err and completed.err.count("\n") == 1, completed.err
    assert [part for part in named if part not in completed.err] == [] and not Path("out").exists()
