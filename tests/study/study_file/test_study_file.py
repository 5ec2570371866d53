from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from components.core.errors import KnockoutError
from search_spaces.controls import CONTROLS
from study.study_file.study import load_study
from study.study_file.yaml_file import read_yaml

STUDY = """\
name: tiny
datasets:
  - {simulate: {genes: 60, tfs: 8, cells: 40}, seed: 1}
reference:
  gnn: {gat: {heads: 2}}
design:
  kind: one_factor_at_a_time
  factors: {gnn: [gat, none]}
controls: [degree]
repeats: 2
metric: auroc
split: per_tf
training: {epochs: 2}
lanes: cpu:2
"""
DATASET = "{simulate: {genes: 60, tfs: 8, cells: 40}, seed: 1}"
FACTORS = "factors: {gnn: [gat, none]}"
DESIGN = f"design:\n  kind: one_factor_at_a_time\n  {FACTORS}\n"

# the text of the file, its replacement, and the place and words of the message
MISTAKES: list[tuple[str, str, str, str]] = [
    ("name: tiny", "nmae: tiny", "line 1, nmae", "Did you mean 'name'"),
    ("name: tiny\n", "", "name", "the key 'name' is missing"),
    ("name: tiny", "name: ''", "line 1, name", "a text that is not empty is needed"),
    ("name: tiny", "name: tiny\nname: two", "line 2, name", "stands here twice"),
    ("{heads: 2}", "{heads: 2, heads: 3}", "line 5, reference.gnn.gat.heads", "stands here twice"),
    ("repeats: 2", "repeets: 2", "line 10, repeets", "Did you mean 'repeats'"),
    ("repeats: 2", "repeats: three", "line 10, repeats", "a whole number is needed, got 'three'"),
    ("repeats: 2", "repeats: 0", "line 10, repeats", "at least 1 is needed, got 0"),
    ("repeats: 2", "repeats: 2.5", "line 10, repeats", "a whole number is needed, got 2.5"),
    ("repeats: 2", "repeats: true", "line 10, repeats", "a whole number is needed, got true"),
    ("metric: auroc", "margin: -0.1", "line 11, margin", "more than 0.0 is needed, got -0.1"),
    ("metric: auroc", "margin: .inf", "line 11, margin", "a finite number is needed, got .inf"),
    ("metric: auroc", "margin: .nan", "line 11, margin", "a finite number is needed, got .nan"),
    ("metric: auroc", "margin: 0.5", "line 11, margin", "any two arms would be equal"),
    ("metric: auroc", "metric: aurok", "line 11, metric", "unknown metric 'aurok'. Did you mean 'auroc'"),
    ("metric: auroc", "preset: scunipg", "line 11, preset", "Did you mean 'scunigp'"),
    ("split: per_tf", "split: per_tff", "line 12, split", "Did you mean 'per_tf'"),
    ("split: per_tf", "split: {per_tf: {validatoin: natural}}", "line 12, split", "Did you mean 'validation'"),
    ("{epochs: 2}", "{epoch: 2}", "line 13, training", "Did you mean 'epochs'"),
    ("{epochs: 2}", "{epochs: '2'}", "line 13, training", "a whole number is needed, got '2'"),
    ("{epochs: 2}", "3", "line 13, training", "a mapping is needed, got 3"),
    ("lanes: cpu:2", "lanes: gpu:2", "line 14, lanes", "Write auto, cpu:2, cuda:0"),
    ("lanes: cpu:2", "lanes: cpu:0", "line 14, lanes", "0 workers"),
    ("lanes: cpu:2", "lanes: cpu:1x2", "line 14, lanes", "no lane"),
    ("lanes: cpu:2", "lanes: cpu:2,", "line 14, lanes", "no lane"),
    ("controls: [degree]", "controls: [degre]", "line 9, controls[0]", "Did you mean 'degree'"),
    ("controls: [degree]", "controls: degree", "line 9, controls", "Write controls: [degree]."),
    ("kind: one", "kidn: one", "line 7, design.kidn", "Did you mean 'kind'"),
    ("one_factor_at_a_time", "full_factorail", "line 7, design.kind", "Did you mean 'full_factorial'"),
    ("[gat, none]", "[gta]", "line 8, design.factors.gnn[0]", "Did you mean 'gat'"),
    ("{gnn: [gat, none]}", "{gn: [gat]}", "line 8, design.factors.gn", "Did you mean 'gnn'"),
    ("[gat, none]", "[{gat: {heds: 4}}]", "line 8, design.factors.gnn[0]", "Did you mean 'heads'"),
    ("[gat, none]", "[{gat: {heads: '4'}}]", "line 8, design.factors.gnn[0]", "a whole number is needed, got '4'"),
    ("[gat, none]", "[{gat: {heads: 40}}]", "line 8, design.factors.gnn[0]", "at most 16 is needed, got 40"),
    ("[gat, none]", "[{gat: {heads: [1, 2]}}]", "gnn[0]", "needed, got [1, 2]. An arm has one value here"),
    ("[gat, none]", "[{gat: {widths: 8}}]", "gnn[0]", "gnn.gat.widths: a list is needed, got 8. Write widths: [8]."),
    ("[gat, none]", "[{gat: [{heads: 4}]}]", "gnn[0]", "needed, got [{heads: 4}]. Write gat: {heads: 4}."),
    ("[gat, none]", "[gat]", "line 6, design", "no arm besides the reference"),
    (FACTORS, "factors: {split: [per_tf]}", "line 8, design.factors.split", "it is the exam"),
    (
        "{gnn: [gat, none]}",
        "[gnn: [gcn], fusion: [late]]",
        "design.factors",
        "Write factors: {gnn: [gcn], fusion: [late]}.",
    ),
    (FACTORS, "factors: [gnn, fusion]", "line 8, design.factors", "Write factors: {gnn: ..., fusion: ...}."),
    ("{epochs: 2}", "[epochs: 3]", "line 13, training", "got [{epochs: 3}]. Write training: {epochs: 3}."),
    (DESIGN, "design: [gnn]\n", "line 6, design", "got [gnn]. Its keys: kind, factors, arms, tune."),
    (DESIGN, "design:\n", "line 6, design", "a mapping is needed, got null"),
    (DESIGN + "controls: [degree]", "controls: false", "design", "nothing to compare"),
    ("gnn: {gat: {heads: 2}}", "gmn: gat", "line 5, reference.gmn", "Did you mean 'gnn'"),
    ("gnn: {gat: {heads: 2}}", "gnn: gta", "line 5, reference.gnn", "Did you mean 'gat'"),
    ("gnn: {gat: {heads: 2}}", "split: per_tf", "line 5, reference.split", "no part of an arm"),
    ("heads: 2", "widths: [8, 0]", "line 5, reference.gnn", "at least 1 is needed, got 0"),
    (f"  - {DATASET}", "  []", "line 2, datasets", "a list that is not empty is needed"),
    (DATASET, "3", "line 3, datasets[0]", "a mapping is needed, got 3"),
    (DATASET, "{name: x}", "line 3, datasets[0]", "either a 'path' or 'simulate'"),
    (DATASET, "{simulate: {}, path: x}", "line 3, datasets[0]", "either a 'path' or 'simulate'"),
    (DATASET, "{simulate: {}, tfs_file: x}", "line 3, datasets[0]", "brings its own"),
    (DATASET, "{simulat: {}}", "line 3, datasets[0].simulat", "Did you mean 'simulate'"),
    (DATASET, "{simulate: {gens: 60}}", "line 3, datasets[0].simulate", "Did you mean 'genes'"),
    (DATASET, "{simulate: {genes: 10}}", "line 3, datasets[0].simulate", "at least 20 is needed, got 10"),
    (DATASET, "{simulate: {}, seed: -1}", "line 3, datasets[0].seed", "at least 0 is needed, got -1"),
    (DATASET, "{simulate: {}, split: per_tff}", "line 3, datasets[0].split", "Did you mean 'per_tf'"),
    (f"\n  - {DATASET}", " web/x", "line 2, datasets", "Write datasets: [web/x]."),
    ("gnn: {gat: {heads: 2}}", "gnn: [gcn]", "line 5, reference.gnn", "setting: value}}. Here: gcn."),
    ("repeats: 2", "repeats: [2]", "line 10, repeats", "a whole number is needed, got [2]. Write repeats: 2."),
    ("gnn: {gat: {heads: 2}}", "gnn: gnc", "line 5, reference.gnn", "Did you mean 'gcn'"),
    (
        "split: per_tf",
        "split: [&a [x, x], &b [*a, *a, *a, *a, *a, *a, *a, *a, *a], &c [*b, *b, *b, *b, *b, *b, *b, *b],"
        " &d [*c, *c, *c, *c, *c, *c, *c], &e [*d, *d, *d, *d, *d, *d, *d], [*e, *e, *e, *e, *e, *e, *e, *e, *e]]",
        "tiny.yaml",
        "aliases unfold to more than",
    ),
    ("design:", "design: [", "line 8", "not valid YAML"),
    ("cpu:2", "!!python/object:os.system x", "line 14", "not valid YAML"),
    ("lanes: cpu:2", "lanes: &a [*a]", "tiny.yaml", "an alias holds itself"),
    (STUDY, "", "tiny.yaml", "mapping of keys"),
    (STUDY, "- a", "tiny.yaml", "mapping of keys"),
]


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., Any]:
    def read(old: str = "", new: str = "", **how: Any) -> Any:
        assert old in STUDY
        path = tmp_path / "tiny.yaml"
        path.write_text(STUDY.replace(old, new, 1) if old else STUDY)
        return load_study(path, **how)

    return read


@pytest.mark.parametrize(("old", "new", "where", "message"), MISTAKES, ids=[f"{m[1][:40]!r}" for m in MISTAKES])
def test_a_mistake_gives_one_message_with_its_place(
    load: Callable[..., Any], tmp_path: Path, old: str, new: str, where: str, message: str
):
    with pytest.raises(KnockoutError) as refused:
        load(old, new)
    assert refused.value.where.startswith(str(tmp_path / "tiny.yaml"))
    assert refused.value.where.endswith(where)
    assert message in refused.value.message
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.yaml"]


def test_a_file_that_is_none_is_refused(tmp_path: Path):
    (tmp_path / "latin.yaml").write_bytes("name: é".encode("latin-1"))
    missing, below = tmp_path / "missing.yaml", tmp_path / "latin.yaml" / "below"
    for path, message in (
        (missing, "no such study file"),
        (tmp_path, "this is a folder"),
        (below, "cannot be read"),
        (tmp_path / "latin.yaml", "not UTF-8"),
    ):
        with pytest.raises(KnockoutError, match=message) as refused:
            load_study(path)
        assert refused.value.where == str(path)


def test_a_gpu_that_is_not_there_is_refused(load: Callable[..., Any]):
    import torch

    there = torch.cuda.device_count()
    with pytest.raises(KnockoutError, match=f"this machine has {there} CUDA devices") as refused:
        load("lanes: cpu:2", f"lanes: cuda:{there}")
    assert refused.value.where.endswith("line 14, lanes")


def test_lanes_of_the_command_line_win_and_are_named(load: Callable[..., Any]):
    assert len(load(lanes="cpu:3").lanes) == 3
    with pytest.raises(KnockoutError) as refused:
        load(lanes="gpu")
    assert refused.value.where.endswith("--lanes")


def test_a_right_file_becomes_a_study(load: Callable[..., Any], tmp_path: Path):
    study = load()
    assert [arm.name for arm in study.arms] == ["full model", "gnn=none", "degree"]
    assert [arm.role for arm in study.arms] == ["reference", "arm", "control"]
    assert (study.repeats, study.metric, study.root) == (2, "auroc", tmp_path)
    assert study.budget.epochs == 2 and study.budget.patience == 8  # the preset's, where the file is silent
    assert [split.level for split in study.splits] == ["per_tf"]


def test_by_default_all_controls_are_run(load: Callable[..., Any]):
    assert {arm.name for arm in load("controls: [degree]\n", "").arms if arm.role == "control"} == set(CONTROLS)


def test_a_data_set_may_set_its_own_exam(load: Callable[..., Any]):
    study = load(DATASET, f"{DATASET}\n  - {{simulate: {{}}, split: {{per_tf: {{validation: matched}}}}}}")
    assert [split.settings.validation for split in study.splits] == ["natural", "matched"]


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("off", "off"),
        ("no", "no"),
        ("1e-3", 1e-3),
        ("2026-01-01", "2026-01-01"),
        ("5e-6", 5e-6),
        ("010", "010"),
        ("1:30", "1:30"),
        ("1_0", "1_0"),
        ("-3", -3),
        ("0", 0),
    ],
)
def test_words_and_numbers_are_read_as_they_look(tmp_path: Path, written: str, read: object):
    from study.study_file.yaml_file import read_yaml

    (tmp_path / "a.yaml").write_text(f"a: {written}\nb: true\nc: 3\nd: 1.5\ne: null\nf: 10.\ng: +.5e+3\n")
    values = read_yaml(tmp_path / "a.yaml").values
    assert values == {"a": read, "b": True, "c": 3, "d": 1.5, "e": None, "f": 10.0, "g": 500.0}


def test_a_design_point_that_is_another_arm_is_an_alias(load: Callable[..., Any]):
    study = load(FACTORS, "factors: {gnn: [none], scorer: [degree]}")
    assert [arm.name for arm in study.arms] == ["full model", "gnn=none", "scorer=degree"]
    assert dict(study.aliases) == {"degree": "scorer=degree"}


def test_an_arm_may_not_take_the_name_of_a_control(load: Callable[..., Any]):
    with pytest.raises(KnockoutError, match="two different arms are named 'degree'"):
        load(DESIGN, "design: {kind: explicit, arms: [{gnn: none, name: degree}]}\n")


def test_relative_paths_start_from_data_or_from_the_file(load: Callable[..., Any], tmp_path: Path):
    assert load(data=tmp_path / "else").root == tmp_path / "else"
    assert load().root == tmp_path
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.yaml"]


@pytest.mark.parametrize("name", ["1.10", "0256", "001", "1e3", "True", "12_000", "0x1F", ".inf"])
def test_keys_and_names_are_text_as_written(tmp_path: Path, name: str) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(f"design: {{arms: [{{name: {name}, gnn: none, depth: 1.10}}]}}\n{name}: 3\n")
    assert read_yaml(path).values == {"design": {"arms": [{"name": name, "gnn": "none", "depth": 1.1}]}, name: 3}


@pytest.mark.parametrize(
    ("line", "section"),
    [("epochs: 3", "training"), ("gnn: gcn", "reference"), ("trials: 3", "search"), ("kind: explicit", "design")],
)
def test_a_key_of_another_section_is_placed(tmp_path: Path, line: str, section: str):
    (tmp_path / "study.yaml").write_text(f"{STUDY}{line}\n")
    with pytest.raises(KnockoutError, match=f"stands below {section}. Write {section}: "):
        load_study(tmp_path / "study.yaml")
