from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from components.core.dataset import Dataset
from components.data.simulator import write_beeline

# names that a reader which guesses types turns into missing values, dates, numbers or truth values
GENES = ("SOX2", "NA", "NAN", "SEPT7", "1810037I17RIK", "GATA4", "TRUE", "1E5")


@pytest.fixture
def small() -> Dataset:
    rows, cells = np.indices((len(GENES), 4))
    return Dataset(
        name="small",
        genes=GENES,
        expression=((rows * 7 + cells * 3) % 11 / 8 + 0.1 * cells).astype(np.float32),
        tfs=np.array([0, 3, 5]),
        edges=np.array([[3, 4], [0, 1], [0, 2], [5, 0], [3, 6]]),
    )


@pytest.fixture
def folder(small: Dataset, tmp_path: Path) -> Path:
    write_beeline(small, tmp_path / "small")
    return tmp_path / "small"


@pytest.fixture
def network_csv(small: Dataset, tmp_path: Path) -> Path:
    path = tmp_path / "edges.csv"
    rows = [f"{small.genes[tf]},{small.genes[target]}" for tf, target in small.edges]
    path.write_text("\n".join(["Gene1,Gene2", *rows]) + "\n")
    return path


@pytest.fixture
def change() -> Callable[[Path, str, str], None]:
    def replace_once(path: Path, old: str, new: str) -> None:
        text = path.read_text()
        assert old in text, f"{path.name} has no {old!r}"
        path.write_text(text.replace(old, new, 1))

    return replace_once


@pytest.fixture
def same() -> Callable[[Dataset, Dataset], None]:
    def assert_same(one: Dataset, other: Dataset) -> None:
        assert one.genes == other.genes
        for field in ("expression", "tfs", "edges"):
            np.testing.assert_array_equal(getattr(one, field), getattr(other, field), err_msg=field)
            assert getattr(one, field).dtype == getattr(other, field).dtype
        assert one.digest == other.digest

    return assert_same
