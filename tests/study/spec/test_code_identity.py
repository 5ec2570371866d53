"""What re-trains a cell: a change in the code that decides its outcome, and nothing else."""

from __future__ import annotations

import ast
import dataclasses
import importlib.util
import itertools
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from study.plan.plan import make_plan
from study.spec import code
from study.spec.cell import Cell
from study.spec.syntax import read_syntax
from study.study_file.study import load_study

registry = code.registry
SETTINGS = registry.Settings.__module__
# of factors that only these tests know, so that no part of the product has to be loaded
RULE, OTHER, GAT, GCN = ("t_scorer", "rule"), ("t_scorer", "other"), ("t_gnn", "gat"), ("t_gnn", "gcn")
PLUGGED = ("t_scorer", "plugged")
NUMBERS = itertools.count()
SETTING = "from own.somewhere import setting"

# TOP stands for the name of the package, which is another in each test
PRODUCT = {
    "parts/core/base.py": '''
        """What levels share."""
        from SETTINGS import Settings

        class Base:
            """A base."""
            class Settings(Settings):
                """Nothing to set."""
    ''',
    "parts/core/arrays.py": "def total(x):\n    return sum(x)\n",
    "parts/scorer/rule.py": '''
        import math
        from TOP.parts.core.base import Base
        from TOP.parts.scorer.helper import weigh

        class Rule(Base):
            """A rule."""
            def score(self, pairs):
                """Return scores."""
                return weigh(pairs) + math.pi
    ''',
    "parts/scorer/helper.py": "def weigh(pairs):\n    return 2 * len(pairs)\n",
    "parts/scorer/other.py": '''
        from TOP.parts.core.base import Base

        class Other(Base):
            """Another rule, which needs no helper before it scores."""
            def score(self, pairs):
                from TOP.parts.core.arrays import total
                return total(pairs)
    ''',
    "parts/gnn/__init__.py": "from TOP.parts.gnn.gat import Gat\nfrom TOP.parts.gnn.gcn import Gcn\n",
    "parts/gnn/gat.py": """
        from TOP.parts.core.base import Base

        class Gat(Base):
            "Attention."
            heads = 4
    """,
    "parts/gnn/gcn.py": """
        from TOP.parts.core.base import Base

        class Gcn(Base):
            "Convolution."
            hops = 2
    """,
    "train/cell.py": """
        from typing import TYPE_CHECKING
        from TOP.store.files import write
        from TOP.train.pooling import pool
        if TYPE_CHECKING:
            from TOP.train.typed import Unread

        raise RuntimeError("a module is read, not imported")
    """,
    "train/pooling.py": "def pool(folds):\n    from TOP.train import cell\n    return sum(folds) / len(folds)\n",
    "train/typed.py": "class Unread: pass\n",
    "store/files.py": "def write(): pass\n",
}
PLUGIN = {
    "__init__.py": "",
    "levels.py": '''
        from TOP.parts.core.base import Base

        class Plugged(Base):
            """A level of somebody else."""
            def score(self, pairs):
                return __import__("importlib").import_module("PLUGIN.deep.helper").boost(pairs)
    ''',
    "deep/helper.py": "from TOP.parts.core.arrays import total\ndef boost(pairs):\n    return 3 * total(pairs)\n",
}


class Tree:
    """A small product and a plug-in, in files that a test edits; levels are registered anew after each edit."""

    def __init__(self, folder: Path) -> None:
        number = next(NUMBERS)
        self.folder, self.top, self.plugin = folder, f"product_{number}", f"plugin_{number}"
        self.entry = f"{self.top}.train.cell"
        self.levels: dict[tuple[str, str], str] = {
            RULE: "parts.scorer.rule.Rule",
            OTHER: "parts.scorer.other.Other",
            GAT: "parts.gnn.gat.Gat",
            GCN: "parts.gnn.gcn.Gcn",
        }
        for name, text in PRODUCT.items():
            self.write(name, text)

    def write(self, name: str, text: str, package: str = "") -> None:
        path = self.folder / (package or self.top) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        text = textwrap.dedent(text).replace("SETTINGS", SETTINGS)
        path.write_text(text.replace("TOP", self.top).replace("PLUGIN", self.plugin))

    def edit(self, name: str, old: str, new: str, package: str = "") -> None:
        path = self.folder / (package or self.top) / name
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    def plug_in(self) -> None:
        for name, text in PLUGIN.items():
            self.write(name, text, self.plugin)
        self.levels[PLUGGED] = f"{self.plugin}.levels.Plugged"

    def register(self) -> None:
        for name in [n for n in sys.modules if n.partition(".")[0] in (self.top, self.plugin)]:
            del sys.modules[name]
        importlib.invalidate_caches()
        code.clear_cache()
        for (factor, level), dotted in self.levels.items():
            module, _, name = dotted.rpartition(".")
            module = module if module.startswith(self.plugin) else f"{self.top}.{module}"
            registry._LEVELS[factor].pop(level, None)
            registry.register(factor, level)(getattr(importlib.import_module(module), name))

    def digest(self, *levels: tuple[str, str], entry: bool = True) -> str:
        self.register()
        return code.code_digest(levels, self.entry if entry else None)

    def digests(self) -> dict[tuple[str, str], str]:
        return {pair: self.digest(pair) for pair in self.levels}

    def traced(self, *levels: tuple[str, str], entry: bool = True) -> set[str]:
        self.register()
        names = traced_modules(levels, self.entry if entry else None)
        return {name.removeprefix(f"{self.top}.") for name in names if name.startswith(self.top)}


def traced_modules(levels: tuple[tuple[str, str], ...], entry: str | None) -> set[str]:
    files = code.source_digests(levels, entry)
    return {file.removesuffix("/__init__.py").removesuffix(".py").replace("/", ".") for file in files}


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tree]:
    product = Tree(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # two edits within a second look alike to cached byte code
    for factor in ("t_scorer", "t_gnn"):
        monkeypatch.setitem(registry.FACTORS, factor, registry.Factor(factor, "one of these tests", ""))
        monkeypatch.setitem(registry._LEVELS, factor, {})
        monkeypatch.setitem(sys.modules, f"components.{factor}", ModuleType(factor))  # the package of its levels
    monkeypatch.setattr(code, "FOLLOWED", (f"{product.top}.parts", f"{product.top}.train"))
    monkeypatch.setattr(code, "OWN", (*code.OWN, product.top))
    yield product
    for name in [n for n in sys.modules if n.partition(".")[0] in (product.top, product.plugin)]:
        del sys.modules[name]
    code.clear_cache()


def changed(before: dict[tuple[str, str], str], after: dict[tuple[str, str], str]) -> set[tuple[str, str]]:
    return {pair for pair in before if before[pair] != after[pair]}


def test_a_changed_docstring_comment_or_format_retrains_nothing(tree: Tree):
    before = tree.digests()
    tree.edit("parts/scorer/rule.py", '"""Return scores."""', '"""Return other words."""  # and a comment')
    tree.edit("parts/core/base.py", "What levels share", "What all levels share")
    tree.edit("parts/scorer/helper.py", "2 * len(pairs)", "(2\n        * len( pairs ))")
    assert tree.digests() == before


def test_a_moved_file_retrains_nothing(tree: Tree):
    before = tree.digests()
    folder = tree.folder / tree.top / "parts"
    (folder / "a_folder").mkdir()
    (folder / "scorer/helper.py").rename(folder / "a_folder/weights.py")
    (folder / "scorer/rule.py").rename(folder / "a_folder/rule.py")
    own = f"from {tree.top}.parts"  # imports are sorted by path, so that their order changes, too
    both = f"{own}.core.base import Base\n{own}.scorer.helper import weigh"
    tree.edit("parts/a_folder/rule.py", both, f"{own}.a_folder.weights import weigh\n{own}.core.base import Base")
    tree.levels[RULE] = "parts.a_folder.rule.Rule"
    assert tree.digests() == before


def test_a_module_moved_in_a_package_that_is_not_followed_retrains_nothing(tree: Tree):
    before = tree.digests()
    tree.edit("train/cell.py", ".store.files", ".store.disk.files")
    assert tree.digests() == before


def test_a_changed_line_in_a_scorers_helper_retrains_just_the_scorer(tree: Tree):
    before = tree.digests()
    tree.edit("parts/scorer/helper.py", "2 * len", "3 * len")
    assert changed(before, tree.digests()) == {RULE}


def test_a_changed_line_in_what_a_function_imports_retrains_just_its_scorer(tree: Tree):
    before = tree.digests()
    tree.edit("parts/core/arrays.py", "sum(x)", "sum(x) + 1")
    assert changed(before, tree.digests()) == {OTHER}


def test_a_changed_line_in_the_code_that_pools_folds_retrains_all(tree: Tree):
    before, alone = tree.digests(), tree.digest(GAT, entry=False)
    tree.edit("train/pooling.py", "/ len(folds)", "/ (len(folds) - 1)")
    assert changed(before, tree.digests()) == set(before)
    assert tree.digest(GAT, entry=False) == alone


def test_a_changed_line_in_a_plugins_helper_module_retrains_just_the_plugins_levels(tree: Tree):
    tree.plug_in()
    before = tree.digests()
    tree.edit("deep/helper.py", "3 * total", "4 * total", tree.plugin)
    assert changed(before, tree.digests()) == {PLUGGED}


def test_a_changed_line_in_what_a_plugin_imports_from_the_product_retrains_its_levels(tree: Tree):
    tree.plug_in()
    before = tree.digests()
    tree.edit("parts/core/arrays.py", "sum(x)", "sum(x) + 1")
    assert changed(before, tree.digests()) == {OTHER, PLUGGED}


def test_a_moved_file_or_changed_docstring_of_a_plugin_retrains_nothing(tree: Tree):
    tree.plug_in()
    tree.edit("__init__.py", "", "from .levels import Plugged", tree.plugin)
    before = tree.digests()
    tree.edit("levels.py", "A level of somebody else", "Somebody's level", tree.plugin)
    (tree.folder / tree.plugin / "levels.py").rename(tree.folder / tree.plugin / "deep/levels.py")
    tree.edit("__init__.py", ".levels", ".deep.levels", tree.plugin)
    tree.levels[PLUGGED] = f"{tree.plugin}.deep.levels.Plugged"
    assert tree.digests() == before


def test_a_template_in_a_plugins_package_counts_as_it_is(tree: Tree):
    tree.plug_in()
    tree.write("template.py", "class {{ name }}: pass", tree.plugin)
    before = tree.digests()
    tree.edit("template.py", "pass", "...", tree.plugin)
    assert changed(before, tree.digests()) == {PLUGGED}


def test_a_plugin_of_one_file_is_digested(tree: Tree):
    (tree.folder / f"{tree.plugin}.py").write_text(
        textwrap.dedent(PLUGIN["levels.py"]).replace("TOP", tree.top).replace("PLUGIN", tree.plugin)
    )
    tree.levels[PLUGGED] = f"{tree.plugin}.Plugged"
    before = tree.digests()
    (tree.folder / "unrelated.py").write_text("x = 1")
    assert tree.digests() == before
    file = tree.folder / f"{tree.plugin}.py"
    file.write_text(file.read_text().replace("boost(pairs)", "boost(pairs) + 1"))
    assert changed(before, tree.digests()) == {PLUGGED}


def test_a_version_retrains_the_level_that_has_it(tree: Tree):
    tree.register()
    before = code.code_digest((RULE, GAT), tree.entry), code.code_digest((OTHER,), tree.entry)
    seen = {before[0]}
    for version in (1, 2, "2"):  # set from outside the file, as a plug-in may compute it
        code.clear_cache()
        registry.level(*GAT).version = version
        seen.add(code.code_digest((RULE, GAT), tree.entry))
    assert len(seen) == 4
    assert code.code_digest((OTHER,), tree.entry) == before[1]


def test_tracing_follows_functions_and_circles_but_not_type_checking_or_other_packages(tree: Tree):
    assert tree.traced() == {"train.cell", "train.pooling"}
    assert tree.traced(OTHER, entry=False) == {"parts.scorer.other", "parts.core.base", "parts.core.arrays"}


@pytest.mark.parametrize(
    ("statement", "reached"),
    [
        ("from TOP.parts.gnn import Gat", {"parts.gnn.gat", "parts.core.base"}),
        ("from TOP.parts.gnn import gcn", {"parts.gnn.gcn", "parts.core.base"}),
        ("from TOP.parts import gnn", {"parts.gnn", "parts.gnn.gat", "parts.gnn.gcn", "parts.core.base"}),
        ("from TOP.parts.gnn import *", {"parts.gnn", "parts.gnn.gat", "parts.gnn.gcn", "parts.core.base"}),
        ("import TOP.parts.core.arrays", {"parts.core.arrays"}),
        ("import os, TOP.parts.core.arrays as arrays", {"parts.core.arrays"}),
        ("from ..core import arrays", {"parts.core.arrays"}),
        ("from .helper import weigh", {"parts.scorer.helper"}),
        ("try:\n    import TOP.parts.absent\nexcept ImportError:\n    pass", set()),
        ("if False:\n    from TOP.parts.core.arrays import total", {"parts.core.arrays"}),
        (
            "import typing\nif typing.TYPE_CHECKING:\n    import TOP.parts.gnn\nelse:\n    from ..core import arrays",
            {"parts.core.arrays"},
        ),
    ],
)  # fmt: skip
def test_an_import_reaches_what_it_names(tree: Tree, statement: str, reached: set[str]):
    tree.write("parts/scorer/importer.py", statement)
    tree.entry = f"{tree.top}.parts.scorer.importer"
    assert tree.traced() == {"parts.scorer.importer"} | reached


def test_a_name_defined_in_a_packages_init_reaches_the_init(tree: Tree):
    tree.write("parts/gnn/__init__.py", "from TOP.parts.gnn import gat\nWIDTH = 3\n")
    tree.write("parts/scorer/importer.py", "from TOP.parts.gnn import WIDTH")
    tree.entry = f"{tree.top}.parts.scorer.importer"
    assert tree.traced() == {"parts.scorer.importer", "parts.gnn", "parts.gnn.gat", "parts.core.base"}


def test_a_new_name_in_a_packages_init_retrains_nothing(tree: Tree):
    tree.write("train/cell.py", "from TOP.parts.gnn import Gat")
    before = tree.digests()
    tree.edit("parts/gnn/__init__.py", "from", "MORE = 1\nfrom")
    tree.edit("parts/gnn/gcn.py", "hops = 2", "hops = 3")
    assert changed(before, tree.digests()) == {GCN}


def test_a_name_imported_from_another_module_than_before_retrains(tree: Tree):
    tree.write("parts/scorer/lighter.py", "def weigh(pairs):\n    return len(pairs)\n")
    tree.write("train/cell.py", "import TOP.parts.scorer.lighter, TOP.parts.scorer.helper")  # both count in every cell
    before = tree.digests()
    tree.edit("parts/scorer/rule.py", "scorer.helper", "scorer.lighter")
    assert changed(before, tree.digests()) == {RULE}


def test_the_order_of_levels_does_not_count(tree: Tree):
    assert tree.digest(RULE, GAT) == tree.digest(GAT, RULE)


def test_an_unknown_entry_is_refused(tree: Tree):
    with pytest.raises(code.KnockoutError, match=r"no module product\.absent"):
        code.code_digest((), "product.absent")


def class_of_notebook(tree: Tree, body: str) -> str:
    tree.register()
    base = registry.level(*GAT).__mro__[1]
    names = {"__name__": "no_such_module", "Base": base}
    exec(f"class Typed(Base):\n    '''Typed in a cell of a notebook.'''\n{textwrap.indent(body, '    ')}", names)
    registry._LEVELS["t_gnn"]["typed"] = names["Typed"]
    return code.code_digest((("t_gnn", "typed"),), None)


def test_a_class_without_a_file_is_digested_by_its_functions_and_constants(tree: Tree):
    text = "hops = 3\ndef run(self, x, k=2):\n    'Doc.'\n    return x in {'a', 'b'} and (lambda y: y + 1)(k)"
    digest = class_of_notebook(tree, text)
    assert class_of_notebook(tree, text.replace("Doc", "Other words").replace("\n", "  # comment\n")) == digest
    for old, new in (("hops = 3", "hops = 4"), ("y + 1", "y + 2"), ("'b'", "'c'"), ("k=2", "k=3")):
        assert class_of_notebook(tree, text.replace(old, new)) != digest, new
    tree.edit("parts/core/base.py", "class Base:", "ONE = 1\nclass Base:")
    assert class_of_notebook(tree, text) != digest


def digest_of(source: str) -> str:
    return read_syntax(source.encode(), "pkg", ("own",)).digest


def test_threads_parse_one_after_the_other_and_again_where_others_disturb_them(monkeypatch: pytest.MonkeyPatch):
    """The parser of Python 3.11 raises SystemError where two threads parse at once: seen in a worker of a cluster."""
    parse, inside, most, disturbed = ast.parse, [0], [0], iter([True, True, *[False] * 100])

    def watched(source: bytes) -> ast.AST:
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        time.sleep(0.002)  # time for another thread to come in
        inside[0] -= 1
        if next(disturbed):
            raise SystemError("AST constructor recursion depth mismatch (before=87, after=77)")
        return parse(source)

    monkeypatch.setattr(ast, "parse", watched)
    with ThreadPoolExecutor(4) as pool:
        digests = set(pool.map(digest_of, ["x = 1"] * 12))
    assert most == [1]
    monkeypatch.undo()
    assert digests == {digest_of("x = 1")}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("def f(): return 1", "def f():\n    '''Doc.'''\n    return 1"),
        ("class C: pass", "class C:\n    '''Doc.'''"),
        ("x: int = 1", "x: int = 1\n'''What x is.'''"),
        ("x = 1", "__all__ = ['x']\n__all__ += ['y']\nx = 1"),
        ("x = 1", "if TYPE_CHECKING:\n    import torch\nx = 1"),
        ("x = 1", "from own.somewhere import x as y\nimport own.more\nx = 1"),
        ("import os", "import os, own.more"),
        ("x = 1_000 + 'a'", "x = (1000 +\n  u\"a\")"),
        (f"{SETTING}\nx = setting(1, 'a', ge=0)", f"{SETTING}\nx = setting(1, 'b', ge=0)"),
        (f"{SETTING} as s\nx = s(1, meaning='a')", f"{SETTING} as s\nx = s(1, meaning='b')"),
    ],
)  # fmt: skip
def test_what_decides_nothing_leaves_the_syntax_as_it_is(before: str, after: str):
    assert digest_of(before) == digest_of(after)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("x = 1", "x = 1.0"),
        ("x = 1", "x = True"),
        ("x = None", "x = 'None'"),
        ("x = 'a'", "x = b'a'"),
        ("x = 0.0", "x = -0.0"),
        ("x: int = 1", "x: float = 1"),
        ("import os", "import os.path"),
        ("from a import b", "from a import b as c"),
        ("f(a)(b)", "f(a, b)"),
        ("{**a}", "{None: a}"),
        ("def f(*, a, b=1): ...", "def f(*, a=1, b): ..."),
        ("if x:\n    a()\nb()", "if x:\n    a()\n    b()"),
        ("f'{x}'", "f'{x!r}'"),
        ("x = setting(1, 'a')", "x = setting(1, 'b')"),  # a foreign function of this name
        (f"{SETTING}\nx = setting(1, 'a')", f"{SETTING}\nx = setting(2, 'a')"),
        (f"{SETTING}\nx = setting(1, 'a', ge=0)", f"{SETTING}\nx = setting(1, 'a', ge=1)"),
        ("raise E('a')", "raise E('b')"),
    ],
)  # fmt: skip
def test_what_may_decide_changes_the_syntax(before: str, after: str):
    assert digest_of(before) != digest_of(after)


def test_an_expression_deeper_than_pythons_stack_is_read():
    assert digest_of("x = " + " + ".join("a" * 900)) != digest_of("x = " + " + ".join("a" * 899))


CODE = (
    "x = f'{x!r:>{3}}' + 'a'",
    "async def f(a, /, b=1, *c, d, **e): # (\n    return await a",
    "class C(B, k=1):\n    x: int = 1\n    def g(self): yield {**self.x}",
    "for i in x:\n    if i: continue\nelse:\n    del i",
    "try:\n    a()\nexcept E as e:\n    raise F from e\nfinally:\n    b()",
    "match x:\n    case {'a': [1, *_], **rest} | K(y=None) if z: y = [i for i in x if i]",
    "with a as b, c:\n    assert lambda: (yield), 'text'",
)
NOISE = st.sampled_from(
    ["\n", "# comment: x = 1\n", "\n\n\n", "'''Bare text.'''\n", '"a" "b"\n', "    # indented\n", "pass\n"]
)


@given(st.lists(st.sampled_from(CODE), max_size=5), st.data())
def test_comments_blank_lines_and_docstrings_never_change_a_digest(statements: list[str], data: st.DataObject):
    noisy = data.draw(NOISE)
    for statement in statements:
        head, colon, rest = statement.partition(":\n")
        if colon and data.draw(st.booleans()):
            indent = " " * (len(rest) - len(rest.lstrip()))
            if not head.startswith("match"):  # holds cases alone
                document = data.draw(st.text('abc # "', max_size=5))
                rest = f"{indent}'''{document} '''\n{rest}"
            statement = f"{head}{colon}{rest}"
        noisy += statement + "  # why\n" + "".join(data.draw(st.lists(NOISE, max_size=3)))
    assert digest_of(noisy) == digest_of("\n".join(statements))


def edited(monkeypatch: pytest.MonkeyPatch, edit: dict[str, bytes]) -> None:
    """Read files whose module names are given with a line more; none is written."""
    paths = {Path(str(find_spec(name).origin)): line for name, line in edit.items()}
    monkeypatch.setattr(code, "read_source", lambda path: path.read_bytes() + paths.get(path, b""))
    code.clear_cache()


def test_an_edit_of_a_part_changes_the_digest_of_its_level_alone(monkeypatch: pytest.MonkeyPatch, request):
    request.addfinalizer(code.clear_cache)
    gat, scorer = (("gnn", "gat"),), (("scorer", "degree"),)
    before = code.code_digest(gat, None), code.code_digest(scorer, None)
    edited(monkeypatch, {registry.level(*gat[0]).__module__: b"\n# a comment\n'text'\n"})
    assert (code.code_digest(gat, None), code.code_digest(scorer, None)) == before
    edited(monkeypatch, {registry.level(*gat[0]).__module__: b"\nEDITED = 1\n"})
    assert code.code_digest(gat, None) != before[0]
    assert code.code_digest(scorer, None) == before[1]


def test_a_new_level_in_the_registrys_table_retrains_nothing(monkeypatch: pytest.MonkeyPatch, request):
    request.addfinalizer(code.clear_cache)
    levels = tuple((name, factor.absent) for name, factor in registry.FACTORS.items() if not factor.exam)
    before = code.code_digest(levels, None)
    edited(monkeypatch, {registry.__name__: b"\nEDITED = 1\n"})
    assert code.code_digest(levels, None) == before


@pytest.mark.parametrize(
    ("level", "other"),
    [
        (("scorer", "degree"), ("fusion", "late")),
        (("scorer", "degree"), ("scorer", "topology")),
        (("scorer", "genie3"), ("scorer", "mi")),
        (("contrast", "off"), ("contrast", "supcon")),
        (("fusion", "multiscale"), ("fusion", "late")),
        (("gnn", "sage"), ("gnn", "gin")),
        (("negatives", "uniform"), ("negatives", "same_tf")),
        (("split", "all_non_targets"), ("split", "unseen_tf")),
    ],
)
def test_an_edit_of_one_level_retrains_no_other(level: tuple[str, str], other: tuple[str, str]):
    traced = traced_modules((level,), None)
    assert registry.level(*level).__module__ in traced
    assert registry.level(*other).__module__ not in traced


def test_an_edit_of_what_a_plan_alone_prints_retrains_nothing():
    assert "components.split.audit" not in traced_modules((), code.ENTRY)
    assert "components.pairs.graph" not in traced_modules((("scorer", "genie3"),), None)
    assert "components.pairs.lagged" not in traced_modules((("scorer", "pcc"),), None)


def test_every_level_is_traced_to_parts_alone():
    for factor in registry.FACTORS:
        for level in registry.levels(factor):
            traced = traced_modules(((factor, level),), None)
            assert traced and all(name.startswith("components.") for name in traced), (factor, level)
            assert registry.__name__ not in traced


@pytest.fixture(scope="module")
def cells() -> tuple[Cell, ...]:
    """One cell of every trained kind, of a rule and of methods, on the real tree."""
    arms = [{"gnn": "none"}, {"gnn": "gcn"}, {"fusion": "late"}, {"scorer": "noise"}]
    study = {
        "name": "all",
        "datasets": [{"simulate": {"genes": 64, "tfs": 8, "cells": 40}}],
        "preset": "knockout-small",
        "design": {"kind": "explicit", "arms": arms},
        "controls": ["degree", "identity"],
        "baselines": ["pcc", "mi", "genie3"],
        "repeats": 1,
    }
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "all.yaml").write_text(yaml.safe_dump(study))
        return make_plan(load_study(Path(folder) / "all.yaml")).cells


def digests_of(cells: tuple[Cell, ...]) -> dict[str, str]:
    """Return digests computed anew, with nothing that a cell has kept."""
    code.clear_cache()
    return {cell.arm.name: dataclasses.replace(cell).digest for cell in cells}


def replaced(monkeypatch: pytest.MonkeyPatch, module: str, old: str, new: str) -> None:
    """Let a module's file be read with a text replaced; none is written."""
    spec = importlib.util.find_spec(module)
    assert spec is not None and spec.origin is not None
    edited_path, before = Path(spec.origin), old.encode()
    assert before in edited_path.read_bytes()

    def read(path: Path) -> bytes:
        text = path.read_bytes()
        return text.replace(before, new.encode()) if path == edited_path else text

    monkeypatch.setattr(code, "read_source", read)


class TestOnTheRealTree:
    @pytest.fixture(autouse=True)
    def cleared(self) -> Iterator[None]:
        yield
        code.clear_cache()

    def test_a_changed_line_in_the_code_that_pools_folds_changes_every_digest(self, cells, monkeypatch):
        before = digests_of(cells)
        assert len(before) == len(set(before.values())) == len(cells) > 8
        pooling = "np.concatenate([getattr(outcome, part) for outcome in outcomes])"
        replaced(monkeypatch, "study.train.cell", pooling, pooling.replace("outcomes]", "outcomes[:1]]"))
        after = digests_of(cells)
        assert all(after[name] != before[name] for name in before)

    @pytest.mark.parametrize("module", ["study.train.exams", "study.train.score", "components.core.metrics"])
    def test_so_does_one_in_what_sets_an_exam_fits_or_evaluates(self, cells, monkeypatch, module: str):
        before = digests_of(cells)
        edited(monkeypatch, {module: b"\nEDITED = 1\n"})
        after = digests_of(cells)
        assert all(after[name] != before[name] for name in before)

    @pytest.mark.parametrize("module", ["study.run.pool", "study.plan.plan", "study.store.ledger", "study.cli.display"])
    def test_code_that_only_plans_sends_stores_or_shows_changes_none(self, cells, monkeypatch, module: str):
        before = digests_of(cells)
        importlib.import_module(module)
        edited(monkeypatch, {module: b"\nEDITED = 1\n"})
        assert digests_of(cells) == before

    def test_a_changed_docstring_or_comment_changes_none(self, cells, monkeypatch):
        before = digests_of(cells)
        old = '"""Pool the folds\' scores and evaluate them as one exam."""'
        replaced(monkeypatch, "study.train.cell", old, '"""Says something else."""  # and a comment')
        assert digests_of(cells) == before

    def test_a_changed_helper_of_scorers_changes_those_that_use_it_alone(self, cells, monkeypatch):
        before = digests_of(cells)
        edited(monkeypatch, {"components.scorer.known.network": b"\nEDITED = 1\n"})
        after = digests_of(cells)
        assert {name for name in before if after[name] != before[name]} == {"pcc", "mi", "genie3"}
