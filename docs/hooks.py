"""Pages of the site that are made, not written: README and CONTRIBUTING, and a reference read from the code itself."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import typer
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
WRITTEN = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "AGENTS.md": "agents.md",
}  # at the top of the repository, and here
COLUMNS = ("setting", "default", "range", "search", "unit", "meaning")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are not in this folder."""
    pages = {name: _moved((ROOT / source).read_text(encoding="utf-8")) for source, name in WRITTEN.items()}
    pages |= {f"reference/{name}.md": text for name, text in reference().items()}
    for name, text in pages.items():
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Turn links to the top of the repository into links to its pages here."""
    for source, name in WRITTEN.items():
        markdown = markdown.replace(f"](../{source}", f"]({name}")
    return re.sub(r"\[([^\]]+)\]\((\.\./)?examples/[^)]*\)", r"`\1`", markdown)  # code is no page of the site


def _moved(text: str) -> str:
    """Return a page of the top of the repository with its links as they are from here."""
    text = text.replace("](docs/", "](")
    for source, name in WRITTEN.items():
        text = text.replace(f"]({source}", f"]({name}")
    return text


def reference() -> dict[str, str]:
    """Return the pages of the reference by name."""
    return {
        "commands": _commands(),
        "study-file": _study_file(),
        "factors": _factors(),
        "controls": _controls(),
        "metrics": _metrics(),
        "presets": _presets(),
    }


def _factors() -> str:
    from components.core import registry

    parts = ["# Factors and levels", "Every part that can be swapped, with its settings. Plug-ins add their own."]
    for name, factor in registry.FACTORS.items():
        where = "set per data set" if factor.exam else f"its absence is `{factor.absent}`"
        parts += [f"## {name}", f"{_sentence(factor.meaning)} ({where})"]
        for level, cls in registry.levels(name).items():
            parts += [f"### {name}: {level}", _prose(cls), _settings(cls)]
    return _page(parts)


def _controls() -> str:
    from components.core import registry

    parts = ["# Controls", "Arms that read no true expression: what they reach does not come from it."]
    for level, cls in registry.levels("scorer").items():
        if getattr(cls, "control", False):
            parts += [f"## {level}", _prose(cls)]
    return _page(parts)


def _metrics() -> str:
    from components.core.metrics import METRICS
    from reports.words.metrics import METRICS as WORDED

    parts = ["# Metrics"]
    for name in METRICS:
        metric = WORDED[name]
        margin = "none" if metric.margin is None else f"{metric.margin:g}"
        parts += [
            f"## {name}",
            metric.meaning,
            f"Differences that do not matter unless a study says otherwise: {margin}.",
        ]
    return _page(parts)


def _presets() -> str:
    from components.core.budget import Budget
    from search_spaces.presets import PRESETS
    from search_spaces.studies import named_studies

    parts = ["# Presets and studies", "## Presets", _table(("preset", "meaning"), _rows(PRESETS, "meaning"))]
    parts += ["## Ready-made studies", _table(("study", "question"), named_studies().items())]
    return _page([*parts, "## Training budget", "Keys of `training`.", _settings_of(Budget)])


def _study_file() -> str:
    from study.spec.datasets import DatasetSpec
    from study.study_file.keys import DesignSpec, SearchSpec, TuneSpec

    parts = ["# Study file", "The keys at the top are told in the [tutorial](../index.md#the-study-file)."]
    for title, cls in (
        ("An entry of datasets", DatasetSpec),
        ("design", DesignSpec),
        ("search", SearchSpec),
        ("design.tune", TuneSpec),
    ):
        rows = [(name, _default(field), field.description or "") for name, field in cls.model_fields.items()]
        parts += [f"## {title}", _table(("key", "default", "meaning"), rows)]
    return _page(parts)


def _default(field: Any) -> str:
    return "required" if field.is_required() else str(field.get_default(call_default_factory=True))


def _commands() -> str:
    from study.cli.main import app

    group: Any = typer.main.get_command(app)
    parts = ["# Commands"]
    for words, command in _walk(("knockout",), group):
        # in the words that typer prints, without the colours
        context: Any = command.make_context(" ".join(words), [], resilient_parsing=True)
        rows = [(_flags(p), getattr(p, "help", "") or "") for p in command.params if not getattr(p, "hidden", False)]
        parts += [
            f"## {' '.join(words)}",
            inspect.cleandoc(command.help or ""),
            _table(("argument or option", "meaning"), rows),
        ]
        context.close()
    return _page(parts)


def _walk(words: tuple[str, ...], command: Any) -> Iterable[tuple[tuple[str, ...], Any]]:
    if hasattr(command, "commands"):
        for name, child in command.commands.items():
            yield from _walk((*words, name), child)
    else:
        yield words, command


def _flags(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return parameter.metavar or parameter.name.upper()
    return ", ".join(parameter.opts)


def _prose(cls: type) -> str:
    """Return a class's docstring with numpy's headings as text."""
    text = re.sub(r"\n(\w[\w ]*)\n-{3,}\n", r"\n**\1**\n\n", inspect.getdoc(cls) or "")
    text = re.sub(r":\w+:`~?\.?([^`]+)`", r"`\1`", text)
    return text.replace("``", "`").replace("<", "&lt;")


def _settings(cls: Any) -> str:
    return _settings_of(cls.Settings)


def _settings_of(settings: Any) -> str:
    from components.core.settings import describe

    rows = [[row[column] for column in COLUMNS] for row in describe(settings)]
    return _table(COLUMNS, rows) if rows else "No settings."


def _rows(named: Any, attribute: str) -> list[tuple[str, str]]:
    return [(name, getattr(value, attribute)) for name, value in named.items()]


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *([_cell(value) for value in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(value: object) -> str:
    return re.sub(r"([|*_])", r"\\\1", str(value)).replace("\n", " ").replace("<", "&lt;")


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}"


def _page(parts: Iterable[str]) -> str:
    return "\n\n".join(part for part in parts if part) + "\n"
