import io
from collections.abc import Iterable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from study.cli import display
from study.cli.display import LiveProgress
from study.store.time_left import Costs, Key, seconds_left, seconds_left_of_search

arms, datasets = st.sampled_from("abc"), st.sampled_from("xyz")
keys = st.lists(st.tuples(arms, datasets), max_size=12)
seconds = st.floats(0.01, 1e4)
finished_cells = st.lists(st.tuples(arms, datasets, seconds), min_size=1, max_size=12)


def outcome(status: str, took: float, reason: str = "") -> Any:
    return SimpleNamespace(status=status, ok=status == "ok", seconds=took, reason=reason)


def costs(finished: Iterable[tuple[str, str, float]]) -> Costs:
    ended_costs = Costs()
    for arm, dataset, took in finished:
        ended_costs.add_ended((arm, dataset), outcome("ok", took))
    return ended_costs


def left(missing: Sequence[Key], finished: Iterable[tuple[str, str, float]], lanes: int, *running: Any) -> Any:
    return seconds_left(missing, costs(finished), lanes, *running)


def test_missing_cells_cost_what_those_of_the_same_arm_and_data_set_took():
    finished = [("gat", "big", 10.0), ("gat", "big", 20.0), ("gat", "small", 2.0), ("none", "big", 1000.0)]
    assert left([("gat", "big")] * 4, finished, 1) == pytest.approx(60)
    assert left([("gat", "big")] * 4, finished, 2) == pytest.approx(30)
    assert left([("gat", "big"), ("gat", "small")], finished, 1) == pytest.approx(17)


def test_the_last_cell_is_not_shared_out_among_lanes():
    finished = [("slow", "x", 100.0), ("quick", "x", 1.0)]
    assert left([("slow", "x"), *[("quick", "x")] * 10], finished, 4) == pytest.approx(100)


def test_a_cell_of_a_new_kind_costs_the_mean_of_its_arm_or_of_its_data_set_or_of_all():
    finished = [("a", "small", 1.0), ("b", "small", 3.0), ("a", "big", 10.0), ("b", "big", 30.0)]
    assert left([("new", "big")], finished, 1) == pytest.approx(20)
    assert left([("a", "new")], finished, 1) == pytest.approx(5.5)
    assert left([("new", "new")], finished, 1) == pytest.approx(11)


def test_cells_in_flight_cost_what_is_left_of_them():
    finished = [("a", "x", 10.0)]
    assert left([("a", "x")] * 3, finished, 1, [(("a", "x"), 4.0)]) == pytest.approx(26)
    assert left([("a", "x")], finished, 1, [(("a", "x"), 4.0)]) == pytest.approx(6)
    assert left([("a", "x")], finished, 1, [(("a", "x"), 400.0)]) == 0


def test_without_finished_cells_there_is_no_estimate_and_nothing_missing_takes_nothing():
    assert left([("a", "x")], [], 1) is None
    assert left([], [], 1) == 0 and seconds_left([], [("a", "x", 1.0)], 0) == 0


@given(keys, finished_cells, st.integers(0, 8))
def test_the_time_left_is_between_the_longest_cell_and_all_cells_in_turn(missing: Any, finished: Any, lanes: int):
    in_turn, shared_out = left(missing, finished, 1), left(missing, finished, lanes)
    alone = [left([key], finished, 1) for key in missing]
    assert max(alone, default=0.0) <= shared_out * (1 + 1e-9) <= in_turn * (1 + 2e-9)
    assert in_turn == pytest.approx(sum(alone))


@given(keys, finished_cells)
def test_costs_ten_times_as_high_take_ten_times_as_long(missing: Any, finished: Any):
    tenfold = [(arm, dataset, 10 * took) for arm, dataset, took in finished]
    assert left(missing, tenfold, 2) == pytest.approx(10 * left(missing, finished, 2))


@given(keys, finished_cells)
def test_an_expected_cost_lies_among_the_recorded_ones(asked: Any, finished: Any):
    took = [seconds for _, _, seconds in finished]
    expected = costs(finished).expected(asked)
    assert expected.keys() == set(asked)
    assert all(min(took) * (1 - 1e-9) <= value <= max(took) * (1 + 1e-9) for value in expected.values())


def test_a_search_takes_what_its_trials_took_on_average_until_its_budget_is_spent():
    assert seconds_left_of_search([10.0, 20.0], 6) == pytest.approx(60)
    assert seconds_left_of_search([10.0, 20.0], 2) == seconds_left_of_search([10.0, 20.0], 1) == 0
    assert seconds_left_of_search([], 6) is None and seconds_left_of_search([10.0], None) is None


def test_failed_cells_are_costs_only_where_no_other_has_ended():
    of = {"1": ("a", "x"), "2": ("a", "x"), "3": ("b", "x"), "4": ("c", "x")}
    records = {
        "1": outcome("ok", 10.0),
        "2": outcome("error", 0.1),
        "3": outcome("diverged", 5.0),
        "4": outcome("killed", 0.0),
        "of another study": outcome("ok", 1.0),
    }
    for order in (records, dict(reversed(records.items()))):
        assert dict(Costs.of(of, order).seconds) == {("a", "x"): [10.0], ("b", "x"): [5.0]}


def cell(digest: str, arm: str = "reference") -> Any:
    labels = SimpleNamespace(dataset="net")
    return SimpleNamespace(digest=digest, label=digest, arm=SimpleNamespace(digest=arm, name=arm), labels=labels)


@pytest.fixture
def live_progress(monkeypatch: pytest.MonkeyPatch) -> tuple[LiveProgress, io.StringIO, SimpleNamespace]:
    """A progress display on no terminal, what it printed, and its clock."""
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(display.time, "monotonic", lambda: clock.now)
    text = io.StringIO()
    return LiveProgress(Console(file=text, width=160, markup=False)), text, clock


def test_progress_estimates_from_cells_of_the_same_kind_and_not_from_the_rate(
    live_progress: tuple[LiveProgress, io.StringIO, SimpleNamespace],
):
    progress, text, clock = live_progress
    with progress:
        progress.planned(1, 3)
        progress.costs(costs([("dear", "net", 600.0)]), [("cheap", "net"), ("dear", "net"), ("dear", "net")], 1)
        progress.started(cell("1", "cheap"))
        clock.now = 2.0
        progress._last_line = -60.0
        progress.ended(cell("1", "cheap"), outcome("ok", 2.0))
        assert "1/3 cells, 1800 cells/h, 20 min left" in text.getvalue()
        progress.started(cell("2", "dear"))
        clock.now = 302.0
        assert progress._left() == "12 cells/h, 15 min left"


def test_progress_of_a_search_estimates_from_the_rate_and_prints_messages(
    live_progress: tuple[LiveProgress, io.StringIO, SimpleNamespace],
):
    progress, text, clock = live_progress
    with progress:
        progress.planned(0, 4)
        assert progress._left() == "measuring"
        clock.now = 90.0
        progress.ended(cell("1"), outcome("ok", 90.0))
        assert "1/4 cells, 40 cells/h, 4 min left" in text.getvalue()
        clock.now = 100.0
        progress.ended(cell("2"), outcome("ok", 10.0))
        assert "2/4" not in text.getvalue(), "a line per minute at most"
        progress.message("trial 3 complete [/as it is]")
        assert "trial 3 complete [/as it is]\n" in text.getvalue()
        clock.now = 100.0
        for digest in "34":
            progress.ended(cell(digest), outcome("error", 0.0, "why"))
        assert "error 4: why" in text.getvalue() and "4/4 cells, took 2 min" in text.getvalue()
