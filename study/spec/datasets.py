"""Brings a study's data sets into memory, once per process."""

from __future__ import annotations

import dataclasses
import json
from functools import lru_cache
from pathlib import Path

from components.core.dataset import Dataset
from components.core.errors import KnockoutError
from components.data import readers
from components.data.orthologs import read_orthologs, transfer
from components.data.simulator import SimulatorSettings, simulate
from study.study_file.keys import DatasetSpec

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
    if spec.train_on is not None:
        return _transferred(spec, spec.train_on, base)
    path = base / str(spec.path)
    if not path.exists():
        raise KnockoutError(
            f"there is no data set {str(path)!r}. Paths are relative to --data, or to the study file without it.",
            where=f"data set {spec.name or spec.path}",
        )
    return readers.read(
        path,
        name=spec.name,
        block=spec.block,
        network=spec.network,
        network_file=base / spec.network_file if spec.network_file else None,
        tfs_file=base / spec.tfs_file if spec.tfs_file else None,
    )


def _transferred(spec: DatasetSpec, train_on: str | list[str], base: Path) -> Dataset:
    """Return the data sets that train, with the one that is tested as their target."""
    sources = [DatasetSpec(path=path) for path in ([train_on] if isinstance(train_on, str) else train_on)]
    tested = spec.model_copy(update={"train_on": None, "orthologs": None})
    orthologs = read_orthologs(base / spec.orthologs) if spec.orthologs else None
    dataset = transfer([load_dataset(source, base) for source in sources], load_dataset(tested, base), orthologs)
    return dataclasses.replace(dataset, name=spec.name) if spec.name else dataset
