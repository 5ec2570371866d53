"""Plug-ins in files of one's own: loaded once, refused with a message, and loaded before whatever is unpickled."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from components import plugins
from components.core.errors import KnockoutError
from components.plugins import LoadedPlugins, load_plugins, loaded_paths


@pytest.fixture(autouse=True)
def unloaded_after() -> Iterator[None]:
    before = dict(plugins._LOADED)
    yield
    for name in plugins._LOADED.keys() - before.keys():
        del plugins._LOADED[name]
        sys.modules.pop(name, None)


def write(folder: Path, name: str, text: str = "VALUE = 1\n") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_a_file_and_a_package_are_imported_once_and_relative_to_a_folder(tmp_path: Path):
    write(tmp_path, "one_file.py", "import builtins\nbuiltins.LOADED = getattr(builtins, 'LOADED', 0) + 1\n")
    write(tmp_path, "a_package/__init__.py", "from a_package.inner import VALUE\n")
    write(tmp_path, "a_package/inner.py")
    for _ in range(2):
        load_plugins(["one_file.py", "a_package"], tmp_path)
    assert __builtins__["LOADED"] == 1 and sys.modules["a_package"].VALUE == 1
    assert loaded_paths()[-2:] == [tmp_path / "one_file.py", tmp_path / "a_package"]


def test_unpickling_loads_them_first(tmp_path: Path):
    load_plugins([write(tmp_path, "sent_along.py", "class Thing:\n    pass\n")])
    thing = sys.modules["sent_along"].Thing()
    content = pickle.dumps((LoadedPlugins(), thing))
    script = "import pickle, sys; print(type(pickle.loads(sys.stdin.buffer.read())[1]).__module__)"
    completed = subprocess.run([sys.executable, "-c", script], input=content, capture_output=True, check=True)
    assert completed.stdout.decode().strip() == "sent_along"


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("absent.py", None, ("there is no", "beside.py")),
        ("model.txt", "", ("no Python file",)),
        ("folder", None, ("without an __init__.py",)),
        ("my-model.py", "", ("'my-model' cannot be the name of a module",)),
        ("random.py", "", ("there is a module 'random'", "give", "another name")),
        ("broken.py", "x = 1\ny = (\n", ("could not be loaded, line 2", "SyntaxError")),
        ("failing.py", "x = 1\n\nraise ValueError('no luck')\n", ("line 3", "ValueError: no luck")),
        ("leaving.py", "raise SystemExit(3)\n", ("could not be loaded", "SystemExit")),
        (
            "clashing.py",
            "from components.core.registry import register\nfrom components.gnn import GraphBranch\n"
            "@register('gnn', 'gat')\nclass Mine(GraphBranch):\n    'Is another.'\n",
            ("was refused", "'gat' is taken"),
        ),
    ],
)
def test_what_is_no_plug_in_is_refused(tmp_path: Path, name: str, text: str | None, words: tuple[str, ...]):
    write(tmp_path, "beside.py")
    (tmp_path / "folder").mkdir()
    if text is not None:
        write(tmp_path, name, text)
    with pytest.raises(KnockoutError) as refused:
        load_plugins(["beside.py", name], tmp_path)
    assert all(word in refused.value.message for word in words), refused.value
    assert refused.value.where == "plugins[1]"
    assert name.removesuffix(".py") not in plugins._LOADED


def test_a_file_that_changes_under_a_running_python_is_refused(tmp_path: Path):
    path = write(tmp_path, "changing.py")
    load_plugins([path])
    path.write_text("VALUE = 2\n")
    with pytest.raises(KnockoutError, match="has changed since it was loaded; start Python anew"):
        load_plugins([path])


def test_two_files_of_one_name_are_refused_unless_they_are_copies(tmp_path: Path):
    load_plugins([write(tmp_path, "one/twin.py")])
    load_plugins([write(tmp_path, "copy/twin.py")])
    with pytest.raises(KnockoutError, match="has the same name and was loaded before"):
        load_plugins([write(tmp_path, "other/twin.py", "VALUE = 3\n")])
