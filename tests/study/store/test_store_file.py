import sqlite3
from contextlib import closing
from pathlib import Path

import pooch
import pytest
from mlflow.tracking import MlflowClient

from study.spec.folder import OutFolder
from study.store.tracking import store_file
from study.store.tracking.experiment import MlflowStore
from study.store.tracking.store_file import default_uri


@pytest.fixture
def migrated(tmp_path: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Keep stores below ``tmp_path``, and list what was migrated; a copy stands for migrations, which take seconds."""
    made: list[Path] = []

    def migrate(store: Path) -> None:
        made.append(store)
        store.write_bytes(empty_store.read_bytes())

    monkeypatch.setattr(pooch, "os_cache", lambda name: tmp_path / "cache" / name)
    monkeypatch.setattr(store_file, "_migrate", migrate)
    return made


def experiments(out: Path) -> dict[str, str]:
    found = MlflowClient(f"sqlite:///{out / 'mlflow.db'}").search_experiments()
    return {one.name: one.artifact_location for one in found}


def opened(out: Path) -> Path:
    out.mkdir()
    assert MlflowStore(default_uri(out), "mine", OutFolder(out)).experiment_id
    return out


def test_the_second_store_is_a_copy_that_says_nothing_of_the_first(
    tmp_path: Path, migrated: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened(tmp_path / "one")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    second = opened(tmp_path / "two")
    assert len(migrated) == 1
    found = experiments(second)
    assert set(found) == {"mine", "Default"}
    assert "elsewhere" in found["Default"]
    assert "one" not in str(found)


@pytest.mark.parametrize("content", [b"", b"no database", None], ids=["empty", "damaged", "without tables"])
def test_a_kept_store_that_is_damaged_is_made_anew(tmp_path: Path, migrated: list[Path], content: bytes | None) -> None:
    kept = store_file._cached_store()
    kept.parent.mkdir(parents=True)
    if content is None:
        with closing(sqlite3.connect(kept)) as database:
            database.execute("create table mine (a)")
    else:
        kept.write_bytes(content)
    opened(tmp_path / "one")
    assert len(migrated) == 1
    opened(tmp_path / "two")
    assert len(migrated) == 1


def test_a_cache_folder_that_cannot_be_written_ends_nothing(tmp_path: Path, migrated: list[Path]) -> None:
    (tmp_path / "cache").write_text("a file in its place")
    assert "mine" in experiments(opened(tmp_path / "one"))
    assert "mine" in experiments(opened(tmp_path / "two"))
    assert len(migrated) == 2
