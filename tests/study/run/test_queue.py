"""In which order a grid's cells are given to workers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from study.plan.plan import make_plan
from study.run.pool import Queue
from study.spec.cell import Cell
from study.study_file.study import load_study


@pytest.fixture
def cells(study_file: Callable[..., Path]) -> Callable[..., list[Cell]]:
    def plan(*arms: dict[str, Any], **changes: Any) -> list[Cell]:
        design = {"kind": "explicit", "arms": list(arms)}
        return list(make_plan(load_study(study_file(design=design, controls=False, **changes))).cells)

    return plan


def names(cells: list[Cell | None]) -> list[str]:
    return [f"{cell.arm.name} {cell.repeat}" for cell in cells if cell]


def test_arms_that_share_a_graph_stage_do_not_start_together(cells: Callable[..., list[Cell]]):
    planned = cells({"fusion": "late"}, {"gnn": "gcn"}, repeats=1)
    queue = Queue(planned)
    first, second = queue.take(), queue.take()
    assert names([first, second]) == ["full model 0", "gnn=gcn 0"], "fusion=late waits for the graph of the first"
    queue.ended(first)
    assert names([queue.take()]) == ["fusion=late 0"]
    assert queue.take() is None


def test_where_nothing_else_is_left_a_cell_that_may_wait_is_given(cells: Callable[..., list[Cell]]):
    queue = Queue(cells({"fusion": "late"}, {"fusion": "early"}, repeats=1))
    assert names([queue.take(), queue.take(), queue.take()]) == ["full model 0", "fusion=late 0", "fusion=early 0"]


def test_every_cell_is_given_once_whatever_ends_when(cells: Callable[..., list[Cell]]):
    planned = cells({"fusion": "late"}, {"gnn": "none"}, {"contrast": "supcon"}, {"scorer": "noise"}, repeats=3)
    queue, given = Queue(planned), list[Cell]()
    while (cell := queue.take()) is not None:
        given.append(cell)
        if len(given) % 3 == 0:
            queue.ended(given[len(given) // 2])
    assert sorted(c.digest for c in given) == sorted(c.digest for c in planned)


def test_cells_without_a_shared_stage_keep_the_order_of_the_plan(cells: Callable[..., list[Cell]]):
    planned = cells({"gnn": "gcn"}, {"gnn": "none"}, {"gnn": "sage"}, repeats=2)
    queue = Queue(planned)
    assert [queue.take() for _ in planned] == planned
