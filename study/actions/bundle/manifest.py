"""What a bundle says that it holds."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from study.spec.records import Record

MANIFEST = "manifest.json"


class Manifest(Record):
    """The first file of a bundle.

    Attributes
    ----------
    study
        Name of the study.
    cells, ended
        Number of planned cells and of those that have ended; 0 of a search whose test is sealed.
    datasets
        Block, network, exam and data digest of every data set by name.
    versions, libraries
        What the bundle was packed with, and what its report was computed with.
    members
        SHA-256 of every other file by name.
    """

    study: str
    cells: int
    ended: int
    datasets: dict[str, dict[str, str]]
    versions: dict[str, str]
    libraries: list[str]
    members: dict[str, str]


def digests(files: Mapping[str, bytes]) -> dict[str, str]:
    """Return the SHA-256 of every file but the manifest, by name."""
    return {name: hashlib.sha256(files[name]).hexdigest() for name in sorted(files) if name != MANIFEST}


def datasets_of(rows: Any) -> dict[str, dict[str, str]]:
    """Return what planned cells say of their data sets, by name."""
    return {
        row.dataset: {"block": row.block, "network": row.network, "split": row.split, "data": row.data_digest}
        for row in rows
    }
