"""Prints what can be swapped: read from the registry, so that it cannot be out of date."""

from __future__ import annotations

import inspect

from components.core import registry
from components.core.budget import Budget
from components.core.settings import describe
from search_spaces.presets import PRESETS
from search_spaces.studies import named_studies, named_study
from study.cli.display import make_console, show_table

COLUMNS = ("setting", "default", "range", "search", "unit", "meaning")


def show(factor: str | None = None) -> None:
    """Print every level of one factor, or of all, with its settings."""
    console = make_console()
    registry.load_installed()
    names = [registry.factor(factor).name] if factor else list(registry.FACTORS)
    if not factor:  # at once: the levels are classes of models, and PyTorch takes a second to import
        show_table(
            console, "factors", ("factor", "meaning"), [(name, registry.FACTORS[name].meaning) for name in names]
        )
    for name in names:
        about = registry.FACTORS[name]
        where = "set per data set" if about.exam else f"absent: {about.absent}"
        console.print(f"{name}: {about.meaning} ({where})\n", style="bold")
        for level, cls in registry.levels(name).items():
            first_line = (inspect.getdoc(cls) or "").split("\n")[0]
            rows = [[row[column] for column in COLUMNS] for row in describe(cls.Settings)]  # type: ignore[attr-defined]
            if rows:
                show_table(console, f"{name}.{level}  {first_line}", COLUMNS, rows)
            else:
                console.print(f"{name}.{level}  {first_line}\n", style="bold")
    if not factor:
        rows = [[row[column] for column in COLUMNS] for row in describe(Budget)]
        show_table(console, "training  Budget of every trained cell", COLUMNS, rows)


def show_presets() -> None:
    """Print every preset with its choices."""
    console = make_console()
    registry.load_installed()
    for name, preset in PRESETS.items():
        choices = [(factor, str(choice)) for factor, choice in preset.reference.items()]
        choices.append(("training", str(preset.budget)))
        show_table(console, f"{name}  {preset.meaning}", ("factor", "choice"), choices)


def show_studies() -> None:
    """Print every ready-made study, what it asks, and the file to copy from."""
    console = make_console()
    rows = [[name, meaning] for name, meaning in named_studies().items()]
    show_table(console, "knockout run NAME --data DIR --out OUT [--scale cpu|paper]", ("name", "question"), rows)
    example = next(iter(named_studies()))
    console.print(f"To make one your own, copy its file from {named_study(example).parent}", soft_wrap=True)
