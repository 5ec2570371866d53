"""An empty MLflow store: its migrations take seconds, so one is kept per version of MLflow, and copied for studies."""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import pooch


def make_empty(store: Path, migrate: Callable[[Path], None]) -> None:
    """Write an empty sqlite store, by ``migrate`` where the user's cache folder holds none of this MLflow."""
    kept = _kept()
    with suppress(OSError, sqlite3.Error):
        if _is_sound(kept):
            shutil.copyfile(kept, store)
            return
    store.unlink(missing_ok=True)
    migrate(store)
    with suppress(OSError, sqlite3.Error):  # a home that cannot be written: each study migrates a store of its own
        _keep(store, kept)


def _kept() -> Path:
    """Return where the store of the installed MLflow is kept: its tables are those that its migrations make."""
    import mlflow.store.db_migrations as migrations

    revisions = sorted(path.name for path in Path(*migrations.__path__, "versions").glob("*.py"))
    known = hashlib.sha256("\n".join(revisions).encode()).hexdigest()[:16]
    return Path(pooch.os_cache("knockout"), f"mlflow-{known}.db")


def _is_sound(store: Path) -> bool:
    if not store.is_file():
        return False
    with closing(sqlite3.connect(f"{store.resolve().as_uri()}?mode=ro", uri=True)) as database:
        sound: bool = database.execute("pragma quick_check(1)").fetchone() == ("ok",)
        return sound and database.execute("select count(*) from alembic_version").fetchone() == (1,)


def _keep(store: Path, kept: Path) -> None:
    """Keep a copy without the default experiment, which names the folder that it was made in; MLflow makes it anew."""
    part = kept.with_suffix(f".{os.getpid()}.part")
    try:
        kept.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        shutil.copyfile(store, part)
        with closing(sqlite3.connect(part)) as database:
            database.execute("delete from experiments")
            database.commit()
            database.execute("vacuum")
        part.replace(kept)
    finally:
        part.unlink(missing_ok=True)
