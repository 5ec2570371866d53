"""Studies ready to run by name: the published ablations, the mission's five factors, every system of the field."""

from __future__ import annotations

from importlib.resources import as_file, files
from pathlib import Path

from components.core.errors import UnknownNameError


def named_studies() -> dict[str, str]:
    """Return the name of every ready-made study, with the line that says what it asks."""
    found = sorted(files(__package__).iterdir(), key=lambda file: file.name)
    return {
        file.name.removesuffix(".yaml"): file.read_text(encoding="utf-8").split("\n")[0].lstrip("# ")
        for file in found
        if file.name.endswith(".yaml")
    }


def named_study(name: str, *, where: str = "") -> Path:
    """Return the study file of a ready-made study, or say which exist."""
    if name not in named_studies():
        raise UnknownNameError.of("study", name, named_studies(), where=where)
    with as_file(files(__package__).joinpath(f"{name}.yaml")) as path:
        return path
