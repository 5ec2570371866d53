"""Sends the ablation path of a search to MLflow, as its folder holds it."""

from __future__ import annotations

import csv
from pathlib import Path

from study.spec.folder import SearchFolder
from study.spec.records import PlanRecord, read_record
from study.store.ledger import Ledger
from study.store.tracking.tracker import Tracker


def send_path(folder: SearchFolder, tracker: Tracker, ledger: Ledger) -> set[str]:
    """Send what MLflow lacks of a path's cells, with the test of arms that are on the path; return their digests.

    The tracker is one of the stage ``PATH``.
    """
    walked = read_record(folder.walked, PlanRecord)
    if walked is None:
        return set()
    tracker.opened = _steps(folder.path)
    records = ledger.read_all(row.cell for row in walked.rows)
    tracker.close(walked.rows, records)
    return set(records)


def _steps(file: Path) -> set[str]:
    """Return the digests of arms on the path; none before it is at its end."""
    if not file.is_file():
        return set()
    with file.open(encoding="utf-8", newline="") as lines:
        return {row["arm_digest"] for row in csv.DictReader(lines)}
