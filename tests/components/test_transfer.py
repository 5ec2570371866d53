"""Transfer: trained on one data set, tested on another over the genes that both have."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from component_cases import dataset_of, keys, make_model, make_parts, make_split
from hypothesis import given
from hypothesis import strategies as st

from components.core import registry
from components.core.dataset import Dataset
from components.core.errors import KnockoutError
from components.data.orthologs import read_orthologs, transfer
from components.data.simulator import SimulatorSettings, simulate, write_beeline
from study.plan.plan import make_plan
from study.study_file.study import load_study
from study.train.cell import run_cell
from study.train.exams import make_folds

SMALL = SimulatorSettings(genes=60, tfs=8, cells=40)


def renamed(dataset: Dataset, genes: list[str], **changes: Any) -> Dataset:
    return dataclasses.replace(dataset, genes=tuple(genes), **changes)


@pytest.fixture
def human() -> Dataset:
    one = simulate(SMALL, seed=1)
    return renamed(one, [f"GENE{k}" for k in range(60)], name="human", block="liver")


@pytest.fixture
def mouse() -> Dataset:
    other = simulate(SimulatorSettings(genes=60, tfs=8, cells=25), seed=2)
    order = np.random.default_rng(0).permutation(60)  # gene k of mouse is called by another number
    return renamed(other, [f"Gene{k}" for k in order], name="mouse", block="stem")


class TestMatching:
    def test_symbols_match_whatever_their_case(self, human, mouse):
        both = transfer([human], mouse)
        assert both.genes == tuple(gene.upper() for gene in mouse.genes)
        assert both.expression.shape == (60, 40) and both.target.expression.shape == (60, 25)
        for row, gene in enumerate(both.genes):
            assert np.array_equal(both.expression[row], human.expression[human.genes.index(gene)])

    def test_edges_keep_their_genes(self, human, mouse):
        def named(dataset: Dataset) -> set[tuple[str, str]]:
            return {(dataset.genes[a].upper(), dataset.genes[b].upper()) for a, b in dataset.edges}

        both = transfer([human], mouse)
        assert named(both) == named(human)
        assert named(both.target) == named(mouse)

    def test_genes_of_one_side_alone_are_left_out_with_their_edges(self, human, mouse):
        fewer = renamed(mouse, [*mouse.genes[:50], *(f"OTHER{k}" for k in range(10))])
        both = transfer([human], fewer)
        assert both.n_genes == 50
        assert both.edges.max() < 50 and both.target.edges.max() < 50
        assert len(both.target.edges) < len(mouse.edges)

    def test_a_symbol_that_stands_for_two_genes_matches_nothing(self, human, mouse):
        twice = renamed(human, [human.genes[1], *human.genes[1:]])
        assert human.genes[1] not in transfer([twice], mouse).genes

    def test_a_table_of_orthologs_renames_the_sources_genes(self, human, mouse):
        foreign = renamed(human, [f"H{k}" for k in range(60)])
        with pytest.raises(KnockoutError, match="only 0 gene symbols are shared"):
            transfer([foreign], mouse)
        table = {f"h{k}": f"gene{k}" for k in range(30)}
        both = transfer([foreign], mouse, table)
        assert set(both.genes) == {f"GENE{k}" for k in range(30)}

    def test_cells_and_edges_of_several_sources_are_united(self, human, mouse):
        third = renamed(simulate(SMALL, seed=3), list(human.genes), name="ape")
        both = transfer([human, third], mouse)
        assert both.expression.shape == (60, 80)
        assert both.name == "mouse from human + ape"
        n = both.n_genes
        united = keys(transfer([human], mouse).edges, n) | keys(transfer([third], mouse).edges, n)
        assert keys(both.edges, n) == united
        np.testing.assert_allclose(both.expression[:, :40].mean(axis=1), 0, atol=1e-5)

    def test_the_tested_network_is_part_of_the_digest(self, human, mouse):
        fewer = dataclasses.replace(mouse, edges=mouse.edges[1:])
        assert transfer([human], mouse).digest != transfer([human], fewer).digest

    @pytest.mark.parametrize(
        ("rows", "message"),
        [("A,B\nA,C\n", "row 3"), ("A,B\nC,B\n", "one-to-one"), ("", "two columns")],
        ids=["two targets", "two sources", "one column"],
    )
    def test_orthologs_that_are_not_one_to_one_are_refused(self, tmp_path: Path, rows: str, message: str):
        path = tmp_path / "orthologs.csv"
        path.write_text("human,mouse\n" + rows if rows else "human\nA\n")
        with pytest.raises(KnockoutError, match=message):
            read_orthologs(path)


class TestExam:
    @given(st.integers(0, 1000), st.sampled_from(["free", "together"]), st.booleans())
    def test_parts_are_disjoint_and_the_test_is_the_other_network(self, seed, reciprocal, known):
        rng = np.random.default_rng(seed)
        edges = [np.argwhere(rng.random((30, 30)) < 0.15) for _ in range(2)]
        edges = [pairs[(pairs[:, 0] < 8) & (pairs[:, 0] != pairs[:, 1])] for pairs in edges]
        source, tested = (dataset_of(pairs, np.arange(8), 30) for pairs in edges)
        both = transfer([source], tested)
        split = make_split(both, "transfer", seed=seed, reciprocal=reciprocal, known=known)
        n = both.n_genes
        positives = split.validation[split.validation_labels == 1]
        assert keys(split.train, n) | keys(positives, n) == keys(both.edges, n)
        assert not keys(split.train, n) & keys(split.validation, n)
        assert not keys(split.pool, n) & (keys(both.edges, n) | keys(split.validation, n))
        test_positives = split.test[split.test_labels == 1]
        assert keys(test_positives, n) <= keys(both.target.edges, n)
        if known:
            assert keys(test_positives, n) == keys(both.target.edges, n)
        else:
            training_keys = keys(split.train, n) | keys(split.validation, n)
            assert not keys(split.test, n) & training_keys
        if reciprocal == "together" and not known:
            assert not keys(split.test[:, ::-1], n) & training_keys

    def test_one_data_set_alone_is_refused(self, human):
        with pytest.raises(KnockoutError, match="train_on"):
            make_split(human, "transfer")


class TestCoexpression:
    def build(self, expression: np.ndarray):
        cls = registry.level("bucketing", "coexpression")
        return cls(cls.Settings(), torch.from_numpy(expression))

    def test_features_are_correlations(self, human):
        features = self.build(human.expression)().numpy()
        correlations = np.corrcoef(human.expression.astype(np.float64))
        off = ~np.eye(60, dtype=bool)
        scale = (features[off] / correlations[off]).mean()
        np.testing.assert_allclose(features[off], scale * correlations[off], rtol=1e-2, atol=1e-3)

    def test_order_and_number_of_cells_do_not_matter(self, human):
        shuffled = human.expression[:, np.random.default_rng(0).permutation(40)]
        doubled = np.concatenate([human.expression, human.expression], axis=1)
        for other in (shuffled, doubled):
            torch.testing.assert_close(self.build(other)(), self.build(human.expression)(), atol=1e-4, rtol=1e-4)

    def test_a_model_shown_other_cells_scores_by_them(self, human, mouse):
        both = transfer([human], mouse)
        model = make_model(both, make_parts(bucketing="coexpression")).eval()
        pairs, no_edges = torch.from_numpy(both.target.edges), torch.zeros((2, 0), dtype=torch.long)
        before = model.score(model.encode(no_edges), pairs)[0]
        model.bucketing.show(torch.from_numpy(both.target.expression))
        after = model.score(model.encode(no_edges), pairs)[0]
        assert not torch.allclose(before, after)
        assert torch.equal(model.bucketing(), self.build(both.target.expression)())

    @pytest.mark.parametrize("level", sorted(registry.levels("bucketing")))
    def test_every_bucketing_names_what_it_is_tied_to_or_accepts_other_cells(self, level, human, mouse):
        both = transfer([human], mouse)
        part = make_model(both, make_parts(bucketing=level)).bucketing
        if part.tied_to:
            with pytest.raises(TypeError, match="tied to"):
                part.show(torch.from_numpy(both.target.expression))
        else:
            width = part().shape
            part.show(torch.from_numpy(both.target.expression))
            assert part().shape == width


class TestInAStudy:
    @pytest.fixture
    def study(self, tmp_path: Path, human, mouse, study_file: Callable[..., Path]) -> Callable[..., Any]:
        for dataset in (human, mouse):
            write_beeline(dataset, tmp_path / "data" / "net" / dataset.name / "TFs+60")
        entry = {"path": "net/mouse/TFs+60", "train_on": "net/human/TFs+60"}

        def make(entry_changes: dict[str, Any] | None = None, **changes: Any) -> Any:
            changes = {"datasets": [entry | (entry_changes or {})], "repeats": 1, **changes}
            return load_study(study_file(**changes), data=tmp_path / "data")

        return make

    def test_arms_that_read_no_single_cells_are_planned(self, study):
        planned = make_plan(study(reference={"bucketing": "coexpression"}))
        assert {row.dataset for row in planned.record.rows} == {"net/mouse/TFs+60 from net/human/TFs+60"}
        assert {row.split for row in planned.record.rows} == {"transfer"}
        assert {row.block for row in planned.record.rows} == {"mouse"}
        (fold,) = make_folds(planned.datasets[0], planned.cells[0].split, 0)
        assert len(fold.test)

    @pytest.mark.parametrize(
        ("pair_features", "refused"), [("coexpression", True), ("both", True), ("topology", False)]
    )
    def test_pair_features_must_not_be_of_the_cells_of_training(self, study, pair_features, refused):
        ablation = study(reference={"bucketing": "coexpression", "pair_features": pair_features})
        if not refused:
            assert make_plan(ablation).cells
            return
        with pytest.raises(KnockoutError, match="reads the cells that were trained on"):
            make_plan(ablation)

    def test_arms_tied_to_their_cells_are_refused_with_the_reason(self, study):
        with pytest.raises(KnockoutError, match=r"tied to the cells it was trained on\. Levels that are not: coexp"):
            make_plan(study())
        with pytest.raises(KnockoutError, match="tied to the genes and cells"):
            make_plan(study(reference={"bucketing": "uniform"}))

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"split": "per_tf"}, "cuts one data set"),
            ({"train_on": "net/humn/TFs+60"}, "there is no data set"),
            ({"train_on": None, "orthologs": "x.csv"}, "name that, too"),
            ({"orthologs": "x.csv"}, "no such file"),
        ],
        ids=["another split", "missing source", "orthologs alone", "missing table"],
    )
    def test_mistakes_are_named(self, study, changes: dict[str, Any], message: str):
        with pytest.raises(KnockoutError, match=message):
            make_plan(study(changes, reference={"bucketing": "coexpression"}))

    def test_trained_arms_rules_and_methods_are_scored_on_the_other_data_set(self, study):

        planned = make_plan(study(reference={"bucketing": "coexpression"}, baselines=["pcc"]))
        lane = planned.study.lanes[0]
        results = {cell.arm.name: run_cell(cell, lane) for cell in planned.cells}
        assert all(r.record.ok for r in results.values()), [r.record.reason for r in results.values()]
        target = planned.datasets[0].target
        pcc = results["pcc"].predictions
        a, b = target.genes.index(pcc["tf"][0]), target.genes.index(pcc["target"][0])
        expected = abs(np.corrcoef(target.expression[[a, b]].astype(np.float64))[0, 1])
        assert pcc["score"][0] == pytest.approx(expected, abs=1e-4)
