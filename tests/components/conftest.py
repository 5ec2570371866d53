from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from component_cases import make_dataset, make_split

from components.core.dataset import Dataset
from components.core.exam import Split

BEELINE = Path(__file__).parents[3] / "shared" / "data" / "beeline"


@pytest.fixture(scope="session")
def dataset() -> Dataset:
    return make_dataset()


@pytest.fixture(scope="session")
def split(dataset: Dataset) -> Split:
    return make_split(dataset)


@pytest.fixture(scope="session")
def beeline():
    """Read one network; expression is left out, since splits and controls may not need it."""

    @cache
    def read(network: str, cell: str = "mDC", extra: int = 500) -> Dataset:
        folder = BEELINE / network / cell / f"TFs+{extra}"
        if not folder.is_dir():
            pytest.skip(f"the published data are not here: {folder}")
        genes = tuple(pd.read_csv(folder / "Target.csv")["Gene"])
        tfs = np.sort(pd.read_csv(folder / "TF.csv")["index"].to_numpy(dtype=np.int64))
        edges = pd.read_csv(folder / "Label.csv")[["TF", "Target"]].to_numpy(dtype=np.int64)
        return Dataset(network, genes, np.zeros((len(genes), 2), dtype=np.float32), tfs, edges, cell, network)

    return read


@pytest.fixture(scope="session")
def beeline_split(beeline):
    """Split one network of mDC TFs+500, each once."""

    @cache
    def split(network: str, protocol: str, seed: int = 0, **settings: Any) -> Split:
        return make_split(beeline(network), protocol, seed=seed, **settings)

    return split
