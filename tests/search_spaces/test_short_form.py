from typing import Any

import pytest

from components.core.budget import Budget
from components.core.errors import KnockoutError
from search_spaces.arm import parse_choice
from search_spaces.baselines import baselines
from search_spaces.controls import controls, default_controls
from search_spaces.designs import expand
from search_spaces.presets import preset
from search_spaces.short_form import spell_out
from search_spaces.space.space import parse_space, refuse_idle_ranges, settings_space

RUN = "python train.py {pairs} {scores} --lr {lr}"
REFERENCE = preset("knockout-small").arm("reference", {})
PROGRAM = preset("knockout-small").arm("program", spell_out({"command": RUN, "lr": 0.1}, ""))
LIST = preset("knockout-small").arm("list", spell_out({"edges": "{cell}/edges.csv"}, ""))


def arms(*given: Any) -> list[Any]:
    return baselines(REFERENCE, Budget(), {}, given)


def test_a_program_is_a_baseline_with_its_own_settings_sampler_and_controls():
    entry = {"name": "mine", "command": RUN, "lr": 0.1, "negatives": "same_tf", "controls": ["noise", "permuted"]}
    baseline_arms = arms(entry)
    assert [(arm.name, arm.role) for arm in baseline_arms] == [
        ("mine", "baseline"),
        ("mine (noise)", "control"),
        ("mine (permuted)", "control"),
    ]
    assert baseline_arms[0].levels()["scorer"] == "command" and baseline_arms[0].levels()["negatives"] == "same_tf"
    assert baseline_arms[0].levels()["gnn"] == "-"
    assert [arm.choices["scorer"].settings.expression for arm in baseline_arms] == ["true", "noise", "permuted"]
    assert len({arm.digest for arm in baseline_arms}) == 3


def test_a_list_has_the_name_of_its_file():
    assert arms({"edges": "out/collectri.csv"})[0].name == "collectri"


@pytest.mark.parametrize(
    "entry, message",
    [
        ({"command": RUN, "lr": 0.1}, "needs a name"),
        (
            {"name": "x", "command": RUN, "edges": "e.csv"},
            "one scorer, and here are several: command, edges",
        ),
        ({"name": "x", "command": RUN, "lr": 0.1, "controls": ["nois"]}, "Did you mean 'noise'"),
        ({"name": "x", "command": RUN, "lr": 0.1, "controls": "noise"}, r"write \[noise\]"),
        ({"name": "x", "edges": "e.csv", "controls": ["noise"]}, "reads no expression"),
        ({"name": "x", "edges": "e.csv", "wieght": "w"}, "Did you mean 'weight'"),
    ],
)
def test_what_an_entry_cannot_mean_is_refused(entry: dict[str, Any], message: str):
    with pytest.raises(KnockoutError, match=message) as error:
        arms("pcc", entry)
    assert "baselines[1]" in error.value.where


def test_controls_of_a_program_are_the_program_on_other_expression():
    assert "noise" in default_controls(PROGRAM) and "noise" not in default_controls(LIST)
    degree, noise = controls(PROGRAM, ["degree", "noise"])
    assert degree.levels()["scorer"] == "degree"
    assert noise.levels()["scorer"] == "command" and noise.choices["scorer"].settings.expression == "noise"
    with pytest.raises(KnockoutError, match="reads no expression"):
        controls(LIST, ["noise"])


def test_an_explicit_design_takes_programs_beside_a_program():
    design = expand(PROGRAM, "explicit", {}, [{"name": "slow", "scorer": {"command": {"lr": 0.01}}}])
    assert [arm.choices["scorer"].settings.own for arm in design.arms] == [{"lr": 0.1}, {"lr": 0.01}]


@pytest.mark.parametrize(
    "given, range_text",
    [
        ([1e-4, 1e-2, "log"], "0.0001 .. 0.01 (log)"),
        ([1, 8], "1 .. 8"),
        ([0.5, 1], "0.5 .. 1"),
        (["a", "b", "c"], "a | b | c"),
    ],
)
def test_settings_of_a_program_are_searched(given: list[Any], range_text: str):
    vary = spell_out({"command": {"lr": given}}, "search.vary")
    space = parse_space(PROGRAM, vary, ["negatives"])
    assert [(p.name, p.range) for p in space.parameters] == [("scorer.command.lr", range_text)]


def test_settings_of_a_program_are_tuned_of_its_controls_too_and_of_no_other():
    vary = spell_out({"command": {"lr": [1e-4, 1e-2, "log"]}}, "design.tune.vary")
    other = PROGRAM.vary({"scorer": parse_choice("scorer", {"command": {"run": "other {scores}"}})})
    (noise,) = controls(PROGRAM, ["noise"])
    spaces = [settings_space(arm, ["negatives"], vary, where="design.tune") for arm in (PROGRAM, noise, other)]
    assert [[p.name for p in space.parameters] for space in spaces] == [["scorer.command.lr"]] * 2 + [[]]
    tuned = spaces[1].arm({"scorer.command.lr": 0.005}).choices["scorer"].settings
    assert (tuned.own, tuned.expression) == ({"lr": 0.005}, "noise")
    refuse_idle_ranges([PROGRAM, other], vary, [], where="design.tune")
    with pytest.raises(KnockoutError, match="Did you mean 'lr'") as refused:
        refuse_idle_ranges([PROGRAM], spell_out({"command": {"lrr": [1, 2]}}, ""), [], where="design.tune")
    assert refused.value.where == "design.tune.vary.scorer.command.lrr"


def test_an_empty_range_is_refused():
    with pytest.raises(KnockoutError, match="a range is"):
        parse_space(PROGRAM, spell_out({"command": {"lr": [2, 1]}}, "search.vary"), ["negatives"])


def test_a_search_over_all_scorers_takes_none_that_needs_a_program_or_a_file():
    space = parse_space(REFERENCE, {"scorer": True}, [])
    levels = next(options.levels for options in space.factors if options.name == "scorer")
    assert "assembled" in levels and not {"command", "edges"} & set(levels)
