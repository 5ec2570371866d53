"""What a search may propose: one arm is one set of parameters, conditional on its levels, and back."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import optuna
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FixedTrial

from components.core import registry
from components.core.budget import Budget
from components.core.errors import KnockoutError
from components.core.settings import divisors, search_range
from search_spaces.arm import Arm, arm_factors, parse_choice
from search_spaces.presets import PRESETS, preset
from search_spaces.space.space import Space, parse_space, settings_space

REFERENCE = preset("knockout-small").arm("reference")
CPU_PRESETS = [name for name in PRESETS if name.endswith("-small")]
LEVELS = [(factor, level) for factor in arm_factors() for level in registry.levels(factor)]
FIXED = ["contrast", "gnn.gat.heads", "gnn.dropout", "pair_encoder.heads", "optimizer", "fusion", "bucketing.dim"]


def beside(**choices: Any) -> Arm:
    """Return the reference with some choices replaced."""
    return REFERENCE.vary({f: parse_choice(f, c, beside=REFERENCE.choices[f]) for f, c in choices.items()})


def range_of(name: str, vary: Mapping[str, Any] | None = None) -> Any:
    return next(p.distribution for p in parse_space(REFERENCE, vary).parameters if p.name == name)


def names(space: Space) -> list[str]:
    return [parameter.name for parameter in space.parameters]


class Random:
    """Stands in for a trial, and records its draws."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.params: dict[str, Any] = {}

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        return self._took(name, self.rng.choice(choices))

    def suggest_int(self, name: str, low: int, high: int, *, log: bool) -> int:
        return self._took(name, self.rng.choice([low, high, self.rng.randint(low, high)]))

    def suggest_float(self, name: str, low: float, high: float, *, log: bool) -> float:
        return self._took(name, self.rng.choice([low, high, self.rng.uniform(low, high)]))

    def _took(self, name: str, value: Any) -> Any:
        assert name not in self.params, "a parameter is drawn once"
        self.params[name] = value
        return value


def propose(space: Space, seed: int) -> tuple[Arm, dict[str, Any]]:
    """Return an arm with its parameters: those drawn, but for what must fit another setting."""
    trial = Random(seed)
    arm = space.suggest(trial)  # type: ignore[arg-type]
    params = space.params_of(arm)
    assert params is not None and list(params) == list(trial.params)
    assert {name.rpartition(".")[2] for name in params if params[name] != trial.params[name]} <= {"dim", "heads"}
    return arm, params


@st.composite
def spaces(draw: st.DrawFn) -> Space:
    """Draw which factors vary over which levels, beside which reference, and what is fixed."""
    reference = preset(draw(st.sampled_from(CPU_PRESETS))).arm("reference")
    fixed = draw(st.lists(st.sampled_from(FIXED), unique=True, max_size=3))
    free = [name for name in arm_factors() if name not in fixed]
    some = st.sampled_from(free).flatmap(
        lambda name: st.tuples(
            st.just(name),
            st.just(True) | st.lists(st.sampled_from(list(registry.levels(name))), unique=True, min_size=1),
        )
    )
    vary = draw(st.none() | st.lists(some, min_size=1, max_size=4).map(dict))
    try:
        return parse_space(reference, vary, fixed)
    except KnockoutError as error:
        assume("cannot act" not in error.message and "nothing varies" not in error.message)
        raise


class TestAnyArmThatIsProposed:
    @given(spaces(), st.integers(0, 10**6))
    def test_is_one_set_of_parameters_and_back(self, space: Space, seed: int):
        arm, params = propose(space, seed)
        assert space.arm(params).digest == arm.digest
        assert list(params) == [name for name in names(space) if name in params], "drawn in the order of the model"

    @given(spaces(), st.integers(0, 10**6))
    def test_is_the_same_whenever_the_same_is_drawn(self, space: Space, seed: int):
        arm, params = propose(space, seed)
        fixed = FixedTrial(params)
        assert (space.suggest(fixed).canonical, fixed.distributions) == (arm.canonical, space.distributions_of(params))

    @given(spaces(), st.integers(0, 10**6))
    def test_draws_nothing_for_what_cannot_act(self, space: Space, seed: int):
        arm, params = propose(space, seed)
        for name in params:
            factor, *rest = name.split(".")
            assert factor not in arm.silenced
            assert not rest or arm.choices[factor].level == rest[0]
        for factor in arm.silenced:
            assert arm.choices[factor] == space.reference.choices[factor]


@pytest.mark.parametrize("name", CPU_PRESETS)
def test_optuna_proposes_valid_arms_from_every_preset_for_cpus(name: str):
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    space = parse_space(preset(name).arm("reference"))
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    arms = []
    for _ in range(100):
        arms.append(space.suggest(study.ask()))  # none is refused: what must divide another setting does
    for arm in arms:
        for factor, choice in arm.choices.items():
            assert parse_choice(factor, {choice.level: choice.settings.model_dump()}) == choice
    assert {arm.choices["gnn"].level for arm in arms} == set(registry.levels("gnn"))
    assert {arm.choices["scorer"].level for arm in arms} == {"assembled"}


@pytest.mark.parametrize(("factor", "level"), LEVELS)
def test_every_declared_range_can_be_searched(factor: str, level: str):
    space = settings_space(beside(**{factor: level}), where="tune")
    ours = {p.setting: p for p in space.parameters if (p.factor, p.level) == (factor, level)}
    cls: Any = registry.level(factor, level)
    assert ours.keys() == {name for name in cls.Settings.model_fields if search_range(cls.Settings, name).values}
    for setting, parameter in ours.items():
        for value in parameter.points(5):
            arm = space.reference.vary({factor: parse_choice(factor, {level: {setting: parameter.decode(value)}})})
            assert parameter.encode(getattr(arm.choices[factor].settings, setting)) == value
            assert parameter.holds(value)


class TestWhatVaries:
    def test_by_default_every_level_of_every_part_but_the_scorer(self):
        space = parse_space(REFERENCE)
        for factor in set(arm_factors()) - {"scorer"}:
            levels = tuple(n for n, cls in registry.levels(factor).items() if getattr(cls, "by_default", True))
            assert (factor in names(space)) == (len(levels) > 1)
            assert len(levels) == 1 or range_of(factor).choices == levels
        assert not [name for name in names(space) if name.startswith("scorer")]

    def test_a_factor_stands_before_its_settings_and_after_what_may_silence_it(self):
        space = parse_space(REFERENCE)
        assert [f.name for f in space.factors] == [
            *("scorer", "bucketing", "gnn", "fusion", "pair_encoder", "pair_features", "contrast"),
            *("negatives", "optimizer"),
        ]
        assert names(space).index("gnn") < names(space).index("gnn.gat.heads") < names(space).index("fusion")

    def test_ranges_are_the_registrys(self):
        assert range_of("gnn.gat.heads") == IntDistribution(1, 8)
        assert range_of("optimizer.adam.learning_rate") == FloatDistribution(1e-5, 1e-2, log=True)
        assert range_of("pair_encoder.transformer.heads") == CategoricalDistribution((2, 4, 8))
        assert range_of("gnn.gat.widths") == CategoricalDistribution(("[128, 64]", "[64, 32]", "[128, 64, 32]"))
        assert range_of("gnn.gat.hide_batch") == CategoricalDistribution((False, True))

    def test_only_the_factors_listed_vary(self):
        space = parse_space(REFERENCE, {"fusion": True, "gnn": ["gat", "none"]})
        assert range_of("gnn", {"gnn": ["none", "gat"]}).choices == ("none", "gat")
        assert {name.split(".")[0] for name in names(space)} == {"gnn", "fusion"}
        for arm in (arm for seed in range(20) if (arm := space.suggest(Random(seed)))):  # type: ignore[arg-type]
            assert arm.choices["optimizer"] == REFERENCE.choices["optimizer"]

    def test_one_level_is_no_choice_but_its_settings_vary(self):
        space = parse_space(REFERENCE, {"gnn": "gcn"})
        assert names(space) == ["gnn.gcn.widths", "gnn.gcn.dropout", "gnn.gcn.hide_batch"]
        assert space.suggest(Random(0)).choices["gnn"].level == "gcn"  # type: ignore[arg-type]
        assert space.params_of(REFERENCE) is None

    def test_ranges_of_the_user_take_the_place_of_the_registrys(self):
        gat_settings = {
            "heads": [2, 4],
            "dropout": 0.3,
            "widths": [[16, 8], [32]],
            "concat": [True, False],
            "expert_widths": [8, 4],
        }
        space = parse_space(REFERENCE, {"gnn": [{"gat": gat_settings}, "none"]})
        ranges = {row["name"]: row["range"] for row in space.describe()}
        assert ranges == {
            "gnn": "gat | none",
            "gnn.gat.widths": "[16, 8] | [32]",
            "gnn.gat.hide_batch": "False | True",
            "gnn.gat.heads": "2 .. 4",
            "gnn.gat.concat": "True | False",
        }
        arms = [space.suggest(Random(seed)) for seed in range(20)]  # type: ignore[arg-type]
        gats: list[Any] = [arm.choices["gnn"].settings for arm in arms if arm.choices["gnn"].level == "gat"]
        assert {s.widths for s in gats} == {(16, 8), (32,)}
        assert {(s.dropout, s.expert_widths) for s in gats} == {(0.3, (8, 4))}

    def test_numbers_keep_the_registrys_scale(self):
        vary = {"optimizer": [{"adam": {"learning_rate": [0.001, 1]}}]}
        assert range_of("optimizer.adam.learning_rate", vary) == FloatDistribution(0.001, 1.0, log=True)
        assert range_of("pair_encoder.mlp.dim", {"pair_encoder": [{"mlp": {"dim": [16, 64]}}]}) == IntDistribution(
            16, 64, log=True
        )

    def test_more_than_two_numbers_are_choices(self):
        vary = {"pair_encoder": [{"transformer": {"dim": [32, 64, 128]}}]}
        assert range_of("pair_encoder.transformer.dim", vary) == CategoricalDistribution((32, 64, 128))

    def test_what_is_fixed_stays_at_the_reference(self):
        reference = beside(gnn={"gat": {"heads": 5, "dropout": 0.4}})
        space = parse_space(reference, None, ["contrast", "gnn.gat.heads", "gnn.dropout", "gnn.widths"])
        left = [name for name in names(space) if name.split(".")[0] in ("contrast", "gnn")]
        assert left == [
            "gnn",
            *(f"gnn.{level}.hide_batch" for level in ("gcn", "gat")),
            *("gnn.sage.hide_batch", "gnn.sage.aggregation", "gnn.gin.hide_batch", "gnn.gatv2.hide_batch"),
            "gnn.gatv2.heads",
            "gnn.relational.hide_batch",
            *(f"gnn.conv_attention.{name}" for name in ("hide_batch", "heads", "attention_dropout")),
            *(f"gnn.unit_attention.{name}" for name in ("hide_batch", "heads", "attention_dropout")),
        ]
        for seed in range(30):
            arm, _ = propose(space, seed) or (reference, None)
            assert arm.choices["contrast"] == reference.choices["contrast"]
            taken = getattr(arm.choices["gnn"].settings, "dropout", 0.4)
            assert taken == 0.4, "settings that the reference has are taken over by its other levels"
            assert arm.choices["gnn"].level != "gat" or arm.choices["gnn"].settings.heads == 5  # type: ignore[attr-defined]

    def test_what_is_fixed_stays_though_it_fits_no_default_beside_it(self):
        reference = beside(pair_encoder={"transformer": {"dim": 24, "heads": 3}})
        space = parse_space(reference, {"pair_encoder": ["transformer"]}, ["pair_encoder.dim", "pair_encoder.heads"])
        encoder: Any = space.suggest(Random(0)).choices["pair_encoder"].settings  # type: ignore[arg-type]
        assert (encoder.dim, encoder.heads) == (24, 3)

    def test_what_acts_beside_some_levels_is_a_parameter(self):
        space = parse_space(REFERENCE, {"gnn": ["gat", "none"], "fusion": ["expert"], "pair_encoder": True})
        assert "pair_encoder" in space.distributions_of({"gnn": "none", "pair_encoder": "mlp"})

    def test_what_can_never_act_is_no_parameter(self):
        space = parse_space(beside(gnn="none"), None, ["gnn"])
        assert not [name for name in names(space) if name.split(".")[0] in ("gnn", "fusion")]
        assert "pair_encoder" in names(space)


class TestOutside:
    space = parse_space(
        REFERENCE, {"gnn": [{"gat": {"heads": [1, 4]}}, "none"], "fusion": ["multiscale", "late"]}, ["gnn.widths"]
    )

    def test_the_reference_is_inside_where_its_values_are(self):
        params = self.space.params_of(REFERENCE)
        assert params is not None and params["gnn"] == "gat"
        assert self.space.arm(params).digest == REFERENCE.digest
        slow = beside(optimizer={"adam": {"learning_rate": 5e-6}})
        assert parse_space(slow).params_of(slow) is None, "the registry searches from 1e-5 on"

    @pytest.mark.parametrize(
        "arm",
        [
            beside(gnn="gcn"),
            beside(fusion="early"),
            beside(gnn={"gat": {"heads": 5}}),
            beside(gnn={"gat": {"widths": [8]}}),
            beside(gnn={"gat": {"concat": False}}),
            beside(contrast="supcon"),
            beside(scorer="degree"),
            replace(REFERENCE, budget=Budget(epochs=3)),
        ],
        ids=["level", "other level", "range", "fixed", "not searched", "factor not listed", "scorer", "budget"],
    )
    def test_an_arm_that_cannot_be_proposed_has_no_parameters(self, arm: Arm):
        assert self.space.params_of(arm) is None

    def test_what_is_silent_does_not_matter(self):
        arm = beside(gnn="none", fusion="early")
        assert self.space.params_of(arm) == {"gnn": "none"}

    def test_an_arm_beside_which_what_is_held_fails_lies_outside(self):
        space = parse_space(REFERENCE, {"pair_encoder": [{"transformer": {"heads": 4, "dim": [30, 40]}}]})
        assert space.params_of(beside(pair_encoder={"transformer": {"dim": 30, "heads": 2}})) is None

    def test_another_level_lies_outside_where_there_is_one_alone(self):
        assert parse_space(REFERENCE, {"gnn": "gat"}).params_of(beside(gnn="gcn")) is None

    @pytest.mark.parametrize(
        ("changed", "message"),
        [
            ({"gnn.gat.heads": 9}, "9 lies outside of 1 .. 4"),
            ({"gnn.gat.heads": 2.5}, "outside"),
            ({"gnn.gat.heads": True}, "outside"),
            ({"gnn": "gcn"}, "'gcn' lies outside of gat | none"),
            ({"gnn": "none"}, "unknown parameter of this arm 'gnn.gat.dropout'"),
            ({"gnn.gat.haeds": 2}, "Did you mean 'gnn.gat.heads'"),
            ({"gnn.gat.heads": None}, "'gnn.gat.heads' is missing"),
        ],
    )
    def test_parameters_that_are_no_arm_are_refused(self, changed: dict[str, Any], message: str):
        params = {**(self.space.params_of(REFERENCE) or {}), **changed}
        with pytest.raises(KnockoutError) as refused:
            self.space.arm({name: value for name, value in params.items() if value is not None})
        assert message in refused.value.message

    def test_settings_that_do_not_go_together_are_refused_clearly(self):
        space = parse_space(REFERENCE, {"pair_encoder": [{"transformer": {"heads": [2, 3]}}]}, ["pair_encoder.dropout"])
        params = space.params_of(beside(pair_encoder={"transformer": {"heads": 2}}))
        with pytest.raises(KnockoutError, match=r"pair_encoder.transformer: heads \(3\) must divide dim \(128\)"):
            space.arm({**(params or {}), "pair_encoder.transformer.heads": 3})


class TestSettingsOfWhichOneMustDivideTheOther:
    @pytest.mark.parametrize(
        ("given", "drawn", "moved"),
        [
            ({"dim": [32, 512], "heads": [2, 4, 8]}, {"dim": 45, "heads": 8}, {"dim": 48, "heads": 8}),
            ({"dim": [32, 512], "heads": [2, 4, 8]}, {"dim": 44, "heads": 4}, {"dim": 44, "heads": 4}),
            ({"dim": [33, 47], "heads": [2, 8]}, {"dim": 46, "heads": 8}, {"dim": 40, "heads": 8}),
            ({"dim": [36, 40, 64], "heads": [4, 8]}, {"dim": 36, "heads": 8}, {"dim": 40, "heads": 8}),
            ({"dim": [36, 40, 64], "heads": [4, 8]}, {"dim": 36, "heads": 7}, {"dim": 36, "heads": 6}),
            ({"dim": [32, 512], "heads": 6}, {"dim": 100}, {"dim": 102}),
            ({"dim": 100, "heads": [1, 8]}, {"heads": 7}, {"heads": 5}),
            ({"dim": 100, "heads": [2, 4, 8]}, {"heads": 8}, {"heads": 4}),
        ],
    )
    def test_are_drawn_together(self, given: dict[str, Any], drawn: dict[str, int], moved: dict[str, int]):
        space = parse_space(REFERENCE, {"pair_encoder": [{"transformer": given}]}, ["pair_encoder.dropout"])
        at = "pair_encoder.transformer."
        rest = {name: parameter.points(2)[0] for parameter in space.parameters for name in [parameter.name]}
        trial = FixedTrial(rest | {at + name: value for name, value in drawn.items()})
        params = space.params_of(space.suggest(trial)) or {}
        assert {name: params[at + name] for name in moved} == moved

    @pytest.mark.parametrize(
        ("given", "message"),
        [
            (
                {"dim": [30, 31], "heads": [2, 4, 8]},
                r"dim: .*no value of 30 \.\. 31 .* is a multiple of heads 4",
            ),
            ({"dim": 100, "heads": [8, 16, 32]}, r"heads: no value of 8 \| 16 \| 32 is a divisor of dim 100"),
        ],
    )
    def test_are_refused_where_no_value_fits(self, given: dict[str, Any], message: str):
        with pytest.raises(KnockoutError, match=message):
            parse_space(REFERENCE, {"pair_encoder": [{"transformer": given}]})

    def test_are_found_at_every_level_that_declares_them(self):
        declared = {
            (f, name) for f in registry.FACTORS for name, cls in registry.levels(f).items() if divisors(cls.Settings)
        }
        assert {
            ("pair_encoder", "transformer"),
            ("pair_encoder", "gpdht"),
            ("pair_encoder", "encoder_decoder"),
        } <= declared


class TestGrid:
    def test_crosses_what_acts_and_nothing_else(self):
        vary = {
            "gnn": [{"gat": {"heads": [1, 3]}}, "none"],
            "fusion": [{"late": {"width": [32, 512]}}, "expert"],
            "pair_encoder": ["mlp", "transformer"],
        }
        fixed = ["gnn.widths", "gnn.dropout", "gnn.hide_batch", "fusion.dropout"]
        fixed += [f"pair_encoder.{name}" for name in ("dim", "dropout", "layers", "heads")]
        arms = list(parse_space(REFERENCE, vary, fixed).grid(3))
        # gat: 3 heads x (late: 3 widths x 2 encoders, expert: no encoder), none: no fusion, 2 encoders
        assert len({arm.digest for arm in arms}) == len(arms) == 3 * (3 * 2 + 1) + 2
        late: list[Any] = [a.choices["fusion"].settings for a in arms if a.levels()["fusion"] == "late"]
        assert {s.width for s in late} == {32, 128, 512}, "widths are spread on a logarithmic scale"

    def test_leaves_out_settings_that_do_not_go_together(self):
        vary = {"pair_encoder": [{"transformer": {"dim": [24, 25, 32], "heads": [3, 5, 8], "layers": 1, "dropout": 0}}]}
        grid_settings: list[Any] = [
            arm.choices["pair_encoder"].settings for arm in parse_space(REFERENCE, vary).grid(2)
        ]
        assert [(s.dim, s.heads) for s in grid_settings] == [(24, 3), (24, 8), (25, 5), (32, 8)]

    @given(st.integers(2, 9), st.integers(8, 400), st.integers(1, 400))
    def test_whole_numbers_run_from_end_to_end(self, points: int, low: int, more: int):
        vary = {"fusion": {"late": {"width": [low, low + more], "dropout": 0}}}
        grid_settings: list[Any] = [arm.choices["fusion"].settings for arm in parse_space(REFERENCE, vary).grid(points)]
        values = [s.width for s in grid_settings]
        assert values == sorted(set(values)), "no doubles"
        assert (values[0], values[-1]) == (low, low + more)
        assert len(values) <= points
        assert len(values) == more + 1 or more >= points, "all of them where there are no more"

    def test_numbers_are_evenly_spread_on_their_scale(self):
        vary = {"optimizer": {"adam": {"learning_rate": [1e-4, 1e-2], "graph_learning_rate": 1e-3, "weight_decay": 0}}}
        grid_settings: list[Any] = [arm.choices["optimizer"].settings for arm in parse_space(REFERENCE, vary).grid(3)]
        assert [s.learning_rate for s in grid_settings] == [1e-4, 1e-3, 1e-2]
        vary = {"fusion": {"late": {"width": 32, "dropout": [0, 0.5]}}}
        grid_settings = [arm.choices["fusion"].settings for arm in parse_space(REFERENCE, vary).grid(3)]
        assert [s.dropout for s in grid_settings] == [0, 0.25, 0.5]

    def test_is_lazy(self):
        assert parse_space(REFERENCE).params_of(next(parse_space(REFERENCE).grid(2))) is not None


class TestDigest:
    vary: Mapping[str, Any] = {"gnn": [{"gat": {"heads": [1, 4]}}, "none"], "optimizer": True}

    def test_is_that_of_what_it_means_not_how_it_is_written(self):
        again = {"optimizer": ["adam"], "gnn": [{"gat": {"heads": [1, 4], "dropout": [0, 0.5]}}, {"none": None}]}
        assert parse_space(REFERENCE, again).digest == parse_space(REFERENCE, self.vary).digest
        named = replace(REFERENCE, name="another name")
        assert parse_space(named, self.vary).digest == parse_space(REFERENCE, self.vary).digest

    def test_where_the_reference_stands_in_what_varies_does_not_matter(self):
        assert parse_space(beside(gnn="none"), {"gnn": ["gat", "none"], "fusion": True}).digest == (
            parse_space(beside(gnn="none", fusion="late"), {"gnn": ["gat", "none"], "fusion": True}).digest
        )

    @pytest.mark.parametrize(
        ("reference", "vary", "fixed"),
        [
            (REFERENCE, {"gnn": [{"gat": {"heads": [1, 4]}}, "none", "gcn"], "optimizer": True}, []),
            (REFERENCE, {"gnn": [{"gat": {"heads": [1, 5]}}, "none"], "optimizer": True}, []),
            (REFERENCE, {"gnn": [{"gat": {"heads": [1, 4], "concat": [False, True]}}, "none"], "optimizer": True}, []),
            (REFERENCE, {"gnn": [{"gat": {"heads": [1, 4], "concat": False}}, "none"], "optimizer": True}, []),
            (REFERENCE, {"gnn": [{"gat": {"heads": [1, 4]}}, "none"]}, []),
            (REFERENCE, vary, ["gnn.dropout"]),
            (beside(contrast="supcon"), vary, []),
            (beside(optimizer={"adam": {"gamma": 0.9}}), vary, []),
            (replace(REFERENCE, budget=Budget(epochs=3)), vary, []),
        ],
        ids=["level", "wider", "setting", "held", "factor", "fixed", "rest", "rest of a level", "budget"],
    )
    def test_changes_with_every_change(self, reference: Arm, vary: Mapping[str, Any], fixed: list[str]):
        assert parse_space(reference, vary, fixed).digest != parse_space(REFERENCE, self.vary).digest


class TestTuning:
    def test_varies_the_settings_of_what_acts_and_no_level(self):
        arm = beside(gnn="none", contrast="supcon")
        space = settings_space(arm, where="design.tune")
        assert "contrast.supcon.weight" in names(space)
        assert {name.split(".")[0] for name in names(space)} == set(arm_factors()) - {
            "scorer",
            "gnn",
            "fusion",
            "pair_features",
        }
        assert {name.split(".")[1] for name in names(space)} <= {choice.level for choice in arm.choices.values()}
        tuned = next(proposed[0] for seed in range(20) if (proposed := propose(space, seed)))
        assert tuned.levels() == arm.levels()

    def test_keeps_the_budget_of_a_published_system(self):
        system = replace(REFERENCE, budget=Budget(epochs=3))
        space = settings_space(system, ["pair_encoder"], where="design.tune")
        assert {arm.budget for _, arm in zip(range(3), space.grid(2), strict=False)} == {system.budget}
        assert space.params_of(system) is not None and space.params_of(REFERENCE) is None

    def test_a_method_tunes_its_own_settings_and_a_rule_has_none(self):
        assert names(settings_space(beside(scorer="grnboost2"), where="t")) == ["scorer.grnboost2.learning_rate"]
        rule = beside(scorer="degree")
        space = settings_space(rule, where="t")
        assert (names(space), space.params_of(rule), len(list(space.grid(2)))) == ([], {}, 1)

    def test_what_is_fixed_stays(self):
        space = settings_space(REFERENCE, ["optimizer.adam.weight_decay", "gnn.dropout", "fusion"], where="t")
        assert "optimizer.adam.weight_decay" not in names(space) and "gnn.gat.dropout" not in names(space)
        assert "optimizer.adam.learning_rate" in names(space)
        assert not [name for name in names(space) if name.startswith("fusion")]


@pytest.mark.parametrize(
    ("vary", "fixed", "message", "place"),
    [
        ({"gn": True}, [], "Did you mean 'gnn'", "search.vary.gn"),
        ({"split": True}, [], "it is the exam", "search.vary.split"),
        ({"gnn": []}, [], "no level is listed", "search.vary.gnn"),
        ({"gnn": None}, [], "true for all levels", "search.vary.gnn"),
        ({"gnn": [{"gat": {}, "gcn": {}}]}, [], "each with ranges", "search.vary.gnn[0]"),
        ({"gnn": [{"gat": [1, 2]}]}, [], "each with ranges", "search.vary.gnn[0]"),
        ({"gnn": ["none", "gta"]}, [], "Did you mean 'gat'", "search.vary.gnn[1]"),
        ({"gnn": ["gat", {"gat": {"heads": 3}}]}, [], "'gat' is listed twice", "search.vary.gnn[1]"),
        ({"gnn": [{"gat": {"haeds": 3}}]}, [], "Did you mean 'heads'", "search.vary.gnn[0].gat.haeds"),
        ({"gnn": [{"gat": {"heads": [1, 17]}}]}, [], "at most 16 is needed", "search.vary.gnn[0].gat.heads[1]"),
        (
            {"gnn": [{"gat": {"heads": [1.5, 4]}}]},
            [],
            "whole number is needed, got 1.5",
            "search.vary.gnn[0].gat.heads[0]",
        ),
        ({"gnn": [{"gat": {"heads": 0}}]}, [], "at least 1 is needed", "search.vary.gnn[0].gat.heads"),
        ({"gnn": [{"gat": {"heads": [4, 2]}}]}, [], "[low, high], got [4, 2]", "search.vary.gnn[0].gat.heads"),
        ({"gnn": [{"gat": {"heads": []}}]}, [], "no value is listed", "search.vary.gnn[0].gat.heads"),
        ({"gnn": {"sage": {"aggregation": ["mean", "som"]}}}, [], "'mean'", "search.vary.gnn.sage.aggregation[1]"),
        ({"gnn": {"gat": {"widths": [8, "x"]}}}, [], "a whole number is needed, got 'x'", "search.vary.gnn.gat.widths"),
        ({"gnn": {"gat": {"widths": [[8], [0]]}}}, [], "at least 1 is needed, got 0", "search.vary.gnn.gat.widths[1]"),
        ({"optimizer": {"adam": {"weight_decay": [0, 1]}}}, [], "above 0", "search.vary.optimizer.adam.weight_decay"),
        ({"gnn": ["none"], "fusion": True}, [], "beside gnn: none; vary gnn as well or drop it", "search.vary.fusion"),
        ({"gnn": ["none"]}, [], "nothing varies", "search"),
        ({}, [], "nothing varies", "search"),
        (None, [name for name in arm_factors() if name != "scorer"], "nothing varies", "search"),
        (None, ["contrsat"], "Did you mean 'contrast'", "search.fixed[0]"),
        (None, ["contrast", "split"], "it is the exam", "search.fixed[1]"),
        (None, ["gnn.gta.heads"], "Did you mean 'gat'", "search.fixed[0]"),
        (None, ["gnn.gat.haeds"], "Did you mean 'heads'", "search.fixed[0]"),
        (None, ["gnn.haeds"], "unknown setting of gnn 'haeds'. Did you mean 'heads'", "search.fixed[0]"),
        (None, ["gnn.gcn.heads"], "unknown setting of gnn.gcn 'heads'", "search.fixed[0]"),
        (None, ["gnn.gat.heads.x"], "unknown level of gnn", "search.fixed[0]"),
        ({"gnn": True}, ["gnn"], "fixed as well", "search.vary.gnn"),
        ({"gnn": [{"gat": {"heads": [1, 2]}}]}, ["gnn.heads"], "held as well", "search.vary.gnn[0].gat.heads"),
    ],
)
def test_a_space_that_cannot_be_searched_is_refused_with_its_place(
    vary: dict[str, Any] | None, fixed: list[str], message: str, place: str
):
    with pytest.raises(KnockoutError) as refused:
        parse_space(REFERENCE, vary, fixed)
    assert message in refused.value.message
    assert refused.value.where == place


def test_a_level_that_needs_a_file_varies_only_where_it_is_named(tmp_path):
    file = tmp_path / "x.csv"
    file.write_text("gene,a\nSOX2,1\n")
    reference = beside(bucketing={"features": {"file": str(file)}})
    assert "features" not in range_of("bucketing", {"bucketing": True}).choices
    space = parse_space(reference, {"bucketing": ["none", "features"]})
    assert {f.name: f.levels for f in space.factors}["bucketing"]["features"].settled.settings.file == str(file)
    assert space.params_of(reference) is not None
