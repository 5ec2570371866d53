"""Ready-made studies: the ablations of both papers, the five factors, and the known methods."""

from __future__ import annotations

from importlib.resources import as_file, files
from pathlib import Path

from components.core.errors import UnknownNameError


def named_studies() -> dict[str, str]:
    """Return the first line of every ready-made study, which says what it asks, by name."""
    entries = sorted(files(__package__).iterdir(), key=lambda file: file.name)
    return {
        file.name.removesuffix(".yaml"): file.read_text(encoding="utf-8").split("\n")[0].lstrip("# ")
        for file in entries
        if file.name.endswith(".yaml")
    }


def named_study(name: str) -> Path:
    """Return the path of a ready-made study; raise :class:`UnknownNameError`, which lists them, if there is none."""
    if name not in named_studies():
        raise UnknownNameError.of("study", name, named_studies())
    with as_file(files(__package__).joinpath(f"{name}.yaml")) as path:
        return path
