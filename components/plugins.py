"""Plug-ins in files of one's own, which a study file names; every process that is sent a cell loads them first.

A plug-in is a Python file, or a folder with an ``__init__.py``: all of it counts as the code of what it registers.
"""

from __future__ import annotations

import hashlib
import importlib.util
import sys
import traceback
from collections.abc import Iterable
from pathlib import Path

from components.core.errors import KnockoutError, suggestion

_LOADED: dict[str, tuple[Path, str]] = {}  # by name, with the digest of its content


class LoadedPlugins:
    """The plug-ins of this process: whoever unpickles this has them loaded by then."""

    def __reduce__(self) -> tuple[object, ...]:
        """Stand for a call that loads the same files."""
        return load_plugins, (tuple(map(str, loaded_paths())),)


def loaded_paths() -> list[Path]:
    """Return the files and folders that were loaded, in order."""
    return [path for path, _ in _LOADED.values()]


def load_plugins(paths: Iterable[str | Path], start: Path | None = None) -> None:
    """Import plug-ins, each once, in order; relative paths start from a folder.

    Raises
    ------
    KnockoutError
        If there is none at a path, its name is that of another module, it fails, or it was loaded and then changed.
    """
    for position, path in enumerate(paths):
        _load((start or Path()) / Path(path).expanduser(), f"plugins[{position}]")


def _load(path: Path, where: str) -> None:
    file, name = _file_of(path, where), path.stem
    resolved, content = path.resolve(), _content(path)
    if name in _LOADED:
        known, known_content = _LOADED[name]
        if known_content == content:
            return
        if known == resolved:
            raise KnockoutError(f"{path} has changed since it was loaded; start Python anew.", where=where)
        raise KnockoutError(f"{known} has the same name and was loaded before; rename {path}.", where=where)
    _refuse_name(name, file, where)
    search = [str(resolved)] if path.is_dir() else None
    spec = importlib.util.spec_from_file_location(name, file.resolve(), submodule_search_locations=search)
    assert spec is not None and spec.loader is not None  # it ends in .py
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException as error:
        del sys.modules[name]
        if isinstance(error, KeyboardInterrupt):
            raise
        raise KnockoutError(f"{path} {_reason(error, resolved)}", where=where) from error
    _LOADED[name] = resolved, content


def _file_of(path: Path, where: str) -> Path:
    """Return the file that is imported for a plug-in."""
    if path.is_dir():
        if not (path / "__init__.py").is_file():
            raise KnockoutError(f"{path} is a folder without an __init__.py; name a .py file in it.", where=where)
        return path / "__init__.py"
    if not path.is_file():
        near = sorted(file.name for file in path.parent.glob("*.py")) if path.parent.is_dir() else []
        beside = f" Python files there: {', '.join(near[:10])}." if near else ""
        raise KnockoutError(f"there is no {path}.{suggestion(path.name, near)}{beside}", where=where)
    if path.suffix != ".py":
        raise KnockoutError(f"{path} is no Python file; a plug-in is a .py file or a package.", where=where)
    return path


def _refuse_name(name: str, file: Path, where: str) -> None:
    """Refuse a name that no module can have, or that another module has."""
    if not name.isidentifier():
        raise KnockoutError(f"{name!r} cannot be the name of a module; rename {file}.", where=where)
    other = sys.modules[name].__spec__ if name in sys.modules else importlib.util.find_spec(name)
    origin = getattr(other, "origin", None) or "built in"
    if (name in sys.modules or other is not None) and origin != str(file.resolve()):
        raise KnockoutError(f"there is a module {name!r} ({origin}); give {file} another name.", where=where)


def _content(path: Path) -> str:
    sha = hashlib.sha256()
    for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
        sha.update(f"{file.relative_to(path)}\0".encode() + file.read_bytes())
    return sha.hexdigest()


def _reason(error: BaseException, path: Path) -> str:
    """Say why an import failed, and on which line of the plug-in."""
    if isinstance(error, KnockoutError):
        return f"was refused: {error}"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).is_relative_to(path)]
    line = error.lineno if isinstance(error, SyntaxError) else frames[-1].lineno if frames else None
    at = f", line {line}" if line else ""
    return f"could not be loaded{at}: {type(error).__name__}: {error}"
