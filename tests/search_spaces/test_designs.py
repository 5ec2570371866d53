import itertools
from math import prod
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.core.errors import KnockoutError
from search_spaces.arm import Arm, parse_choice
from search_spaces.controls import CONTROLS, controls, default_controls
from search_spaces.designs import DESIGNS, distinct, expand, value_in
from search_spaces.presets import preset

REFERENCE = preset("knockout-small").arm("reference")
LEVELS: dict[str, list[Any]] = {
    "gnn": ["none", "gcn", "gat", {"gat": {"heads": 1}}],
    "fusion": ["early", "late", "multiscale"],
    "pair_encoder": ["transformer", "mlp"],
    "negatives": ["uniform", "same_tf"],
    "scorer": ["assembled", "degree"],
}


def names(kind: str, factors: dict[str, Any], explicit: list[dict[str, Any]] | None = None) -> list[str]:
    return [arm.name for arm in expand(REFERENCE, kind, factors, explicit or []).arms]


def test_one_factor_at_a_time_changes_one_thing():
    arm_names = names("one_factor_at_a_time", {"gnn": ["gat", "none"], "fusion": ["late"]})
    assert arm_names == ["reference", "gnn=none", "fusion=late"]


def test_leave_one_out_puts_the_absent_level_in_place():
    arms = expand(REFERENCE, "leave_one_out", {"gnn": None, "fusion": []}).arms
    assert [arm.levels()["gnn"] for arm in arms] == ["gat", "none", "gat"]
    assert arms[2].levels()["fusion"] == "late"


def test_leave_one_out_takes_given_levels_in_place_of_the_absent_one():
    assert names("leave_one_out", {"gnn": ["mlp"]}) == ["reference", "gnn=mlp"]


def test_full_factorial_counts_aliases_once():
    design = expand(REFERENCE, "full_factorial", {"gnn": ["gat", "none"], "fusion": ["multiscale", "late", "early"]})
    assert [arm.name for arm in design.arms] == ["reference", "fusion=late", "fusion=early", "gnn=none"]
    assert dict(design.aliases) == {
        "gnn=none, fusion=late": "gnn=none",
        "gnn=none, fusion=early": "gnn=none",
    }


def test_settings_are_crossed_like_factors():
    factors = {"gnn": ["gat", "none"], "gnn.gat.heads": [1, 2], "fusion": ["multiscale", "late"]}
    design = expand(REFERENCE, "full_factorial", factors)
    table = [
        (arm.levels()["gnn"], value_in(arm, "gnn.gat.heads"), arm.levels()["fusion"])
        for arm in design.arms
        if arm.name != "reference" or REFERENCE.choices["gnn"].settings.heads in (1, 2)
    ]
    assert sorted(table) == sorted([*itertools.product(["gat"], "12", ["late", "multiscale"]), ("none", "-", "-")])
    assert names("one_factor_at_a_time", {"gnn.gat.heads": [1], "gnn.gat.dropout": [0.1]}) == [
        *("reference", "gnn=gat(heads=1)", "gnn=gat(dropout=0.1)")
    ]


def test_a_setting_of_a_level_that_the_design_adds_is_crossed_there_alone():
    design = expand(REFERENCE, "full_factorial", {"gnn": ["gat", "gcn"], "gnn.gcn.self_loops": [True, False]})
    assert [arm.name for arm in design.arms] == ["reference", "gnn=gcn", "gnn=gcn(self_loops=False)"]


def test_one_by_one_a_setting_needs_the_level_of_the_reference():
    for kind in ("one_factor_at_a_time", "leave_one_out"):
        with pytest.raises(KnockoutError, match="level of gnn in this design 'gcn'"):
            expand(REFERENCE, kind, {"gnn": ["gcn"], "gnn.gcn.self_loops": [False]})


def test_a_model_that_reads_expression_by_pairs_alone_has_its_noise_control(tmp_path):
    (tmp_path / "f.csv").write_text("gene,a\nx,1\n")
    features = {"features": {"file": str(tmp_path / "f.csv")}}
    arms = {
        level: preset("knockout-small").arm("reference", {"bucketing": features, "pair_features": level})
        for level in ("none", "topology", "coexpression")
    }
    assert [level for level, arm in arms.items() if "noise" in default_controls(arm)] == ["coexpression"]
    off = dict.fromkeys(("correlation", "profile", "neighbours"), False) | {"components": 0}
    trees = {name: preset("boosting").arm("r", {"scorer": {"boosting": off | more}}) for name, more in TREES.items()}
    assert [name for name, arm in trees.items() if "noise" in default_controls(arm)] == ["lagged", "profile"]


TREES: dict[str, dict[str, Any]] = {"graph": {}, "lagged": {"lagged": True}, "profile": {"profile": True}}


def test_explicit_arms_keep_their_names():
    arms = [{"name": "bare", "gnn": "none"}, {"gnn": "gcn", "fusion": "late"}]
    assert names("explicit", {}, arms) == ["reference", "bare", "gnn=gcn, fusion=late"]


def test_two_sizes_of_another_level_are_two_arms():
    assert names("one_factor_at_a_time", {"gnn": ["gcn", {"gcn": {"widths": [16, 8]}}]}) == [
        "reference",
        "gnn=gcn",
        "gnn=gcn(widths=(16, 8))",
    ]


@given(
    kind=st.sampled_from(sorted(DESIGNS)),
    factors=st.fixed_dictionaries(
        {}, optional={f: st.lists(st.sampled_from(v), min_size=1, unique_by=str) for f, v in LEVELS.items()}
    ).filter(bool),
)
def test_every_arm_is_trained_once_and_every_point_is_accounted_for(kind: str, factors: dict[str, list[Any]]):
    try:
        design = expand(REFERENCE, kind, factors)
    except KnockoutError as error:
        assert "no arm besides the reference" in error.message
        return
    assert design.arms[0] is REFERENCE
    assert len({arm.digest for arm in design.arms}) == len({arm.name for arm in design.arms}) == len(design.arms)
    assert set(design.aliases.values()) <= {arm.name for arm in design.arms}
    assert not set(design.aliases) & {arm.name for arm in design.arms}
    if kind == "full_factorial":
        choices = [[parse_choice(f, v, beside=REFERENCE.choices[f]) for v in values] for f, values in factors.items()]
        points = [REFERENCE.vary(dict(zip(factors, point, strict=True))) for point in itertools.product(*choices)]
        assert {arm.digest for arm in design.arms} == {p.digest for p in points} | {REFERENCE.digest}
        assert len(design.arms) + len(design.aliases) == prod(map(len, choices)) + (
            REFERENCE.name not in {p.name for p in points}
        )


@pytest.mark.parametrize(
    ("kind", "factors", "explicit", "message", "place"),
    [
        ("full_factorail", {}, [], "Did you mean 'full_factorial'", "design.kind"),
        ("full_factorial", {}, [], "needs factors", "design.factors"),
        ("explicit", {}, [], "needs arms", "design.arms"),
        ("explicit", {"gnn": ["none"]}, [{"gnn": "gcn"}], "does not read 'factors'", "design.factors"),
        ("full_factorial", {"gnn": ["none"]}, [{"gnn": "gcn"}], "does not read 'arms'", "design.arms"),
        ("full_factorial", {"gnn": []}, [], "no level", "design.factors.gnn"),
        ("full_factorial", {"gnn": ["gat"]}, [], "no arm besides the reference", "design"),
        ("full_factorial", {"split": ["per_tf"]}, [], "it is the exam", "design.factors.split"),
        ("explicit", {}, [{"split": "per_tf"}], "it is the exam", "design.arms[0].split"),
        ("leave_one_out", {"gn": None}, [], "Did you mean 'gnn'", "design.factors.gn"),
        ("full_factorial", {"gnn": ["none", "gta"]}, [], "Did you mean 'gat'", "design.factors.gnn[1]"),
        ("full_factorial", {"gnn.gat.haeds": [1]}, [], "Did you mean 'heads'", "design.factors.gnn.gat.haeds"),
        (
            "full_factorial",
            {"gnn.gcn.self_loops": [True]},
            [],
            "level of gnn in this",
            "design.factors.gnn.gcn.self_loops",
        ),
        ("full_factorial", {"gnn.heads": [1]}, [], "write factor.level.setting", "design.factors.gnn.heads"),
        ("full_factorial", {"gnn.gat.heads": [1, 0]}, [], "at least 1", "design.factors.gnn.gat.heads[1]"),
        (
            *("full_factorial", {"gnn": [{"gat": {"heads": 1}}], "gnn.gat.heads": [1, 4]}, []),
            *("gnn.gat.heads is crossed as well; drop one", "design.factors.gnn[0]"),
        ),
        (
            *(
                "full_factorial",
                {"pair_encoder.transformer.dim": [72], "pair_encoder.transformer.heads": [2, 16]},
                [],
            ),
            *("must divide", "design.factors.pair_encoder.transformer.heads[1]"),
        ),
        ("explicit", {}, [{"gnn.gat.heads": 1}], "write gnn: {gat: {heads: ...}}", "design.arms[0].gnn.gat.heads"),
        ("leave_one_out", {"gnn.gat.heads": None}, [], "no value is listed", "design.factors.gnn.gat.heads"),
        ("full_factorial", {"split.per_tf.x": [1]}, [], "it is the exam", "design.factors.split.per_tf.x"),
        ("explicit", {}, [{"gnn": "none", "name": "a"}, {"gnn": "gcn", "name": "a"}], "two different arms", "design"),
        ("explicit", {}, [{"gnn": "gat", "name": "a"}, {"gnn": "gcn", "name": "a"}], "two different arms", "design"),
        ("explicit", {}, [{"gnn": "gcn", "name": "reference"}], "two different arms", "design"),
    ],
)
def test_a_design_that_cannot_be_run_is_refused_with_its_place(
    kind: str, factors: dict[str, Any], explicit: list[dict[str, Any]], message: str, place: str
):
    with pytest.raises(KnockoutError) as refused:
        expand(REFERENCE, kind, factors, explicit)
    assert message in refused.value.message
    assert refused.value.where == place


def test_controls_are_the_reference_with_another_scorer():
    arms = controls(REFERENCE, CONTROLS)
    assert [arm.name for arm in arms] == list(CONTROLS)
    assert {arm.role for arm in arms} == {"control"}
    noise = arms[CONTROLS.index("noise")]
    assert noise.canonical | {"scorer": None} == REFERENCE.canonical | {"scorer": None}


@pytest.mark.parametrize(
    ("name", "message"), [("degre", "Did you mean 'degree'"), ("assembled", "unknown control arm")]
)
def test_what_is_no_control_is_refused(name: str, message: str):
    with pytest.raises(KnockoutError, match=message) as refused:
        controls(REFERENCE, ["noise", name])
    assert refused.value.where == "controls[1]"


def test_a_control_named_twice_is_one_arm():
    unique = distinct([REFERENCE, *controls(REFERENCE, ["degree", "degree"])])
    assert [arm.name for arm in unique.arms] == ["reference", "degree"]


def test_an_arm_and_a_control_of_one_name_are_refused():
    arm = Arm("degree", {**REFERENCE.choices, "gnn": parse_choice("gnn", "none")})
    with pytest.raises(KnockoutError, match="two different arms are named 'degree'"):
        distinct([REFERENCE, arm, *controls(REFERENCE, ["degree"])])
