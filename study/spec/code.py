"""The code digest of a cell: which code decides its outcome, found by tracing imports, and a digest of what it does.

Modules are found and read as text; none is imported. A plug-in counts with every Python file of its top-level package.
What cannot be seen so (another plug-in's functions, a compiled helper, a table of numbers beside the code) changes no
digest: a level that depends on it has a class attribute ``version``, an integer or text, to be changed with it.
"""

from __future__ import annotations

import hashlib
import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import CodeType
from typing import Any, NamedTuple

from components.core import metrics, registry
from components.core.errors import KnockoutError
from study.spec.syntax import Import, Syntax, read_syntax

ENTRY = "study.train.cell"  # what a worker calls for a cell
FOLLOWED = ("components", "study.train")  # where imports are followed: all else leaves a cell's numbers as they are
OWN = ("components", "search_spaces", "study")  # imported by names without paths: moved files change no digest
# not followed: what finds levels by name, checks settings and words mistakes decides no outcome of a valid arm; a new
# entry in the registry's table re-trains nothing
PLUMBING = (registry.__name__, "components.core.settings", "components.core.errors")


class Module(NamedTuple):
    """One Python file and the name it is imported by."""

    name: str
    path: Path


@cache
def code_digest(levels: tuple[tuple[str, str], ...], entry: str | None = ENTRY) -> str:
    """Digest the code that decides an outcome: that of levels, and of the modules that run beside them.

    Parameters
    ----------
    levels
        Pairs of factor and level. None at all: what every cell runs beside its levels.
    entry
        Module that runs them; None for the levels alone.

    Returns
    -------
    str
        16 hex digits, which comments, docstrings, names and order of files leave as they are.

    Raises
    ------
    KnockoutError
        If there is no such factor, level or entry.
    """
    modules, without_file = _trace(levels, entry)
    code = {_digest_of(module) for module in modules} | {_digest_without_file(cls) for cls in without_file}
    versions = [(*pair, getattr(registry.level(*pair), "version", None)) for pair in levels]
    broken = sorted({ascii(version) for version in versions if version[-1] is not None})
    return _sha("\n".join([*sorted(code), *broken]))[:16]


def own_metrics() -> dict[str, str]:
    """Return a digest of the code of each metric of a plug-in, by name."""
    return {name: _code_of(metrics.METRICS[name]) for name in sorted(metrics.OWN)}


def _code_of(function: Any) -> str:
    modules = _defining(function)
    return _sha("\n".join(sorted(map(_digest_of, modules))) if modules else _plain(function))[:16]


def source_digests(levels: tuple[tuple[str, str], ...], entry: str | None = ENTRY) -> dict[str, str]:
    """Return a digest of what each file that :func:`code_digest` reads does, by its path below its package's parent."""
    modules = sorted(_trace(levels, entry)[0])
    depth = {module: len(module.name.split(".")) + (module.path.name == "__init__.py") for module in modules}
    return {"/".join(module.path.parts[-depth[module] :]): _syntax(module).digest for module in modules}


def read_source(path: Path) -> bytes:
    """Return the content of a source file; tests replace this to edit a file in thought."""
    return path.read_bytes()


def clear_cache() -> None:
    """Forget what was read: a process sees one version of the code, tests see more."""
    for function in (code_digest, _digest_of, _imports, _syntax):
        function.cache_clear()


def _trace(levels: tuple[tuple[str, str], ...], entry: str | None) -> tuple[set[Module], set[type]]:
    """Return the modules that levels and entry reach by imports, and the classes that no file defines."""
    waiting: list[Module] = []
    without_file: set[type] = set()
    for pair in levels:
        cls = registry.level(*pair)
        for base in (base for base in cls.__mro__ if base is cls or hasattr(base, "Settings")):
            defining = _defining(base)
            waiting += defining
            without_file |= set() if defining else {base}
    if entry is not None:
        if (module := _locate(entry)) is None:
            raise KnockoutError(f"There is no module {entry} whose code could be digested.")
        waiting.append(module)
    traced: set[Module] = set()
    while waiting:
        if (module := waiting.pop()) not in traced:
            traced.add(module)
            waiting += [target for _, target in _imports(module) if target is not None]
    return traced, without_file


def _defining(cls: Any) -> tuple[Module, ...]:
    """Return the module of a class or function, all of its package where it is a plug-in's; none without a file."""
    name = cls.__module__
    if _is_below(name, FOLLOWED):
        module = _locate(name)
        return (module,) if module else ()
    top = name.partition(".")[0]
    paths = [(folder, path) for folder in _folders(top) for path in sorted(folder.rglob("*.py"))]
    if paths:
        relative = [(path.relative_to(folder).with_suffix("").parts, path) for folder, path in paths]
        return tuple(
            Module(".".join((top, *(part for part in parts if part != "__init__"))), path)
            for parts, path in relative
            if not any(part.startswith(".") for part in parts)  # such as .ipynb_checkpoints
        )
    file = getattr(sys.modules.get(name), "__file__", None) or ""
    return (Module(name, Path(file)),) if file.endswith(".py") and Path(file).is_file() else ()


@cache
def _digest_of(module: Module) -> str:
    """Digest a module: its statements, and for each imported name the statements that it comes from.

    Imports are in no order and without paths. That they hold the statements of their origin keeps apart two modules
    that define the same name.
    """
    origins = sorted(
        ascii((imported.name, imported.alias, _syntax(target).digest if target else ""))
        for imported, target in _imports(module)
    )
    return _sha("\n".join([_syntax(module).digest, *origins]))


@cache
def _imports(module: Module) -> tuple[tuple[Import, Module | None], ...]:
    """Return what a module imports from own packages, each name with the module to follow, if any."""
    top = module.name.partition(".")[0]
    followed = FOLLOWED if top in OWN else (*FOLLOWED, top)  # a plug-in's imports of its own package, too
    targets = [(imported, _origin(imported)) for imported in _syntax(module).imports]
    return tuple(
        (imported, target if target and _is_below(target.name, followed) and target.name not in PLUMBING else None)
        for imported, target in targets
    )


def _origin(imported: Import, visited: frozenset[Import] = frozenset()) -> Module | None:
    """Return the module that an imported name comes from, looked up in ``__init__`` files on the way.

    As Python does, a name that a package's ``__init__`` imports goes before a module of that name.
    """
    module = _locate(imported.module)
    if not imported.name or (module is not None and module.path.name != "__init__.py"):
        return module
    bound = [i for i in _syntax(module).imports if (i.alias or i.name) == imported.name] if module else []
    for binding in reversed(bound):
        if binding != imported and binding not in visited:
            return _origin(binding, visited | {imported})
    return _locate(f"{imported.module}.{imported.name}") or module


@cache
def _syntax(module: Module) -> Syntax:
    is_package = module.path.name == "__init__.py"
    package = module.name if is_package else module.name.rpartition(".")[0]
    return read_syntax(read_source(module.path), package, (*OWN, module.name.partition(".")[0]))


def _locate(name: str) -> Module | None:
    """Find a module's file without importing its package, which may load torch."""
    top, *rest = name.split(".")
    for folder in _folders(top):
        base = folder.joinpath(*rest)
        for path in (base / "__init__.py", base.with_name(f"{base.name}.py")) if rest else (base / "__init__.py",):
            if path.is_file():
                return Module(name, path)
    return None


def _folders(top: str) -> list[Path]:
    """Return the folders of a top-level package; none for a single file."""
    try:
        spec = find_spec(top)
    except ValueError:  # __main__ and modules made by hand have no spec
        return []
    return [Path(folder) for folder in (spec.submodule_search_locations if spec else None) or ()]


def _digest_without_file(cls: type) -> str:
    """Digest a class that no file defines, as one of a notebook: the byte code of its functions and its constants.

    What such a class calls outside itself is not seen, but for its bases; another version of Python compiles it to
    another digest.
    """
    values = {name: value for name, value in vars(cls).items() if not name.startswith("__") or callable(value)}
    return _sha(ascii(sorted((name, _plain(value)) for name, value in values.items())))


def _plain(value: Any) -> str:
    """Write a function or constant as text that is the same in every process; empty for anything else."""
    function = getattr(value, "__func__", getattr(value, "fget", value))  # of class and static methods, and properties
    code = getattr(function, "__code__", value)
    if isinstance(code, CodeType):
        document = getattr(function, "__doc__", None)
        constants = [_plain(constant) for constant in code.co_consts if constant != document]
        defaults = _plain(getattr(function, "__defaults__", None))
        return ascii((code.co_code.hex(), code.co_names, code.co_varnames, constants, defaults))
    if isinstance(value, tuple):
        return ascii([_plain(item) for item in value])
    if isinstance(value, frozenset):
        return ascii(sorted(_plain(item) for item in value))
    return ascii(value) if isinstance(value, (bool, int, float, complex, str, bytes, type(None))) else ""


def _is_below(name: str, packages: tuple[str, ...]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def _sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
