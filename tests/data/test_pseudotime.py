from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from components.core.dataset import PSEUDOTIME
from components.core.errors import KnockoutError
from components.data.readers import read
from components.data.simulator import SimulatorSettings, simulate, write_beeline
from components.tables.pseudotime import read_pseudotime

CELLS = ("a", "b", "c")


def written(path: Path, text: str) -> Path:
    (path / PSEUDOTIME).write_text(text)
    return path / PSEUDOTIME


@pytest.mark.parametrize(
    ("text", "times"),
    [
        (",PseudoTime\nb,2\na,1\nc,3e-1\n", [[1], [2], [0.3]]),
        ("PseudoTime1,PseudoTime2\nc,NA,1\na,0.5,NA\nb,2,3\nanother,1,1\n", [[0.5, np.nan], [2, 3], [np.nan, 1]]),
        ("cell\tt\na\t1\nb\t\nc\t2\n", [[1], [np.nan], [2]]),
    ],
)
def test_rows_are_of_cells_and_columns_of_lineages(tmp_path: Path, text: str, times: list[list[float]]):
    np.testing.assert_allclose(read_pseudotime(written(tmp_path, text), CELLS), np.array(times, dtype=np.float64))


@pytest.mark.parametrize(
    ("text", "message", "row"),
    [
        (",t\na,1\nb,early\nc,2\n", "cell 'b': pseudotime 'early' is not a number; NA stands for none", ", row 3"),
        (",t\na,1\nb,inf\nc,2\n", "'inf' is not a number", ", row 3"),
        (",t\na,1\nb,1e999\nc,2\n", "'1e999' is not a number", ", row 3"),
        (",t\na,1\nb,1\nb,2\nc,2\n", "cell 'b' stands twice", ", row 4"),
        (",t\na,1\nb,1\n", "1 of 3 cells have no row, such as 'c'. Give each cell a row (NA", ""),
        (",t\na,1\nb,1\nC,1\n", "such as 'c'. Did you mean 'C'?", ""),
        (",t,u\na,1,NA\nb,2,NA\nc,1,\n", "lineage 2 has no two cells of different pseudotime", ""),
        (",t\na,1\nb,1\nc,1\n", "lineage 1 has no two cells", ""),
        ("a\nb\nc\n", "cells have no row", ""),
        ("", "the file is empty; expected a header row, then a row per cell", ""),
    ],
)
def test_a_fault_is_named_with_its_place(tmp_path: Path, text: str, message: str, row: str):
    path = written(tmp_path, text)
    with pytest.raises(KnockoutError) as error:
        read_pseudotime(path, CELLS)
    assert message in error.value.message and error.value.where == f"{path}{row}"


def test_a_folder_may_have_one(tmp_path: Path):
    dataset = simulate(SimulatorSettings(genes=30, tfs=6, cells=20), 0)
    cells = [f"c{n}" for n in range(20)]
    write_beeline(dataset, tmp_path, cells)
    assert read(tmp_path).pseudotime is None
    written(tmp_path, ",t\n" + "".join(f"c{n},{n}\n" for n in range(20)))
    timed = read(tmp_path)
    assert timed.pseudotime is not None and np.array_equal(timed.pseudotime[:, 0], np.arange(20))
    both = np.column_stack([timed.pseudotime, np.where(np.arange(20) < 9, np.nan, np.arange(20) / 3)])
    write_beeline(dataclasses.replace(timed, pseudotime=both), tmp_path)
    assert read(tmp_path).digest == dataclasses.replace(timed, pseudotime=both).digest
