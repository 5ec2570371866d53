"""Ready-made studies by name, scales, patterns of data sets and baselines: what a study file leaves to be chosen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.core.errors import KnockoutError
from components.data.readers import EXPRESSION
from search_spaces.studies import named_studies, named_study
from study.study_file.patterns import at_scale
from study.study_file.study import load_study

SETS = [
    *(f"{network}/{cell}/TFs+500" for network in ("STRING", "Non-Specific", "Specific") for cell in ("mDC", "hHEP")),
    "Specific/mDC/TFs+1000",
    "Lofgof/mESC/TFs+500",
]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder laid out as the published sets are; names are all that a study file needs."""
    for place in SETS:
        folder = tmp_path / "beeline" / place
        folder.mkdir(parents=True)
        (folder / EXPRESSION).touch()
    return tmp_path / "beeline"


def paths(study: Any) -> list[str]:
    return [spec.path for spec in study.datasets]


@pytest.mark.parametrize("name", named_studies())
@pytest.mark.parametrize("scale", ["cpu", "paper"])
class TestEveryReadyMadeStudy:
    def test_is_a_valid_study(self, name, scale, data):
        study = load_study(name, data=data, scale=scale)
        assert study.name == name
        assert len(study.arms) > 4
        assert set(paths(study)) <= set(SETS)

    def test_scales_differ_in_size_and_not_in_what_is_asked(self, name, scale, data):
        here, cpu = (load_study(name, data=data, scale=s) for s in (scale, "cpu"))
        assert here.splits == cpu.splits
        asked = [[arm for arm in study.arms if arm.role in ("reference", "arm")] for study in (here, cpu)]
        assert len(here.arms) == len(cpu.arms)
        assert [arm.levels() for arm in asked[0]] == [arm.levels() for arm in asked[1]]
        assert ([arm.digest for arm in asked[0]] == [arm.digest for arm in asked[1]]) == (scale == "cpu")


class TestByName:
    def arms(self, name: str, data: Path) -> list[str]:
        return [arm.name for arm in load_study(name, data=data).arms if arm.role in ("reference", "arm")]

    def test_published_ablations_have_the_published_arms(self, data):
        assert self.arms("scunigp-table2", data) == ["scunigp-small", "gnn=gcn", "gnn=none"]
        assert self.arms("scunigp-table3", data) == ["scunigp-small", "fusion=late", "fusion=early"]
        assert self.arms("gpdht-table2", data) == ["gp-dht-small", "bucketing=cumulative"]

    def test_published_ablations_take_the_networks_of_their_tables(self, data):
        assert paths(load_study("scunigp-table2", data=data)) == [
            p for p in sorted(SETS)[::-1] if p.startswith("STRING")
        ][::-1] + sorted(p for p in SETS if p.startswith("Non-Specific"))
        study = load_study("gpdht-table2", data=data)
        assert set(paths(study)) == {p for p in SETS if p.startswith("Specific")}
        assert {split.level for split in study.splits} == {"kfold_pooled"}

    def test_five_factors_cross_every_level_once(self, data):
        study = load_study("five-factors", data=data)
        trained = [arm for arm in study.arms if arm.role in ("reference", "arm")]
        assert len(trained) == 3 * (2 * 3 + 1) * 2 * 2  # without a graph there is nothing to fuse
        assert len(trained) + len(study.aliases) >= 3 * 3 * 3 * 2 * 2
        assert self.arms("five-factors-leave-one-out", data) == [
            "full model",
            "bucketing=none",
            "gnn=none",
            "fusion=late",
            "contrast=off",
            "negatives=uniform",
        ]

    def test_every_system_of_the_field_is_a_baseline(self, data):
        names = {arm.name.removesuffix("-small") for arm in load_study("baselines", data=data).arms}
        assert names >= {"pcc", "mi", "genie3", "grnboost2", "deepsem", "cnnc"}
        assert names >= {"gne", "scgreat", "genelink", "gnnlink", "gp-dht", "scunigp", "degree"}
        assert names >= {"hgatlink", "gmfgrn", "igegrns", "gatcl"}

    @pytest.mark.parametrize(("scale", "size"), [("cpu", "-small"), ("paper", "")])
    def test_gpdht_meets_the_rivals_of_its_figure_2(self, data, scale, size):
        study = load_study("gpdht-figure2", data=data, scale=scale)
        rivals = ["hgatlink", "gmfgrn", "igegrns", "gatcl", "gnnlink"]
        assert [arm.name for arm in study.arms if arm.role in ("reference", "baseline")] == [
            f"{name}{size}" for name in ("gp-dht", *rivals)
        ]
        assert set(paths(study)) == {p for p in SETS if p.startswith("Specific")}
        assert {split.level for split in study.splits} == {"kfold_pooled"}
        assert all(arm.budget.keep == "last" for arm in study.arms if arm.name.startswith(tuple(rivals[:4])))

    def test_specific_networks_are_split_as_published(self, data):
        study = load_study("baselines", data=data)
        levels = {p.split("/")[0]: s.level for p, s in zip(paths(study), study.splits, strict=True)}
        assert set(levels.values()) == {"all_non_targets"}

    def test_needs_a_data_folder(self):
        with pytest.raises(KnockoutError, match=r"--data: 'scunigp-table2' is a ready-made study.*data fetch"):
            load_study("scunigp-table2")

    def test_a_misspelt_name_is_named(self):
        with pytest.raises(KnockoutError, match=r"unknown study 'scunigp-tabel2'. Did you mean 'scunigp-table2'"):
            load_study("scunigp-tabel2")

    def test_a_folder_without_its_sets_is_named(self, tmp_path):
        with pytest.raises(KnockoutError, match="--data: there is no data set"):
            load_study("scunigp-table2", data=tmp_path)

    def test_a_file_of_that_name_comes_first(self, data, tmp_path, monkeypatch):
        own = yaml.safe_load(named_study("scunigp-table2").read_text()) | {"name": "my own"}
        (tmp_path / "scunigp-table2").write_text(yaml.safe_dump(own))
        monkeypatch.chdir(tmp_path)
        assert load_study("scunigp-table2", data=data).name == "my own"


VALUES = {"preset": {"cpu": "a", "paper": "b"}, "arms": [{"x": {"cpu": 1, "paper": {"y": 2}}}, 3]}


class TestScale:
    def test_chooses_wherever_both_are_offered(self):
        assert at_scale(VALUES, None) == {"preset": "a", "arms": [{"x": 1}, 3]}
        assert at_scale(VALUES, "paper") == {"preset": "b", "arms": [{"x": {"y": 2}}, 3]}

    def test_unknown_scale_is_named(self):
        with pytest.raises(KnockoutError, match=r"--scale: unknown scale 'papr'. Did you mean 'paper'"):
            at_scale(VALUES, "papr")

    def test_a_study_of_one_size_refuses_a_scale(self):
        with pytest.raises(KnockoutError, match="one scale"):
            at_scale({"preset": "scunigp"}, "paper")


class TestPatterns:
    @pytest.fixture
    def load(self, data: Path, study_file: Callable[..., Path]) -> Callable[..., Any]:
        return lambda *datasets, **how: load_study(study_file(datasets=list(datasets)), data=data, **how)

    def test_a_pattern_stands_for_every_set_that_fits(self, load):
        assert paths(load("STRING/*/TFs+500")) == ["STRING/hHEP/TFs+500", "STRING/mDC/TFs+500"]
        assert paths(load("*/mDC/TFs+1000")) == ["Specific/mDC/TFs+1000"]

    def test_its_exam_goes_to_each(self, load):
        study = load({"path": "Specific/*/TFs+500", "split": "per_tf"}, "STRING/mDC/TFs+500")
        assert [s.level for s in study.splits] == ["per_tf", "per_tf", "all_non_targets"]

    def test_a_pattern_that_fits_nothing_is_named_with_what_there_is(self, load):
        with pytest.raises(KnockoutError, match=r"datasets\[1\].*fits 'STRNG/\*/TFs\+500'. There are: Lofgof/mESC"):
            load("STRING/*/TFs+500", "STRNG/*/TFs+500")

    def test_sets_that_a_pattern_finds_cannot_share_a_name(self, load):
        with pytest.raises(KnockoutError, match="cannot share a 'name'"):
            load({"path": "STRING/*/TFs+500", "name": "x"})

    def test_only_leaves_the_rest_out(self, load):
        assert paths(load("*/*/TFs+500", only=["*/mDC/*", "Lofgof/*"])) == [
            "Lofgof/mESC/TFs+500",
            "Non-Specific/mDC/TFs+500",
            "STRING/mDC/TFs+500",
            "Specific/mDC/TFs+500",
        ]
        with pytest.raises(KnockoutError, match=r"--only: no data set fits mCD. The study has: Lofgof"):
            load("*/*/TFs+500", only=["mCD"])


class TestBaselines:
    def test_methods_and_systems_are_baseline_arms(self, study_file):
        study = load_study(study_file(baselines=["pcc", {"genie3": {"trees": 7}}, "gp-dht-small"]))
        roles = {arm.name: arm.role for arm in study.arms}
        assert roles["pcc"] == roles["genie3(trees=7)"] == roles["gp-dht-small"] == "baseline"

    def test_a_system_brings_its_own_budget_with_the_studys_changes(self, study_file):
        study = load_study(study_file(baselines=["gp-dht-small"], training={"epochs": 2, "graph_epochs": 1}))
        system = next(arm for arm in study.arms if arm.name == "gp-dht-small")
        assert study.budget_of(system).patience == 10 and study.budget.patience == 8
        assert study.budget_of(system).epochs == 2
        assert study.budget_of(study.reference) == study.budget

    @pytest.mark.parametrize(
        ("given", "message"),
        [
            (["pccc"], r"baselines\[0\]: unknown baseline 'pccc'. Did you mean 'pcc'"),
            (["degree"], "unknown baseline 'degree'"),
            ([{"genie3": {"tres": 7}}], "Did you mean 'trees'"),
            ("pcc", r"Write baselines: \[pcc\]"),
        ],
        ids=["misspelt", "a control", "wrong setting", "no list"],
    )
    def test_mistakes_are_named(self, study_file, given, message):
        with pytest.raises(KnockoutError, match=message):
            load_study(study_file(baselines=given))
