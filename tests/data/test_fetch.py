import shutil
import subprocess
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote

import numpy as np
import pooch
import pytest

from components.core.dataset import Dataset
from components.core.errors import KnockoutError
from components.data import beeline, readers
from components.data.beeline import RemoteFile, blob_id, choose, listed
from components.data.simulator import write_beeline
from study.cli.data import datasets

BEELINE = Path(__file__).parents[3] / "shared" / "data" / "beeline"
FILES = {"BL--ExpressionData.csv", "BL--network.csv", "Label.csv", "TF.csv", "Target.csv"}
HEADER = "path,git_blob_sha1"
SETS = ("STRING/mDC/TFs+500", "STRING/mDC/TFs+1000", "Specific/mDC/TFs+500", "Lofgof/mESC/TFs+500")


def repository_path(folder: str, name: str) -> str:
    network, rest = folder.split("/", 1)
    return f"Dataset/Benchmark Dataset/{network} Dataset/{rest}/{name}"


class Repository:
    """A copy of the repository on loopback; ``faults`` are its wrong answers for a path, one per request."""

    def __init__(self) -> None:
        self.content: dict[str, bytes] = {}
        self.faults: dict[str, list[str]] = defaultdict(list)
        self.asked: list[str] = []
        self.address = ""

    def add(self, folder: Path, name: str) -> list[str]:
        rows = []
        for path in sorted(folder.iterdir()):
            self.content[repository_path(name, path.name)] = path.read_bytes()
            rows.append(f"{repository_path(name, path.name)},{blob_id(path)}")
        return rows

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        path = unquote(handler.path).removeprefix("/copy/")
        self.asked.append(path)
        body = self.content.get(path)
        fault = self.faults[path].pop(0) if self.faults[path] else ""
        if body is None or fault.isdigit():
            handler.send_error(int(fault or 404))
            return
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        flipped = bytes([body[0] ^ 1]) + body[1:]
        handler.wfile.write({"flip": flipped, "drop": body[: len(body) // 2], "stop": b""}.get(fault, body))


@pytest.fixture
def repository() -> Iterator[Repository]:
    repository = Repository()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            repository.answer(self)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    repository.address = f"http://127.0.0.1:{server.server_port}/copy"
    yield repository
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beeline, "PAUSES", (0.0, 0.0))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def made_up(repository: Repository, small: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Four small data sets in the repository, their list, and one call to fetch them."""
    rows = []
    for name in SETS:
        write_beeline(small, tmp_path / "there" / name)
        rows += repository.add(tmp_path / "there" / name, name)
    text = "\n".join([HEADER, *rows])
    to = tmp_path / "here"
    monkeypatch.setattr(beeline, "listed", lambda: listed(text))

    def call(**changes: Any) -> Path:
        return datasets.fetch("beeline", **{"to": to, "source": repository.address, **changes})

    return SimpleNamespace(fetch=call, to=to, text=text, there=tmp_path / "there", repository=repository)


def files_below(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, hidden ones too."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def victim(name: str = "TF.csv", folder: str = SETS[1]) -> tuple[str, str]:
    return repository_path(folder, name), f"{folder}/{name}"


def test_the_list_that_ships_holds_the_44_published_folders_complete():
    folders: dict[str, set[str]] = defaultdict(set)
    for file in listed():
        folders[file.folder].add(file.name)
    assert len(folders) == 44 and len(listed()) == 220
    assert all(names == FILES for names in folders.values())
    assert {readers.EXPRESSION, readers.TARGETS, readers.TFS, readers.LABELS, readers.NETWORK} == FILES
    assert {folder.split("/")[0] for folder in folders} == {"STRING", "Non-Specific", "Specific", "Lofgof"}
    assert {folder.split("/")[2] for folder in folders} == {"TFs+500", "TFs+1000"}


def test_blob_ids_are_those_of_git(tmp_path: Path):
    for content, digest in (
        (b"", "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"),
        (b"hello\n", "ce013625030ba8dba906f756967f9e9ca394464a"),
    ):
        (tmp_path / "x").write_bytes(content)
        assert blob_id(tmp_path / "x") == digest
    if git := shutil.which("git"):
        (tmp_path / "x").write_bytes(np.random.default_rng(0).bytes(3_000_000))
        completed = subprocess.run(
            [git, "hash-object", "--no-filters", tmp_path / "x"], capture_output=True, text=True, check=True
        )
        assert blob_id(tmp_path / "x") == completed.stdout.strip()


def test_published_files_come_through_the_command_and_are_read(
    repository: Repository, knockout: Callable[..., Any], tmp_path: Path
):
    names = ["STRING/mDC/TFs+500", "Specific/mDC/TFs+500"]
    if not all((BEELINE / name).is_dir() for name in names):
        pytest.skip(f"the published data are not here: {BEELINE}")
    for name in names:
        repository.add(BEELINE / name, name)
    options = ["--network", "STRING", "--network", "Specific", "--cell", "mDC", "--genes", "500"]
    arguments = ["data", "fetch", "beeline", *options, "--to", tmp_path / "my data", "--source", repository.address]
    completed = knockout(*arguments)
    assert completed.code == 0, completed.err
    assert "MIT" in completed.out and "their own terms" in completed.out
    assert all(f"{name}: 5 fetched\n" in completed.out for name in names)
    assert f"data: {tmp_path / 'my data'}\n" in completed.out
    assert f"next: knockout data check '{tmp_path / 'my data'}/STRING/mDC'\n" in completed.out
    for name in names:
        dataset, original = (readers.read(root / name) for root in (tmp_path / "my data", BEELINE))
        assert dataset.name == name and dataset.digest == original.digest
    assert [path.split("/")[2] for path in repository.asked] == ["STRING Dataset"] * 5 + ["Specific Dataset"] * 5
    again = knockout(*arguments)
    assert again.code == 0 and "STRING/mDC/TFs+500: 5 there already\n" in again.out
    assert len(repository.asked) == 10


def test_everything_comes_and_a_second_run_fetches_nothing(
    made_up: SimpleNamespace, same: Callable[..., None], small: Dataset
):
    assert made_up.fetch() == made_up.to
    assert files_below(made_up.to) == files_below(made_up.there)
    for name in SETS:
        same(readers.read(made_up.to / name), small)
    before = {path: path.stat().st_mtime_ns for path in made_up.to.rglob("*.csv")}
    made_up.repository.asked.clear()
    made_up.fetch()
    assert made_up.repository.asked == []
    assert {path: path.stat().st_mtime_ns for path in made_up.to.rglob("*.csv")} == before


@pytest.mark.parametrize("faults", [["flip"], ["drop"], ["stop", "drop"], ["503", "flip"], ["429"]], ids=" ".join)
def test_a_fault_that_a_retry_corrects_is_no_error(made_up: SimpleNamespace, faults: list[str]):
    path, _ = victim("BL--ExpressionData.csv")
    made_up.repository.faults[path] = list(faults)
    made_up.fetch()
    assert files_below(made_up.to) == files_below(made_up.there)
    assert made_up.repository.asked.count(path) == 1 + len(faults)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("flip", "another content came, git blob "),
        ("drop", "the download failed: Connection broken: IncompleteRead("),
        ("500", "the server answers: 500 Server Error"),
    ],
)
def test_a_lasting_fault_is_one_error_and_the_next_run_goes_on(made_up: SimpleNamespace, fault: str, message: str):
    path, name = victim()
    made_up.repository.faults[path] = [fault] * 3
    with pytest.raises(KnockoutError) as caught:
        made_up.fetch()
    expected = next(file.blob for file in listed(made_up.text) if file.path == path)
    for words in (message, "TFs%2B1000/TF.csv: ", "3 tries", f"expected git blob {expected}", "same command"):
        assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    before = list(files_below(made_up.to))
    assert name not in before and len(before) == 8, "what came before stays, nothing half stands about"
    assert made_up.repository.asked.count(path) == 3
    made_up.repository.asked.clear()
    made_up.fetch()
    assert files_below(made_up.to) == files_below(made_up.there)
    assert len(made_up.repository.asked) == 20 - 8


def test_a_missing_file_is_named_at_once(made_up: SimpleNamespace):
    path, name = victim()
    del made_up.repository.content[path]
    with pytest.raises(KnockoutError, match="the server answers: 404") as caught:
        made_up.fetch()
    assert made_up.repository.address in str(caught.value) and "TFs%2B1000/TF.csv" in str(caught.value)
    assert made_up.repository.asked.count(path) == 1
    assert name not in files_below(made_up.to)


def test_a_download_without_end_is_ended_at_once(made_up: SimpleNamespace, monkeypatch: pytest.MonkeyPatch):
    largest = max(map(len, made_up.repository.content.values()))
    monkeypatch.setattr(beeline, "MOST_BYTES", largest - 1)
    with pytest.raises(KnockoutError, match=r"more than 0\.\d MB came.*--source") as refused:
        made_up.fetch()
    path = unquote(refused.value.where).removeprefix(f"{made_up.repository.address}/")
    assert made_up.repository.asked.count(path) == 1  # another try would bring as much
    assert not list(made_up.to.rglob("*BL--ExpressionData.csv*"))
    monkeypatch.setattr(beeline, "MOST_BYTES", largest)
    made_up.fetch()
    assert files_below(made_up.to) == files_below(made_up.there)


def test_a_wrong_local_file_is_replaced(made_up: SimpleNamespace):
    made_up.fetch()
    path, name = victim()
    other, pointer = victim("Label.csv")
    (made_up.to / name).write_bytes((made_up.to / name).read_bytes()[:-1])
    (made_up.to / pointer).write_text("version https://git-lfs.github.com/spec/v1\n")
    made_up.repository.asked.clear()
    made_up.fetch()
    assert sorted(made_up.repository.asked) == sorted([path, other])
    assert files_below(made_up.to) == files_below(made_up.there)


def test_a_wrong_local_file_stays_until_the_right_one_is_there(made_up: SimpleNamespace):
    made_up.fetch()
    path, name = victim()
    (made_up.to / name).write_text("mine\n")
    made_up.repository.faults[path] = ["404"]
    with pytest.raises(KnockoutError):
        made_up.fetch()
    assert (made_up.to / name).read_text() == "mine\n"


def test_an_interrupted_run_leaves_no_half_file_and_goes_on(made_up: SimpleNamespace, monkeypatch: pytest.MonkeyPatch):
    _, name = victim("BL--ExpressionData.csv")

    def interrupted(file: Path) -> str:
        if file.parent == (made_up.to / name).parent and Path(name).name in file.name:
            raise KeyboardInterrupt
        return blob_id(file)

    with monkeypatch.context() as patched:
        patched.setattr(beeline, "blob_id", interrupted)
        with pytest.raises(KeyboardInterrupt):
            made_up.fetch()
    before = files_below(made_up.to)
    assert name not in before and len(before) == 5
    made_up.repository.asked.clear()
    made_up.fetch()
    assert len(made_up.repository.asked) == 15
    assert files_below(made_up.to) == files_below(made_up.there)


def test_what_a_killed_run_left_half_done_is_never_read(made_up: SimpleNamespace):
    made_up.fetch(genes=["500"])
    (made_up.to / SETS[0] / ".TF.csv.0123abcd.part").write_text("half")
    assert len(readers.find(made_up.to)) == 3
    assert readers.read(made_up.to / SETS[0]).n_genes == 8


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, SETS),
        ({"networks": ["STRING"]}, SETS[:2]),
        ({"networks": ["string", "SPECIFIC"], "genes": ["500"]}, (SETS[0], SETS[2])),
        ({"cells": ["mdc"], "genes": ["1000"]}, SETS[1:2]),
        ({"cells": ["mESC", "mDC"], "genes": ["500", "500"]}, (SETS[0], SETS[2], SETS[3])),
    ],
)
def test_filters_choose_folders(made_up: SimpleNamespace, filters: dict[str, list[str]], expected: tuple[str, ...]):
    made_up.fetch(**filters)
    assert {str(path.relative_to(made_up.to)) for path in readers.find(made_up.to)} == set(expected)
    assert len(made_up.repository.asked) == 5 * len(expected)


@pytest.mark.parametrize(
    ("filters", "message"),
    [
        (
            {"networks": ["Lofgof"], "cells": ["mDC"]},
            "--network: 'Lofgof' has no folder with --cell mDC; it has Lofgof/mESC",
        ),
        ({"networks": ["STRING", "Lofgof"], "cells": ["mDC"], "genes": ["500"]}, "with --cell mDC --genes 500; it has"),
        (
            {"networks": ["lofgof"], "cells": ["mESC", "hESC"]},
            "--cell: 'hESC' has no folder with --network Lofgof; it has",
        ),
    ],
)
def test_a_combination_without_a_folder_names_those_there_are(filters: dict[str, list[str]], message: str):
    with pytest.raises(KnockoutError) as caught:
        choose(listed(), **filters)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["beline"], "knockout data fetch: unknown collection 'beline'. Did you mean 'beeline'? Known: beeline."),
        (["beeline", "--network", "Strng"], "--network: unknown network 'Strng'. Did you mean 'STRING'?"),
        (["beeline", "--cell", "mDC", "--cell", "mHSCL"], "--cell: unknown cell 'mHSCL'. Did you mean 'mHSC-L'?"),
        (["beeline", "--genes", "5000"], "--genes: unknown genes '5000'. Did you mean '500'? Known: 1000, 500."),
        (["beeline", "--network", "Lofgof", "--cell", "mDC"], "it has Lofgof/mESC/TFs+1000, Lofgof/mESC/TFs+500."),
        (["beeline", "--source", "ftp://x/y"], "--source: 'ftp://x/y' is no http:// or https:// address"),
    ],
    ids=" ".join,
)
def test_a_wrong_choice_ends_with_one_line_and_fetches_nothing(
    knockout: Callable[..., Any], tmp_path: Path, options: list[str], message: str
):
    completed = knockout("data", "fetch", *options, "--to", tmp_path / "to")
    assert completed.code == 2 and message in completed.err
    assert completed.err.startswith("error: ") and completed.err.count("\n") == 1
    assert not (tmp_path / "to").exists()


def test_without_a_network_the_error_is_one_line(knockout: Callable[..., Any], tmp_path: Path):
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        closed = f"http://127.0.0.1:{server.server_port}"
    completed = knockout("data", "fetch", "beeline", "--to", tmp_path, "--source", closed)
    assert completed.code == 2 and "Connection refused" in completed.err and "3 tries" in completed.err
    assert completed.err.startswith("error: http://127.0.0.1") and completed.err.count("\n") == 1
    assert files_below(tmp_path) == {}


def test_a_folder_that_cannot_be_written_is_one_line(made_up: SimpleNamespace, tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(KnockoutError, match=r"cannot be written: .* is a file, and no folder"):
        made_up.fetch(to=tmp_path / "file")


def test_the_default_folder_is_the_users_cache(
    made_up: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(pooch, "os_cache", lambda name: tmp_path / "cache" / name)
    assert made_up.fetch(to=None) == tmp_path / "cache" / "knockout" / "beeline"
    assert files_below(tmp_path / "cache" / "knockout" / "beeline") == files_below(made_up.there)


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "../Label.csv",
        "Dataset/Benchmark Dataset/STRING Dataset/../TFs+500/Label.csv",
        "Dataset/Benchmark Dataset/.. Dataset/mDC/TFs+500/Label.csv",
        "Dataset/Benchmark Dataset/../../x Dataset/mDC/TFs+500/Label.csv",
        "Dataset/Benchmark Dataset/STRING Dataset/mDC/TFs+500/../Label.csv",
        "Dataset/Benchmark Dataset/STRING Dataset/mDC/TFs+500/../../../../Label.csv",
        "Dataset/Benchmark Dataset/STRING Dataset/mDC/TFs+500/sub/Label.csv",
        "Dataset/Benchmark Dataset/STRING Dataset/mDC\\..\\..\\x/TFs+500/Label.csv",
        "Dataset/Benchmark Dataset/STRING Dataset/mDC/TFs+500/run.sh",
        "Dataset/Benchmark Dataset/STRING Dataset/mDC/TFs+500/Label.csv\x00",
        "Dataset/Benchmark Dataset/STRING Dataset/mDC/TFs+٥٠٠/Label.csv",
        "",
    ],
)
def test_a_path_that_could_lead_out_is_refused(path: str):
    fine = victim()[0]
    with pytest.raises(KnockoutError, match=r"list of files, line 3: .* is refused"):
        listed(f"{HEADER}\n{fine},{'0' * 40}\n{path},{'0' * 40}\n")


@pytest.mark.parametrize("blob", ["", "0" * 39, "g" * 40, f"{'0' * 40},x"])
def test_a_list_without_proper_ids_is_refused(blob: str):
    with pytest.raises(KnockoutError, match="is refused"):
        listed(f"{HEADER}\n{victim()[0]},{blob}\n")


def test_a_listed_file_has_its_folder():
    (file,) = listed(f"{HEADER}\n{repository_path('Non-Specific/mHSC-GM/TFs+500', 'TF.csv')},{'0' * 40}\n")
    assert file == RemoteFile(file.path, "0" * 40, "Non-Specific", "mHSC-GM", "500", "TF.csv")
    assert file.folder == "Non-Specific/mHSC-GM/TFs+500"
