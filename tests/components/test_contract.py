"""What every level of every factor owes, whatever it does."""

from __future__ import annotations

import re
from typing import Any, Literal, get_args, get_origin

import pytest
import torch
from annotated_types import Ge, Le
from component_cases import all_levels, construct, needed, own_doc, small

from components.core import registry
from components.core.settings import describe

LEVELS = all_levels()
TOO_MANY = 2_000_000  # weights; beyond this a bound is constructed without memory


def choices(factor: str, level: str) -> list[tuple[str, str, str, Any]]:
    """Return each (factor, level, setting, value) with a value at a declared bound, or each choice."""
    found = []
    for name, field in registry.level(factor, level).Settings.model_fields.items():
        values = [bound.ge for bound in field.metadata if isinstance(bound, Ge)]
        values += [bound.le for bound in field.metadata if isinstance(bound, Le)]
        if get_origin(field.annotation) is Literal:
            values += get_args(field.annotation)
        if field.annotation is bool:
            values += [True, False]
        if field.annotation is int:
            values = [int(value) for value in values]
        found += [(factor, level, name, value) for value in values]
    return found


CHOICES = [choice for level in LEVELS for choice in choices(*level)]


@pytest.mark.parametrize(("factor", "level"), LEVELS)
class TestEveryLevel:
    def test_docstring_says_what_it_does_shapes_and_source(self, factor, level):
        text = own_doc(registry.level(factor, level))
        first = text.splitlines()[0]
        assert first.endswith("."), "the first line is a sentence that does not wrap"
        assert first.split()[0].endswith("s"), "it says what the level does: a verb in the third person"
        assert factor == "optimizer" or re.search(r"\[[^\]]+\]", text), "no shape such as [genes, dim]"
        assert re.search(r"^Source: \S", text, flags=re.MULTILINE), "no source"

    def test_every_setting_has_a_meaning_and_a_default(self, factor, level):
        settings = registry.level(factor, level).Settings
        assert settings.__doc__
        assert all(row["meaning"] and row["range"] for row in describe(settings))
        assert settings() == registry.parse(factor, level)

    def test_every_number_is_bounded_and_searched_within_bounds(self, factor, level):
        for name, field in registry.level(factor, level).Settings.model_fields.items():
            if field.annotation not in (int, float):
                continue
            low = [bound.ge for bound in field.metadata if isinstance(bound, Ge)]
            high = [bound.le for bound in field.metadata if isinstance(bound, Le)]
            assert low, f"{name} has no lower bound"
            assert high, f"{name} has no upper bound"
            search = (field.json_schema_extra or {})["search"]
            assert not search or low[0] <= min(search) <= max(search) <= high[0], name

    def test_searched_choices_are_valid(self, factor, level):
        for name, field in registry.level(factor, level).Settings.model_fields.items():
            for value in (field.json_schema_extra or {})["search"] or ():
                assert getattr(registry.parse(factor, level, {name: value}), name) == value

    def test_constructs_at_its_defaults(self, factor, level, dataset, split):
        with torch.device("meta"):  # at full size, without the memory
            construct(factor, level, registry.parse(factor, level, needed(factor, level)), dataset, split)

    def test_silences_only_factors_that_exist(self, factor, level):
        assert registry.silenced_by(factor, level) <= set(registry.FACTORS) - {factor}


@pytest.mark.parametrize(("factor", "level", "name", "value"), CHOICES)
def test_constructs_at_every_bound_and_choice(factor, level, name, value, dataset, split):
    settings = small(factor, level, **{name: value})
    with torch.device("meta"):
        part = construct(factor, level, settings, dataset, split)
    weights = sum(w.numel() for w in part.parameters()) if isinstance(part, torch.nn.Module) else 0
    if weights <= TOO_MANY:
        part = construct(factor, level, settings, dataset, split)
        assert not any(w.is_meta for w in part.parameters()) if weights else True


@pytest.mark.parametrize("name", registry.FACTORS)
def test_level_that_stands_for_absence_exists(name):
    assert registry.FACTORS[name].absent in registry.levels(name)


def test_only_the_split_belongs_to_the_exam():
    assert [f.name for f in registry.FACTORS.values() if f.exam] == ["split"]
