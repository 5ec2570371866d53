"""The abstract syntax of one source file, reduced to what can decide an outcome."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import resolve_name
from threading import Lock
from typing import Any, NamedTuple

ATTEMPTS = 5  # to parse a source while other threads do
_PARSING = Lock()


class Import(NamedTuple):
    """One imported name: ``from module import name as alias``; ``name`` is empty for ``import module as alias``."""

    module: str
    name: str
    alias: str


@dataclass(frozen=True)
class Syntax:
    """What one source file does."""

    digest: str  # SHA-256 of its statements, without the imports below
    imports: tuple[Import, ...] = ()  # what it imports from the packages named ``own``, inside functions too


def read_syntax(source: bytes, package: str, own: tuple[str, ...]) -> Syntax:
    """Reduce a source file to the syntax that can decide an outcome, the same in every version of Python.

    Left out are comments and format, docstrings and other bare strings, ``pass``, ``__all__``, what only type checkers
    read, and the meanings of settings. Text that is no Python, as a template in a plug-in's package, counts as it is.

    Parameters
    ----------
    package
        Package that relative imports start from; empty for a module outside packages.
    own
        Packages whose imports are listed, not digested: files inside them may be moved.
    """
    reader = _Reader(package, own)
    try:
        text = "\n".join(reader.tokens(_parse(source)))
    except (SyntaxError, ValueError):  # ValueError: null bytes before Python 3.12, numbers of thousands of digits
        return Syntax(hashlib.sha256(source).hexdigest())
    return Syntax(hashlib.sha256(text.encode()).hexdigest(), tuple(reader.imports))


def _parse(source: bytes) -> ast.AST:
    """Return the syntax tree of a source, also where other threads parse, as a cluster's worker has them.

    Python 3.11 and 3.12 count the parser's depth for all threads of a process together, and raise SystemError where two
    parse at once (cpython issue 106905). Ours wait for each other; for others' it is tried again.
    """
    for _ in range(ATTEMPTS - 1):
        with suppress(SystemError), _PARSING:
            return ast.parse(source)
    with _PARSING:
        return ast.parse(source)


class _Reader:
    """Writes a syntax tree as text and lists the imports from its own packages on the way."""

    def __init__(self, package: str, own: tuple[str, ...]) -> None:
        self.package, self.own = package, own
        self.imports: list[Import] = []

    def tokens(self, tree: ast.AST) -> Iterator[str]:
        """Yield the tree in prefix order, each node with the names of its fields, each list with its length.

        ``ast.dump`` would not do: it shows other fields in each Python version. Empty fields, as versions add them, are
        left out. A stack in place of recursion takes whatever Python can parse, and ``ascii`` in place of ``repr`` does
        not depend on the version's table of printable characters.
        """
        stack: list[Any] = [tree]
        while stack:
            value = stack.pop()
            if isinstance(value, ast.AST):
                fields = self._fields(value)
                yield f"{type(value).__name__}({','.join(fields)})"
                stack.extend(reversed(fields.values()))
            elif isinstance(value, list):
                yield f"[{len(value)}]"
                stack.extend(reversed(value))
            else:
                yield ascii(value)

    def _fields(self, node: ast.AST) -> dict[str, Any]:
        fields = {name: value for name, value in ast.iter_fields(node) if name not in ("ctx", "kind", "type_comment")}
        if isinstance(node, ast.Call) and self._is_setting(node.func):
            fields["args"] = [value for i, value in enumerate(node.args) if i != 1 or not _is_text(value)]
            fields["keywords"] = [k for k in node.keywords if k.arg != "meaning" or not _is_text(k.value)]
        elif isinstance(node, ast.JoinedStr):
            fields["values"] = _merged(node.values)
        for name, value in fields.items():
            if isinstance(value, list) and value and isinstance(value[0], ast.stmt):
                fields[name] = self._deciding(value)
        return {name: value for name, value in fields.items() if value is not None and value != []}

    def _is_setting(self, function: ast.expr) -> bool:
        """Tell whether a call is of ``components``' own ``setting``, not of a function that has the same name."""
        return isinstance(function, ast.Name) and any(
            imported.name == "setting" and function.id == (imported.alias or "setting") for imported in self.imports
        )

    def _deciding(self, statements: list[ast.stmt]) -> list[ast.stmt]:
        """Return the statements of a block that can decide an outcome; imports from own packages are listed instead."""
        deciding: list[ast.stmt] = []
        for statement in statements:
            test = getattr(statement, "test", None)  # of an if: a name, or one of a module
            if isinstance(statement, ast.If) and getattr(test, "attr", getattr(test, "id", "")) == "TYPE_CHECKING":
                deciding += self._deciding(statement.orelse)
            elif isinstance(statement, ast.Import):
                if others := [alias for alias in statement.names if not self._is_own(alias.name)]:
                    deciding.append(ast.Import(others))
                self._list(*((alias.name, "", alias.asname) for alias in statement.names))
            elif isinstance(statement, ast.ImportFrom):
                module = self._module(statement)
                if not self._is_own(module):
                    deciding.append(statement)
                self._list(*((module, alias.name, alias.asname) for alias in statement.names))
            elif not _is_idle(statement):
                deciding.append(statement)
        return deciding

    def _list(self, *imports: tuple[str, str, str | None]) -> None:
        self.imports += [Import(module, name, alias or "") for module, name, alias in imports if self._is_own(module)]

    def _is_own(self, module: str) -> bool:
        return module.partition(".")[0] in self.own

    def _module(self, statement: ast.ImportFrom) -> str:
        relative = "." * statement.level + (statement.module or "")
        try:
            return resolve_name(relative, self.package or None)
        except ImportError:  # beyond the top: fails when it runs
            return ""


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _is_idle(statement: ast.stmt) -> bool:
    """Tell whether a statement does nothing to an outcome: ``pass``, a bare string, what ``*`` imports."""
    if isinstance(statement, ast.Expr):
        return _is_text(statement.value)
    if isinstance(statement, ast.Assign):
        return all(isinstance(target, ast.Name) and target.id == "__all__" for target in statement.targets)
    if isinstance(statement, (ast.AnnAssign, ast.AugAssign)):
        return isinstance(statement.target, ast.Name) and statement.target.id == "__all__"
    return isinstance(statement, ast.Pass)


def _merged(values: list[ast.expr]) -> list[ast.expr]:
    """Join neighbouring texts of an f-string and drop empty ones: parsers cut them at different places."""
    merged: list[ast.expr] = []
    for value in values:
        if not (isinstance(value, ast.Constant) and isinstance(value.value, str)):
            merged.append(value)
        elif merged and isinstance(merged[-1], ast.Constant):
            merged[-1] = ast.Constant(f"{merged[-1].value!s}{value.value}")
        elif value.value:
            merged.append(value)
    return merged
