"""Ready-made studies: the ablations of both papers, the five factors, and the known methods."""

from __future__ import annotations

from pathlib import Path

from components.core.errors import UnknownNameError

FOLDER = Path(__file__).parent


def named_studies() -> dict[str, str]:
    """Return the first line of every ready-made study, which says what it asks, by name."""
    files = sorted(FOLDER.glob("*.yaml"))
    return {file.stem: file.read_text(encoding="utf-8").split("\n")[0].lstrip("# ") for file in files}


def named_study(name: str) -> Path:
    """Return the path of a ready-made study; raise :class:`UnknownNameError`, which lists them, if there is none."""
    if name not in named_studies():
        raise UnknownNameError.of("study", name, named_studies())
    return FOLDER / f"{name}.yaml"
