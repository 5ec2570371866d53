"""Where a study's data sets come from, and their loading, once per process."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from threading import RLock
from typing import Any

from cachetools import LRUCache, cached
from pydantic import BaseModel, ConfigDict, Field, field_validator

from components.core.dataset import Dataset
from components.core.errors import KnockoutError
from components.data import readers
from components.data.orthologs import read_orthologs, transfer
from components.data.simulator import SimulatorSettings, simulate
from components.tables.csvfile import one_name
from components.tables.files import on_disk


class DatasetSpec(BaseModel):
    """Where one data set of a study comes from, and the exam it sets.

    Either ``path`` (a folder in BEELINE layout, or an ``.h5ad`` file with ``network_file``; ``STRING/*/TFs+500`` stands
    for every such folder) or ``simulate`` (settings of the simulator, ``{}`` for its defaults) with ``seed``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    path: str | None = Field(None, description="folder, pattern or .h5ad file, from --data or the study file on")
    simulate: dict[str, Any] | None = Field(None, description="settings of the simulator")
    seed: int = Field(0, description="seed of the simulated network and cells", ge=0)
    name: str = Field("", description="name in tables")
    block: str = Field("", description="independent unit for statistics; default: the cell type")
    network: str = Field("", description="where the edges come from; default: read from the path")
    network_file: str | None = Field(None, description="CSV of regulator and target, beside an .h5ad")
    tfs_file: str | None = Field(None, description="list of regulators, beside an .h5ad")
    train_on: str | list[str] | None = Field(None, description="data sets to train on; this one is the test (transfer)")
    orthologs: str | None = Field(None, description="CSV: symbol in train_on, symbol here; default: the same symbol")
    split: Any = Field(None, description="exam protocol; default: the study's")

    @field_validator("name", "block", "network")
    @classmethod
    def _one_name(cls, name: str) -> str:
        return one_name(name)

    @property
    def label(self) -> str:
        """Name for progress and logs: as the study file says it."""
        return self.name or self.path or "simulated"

    @property
    def sources(self) -> tuple[str, ...]:
        """Paths of the data sets that train in a transfer; none without one."""
        return (self.train_on,) if isinstance(self.train_on, str) else tuple(self.train_on or ())

    def paths(self, root: Path) -> tuple[Path, ...]:
        """Return every file and folder that the data set is read from."""
        names = (self.path, self.network_file, self.tfs_file, self.orthologs, *self.sources)
        return tuple(on_disk(root / name).resolve() for name in names if name is not None)


@cached(LRUCache(8), key=lambda spec, root: (spec.model_dump_json(), root), lock=RLock())
def load_dataset(spec: DatasetSpec, root: Path) -> Dataset:
    """Read or simulate the data set that a study file names.

    Raises
    ------
    KnockoutError
        If it is not there or its files are wrong.
    """
    if spec.simulate is not None:
        return _simulated(spec, spec.simulate)
    if spec.train_on is not None:
        return _transferred(spec, root)
    path = on_disk(root / str(spec.path))
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
        network_file=on_disk(root / spec.network_file) if spec.network_file else None,
        tfs_file=on_disk(root / spec.tfs_file) if spec.tfs_file else None,
    )


def _simulated(spec: DatasetSpec, settings: dict[str, Any]) -> Dataset:
    dataset = simulate(SimulatorSettings(**settings), seed=spec.seed)
    labels = {key: getattr(spec, key) for key in ("name", "block", "network") if getattr(spec, key)}
    if "name" not in labels and spec.seed:
        labels["name"] = f"{dataset.name}-{spec.seed}"
    return dataclasses.replace(dataset, **labels)


def _transferred(spec: DatasetSpec, root: Path) -> Dataset:
    """Return the data sets that train, with the one that is tested as their target."""
    sources = [load_dataset(DatasetSpec(path=path), root) for path in spec.sources]
    tested = load_dataset(spec.model_copy(update={"train_on": None, "orthologs": None}), root)
    orthologs = read_orthologs(on_disk(root / spec.orthologs)) if spec.orthologs else None
    dataset = transfer(sources, tested, orthologs)
    return dataclasses.replace(dataset, name=spec.name) if spec.name else dataset
