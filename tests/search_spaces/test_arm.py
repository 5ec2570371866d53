from collections.abc import Callable

import pytest

from components.core.errors import KnockoutError
from search_spaces.arm import INACTIVE, Arm, arm_factors, canonical_json, parse_choice
from search_spaces.presets import preset


@pytest.fixture
def reference() -> Arm:
    return preset("knockout-small").arm("reference", {"gnn": {"gat": {"widths": [8, 4], "dropout": 0.25}}})


@pytest.fixture
def with_gnn(reference: Arm) -> Callable[..., Arm]:
    def vary(given: object, **how: str) -> Arm:
        return reference.vary({"gnn": parse_choice("gnn", given, beside=reference.choices["gnn"])}, **how)

    return vary


def test_digest_ignores_name_role_and_order_of_factors(reference: Arm):
    renamed = Arm("another", dict(reversed(reference.choices.items())), "control")
    assert renamed.digest == reference.digest


def test_digest_changes_with_level_and_with_setting(reference: Arm, with_gnn: Callable[..., Arm]):
    arms = [
        reference,
        with_gnn("gcn"),
        with_gnn("none"),
        with_gnn({"gat": {"heads": 5}}),
        with_gnn({"gat": {"heads": 6}}),
    ]
    assert len({arm.digest for arm in arms}) == len(arms)


def test_a_default_written_out_is_the_default(with_gnn: Callable[..., Arm]):
    assert with_gnn("gat").digest == with_gnn({"gat": {"heads": 3, "self_loops": True}}).digest


def test_silenced_factors_are_dropped_and_shown_as_inactive(reference: Arm, with_gnn: Callable[..., Arm]):
    bare = with_gnn("none")
    late = bare.vary({"fusion": parse_choice("fusion", "late")})
    assert "fusion" not in bare.canonical and "fusion" in reference.canonical
    assert bare.levels()["fusion"] == INACTIVE
    assert "fusion" not in dict(bare.acting())
    assert late.digest == bare.digest


def test_a_rule_silences_the_whole_model(reference: Arm):
    rule = reference.vary({"scorer": parse_choice("scorer", "degree")})
    assert rule.acting() == (("scorer", "degree"),)
    assert set(rule.canonical) == {"scorer"}


def test_arm_factors_leave_the_exam_out():
    assert "split" not in arm_factors() and "gnn" in arm_factors()


def test_another_level_takes_over_what_the_user_set_on_the_reference(with_gnn: Callable[..., Arm]):
    settings = with_gnn("gcn").choices["gnn"].settings.model_dump()
    assert settings["widths"] == (8, 4) and settings["dropout"] == 0.25
    assert settings["hide_batch"] is True  # of the preset, on which the user's settings are laid
    assert settings["self_loops"] is True  # not set: the level's own default


def test_own_settings_win_over_those_taken_over(with_gnn: Callable[..., Arm]):
    assert with_gnn({"gcn": {"dropout": 0.5}}).choices["gnn"].settings.model_dump()["dropout"] == 0.5


def test_a_value_that_the_level_does_not_allow_is_not_taken_over():
    beside = parse_choice("gnn", {"gat": {"hide_batch": True, "widths": [8]}})
    assert parse_choice("gnn", "mlp", beside=beside).settings.model_dump()["hide_batch"] is False


@pytest.mark.parametrize(
    ("given", "label"),
    [
        ("gat", "gat"),
        ("gcn", "gcn"),
        ({"gat": {"heads": 5}}, "gat(heads=5)"),
        ({"gcn": {"widths": [16, 8]}}, "gcn(widths=(16, 8))"),
        ({"gcn": {"widths": [8, 4]}}, "gcn"),
    ],
)
def test_label_shows_what_the_level_alone_would_not_give(reference: Arm, given: object, label: str):
    beside = reference.choices["gnn"]
    assert parse_choice("gnn", given, beside=beside).label(beside) == label


def test_an_arm_is_named_by_what_differs(reference: Arm, with_gnn: Callable[..., Arm]):
    assert with_gnn("none").name == "gnn=none"
    assert with_gnn("gat").name == reference.name
    assert with_gnn("none", name="bare").name == "bare"


@pytest.mark.parametrize("given", [None, 3, [], {}, {"gat": 4}, {"gat": {}, "gcn": {}}, {3: {}}, ["gat"]])
def test_what_is_no_choice_is_refused_with_its_place(given: object):
    with pytest.raises(KnockoutError, match="no choice for gnn") as refused:
        parse_choice("gnn", given, where="design.factors.gnn[0]")
    assert refused.value.where == "design.factors.gnn[0]"


def test_a_setting_of_the_reference_does_not_hide_a_wrong_one():
    beside = parse_choice("gnn", {"gat": {"heads": 2}})
    with pytest.raises(KnockoutError, match="heds"):
        parse_choice("gnn", {"gat": {"heds": 2}}, beside=beside)


def test_canonical_json_has_one_form_and_no_nan():
    assert canonical_json({"b": (1, 2), "a": None}) == canonical_json({"a": None, "b": [1, 2]})
    with pytest.raises(ValueError, match="JSON compliant"):
        canonical_json(float("nan"))
