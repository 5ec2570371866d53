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
    stores: list[Path] = []

    def migrate(store: Path) -> None:
        stores.append(store)
        store.write_bytes(empty_store.read_bytes())

    monkeypatch.setattr(pooch, "os_cache", lambda name: tmp_path / "cache" / name)
    monkeypatch.setattr(store_file, "_migrate", migrate)
    return stores


def experiments(out: Path) -> dict[str, str]:
    listed = MlflowClient(f"sqlite:///{out / 'mlflow.db'}").search_experiments()
    return {one.name: one.artifact_location for one in listed}


def opened(out: Path) -> Path:
    out.mkdir()
    assert MlflowStore(default_uri(out), "mine", OutFolder(out)).experiment_id
    return out


def test_the_second_store_is_a_copy_without_paths_of_the_first(
    tmp_path: Path, migrated: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened(tmp_path / "one")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    second = opened(tmp_path / "two")
    assert len(migrated) == 1
    by_name = experiments(second)
    assert set(by_name) == {"mine", "Default"}
    assert "elsewhere" in by_name["Default"]
    assert "one" not in str(by_name)


@pytest.mark.parametrize("content", [b"", b"no database", None], ids=["empty", "damaged", "without tables"])
def test_a_cached_store_that_is_damaged_is_made_anew(
    tmp_path: Path, migrated: list[Path], content: bytes | None
) -> None:
    cached = store_file._cached_store()
    cached.parent.mkdir(parents=True)
    if content is None:
        with closing(sqlite3.connect(cached)) as database:
            database.execute("create table mine (a)")
    else:
        cached.write_bytes(content)
    opened(tmp_path / "one")
    assert len(migrated) == 1
    opened(tmp_path / "two")
    assert len(migrated) == 1


def test_a_cache_folder_that_cannot_be_written_ends_nothing(tmp_path: Path, migrated: list[Path]) -> None:
    (tmp_path / "cache").write_text("a file in its place")
    assert "mine" in experiments(opened(tmp_path / "one"))
    assert "mine" in experiments(opened(tmp_path / "two"))
    assert len(migrated) == 2
