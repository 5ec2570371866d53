"""What every level of every factor owes, whatever it does."""

from __future__ import annotations

import inspect
import re
from typing import Any, ClassVar, Literal, get_args, get_origin

import pytest
import torch
from annotated_types import Ge, Le

from components.core import registry
from components.core.dataset import Dataset
from components.core.exam import Split
from components.core.settings import Settings, describe
from knockout.testing.cases import construct, make_dataset, make_split, needed, small

TOO_MANY = 2_000_000  # weights; beyond this a bound is constructed without memory


def choices(factor: str, level: str) -> list[tuple[str, Any]]:
    """Return each setting with a value at a declared bound, or with each choice."""
    listed: list[tuple[str, Any]] = []
    for name, field in fields_of(factor, level).items():
        values: list[Any] = [bound.ge for bound in field.metadata if isinstance(bound, Ge)]
        values += [bound.le for bound in field.metadata if isinstance(bound, Le)]
        if get_origin(field.annotation) is Literal:
            values += get_args(field.annotation)
        if field.annotation is bool:
            values += [True, False]
        if field.annotation is int:
            values = [int(value) for value in values]
        listed += [(name, value) for value in values]
    return listed


def fields_of(factor: str, level: str) -> dict[str, Any]:
    """Return the fields of a level's settings by name."""
    cls: Any = registry.level(factor, level)
    fields: dict[str, Any] = cls.Settings.model_fields
    return fields


class Suite:
    """Base of all suites: which level is tested, and in which size."""

    factor_name: ClassVar[str] = ""
    level_name: ClassVar[str] = ""
    settings: ClassVar[dict[str, Any]] = {}

    @pytest.fixture
    def factor(self) -> str:
        """Return the factor."""
        return self.factor_name

    @pytest.fixture
    def level(self) -> str:
        """Return the level."""
        return self.level_name

    @pytest.fixture
    def dataset(self) -> Dataset:
        """Return a random network of 40 genes."""
        return make_dataset()

    @pytest.fixture
    def split(self, dataset: Dataset) -> Split:
        """Return an exam of that network."""
        return make_split(dataset)

    def small(self, factor: str, level: str, **given: Any) -> Settings:
        """Return the level's settings in a size for tests."""
        return small(factor, level, **{**self.settings, **given})

    def make(self, factor: str, level: str, *arguments: Any, seed: int | None = None, **settings: Any) -> Any:
        """Construct a level in a size for tests, with initial weights of a seed.

        Without one torch's stream goes on: a level that draws from it, and not from what it is given, must be caught.
        """
        if seed is not None:
            torch.manual_seed(seed)
        cls: Any = registry.level(factor, level)
        return cls(self.small(factor, level, **settings), *arguments)


class LevelContract(Suite):
    """What a level of any factor owes: documentation, settings that are bounded, and that it can be constructed."""

    def test_docstring_says_what_it_does_shapes_and_source(self, factor: str, level: str) -> None:
        """The first line is a sentence that starts with a verb; shapes and a source follow."""
        text = inspect.cleandoc(registry.level(factor, level).__doc__ or "")  # its own, not its base's
        first = text.splitlines()[0]
        assert first.endswith("."), "the first line is a sentence that does not wrap"
        assert first.split()[0].endswith("s"), "it says what the level does: a verb in the third person"
        assert factor == "optimizer" or re.search(r"\[[^\]]+\]", text), "no shape such as [genes, dim]"
        assert re.search(r"^Source: \S", text, flags=re.MULTILINE), "no source"

    def test_every_setting_has_a_meaning_and_a_default(self, factor: str, level: str) -> None:
        """``knockout components`` says what each setting is."""
        cls: Any = registry.level(factor, level)
        assert cls.Settings.__doc__
        assert all(row["meaning"] and row["range"] for row in describe(cls.Settings))
        assert cls.Settings() == registry.parse(factor, level)

    def test_every_number_is_bounded_and_searched_within_bounds(self, factor: str, level: str) -> None:
        """A search draws nothing that the level refuses."""
        for name, field in fields_of(factor, level).items():
            if field.annotation not in (int, float):
                continue
            low = [bound.ge for bound in field.metadata if isinstance(bound, Ge)]
            high = [bound.le for bound in field.metadata if isinstance(bound, Le)]
            assert low, f"{name} has no lower bound"
            assert high, f"{name} has no upper bound"
            search = (field.json_schema_extra or {})["search"]
            assert not search or low[0] <= min(search) <= max(search) <= high[0], name

    def test_searched_choices_are_valid(self, factor: str, level: str) -> None:
        """Each choice that a search draws is what the level then has."""
        for name, field in fields_of(factor, level).items():
            for value in (field.json_schema_extra or {})["search"] or ():
                assert getattr(registry.parse(factor, level, {name: value}), name) == value

    def test_settings_survive_a_study_file(self, factor: str, level: str) -> None:
        """What settings are written as is read as the same settings."""
        settings = self.small(factor, level)
        raw = {name: list(v) if isinstance(v, tuple) else v for name, v in settings.model_dump().items()}
        assert registry.parse(factor, level, raw) == settings

    def test_constructs_at_its_defaults(self, factor: str, level: str, dataset: Dataset, split: Split) -> None:
        """At full size, without the memory."""
        with torch.device("meta"):
            construct(factor, level, registry.parse(factor, level, needed(factor, level)), dataset, split)

    def test_constructs_at_every_bound_and_choice(
        self, factor: str, level: str, dataset: Dataset, split: Split
    ) -> None:
        """Whatever a user may write can be built."""
        for name, value in choices(factor, level):
            try:
                settings = self.small(factor, level, **{name: value})
                with torch.device("meta"):
                    part = construct(factor, level, settings, dataset, split)
                weights = sum(w.numel() for w in part.parameters()) if isinstance(part, torch.nn.Module) else 0
                if weights <= TOO_MANY:
                    part = construct(factor, level, settings, dataset, split)
                    assert not weights or not any(w.is_meta for w in part.parameters())
            except Exception as error:
                error.add_note(f"with {name}={value!r}")
                raise

    def test_silences_only_factors_that_exist(self, factor: str, level: str) -> None:
        """A misspelt factor would go on acting."""
        assert registry.silenced_by(factor, level) <= set(registry.FACTORS) - {factor}
