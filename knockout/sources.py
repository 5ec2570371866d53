"""A study from whatever it is given as: a file, a text, a dict, a name."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from components.core.errors import KnockoutError
from knockout.datasets import Attached, attach
from knockout.stored import Paths, mistakes
from knockout.studies import Study, load
from study.actions.source import Source
from study.study_file.yaml_file import YamlFile, parse_yaml

GIVEN = Path("study given in Python")


def study(
    source: Paths | Mapping[str, Any],
    *,
    overrides: Sequence[str] = (),
    data: Paths | None = None,
    scale: str | None = None,
    only: Sequence[str] = (),
    lanes: str | None = None,
) -> Study:
    """Read and check a study; nothing is run or written.

    Parameters
    ----------
    source
        Path of a study file, its text, its keys as a dict, or the name of a ready-made study. In a dict, an entry of
        ``datasets`` may be an AnnData object: ``{"adata": adata, "network": table, "tfs": names, "name": "mDC"}``, see
        :mod:`knockout.datasets`.
    overrides
        Keys to set, add or drop, as the command line takes them: ``["training.epochs=3", "gnn=[gat,gcn]"]``.
    data
        Folder that paths of data sets start from; default: that of the study file, or the working directory.
    scale, only, lanes
        As ``knockout run`` takes them.

    Raises
    ------
    KnockoutError
        For anything wrong: what was given, what is allowed, where.
    """
    for name, value in (("overrides", overrides), ("only", only)):
        if isinstance(value, str):
            raise KnockoutError(f"a list is needed: write [{value!r}].", where=name)
    root = None if data is None else Path(data)
    with mistakes():
        content, attached = _read(source, root)
        if root is None and isinstance(content, YamlFile):
            root = Path.cwd()
        whole = Source(content, root, scale, tuple(only), lanes, tuple(overrides))
    what = f"<{GIVEN}>" if isinstance(content, YamlFile) else repr(str(source))
    more = f", overrides={list(overrides)}" if overrides else ""
    return Study(whole, attached, load(whole, attached.stage if attached else None), f"knockout.study({what}{more})")


def _read(source: Paths | Mapping[str, Any], data: Path | None) -> tuple[Path | str | YamlFile, Attached]:
    """Return the study as the loader takes it, and the AnnData objects in it."""
    if isinstance(source, Mapping):
        values, attached = attach(source, data or Path.cwd())
        return YamlFile(GIVEN, values, {}), attached
    if isinstance(source, str) and "\n" in source:
        return parse_yaml(source, GIVEN), Attached()
    if not isinstance(source, str | os.PathLike):
        message = f"a study is a path, a text, a dict or a name, not {type(source).__name__!r}."
        raise KnockoutError(message, where="knockout.study")
    return (source if isinstance(source, str) else Path(source)), Attached()
