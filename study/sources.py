"""Brings a study's data sets into memory, once per process."""

from __future__ import annotations

import dataclasses
import json
from functools import lru_cache
from pathlib import Path

from components import readers
from components.dataset import Dataset
from components.errors import KnockoutError
from components.orthologs import read_orthologs, transfer
from components.simulator import SimulatorSettings, simulate
from study.config import DatasetSpec

__all__ = ["load_dataset"]


def load_dataset(spec: DatasetSpec, root: Path) -> Dataset:
    """Read or simulate the data set that a study file names.

    Raises
    ------
    KnockoutError
        If it is not there or its files are wrong.
    """
    return _load(spec.model_dump_json(), str(root))


@lru_cache(maxsize=8)
def _load(spec_json: str, root: str) -> Dataset:
    spec = DatasetSpec(**json.loads(spec_json))
    if spec.simulate is not None:
        dataset = simulate(SimulatorSettings(**spec.simulate), seed=spec.seed)
        labels = {key: getattr(spec, key) for key in ("name", "block", "network") if getattr(spec, key)}
        if "name" not in labels and spec.seed:
            labels["name"] = f"{dataset.name}-{spec.seed}"
        return dataclasses.replace(dataset, **labels)
    base = Path(root)
    tested = _read(spec, base, str(spec.path))
    if spec.train_on is None:
        return tested
    named = [spec.train_on] if isinstance(spec.train_on, str) else spec.train_on
    orthologs = read_orthologs(base / spec.orthologs) if spec.orthologs else None
    plain = DatasetSpec(path=spec.path)
    dataset = transfer([_read(plain, base, path) for path in named], tested, orthologs)
    return dataclasses.replace(dataset, name=spec.name) if spec.name else dataset


def _read(spec: DatasetSpec, base: Path, place: str) -> Dataset:
    path = base / place
    if not path.exists():
        raise KnockoutError(
            f"there is no data set {str(path)!r}. Paths are relative to --data, or to the study file without it.",
            where=f"data set {spec.name or place}",
        )
    return readers.read(
        path,
        name=spec.name,
        block=spec.block,
        network=spec.network,
        network_file=base / spec.network_file if spec.network_file else None,
        tfs_file=base / spec.tfs_file if spec.tfs_file else None,
    )
