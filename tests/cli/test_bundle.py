"""A study as one archive: packed the same twice, checked, and every change of it detected."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.core.errors import KnockoutError
from components.data.simulator import SimulatorSettings, simulate
from study.actions.bundle import archive
from study.actions.bundle.archive import read_archive, write_archive
from study.actions.bundle.compare import difference_of_tables, difference_of_texts
from study.spec.folder import OutFolder
from study.store.plan_file import add_command
from study.store.registration import RegistrationRecord

# a bundle is made and checked with real figures; tests/front has a fast one from Python
pytestmark = [pytest.mark.usefixtures("drawn"), pytest.mark.slow]

Files = dict[str, bytes]
Knockout = Callable[..., Any]


@pytest.fixture(scope="module")
def registered(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the output folder of a study that was registered."""
    from study.actions.preview import register
    from study.actions.screen import Screen
    from study.study_file.study import load_study

    out = Path(shutil.copytree(finished, tmp_path_factory.mktemp("registered") / "out"))
    register(load_study(finished.parent / "tiny.yaml"), out, Screen())
    return out


@pytest.fixture(scope="module")
def packed(registered: Path) -> Path:
    """Return the bundle of a study that was registered."""
    from study.actions.bundle.pack import bundle
    from study.actions.screen import Screen

    return bundle(registered, registered.parent / "study.zip", Screen()).path


@pytest.fixture
def changed(packed: Path, tmp_path: Path) -> Callable[..., Path]:
    """Change files of the bundle; with ``forge`` the manifest has their new digests."""

    def change(edits: dict[str, Callable[[str], str]], *, forge: bool = True, manifest: Any = None) -> Path:
        files = read_archive(packed)
        for name, edit in edits.items():
            before = files[name].decode()
            files[name] = edit(before).encode()
            assert files[name].decode() != before, f"{name} was not changed"
        if forge:
            content = json.loads(files["manifest.json"])
            content["members"] |= {name: hashlib.sha256(files[name]).hexdigest() for name in edits}
            content |= manifest or {}
            files["manifest.json"] = json.dumps(content).encode()
        write_archive(files, tmp_path / "changed.zip")
        return tmp_path / "changed.zip"

    return change


def differing(completed: Any) -> dict[str, str]:
    """Return what differs and what was seen, by name, of the table that was printed."""
    assert completed.code == 1 and "do not trust this bundle" in completed.out, completed.out + completed.err
    rows = [[cell.strip() for cell in line.split("│")] for line in completed.out.splitlines() if "│" in line]
    whole: list[list[str]] = []
    for row in rows:  # a long cell goes on in the next line
        if row[1]:
            whole.append(row)
        else:
            whole[-1] = [f"{a}{b}" for a, b in zip(whole[-1], row, strict=True)]
    return {what: observed for what, word, observed in whole if word == "DIFFERS"}


def replaced(before: str, after: str) -> Callable[[str], str]:
    return lambda text: text.replace(before, after, 1)


def better(table: str) -> str:
    """Return the table with the reference's first AUROC in the test raised."""
    lines = table.splitlines(keepends=True)
    at = next(i for i, line in enumerate(lines) if ",reference," in line and ",test,auroc," in line)
    score = lines[at].rstrip("\n").rpartition(",")[2]
    lines[at] = lines[at].replace(score, str(min(float(score) + 0.05, 0.999)))
    return "".join(lines)


def test_the_same_study_gives_the_same_archive_which_agrees_with_itself(
    knockout: Knockout, registered: Path, packed: Path, tmp_path: Path
):
    before = {str(path): path.stat().st_mtime_ns for path in registered.rglob("*")}
    completed = knockout("bundle", registered, "--to", tmp_path / "again.zip")
    assert completed.code == 0 and (tmp_path / "again.zip").read_bytes() == packed.read_bytes()
    assert hashlib.sha256(packed.read_bytes()).hexdigest() in completed.out
    assert {str(path): path.stat().st_mtime_ns for path in registered.rglob("*")} == before
    checked = knockout("check", tmp_path / "again.zip")
    assert checked.code == 0 and "DIFFERS" not in checked.out and "agrees with itself" in checked.out
    assert "6 of 6 planned cells have ended" in checked.out and "registered on" in checked.out
    assert "derived from the table, byte by byte" in checked.out


def test_a_bundle_holds_what_a_reviewer_needs_and_no_data(packed: Path):
    files = read_archive(packed)
    named = {"study.yaml", "registration.yaml", "cells.csv", "commands.txt", "environment.txt", "plan.json"}
    assert {name for name in files if not name.startswith("report/")} == {*named, "manifest.json"}
    assert {"report/report.html", "report/report.md", "report/tables/conclusions.csv"} <= set(files)
    manifest = json.loads(files["manifest.json"])
    data = simulate(SimulatorSettings(genes=64, tfs=8, cells=40), seed=1)
    assert manifest["datasets"]["net"]["data"] == data.digest and set(manifest["members"]) == set(files) - {
        "manifest.json"
    }
    genes = re.compile(r"\b(" + "|".join(map(re.escape, data.genes)) + r")\b")
    for name, content in files.items():
        assert not genes.search(content.decode()), f"{name} names genes"
    assert yaml.safe_load(files["study.yaml"])["name"] == "tiny" and "torch==" in files["environment.txt"].decode()


def test_the_report_of_a_bundle_equals_the_report_of_the_study(packed: Path, finished: Path):
    files = read_archive(packed)
    for name in ("conclusions", "findings", "scores_auroc", "scores_auprc", "gain_over_strongest_control"):
        own = (finished / "report" / "tables" / f"{name}.csv").read_bytes()
        assert difference_of_tables(files[f"report/tables/{name}.csv"], own) == ""


def test_the_study_of_a_bundle_is_the_study(packed: Path, finished: Path, tmp_path: Path):
    from study.study_file.study import load_study

    (tmp_path / "study.yaml").write_bytes(read_archive(packed)["study.yaml"])
    bundled, given = load_study(tmp_path / "study.yaml"), load_study(finished.parent / "tiny.yaml")
    assert bundled.arms == given.arms and bundled.content == given.content


def test_a_change_without_a_new_digest_is_named(knockout: Knockout, changed: Any):
    wrong = differing(knockout("check", changed({"cells.csv": better}, forge=False)))
    assert "was changed" in wrong["cells.csv"]


def test_a_score_that_was_changed_is_found_though_its_digest_fits(knockout: Knockout, changed: Any):
    wrong = differing(knockout("check", changed({"cells.csv": better})))
    assert {"report/report.html", "report/report.md", "report/tables/scores_auroc.csv"} <= set(wrong)
    assert "derived:" in wrong["report/tables/scores_auroc.csv"]


def test_a_report_that_was_changed_is_found_though_its_digest_fits(knockout: Knockout, changed: Any):
    edits = {
        "report/report.html": replaced("the design cannot tell", "earns its keep"),
        "report/report.md": replaced("the design cannot tell", "earns its keep"),
        "report/tables/conclusions.csv": replaced("the design cannot tell", "earns its keep"),
        "report/tables/methods/methods.txt": lambda text: text + "All was preregistered.\n",
        "study.yaml": replaced("metric: auroc", "metric: auprc"),
    }
    wrong = differing(knockout("check", changed(edits)))
    assert set(wrong) == {*edits, "study"} - {"study.yaml"}
    assert "earns its keep" in wrong["report/report.html"]


def test_a_picture_that_was_changed_is_found(knockout: Knockout, changed: Any):
    wrong = differing(
        knockout("check", changed({"report/report.html": lambda t: t.replace("<svg ", "<svg x='1' ", 1)}))
    )
    assert "its pictures differ" in wrong["report/report.html"]


def test_a_registration_that_was_changed_is_found(knockout: Knockout, changed: Any):
    wider = replaced("margin: 0.01", "margin: 0.05")
    wrong = differing(knockout("check", changed({"registration.yaml": wider})))
    assert "it was edited" in wrong["registration"]

    def sound(text: str) -> str:  # with a digest of its own
        record = RegistrationRecord.model_validate(yaml.safe_load(wider(text)))
        return wider(text).replace(record.digest, record.computed)

    wrong = differing(knockout("check", changed({"registration.yaml": sound})))
    assert "registration" not in wrong and {"report/report.html", "report/report.md"} <= set(wrong)


@pytest.mark.parametrize(
    "edit",
    [
        lambda text: "",
        lambda text: text.replace(",test,auroc,", ",test,auroc,x"),
        lambda text: text.replace("cell,", "cells,", 1),
        lambda text: text.replace(",ok,", ",fine,", 1),
        lambda text: text[: len(text) // 2],
        lambda text: text.replace("full model", "\0"),
    ],
)
def test_a_table_that_cannot_be_read_does_not_agree(knockout: Knockout, changed: Any, edit: Callable[[str], str]):
    completed = knockout("check", changed({"cells.csv": edit}))
    assert {"table", "report"} & {what.split("/")[0] for what in differing(completed)} and completed.err == ""


def test_a_plan_that_does_not_fit_its_table_is_found(knockout: Knockout, changed: Any, packed: Path):
    digest = json.loads(read_archive(packed)["manifest.json"])["datasets"]["net"]["data"]
    wrong = differing(knockout("check", changed({"plan.json": lambda text: text.replace(digest, "0" * 16)})))
    assert "not as planned" in wrong["table"] and "other cells, data sets or data digests" in wrong["plan"]


def test_words_cannot_be_struck_out_as_versions(knockout: Knockout, changed: Any):
    edits = {"report/report.html": replaced("the design cannot tell", "")}
    wrong = differing(knockout("check", changed(edits, manifest={"libraries": ["the design cannot tell"]})))
    assert "not those of a report" in wrong["report"]


def test_other_versions_are_stated_and_their_pictures_left_out(knockout: Knockout, changed: Any, packed: Path):
    libraries = json.loads(read_archive(packed)["manifest.json"])["libraries"]
    older = [re.sub("^matplotlib .*", "matplotlib 3.9.0", one) for one in libraries]
    now = next(one for one in libraries if one.startswith("matplotlib"))
    drawn = {"report/report.html": lambda t: t.replace("<svg ", "<svg x='1' ", 1).replace(now, "matplotlib 3.9.0")}
    completed = knockout("check", changed(drawn, manifest={"libraries": older}))
    assert completed.code == 0 and "pictures of other versions are not compared" in " ".join(completed.out.split())
    assert "matplotlib 3.9.0" in completed.out


def test_files_that_are_missing_or_added_are_named(knockout: Knockout, packed: Path, tmp_path: Path):
    files = read_archive(packed)
    del files["study.yaml"], files["report/tables/conclusions.csv"]
    files["notes.txt"] = b"trust me"
    write_archive(files, tmp_path / "x.zip")
    wrong = differing(knockout("check", tmp_path / "x.zip"))
    assert "not in the archive" in wrong["study.yaml"] and "not in the manifest" in wrong["notes.txt"]
    assert "not in the bundle" in wrong["report/tables/conclusions.csv"]


def link(archive: zipfile.ZipFile) -> None:
    info = zipfile.ZipInfo("study.yaml")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    archive.writestr(info, "/etc/passwd")


def encrypted(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as zipped:
        zipped.writestr("a.txt", "x")
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("../evil.txt", "leads out"),
        ("a/../../evil.txt", "leads out"),
        ("/etc/evil.txt", "leads out"),
        ("a\\..\\evil.txt", "leads out"),
        ("C:evil.txt", "leads out"),
        ("folder/", "leads out"),
        ("./manifest.json", "leads out"),
        ("manifest.json/x", "stands twice, or is a file and a folder"),
        ("MANIFEST.json", "stands twice"),
    ],
)
def test_a_name_that_leads_elsewhere_is_refused(knockout: Knockout, tmp_path: Path, name: str, message: str):
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as zipped:
        zipped.writestr("manifest.json", "{}")
        zipped.writestr(name, "x")
    completed = knockout("check", path)
    assert completed.code == 2 and message in completed.err and "Traceback" not in completed.err
    assert [p.name for p in tmp_path.iterdir()] == ["x.zip"]


def test_what_is_no_sound_archive_is_refused(
    knockout: Knockout, packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path, content = tmp_path / "x.zip", packed.read_bytes()
    middle = bytearray(content)
    middle[len(content) // 3] ^= 0xFF
    for spoiled in (b"", b"PK", content[: len(content) // 2], bytes(middle), b"x" * 1000):
        path.write_bytes(spoiled)
        completed = knockout("check", path)
        assert completed.code == 2 and "damaged" in completed.err and completed.err.count("\n") == 1
    encrypted(path)
    assert "is encrypted" in knockout("check", path).err
    with zipfile.ZipFile(path, "w") as zipped:
        link(zipped)
    assert "is a link" in knockout("check", path).err
    with zipfile.ZipFile(path, "w") as zipped:
        zipped.writestr("a.txt", "x")
    assert "no bundle of knockout" in knockout("check", path).err
    for manifest in ("{}", '{"version": 99}', "[]", "[" * 10_000):
        with zipfile.ZipFile(path, "w") as zipped:
            zipped.writestr("manifest.json", manifest)
        completed = knockout("check", path)
        assert completed.code == 2 and "manifest.json" in completed.err
    assert knockout("check", tmp_path).code == knockout("check", tmp_path / "none.zip").code == 2
    monkeypatch.setattr(archive, "MOST_BYTES", 1000)
    assert "unpacks to more than" in knockout("check", packed).err
    monkeypatch.setattr(archive, "MOST_MEMBERS", 3)
    assert "files, more than 3" in knockout("check", packed).err


def test_an_archive_with_a_false_size_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(archive, "MOST_BYTES", 100_000)
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as zipped:
        zipped.writestr("a.txt", b"\0" * 10_000_000)
    content = bytearray(path.read_bytes())
    at = content.index(b"PK\x01\x02")
    content[at + 24 : at + 28] = (10).to_bytes(4, "little")  # the size it declares
    path.write_bytes(content)
    with pytest.raises(KnockoutError):
        read_archive(path)


def test_a_registration_that_unfolds_without_end_is_refused(knockout: Knockout, changed: Any):
    lines = ["a0: &a0 [x, x]", *(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12))]
    wrong = differing(knockout("check", changed({"registration.yaml": lambda text: "\n".join(lines)})))
    assert "unfold to more than" in wrong["registration"]


def test_a_bundle_is_refused_where_it_cannot_be(knockout: Knockout, finished: Path, packed: Path, tmp_path: Path):
    (tmp_path / "mine.zip").write_text("mine")
    for command, message in (
        (("bundle", tmp_path, "--to", tmp_path / "a.zip"), "no study was run here"),
        (("bundle", tmp_path / "none", "--to", tmp_path / "a.zip"), "no study was run here"),
        (("bundle", finished, "--to", tmp_path / "a.tar"), "name it a.zip"),
        (("bundle", finished, "--to", tmp_path / "mine.zip"), "another file is there already"),
    ):
        completed = knockout(*command)
        assert completed.code == 2 and message in completed.err and completed.err.count("\n") == 1
    assert (tmp_path / "mine.zip").read_text() == "mine" and not (tmp_path / "a.zip").exists()


def test_no_password_is_in_a_bundle(knockout: Knockout, finished_search: Path, tmp_path: Path):
    out = Path(shutil.copytree(finished_search, tmp_path / "out"))
    file = OutFolder(out).search.summary
    summary = json.loads(file.read_text()) | {"storage": "postgresql://me:sesame1@host/db?token=sesame2"}
    file.write_text(json.dumps(summary))
    add_command(out, "knockout run x --tracking-uri http://me:sesame3@host --out out")
    assert knockout("bundle", out, "--to", tmp_path / "s.zip").code == 0
    for name, content in read_archive(tmp_path / "s.zip").items():
        assert b"sesame" not in content, name


def test_a_sealed_search_is_bundled_without_its_test(knockout: Knockout, finished_search: Path, tmp_path: Path):
    assert knockout("bundle", finished_search, "--to", tmp_path / "s.zip").code == 0
    files = read_archive(tmp_path / "s.zip")
    assert "cells.csv" not in files and "plan.json" not in files and "search/trials.csv" in files
    checked = knockout("check", tmp_path / "s.zip")
    assert checked.code == 0 and "the test of the search is sealed" in checked.out
    text = files["search/trials.csv"].decode()
    score = re.search(r"0\.\d{4,}", text)
    assert score is not None
    files["search/trials.csv"] = text.replace(score[0], "0.987654").encode()
    write_archive(files, tmp_path / "t.zip")
    assert "search/trials.csv" in differing(knockout("check", tmp_path / "t.zip"))


def test_a_tuned_ablation_is_bundled_with_its_tuning(knockout: Knockout, finished_tuning: Path, tmp_path: Path):
    assert knockout("bundle", finished_tuning, "--to", tmp_path / "s.zip").code == 0
    assert "tune/tuning.csv" in read_archive(tmp_path / "s.zip")
    assert knockout("check", tmp_path / "s.zip").code == 0


def test_numbers_agree_but_for_last_digits():
    one = b"arm,value\na,0.123456789\nb,\n"
    assert difference_of_tables(one, b"arm,value\na,0.1234567891\nb,\n") == ""
    assert difference_of_tables(one, b"arm,value\na,0.12346\nb,\n") == "row 2, value: 0.123456789; derived: 0.12346"
    assert difference_of_tables(one, b"arm,value\na,0.123456789\nb,0\n") == "row 3, value: ; derived: 0"
    assert "3 rows" in difference_of_tables(one, one + b"c,1\n")
    assert difference_of_texts(b"<p>numpy 2.0</p><svg>1</svg>", b"<p>numpy 2.1</p>", ["numpy 2.0", "numpy 2.1"]) == ""
    assert difference_of_texts(b"<p>may go</p>", b"<p>costs</p>") == "'may go'; derived: 'costs'"
