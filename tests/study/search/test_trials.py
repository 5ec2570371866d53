"""Searches driven without a pool: cells are answered by a made-up score of their arm, in any order."""

import json
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import FloatDistribution
from optuna.search_space import _GroupDecomposedSearchSpace as GroupDecomposed

from components.core.errors import KnockoutError
from study.plan.plan import load_datasets
from study.search import proposals
from study.search.record import write_search
from study.search.run import open_search
from study.search.search import Search
from study.search.trial import Trial, recorded_arms
from study.spec.cell import Cell
from study.spec.records import CellRecord, Status
from study.store.ledger import Ledger
from study.study_file.study import Study, load_study

VARY = {
    "gnn": [{"gat": {"heads": [1, 4]}}, "gcn", "none"],
    "fusion": ["multiscale", "late", "early"],
    "optimizer": [{"adam": {"learning_rate": [1e-4, 1e-2]}}],
}
Answer = Callable[[Cell], CellRecord]


@pytest.fixture
def study(study_file: Callable[..., Path]) -> Callable[..., Study]:
    def load(**changes: Any) -> Study:
        path = study_file()
        tiny = yaml.safe_load(path.read_text())
        del tiny["design"]
        path.write_text(yaml.safe_dump({**tiny, "search": {"trials": 14, "vary": VARY, "pruner": "none", **changes}}))
        return load_study(path)

    return load


def answer(cell: Cell) -> CellRecord:
    """Score an arm by its parts: gcn is best, high rates are bad; each repeat has its own level."""
    gnn = cell.arm.choices["gnn"].level
    rate = cell.arm.choices["optimizer"].settings.learning_rate
    score = {"gcn": 0.8, "gat": 0.7, "none": 0.6}[gnn] - 10 * rate + 0.05 * cell.repeat
    scores = {part: {"auroc": score} for part in ("validation", "test")}
    return CellRecord(cell=cell.digest, scores=scores, seconds=1.0, parameters=len(gnn), identity=cell.identity)


def run(search: Search, *, lanes: int = 1, seed: int = 0, after: int = 10_000, answer: Answer = answer) -> list[Cell]:
    """Answer up to ``after`` cells, ``lanes`` at a time, in random order; return those that were run."""
    order, flying, ran = random.Random(seed), list[Cell](), list[Cell]()
    search.begin()
    while True:
        while len(flying) < lanes and (cell := search.take()) is not None:
            flying.append(cell)
        if not flying or len(ran) >= after:
            return ran
        cell = flying.pop(order.randrange(len(flying)))
        record = answer(cell)
        search.ledger.write(record)
        search.end_cell(record)
        ran.append(cell)


def finished_trials(search: Search) -> list[tuple[int, str, str, int]]:
    return [(trial.number, trial.arm.digest, trial.state, trial.steps) for trial in search.finished]


@pytest.mark.parametrize("sampler", ["tpe", "random", "gp"])
def test_a_search_proposes_the_same_arms_on_any_number_of_lanes(study: Any, tmp_path: Path, sampler: str):
    search_study = study(sampler=sampler, trials=8 if sampler == "gp" else 14)
    by_lanes = []
    for lanes, seed in ((1, 0), (3, 1), (8, 2)):
        search = open_search(search_study, tmp_path / f"{lanes}")
        run(search, lanes=lanes, seed=seed)
        assert search.over
        by_lanes.append(finished_trials(search))
    assert by_lanes[0] == by_lanes[1] == by_lanes[2]
    assert len(by_lanes[0]) == search_study.search.trials
    assert len({digest for _, digest, _, _ in by_lanes[0]}) == search_study.search.trials, "no arm is tried twice"


@pytest.mark.slow
@pytest.mark.parametrize("pruner", ["none", "wilcoxon", "hyperband", "median"])
def test_a_search_that_dies_again_and_again_ends_with_the_same_trials(study: Any, tmp_path: Path, pruner: str):
    search_study = replace(study(pruner=pruner), repeats=4)
    whole = open_search(search_study, tmp_path / "whole")
    run(whole, lanes=2)
    broken: list[Cell] = []
    for seed in range(40):
        search = open_search(search_study, tmp_path / "broken")
        broken += run(search, lanes=3, seed=seed, after=3)
        if search.over:
            break
    else:
        pytest.fail("the search never ends")
    assert finished_trials(search) == finished_trials(whole)
    assert len({cell.digest for cell in broken}) == len(broken), "no cell is trained twice"


@pytest.mark.parametrize("sampler", ["tpe", "random"])
@pytest.mark.parametrize(
    "pruner", ["none", *(pytest.param(name, marks=pytest.mark.slow) for name in ("wilcoxon", "hyperband"))]
)
def test_trials_that_views_share_give_the_arms_of_trials_that_optuna_copies(
    study: Any, tmp_path: Path, sampler: str, pruner: str, monkeypatch: pytest.MonkeyPatch
):
    search_study = replace(study(pruner=pruner, sampler=sampler, trials=25), repeats=3)
    shared, copied = open_search(search_study, tmp_path / "shared"), open_search(search_study, tmp_path / "copied")
    run(shared)

    def fresh(proposer: proposals.Proposer, trial: Trial, *, seen: bool) -> Any:
        return proposals.frozen(trial, proposer.space, proposer.objectives, unseen=not seen)

    monkeypatch.setattr(proposals.Proposer, "_shared", fresh)
    run(copied)
    assert finished_trials(shared) == finished_trials(copied) and len(finished_trials(shared)) == 25


def test_a_sampler_draws_nothing_for_levels_that_were_not_chosen(study: Any, tmp_path: Path):
    search = open_search(study(trials=30), tmp_path)
    drawn: list[str] = []
    sample = proposals._ActingTPE._sample

    def noted(sampler: Any, of: Any, trial: Any, space: dict[str, Any]) -> Any:
        drawn.extend(space)
        return sample(sampler, of, trial, space)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(proposals._ActingTPE, "_sample", noted)
        run(search)
        drawn.clear()
        proposal = search.proposer.propose(30, search.counted)
    params = search.space.params_of(proposal.arm)
    assert sorted(drawn) == sorted(params) and len(params) < len(search.space.parameters)


@given(
    st.lists(st.sets(st.sampled_from("abcdefgh"), min_size=1), min_size=1, max_size=12),
    st.sets(st.sampled_from("abcdefgh")),
)
def test_parameters_are_grouped_as_optuna_groups_them(trials: list[set[str]], fixed: set[str]):
    study = optuna.create_study(storage=optuna.storages.InMemoryStorage())
    for names in trials:
        spaces = {name: FloatDistribution(0, 0 if name in fixed else 1) for name in names}
        params: dict[str, Any] = dict.fromkeys(names, 0.0)
        study.add_trial(optuna.trial.create_trial(params=params, distributions=spaces, value=0.5))
    optunas = GroupDecomposed().calculate(study).search_spaces
    expected = [{name: space for name, space in group.items() if name not in fixed} for group in optunas]
    groups = proposals.acting_together(study.get_trials())
    assert sorted(map(sorted, groups)) == sorted(sorted(group) for group in expected if group)
    assert all(group[name] == FloatDistribution(0, 1) for group in groups for name in group)


def test_pruned_trials_cost_fewer_cells_and_never_win(study: Any, tmp_path: Path):
    search_study = replace(study(pruner="wilcoxon", trials=20), repeats=6)
    search = open_search(search_study, tmp_path)
    ran = run(search)
    pruned = [trial for trial in search.finished if trial.state == "pruned"]
    assert pruned and all(trial.steps < 6 for trial in pruned)
    assert len(ran) < 20 * 6
    assert search.best()[0].state == "complete"


def test_the_first_trial_is_the_reference_and_the_sampler_learns(study: Any, tmp_path: Path):
    search = open_search(study(trials=30), tmp_path)
    run(search)
    assert search.trials[0].arm.digest == search.space.reference.digest
    best = search.best()[0]
    assert best.arm.choices["gnn"].level == "gcn"
    late = [trial.arm.choices["gnn"].level for trial in search.finished[15:]]
    assert late.count("gcn") > len(late) / 2


def test_the_score_never_reads_the_test(study: Any, tmp_path: Path):
    def lying(cell: Cell) -> CellRecord:
        record = answer(cell)
        record.scores["test"] = {"auroc": 1.0 - record.scores["validation"]["auroc"]}
        return record

    honest, fooled = open_search(study(), tmp_path / "a"), open_search(study(), tmp_path / "b")
    run(honest)
    run(fooled, answer=lying)
    assert finished_trials(honest) == finished_trials(fooled)


def test_arms_that_the_ledger_holds_are_warm_and_cost_nothing(study: Any, tmp_path: Path):
    first = open_search(study(sampler="random", trials=10), tmp_path)
    run(first)
    for path in (tmp_path / "search" / "trials").glob("*.json"):
        path.unlink()
    again = open_search(study(trials=6), tmp_path)
    warm = [trial for trial in again.trials.values() if trial.warm]
    assert {t.arm.digest for t in warm} == {t.arm.digest for t in first.finished if inside(again, t)}
    ran = run(again)
    assert again.proposed == 6 and len(again.finished) == 6 + len(warm)
    assert {cell.arm.digest for cell in ran}.isdisjoint({trial.arm.digest for trial in warm})


def inside(search: Search, trial: Trial) -> bool:
    return search.space.params_of(trial.arm) is not None


def test_a_range_may_widen_and_a_level_come_in_later(study: Any, tmp_path: Path):
    small = {**VARY, "gnn": ["gcn", "none"], "optimizer": [{"adam": {"learning_rate": [1e-3, 2e-3]}}]}
    first = open_search(study(vary=small, trials=6), tmp_path)
    run(first)
    grown = open_search(study(trials=14), tmp_path)
    assert finished_trials(grown) == finished_trials(first)
    run(grown)
    assert grown.proposed == 14 and finished_trials(grown)[:6] == finished_trials(first)
    assert any(trial.arm.choices["gnn"].level == "gat" for trial in grown.finished)


def test_a_failed_cell_fails_its_trial_and_no_other(study: Any, tmp_path: Path):
    def failing(cell: Cell) -> CellRecord:
        if cell.arm.choices["gnn"].level == "gcn" and cell.repeat == 1:
            return answer(cell).model_copy(update={"status": Status.DIVERGED, "reason": "NaN", "scores": {}})
        return answer(cell)

    search = open_search(study(), tmp_path)
    run(search, answer=failing)
    assert {t.state for t in search.finished if t.arm.choices["gnn"].level == "gcn"} == {"failed"}
    assert {t.state for t in search.finished if t.arm.choices["gnn"].level != "gcn"} == {"complete"}
    assert search.best()[0].arm.choices["gnn"].level != "gcn"
    assert all(trial.reason == "NaN" for trial in search.finished if trial.state == "failed")


def test_a_search_ends_when_every_arm_of_its_space_was_tried(study: Any, tmp_path: Path):
    search = open_search(study(vary={"fusion": ["multiscale", "late"]}, trials=50, fixed=["fusion.width"]), tmp_path)
    run(search)
    varied = {trial.arm.digest for trial in search.finished}
    assert search.exhausted or len(varied) == 50
    few = open_search(study(vary={"negatives": [{"uniform": {"ratio": 1.0}}, "all"]}, trials=50), tmp_path / "few")
    run(few)
    assert few.exhausted and few.over and len(few.finished) <= 3


def test_a_grid_tries_every_point_once(study: Any, tmp_path: Path):
    held = ["gnn.widths", "gnn.dropout", "gnn.hide_batch", "fusion.width", "fusion.dropout", "optimizer.weight_decay"]
    held += ["optimizer.graph_learning_rate"]
    search_study = study(sampler="grid", vary={**VARY, "fusion": ["late"]}, fixed=held, trials=None)
    search = open_search(search_study, tmp_path)
    run(search)
    digests = [trial.arm.digest for trial in search.finished]
    grid = {arm.digest for arm in search.space.grid(3)}
    assert len(digests) == len(set(digests)) and set(digests) - grid <= {search.space.reference.digest}
    assert len(grid) == 3 * (3 + 1 + 1) and grid <= set(digests)  # rates x (heads of gat, gcn, none)


def test_several_objectives_are_searched_without_a_pruner(study: Any, tmp_path: Path):
    from study.search.optuna_store import pareto

    search = open_search(study(objectives=["auroc", "parameters"], sampler="nsga2", trials=40), tmp_path)
    run(search)
    front = pareto(search.finished, search.space, search.objectives)
    values = {t.number: (t.value("auroc"), -t.value("parameters")) for t in search.finished}
    for number, (score, small) in values.items():
        beaten = any(a >= score and b >= small and (a, b) != (score, small) for a, b in values.values())
        assert (number in front) == (not beaten)


def test_wall_clock_ends_a_search_and_counts_all_calls(study: Any, tmp_path: Path):
    search_study = study(trials=None, hours=1.0)
    search = open_search(search_study, tmp_path)
    run(search, after=6)
    (tmp_path / "search" / "clock.json").write_text(json.dumps({"version": 1, "seconds": 3600.0}))
    late = open_search(search_study, tmp_path)
    assert late.take() is None and late.over
    assert finished_trials(late) == finished_trials(search)


def test_trials_of_other_data_or_code_are_not_mixed_in(study: Any, tmp_path: Path):
    search_study = study(trials=5)
    run(open_search(search_study, tmp_path))
    other = open_search(replace(search_study, repeats=3), tmp_path)
    assert other.stale == 5 and not other.trials
    run(other)
    assert len(other.finished) == 5 and all(trial.steps == 3 for trial in other.finished)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"version": 99}', '{"number": 3}'])
def test_a_damaged_trial_record_is_proposed_again_at_no_cost(study: Any, tmp_path: Path, content: str):
    search_study = study(trials=5)
    whole = open_search(search_study, tmp_path)
    run(whole)
    (tmp_path / "search" / "trials" / "000003.json").write_text(content)
    again = open_search(search_study, tmp_path)
    assert len(again.finished) == 3, "numbers have no gap"
    assert run(again) == [] and finished_trials(again) == finished_trials(whole)


def test_reading_a_search_writes_and_removes_nothing(study: Any, tmp_path: Path):
    search_study, out = study(trials=5), tmp_path / "out"
    run(open_search(search_study, out))
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    assert open_search(replace(search_study, repeats=3), out).stale == 5
    narrow = {**VARY, "gnn": ["gcn", "none"]}
    open_search(study(trials=5, vary=narrow), out)
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
    assert open_search(search_study, tmp_path / "new").finished == [] and not (tmp_path / "new").exists()


def test_the_ledger_holds_the_arms_of_any_study(study: Any, tmp_path: Path):
    search_study = study(trials=3)
    search = open_search(search_study, tmp_path)
    run(search)
    ledger = Ledger(tmp_path)
    assert len(recorded_arms(ledger)) == len({trial.arm.digest for trial in search.finished})
    data = {record.identity["data"] for record in ledger.read_all(ledger.cells()).values()}
    assert load_datasets(search_study)[0].digest in data


@pytest.mark.slow
def test_importances_separate_what_matters_from_what_does_not(study: Any, tmp_path: Path):
    from study.search.optuna_store import importances

    search = open_search(study(trials=40, sampler="random"), tmp_path)
    run(search)
    by_parameter = {
        (row["parameter"], row["given"]): row for row in importances(search.finished, search.space, ["auroc"])
    }
    shares = {name: row["importance"] for (name, _), row in by_parameter.items()}
    assert sum(shares.values()) == pytest.approx(1.0) and len(by_parameter) == len(shares)
    assert shares["gnn"] > 2 * shares["optimizer.adam.weight_decay"]
    assert shares["optimizer.adam.learning_rate"] > 2 * shares["optimizer.adam.weight_decay"]
    assert ("gnn.gat.heads", "gnn=gat") in by_parameter and ("fusion", "fusion acts") in by_parameter
    with_gat = [t for t in search.finished if t.arm.choices["gnn"].level == "gat" and inside(search, t)]
    assert by_parameter["gnn.gat.heads", "gnn=gat"]["trials"] == len(with_gat)


def test_an_objective_that_never_changes_has_no_importances(study: Any, tmp_path: Path):
    from study.search.optuna_store import importances

    search = open_search(study(trials=14, objectives=["auroc", "seconds"]), tmp_path)
    run(search)
    assert {row["objective"] for row in importances(search.finished, search.space, search.objectives)} == {"auroc"}


def test_trials_of_a_wider_space_neither_count_nor_compete(study: Any, tmp_path: Path):
    wide = study(trials=14)
    run(open_search(wide, tmp_path))
    before = finished_trials(open_search(wide, tmp_path))
    narrow = study(trials=6, vary={**VARY, "gnn": [{"gat": {"heads": [1, 4]}}, "none"]})
    search = open_search(narrow, tmp_path)
    assert len(search.ended) == 14 > len(search.finished), "those of gcn do not count"
    run(search)
    levels = {trial.arm.choices["gnn"].level for trial in search.finished}
    assert levels == {"gat", "none"} and search.best()[0].arm.choices["gnn"].level == "gat"
    assert search.over and search.proposed == max(6, sum(number < 14 for number, *_ in finished_trials(search)))
    again = open_search(wide, tmp_path)
    assert finished_trials(again)[:14] == before, "the wider space finds its trials again"


def test_a_narrowed_space_proposes_what_its_budget_still_allows(study: Any, tmp_path: Path):
    run(open_search(study(trials=8, sampler="random"), tmp_path))
    narrow = study(trials=8, sampler="random", vary={**VARY, "gnn": ["gcn"]})
    search = open_search(narrow, tmp_path)
    counted = search.proposed
    ran = run(search)
    assert counted < 8 and search.proposed == 8 and len({cell.arm.digest for cell in ran}) == 8 - counted
    assert {cell.arm.choices["gnn"].level for cell in ran} == {"gcn"}


def test_a_folder_holds_one_search(study: Any, tmp_path: Path):
    first = study(trials=3)
    search = open_search(first, tmp_path)
    run(search)
    write_search(search, name=first.name, storage="", importances=[], front=[])
    with pytest.raises(KnockoutError, match=r"holds the search 'tiny', and this study is 'other'.*--out"):
        open_search(replace(first, name="other"), tmp_path)
