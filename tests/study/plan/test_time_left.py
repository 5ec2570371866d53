import io
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from study.cli import display
from study.cli.display import LiveProgress
from study.plan.time_left import costs_of, seconds_left
from study.study_file.keys import DatasetSpec

arms, datasets = st.sampled_from("abc"), st.sampled_from("xyz")
keys = st.lists(st.tuples(arms, datasets), max_size=12)
seconds, factors = st.floats(0.01, 1e4), st.floats(1, 10)
finished_cells = st.lists(st.tuples(arms, datasets, seconds), min_size=1, max_size=12)


def test_cells_of_the_same_arm_and_data_set_tell_what_the_missing_ones_take():
    finished = [("gat", "big", 10.0), ("gat", "big", 20.0), ("gat", "small", 2.0), ("none", "big", 1000.0)]
    assert seconds_left([("gat", "big")] * 4, finished, 1) == pytest.approx(60)
    assert seconds_left([("gat", "big")] * 4, finished, 2) == pytest.approx(30)
    assert seconds_left([("gat", "big"), ("gat", "small")], finished, 1) == pytest.approx(17)


def test_the_last_cell_is_not_shared_out_among_lanes():
    finished = [("slow", "x", 100.0), ("quick", "x", 1.0)]
    assert seconds_left([("slow", "x"), *[("quick", "x")] * 10], finished, 4) == pytest.approx(100)


def test_an_arm_that_has_not_met_a_data_set_costs_more_on_a_dearer_one():
    finished = [("cheap", "small", 1.0), ("cheap", "big", 10.0), ("dear", "small", 7.0)]
    assert seconds_left([("dear", "big")], finished, 1) == pytest.approx(70, rel=0.01)


def test_a_new_arm_costs_what_the_data_set_has_and_what_is_wholly_new_the_mean_of_all():
    finished = [("a", "small", 1.0), ("b", "small", 3.0), ("a", "big", 10.0), ("b", "big", 30.0)]
    assert seconds_left([("new", "big")], finished, 1) == pytest.approx(20)
    assert seconds_left([("a", "new")], finished, 1) == pytest.approx(5.5)
    assert seconds_left([("new", "new")], finished, 1) == pytest.approx(11)


def test_cells_in_flight_cost_what_is_left_of_them():
    finished = [("a", "x", 10.0)]
    assert seconds_left([("a", "x")] * 3, finished, 1, [("a", "x", 4.0)]) == pytest.approx(26)
    assert seconds_left([("a", "x")], finished, 1, [("a", "x", 4.0)]) == pytest.approx(6)
    assert seconds_left([("a", "x")], finished, 1, [("a", "x", 400.0)]) == 0


def test_nothing_finished_tells_nothing_and_nothing_missing_takes_nothing():
    assert seconds_left([("a", "x")], [], 1) is None
    assert seconds_left([], [], 1) == 0 and seconds_left([], [("a", "x", 1.0)], 0) == 0


@given(keys, finished_cells, st.integers(0, 8))
def test_the_time_left_is_between_the_longest_cell_and_all_cells_in_turn(missing: Any, finished: Any, lanes: int):
    in_turn, left = seconds_left(missing, finished, 1), seconds_left(missing, finished, lanes)
    alone = [seconds_left([key], finished, 1) for key in missing]
    assert max(alone, default=0.0) <= left * (1 + 1e-9) <= in_turn * (1 + 2e-9)
    assert in_turn == pytest.approx(sum(alone))


@given(keys, finished_cells)
def test_costs_ten_times_as_high_take_ten_times_as_long(missing: Any, finished: Any):
    tenfold = [(arm, dataset, 10 * took) for arm, dataset, took in finished]
    assert seconds_left(missing, tenfold, 2) == pytest.approx(10 * seconds_left(missing, finished, 2))


@given(st.dictionaries(arms, factors, min_size=1), st.dictionaries(datasets, factors, min_size=1))
def test_costs_that_are_a_product_are_found_from_a_cross_of_finished_cells(of_arm: Any, of_dataset: Any):
    first_arm, first_dataset = next(iter(of_arm)), next(iter(of_dataset))
    cross = [(a, d) for a in of_arm for d in of_dataset if a == first_arm or d == first_dataset]
    finished = [(a, d, of_arm[a] * of_dataset[d]) for a, d in cross]
    for a in of_arm:
        for d in of_dataset:
            assert seconds_left([(a, d)], finished, 1) == pytest.approx(of_arm[a] * of_dataset[d], rel=0.05)


def ended(status: str, took: float) -> Any:
    return SimpleNamespace(status=status, seconds=took)


def test_failed_cells_are_costs_only_where_nothing_else_is_known():
    of = {"1": ("a", "x"), "2": ("a", "x"), "3": ("b", "x"), "4": ("c", "x")}
    results = {
        "1": ended("ok", 10.0),
        "2": ended("error", 0.1),
        "3": ended("diverged", 5.0),
        "4": ended("killed", 0.0),
        "of another study": ended("ok", 1.0),
    }
    assert costs_of(of, results) == [("a", "x", 10.0), ("b", "x", 5.0)]


def cell(digest: str, arm: str = "reference", **dataset: Any) -> Any:
    spec = DatasetSpec(**dataset)
    return SimpleNamespace(digest=digest, label=digest, arm=SimpleNamespace(digest=arm, name=arm), dataset=spec)


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> tuple[LiveProgress, io.StringIO, SimpleNamespace]:
    """A progress display on no terminal, what it printed, and its clock."""
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(display.time, "monotonic", lambda: clock.now)
    text = io.StringIO()
    return LiveProgress(Console(file=text, width=160, markup=False)), text, clock


def test_progress_estimates_from_cells_of_the_same_kind_and_not_from_the_rate(
    shown: tuple[LiveProgress, io.StringIO, SimpleNamespace],
):
    progress, text, clock = shown
    with progress:
        progress.planned(1, 3)
        progress.costs([("dear", "net", 600.0)], [("cheap", "net"), ("dear", "net"), ("dear", "net")], 1)
        progress.started(cell("1", "cheap", name="net"))
        clock.now = 2.0
        progress.ended(cell("1", "cheap", name="net"), SimpleNamespace(status="ok", seconds=2.0, reason=""))
        assert "1/3 cells, 1800 cells/h, 20 min left" in text.getvalue()
        progress.started(cell("2", "dear", name="net"))
        clock.now = 302.0
        assert progress._left() == "12 cells/h, 15 min left"


def test_progress_of_a_search_estimates_from_the_rate_and_says_what_it_is_told(
    shown: tuple[LiveProgress, io.StringIO, SimpleNamespace],
):
    progress, text, clock = shown
    with progress:
        progress.planned(0, 4)
        assert progress._left() == "measuring"
        clock.now = 30.0
        progress.ended(cell("1"), SimpleNamespace(status="ok", seconds=30.0, reason=""))
        assert "1/4 cells, 120 cells/h, 90 s left" in text.getvalue().replace("2 min", "90 s")
        progress.said("trial 3 complete [/as it is]")
        assert "trial 3 complete [/as it is]\n" in text.getvalue()
        clock.now = 100.0
        for digest in "234":
            progress.ended(cell(digest, path="STRING/mDC"), SimpleNamespace(status="error", seconds=0.0, reason="why"))
        assert "error 4: why" in text.getvalue() and "4/4 cells, took 2 min" in text.getvalue()
