"""Where MLflow's record of a study lies: its addresses, and the sqlite file in an output folder.

Whoever imports MLflow calls :func:`prepared_client` first, which switches its telemetry off.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import sqlite3
import tempfile
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from components.core.errors import command
from study.spec.files import set_aside
from study.spec.folder import OutFolder

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

SIDECARS = ("-journal", "-wal", "-shm")  # SQLite would play an old journal into a new store


def default_uri(out: Path) -> str:
    """Return the address of the sqlite store inside an output folder."""
    return f"sqlite:///{OutFolder(out.resolve()).mlflow}"


def view_address(uri: str, view: str) -> str:
    """Return where MLflow's interface compares the arms: at its server, or at one that is started on this machine."""
    server = uri if uri.startswith("http") else "http://127.0.0.1:5000"
    return f"{server.rstrip('/')}/{view}"


def serve_command(uri: str) -> str:
    """Return the command that starts MLflow's interface on a store; empty for a server, where one runs."""
    return "" if uri.startswith("http") else command("mlflow", "ui", "--backend-store-uri", uri)


def prepared_client() -> type[MlflowClient]:
    """Import MLflow without its telemetry, its logs and its patience; return the class of its client."""
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"  # read at import; only the word 'true' counts
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "ERROR")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")  # seven of them take four minutes
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")  # two lines for every run that ends
    from mlflow.store.db import utils
    from mlflow.tracking import MlflowClient

    utils.MAX_RETRY_COUNT = 3  # ten of them take two minutes
    for name in ("alembic", "mlflow", "urllib3"):  # what they warn of is said once, without secrets
        logging.getLogger(name).setLevel(logging.ERROR)
    return MlflowClient


def set_ruin_aside(folder: OutFolder) -> Path | None:
    """Rename the store of an output folder if it cannot be read; return its new name, None if it is sound or held."""
    store = folder.mlflow
    if not store.exists() or not _ruined(store):
        return None
    beside = [store.with_name(store.name + suffix) for suffix in SIDECARS]
    return set_aside(store, *beside, folder.mlflow_artifacts)  # copies of predictions: the new store makes its own


def _ruined(store: Path) -> bool:
    """Whether a file is no database, a damaged one, or one without MLflow's tables; one that is locked is sound."""
    if not store.is_file():
        return True
    try:
        with closing(sqlite3.connect(f"{store.resolve().as_uri()}?mode=ro", uri=True, timeout=1.0)) as database:
            tables = {name for (name,) in database.execute("select name from sqlite_master where type = 'table'")}
            sound = database.execute("pragma quick_check(1)").fetchone() == ("ok",)
            return not sound or not {"experiments", "runs", "alembic_version"} <= tables
    except sqlite3.OperationalError:  # locked, or not ours to read
        return False
    except sqlite3.DatabaseError:
        return True


def provide_store(folder: OutFolder) -> None:
    """Make the sqlite store aside: a kill amid MLflow's migrations would leave one that nobody can open.

    It is a copy where the user's cache folder holds one of this MLflow: migrations take seconds.
    """
    root, store = folder.root, folder.mlflow
    for ruin in root.glob(".mlflow-*"):
        shutil.rmtree(ruin, ignore_errors=True)
    if not store.exists():
        with tempfile.TemporaryDirectory(dir=root, prefix=".mlflow-") as aside:
            empty, cached = Path(aside) / store.name, _cached_store()
            try:
                if _ruined(cached):
                    raise FileNotFoundError(cached)
                shutil.copyfile(cached, empty)
            except OSError:
                empty.unlink(missing_ok=True)
                _migrate(empty)
                with suppress(OSError, sqlite3.Error):  # a home that cannot be written: each study migrates its own
                    _keep(empty, cached)
            empty.replace(store)


def point_at_artifacts(folder: OutFolder) -> None:
    """Point the store of a folder that was moved or copied at the artifacts in it: MLflow keeps whole paths.

    It would go on to write where the folder was, into the artifacts of the study that this one is a copy of.
    """
    here = folder.mlflow_artifacts.as_uri()
    elsewhere = (
        "SELECT DISTINCT artifact_location FROM experiments WHERE artifact_location LIKE ? AND artifact_location != ?"
    )
    # what SQLite cannot read, or may not write, MLflow refuses with its reason
    with suppress(sqlite3.Error), closing(sqlite3.connect(folder.mlflow, timeout=10)) as store, store:
        for (before,) in store.execute(elsewhere, (f"file://%/{folder.mlflow_artifacts.name}", here)).fetchall():
            store.execute("UPDATE experiments SET artifact_location = ? WHERE artifact_location = ?", (here, before))
            store.execute(
                "UPDATE runs SET artifact_uri = ? || substr(artifact_uri, ?) WHERE substr(artifact_uri, 1, ?) = ?",
                (here, len(before) + 1, len(before) + 1, f"{before}/"),
            )


def _cached_store() -> Path:
    """Return where the store of the installed MLflow is kept: its tables are those that its migrations make."""
    import mlflow.store.db_migrations as migrations
    import pooch

    revisions = sorted(path.name for path in Path(*migrations.__path__, "versions").glob("*.py"))
    known = hashlib.sha256("\n".join(revisions).encode()).hexdigest()[:16]
    return Path(pooch.os_cache("knockout"), f"mlflow-{known}.db")


def _keep(store: Path, cached: Path) -> None:
    """Keep a copy without the default experiment, which names the folder that it was made in; MLflow makes it anew."""
    part = cached.with_suffix(f".{os.getpid()}.part")
    try:
        cached.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        shutil.copyfile(store, part)
        with closing(sqlite3.connect(part)) as database:
            database.execute("delete from experiments")
            database.commit()
            database.execute("vacuum")
        part.replace(cached)
    finally:
        part.unlink(missing_ok=True)


def _migrate(store: Path) -> None:
    prepared_client()(f"sqlite:///{store}").search_experiments(max_results=1)
