"""A synthetic study table whose truth is known: the worth of each arm, the shift of each block, who fails."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from reports.build import write
from reports.errors import ReportError
from reports.findings import analysis
from reports.findings.results import Analysis
from reports.options import DEFAULTS, Provenance, ReportOptions
from reports.table.table import Table, load

SHARED = Path(__file__).parents[2].parent / "shared" / "published"
ARMS = {
    "full": ("reference", 0.80),
    "gnn=none": ("arm", 0.74),
    "fusion=early": ("arm", 0.79),
    "pcc": ("baseline", 0.60),
    "degree": ("control", 0.70),
    "noise": ("control", 0.50),
}
METRICS = {"auroc": 1.0, "auprc": 0.5, "auprc_ratio": 3.0}


def study_frame(
    blocks: int = 7,
    repeats: int = 3,
    arms: Mapping[str, tuple[str, float]] = ARMS,
    failed: set[tuple[str, str]] = frozenset(),
    noise: float = 0.01,
    seed: int = 0,
) -> pd.DataFrame:
    """One row per cell x part x metric, as ``study`` writes it; ``failed`` holds (arm, block) pairs."""
    rng = np.random.default_rng(seed)
    rows = []
    for b in range(blocks):
        block, shift = f"cell{b}", rng.normal(0, 0.03)
        for network in ("STRING", "Specific"):
            for repeat in range(repeats):
                luck = rng.normal(0, 0.01)
                for arm, (role, level) in arms.items():
                    value = level + shift + luck + rng.normal(0, noise)
                    dead = (arm, block) in failed
                    for metric, scale in METRICS.items():
                        for part, bonus in (("test", 0.0), ("validation", 0.1)):
                            rows.append(
                                {
                                    "study": "demo",
                                    "arm": arm,
                                    "arm_digest": f"d-{arm}",
                                    "role": role,
                                    "gnn": "none" if arm == "gnn=none" else "gat",
                                    "dataset": f"{network}-{block}",
                                    "network": network,
                                    "block": block,
                                    "split": "pairs",
                                    "repeat": repeat,
                                    "part": part,
                                    "metric": metric,
                                    "value": np.nan if dead else value * scale + bonus,
                                    "status": "oom" if dead else "ok",
                                    "reason": "out of memory on lane 0" if dead else "",
                                    "seconds": 12.5 + repeat,
                                    "peak_memory_mb": 300.0,
                                    "parameters": 120_000,
                                    "cell": f"{arm}-{network}-{block}-{repeat}",
                                    "data_digest": f"data-{network}-{block}",
                                    "split_digest": f"split-{network}-{block}-{repeat}",
                                    "test_share": 0.385,
                                    "code_digest": f"code-{arm}",
                                    "protocol": "budget-1",
                                    "versions": '{"torch": "2.15.0", "knockout": "0.1.0"}',
                                }
                            )
    return pd.DataFrame(rows)


_TABLES: dict[str, tuple[Table, bytes]] = {}
_ANALYSES: dict[tuple[int, str, ReportOptions], Analysis] = {}


def analyse(table: Table, options: ReportOptions = ReportOptions()) -> Analysis:  # noqa: B008  frozen
    """Analyse a table as reports do; once for tables that :func:`study` makes unchanged."""
    if not any(table.frame is unchanged.frame for unchanged, _ in _TABLES.values()):
        return analysis.analyse(table, options)
    key = (id(table.frame), table.metric, replace(options))
    if key not in _ANALYSES:
        _ANALYSES[key] = analysis.analyse(table, options)
    return _ANALYSES[key]


def build(table: Table, out: Path, options: ReportOptions = DEFAULTS, *, provenance: Provenance = Provenance()) -> Path:  # noqa: B008  frozen
    """Analyse a table and write its report; returns the page."""
    return write(analysis.analyse(table, options), out, provenance=provenance).page


@pytest.fixture
def study(tmp_path: Path) -> Callable[..., Table]:
    """Write a synthetic study to ``cells.parquet`` and read it as the command line does."""

    def make(change: Callable[[pd.DataFrame], pd.DataFrame] | None = None, **how: object) -> Table:
        path, key = tmp_path / "cells.parquet", repr(sorted(how.items()))
        if change is None and key in _TABLES:
            table, content = _TABLES[key]
            path.write_bytes(content)
            return replace(table, source=path)
        frame = study_frame(**how)
        (change(frame) if change else frame).to_parquet(path)
        table = load(path)
        if change is None:
            _TABLES[key] = (table, path.read_bytes())
        return table

    return make


Read = Callable[..., Table]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Write the text of a table to a file, and read it as the command line does."""

    def written(text: str, **how: object) -> Table:
        path = tmp_path / "mine.csv"
        path.write_text(text)
        return load(path, ReportOptions(**how))

    return written


def refused(message: str) -> pytest.RaisesExc[ReportError]:
    """Expect a refusal whose message matches."""
    return pytest.raises(ReportError, match=message)


def published(name: str) -> Path:
    """Find a table of the two papers, or skip the test that needs it."""
    path = SHARED / name
    if not path.is_file():
        pytest.skip(f"published numbers are not beside this checkout: {path}")
    return path
