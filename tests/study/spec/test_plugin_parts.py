"""What a plug-in may add beside levels: a loss, a metric with its words, a preset, a reader of data sets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from components import plugins
from components.core import metrics, registry
from components.core.errors import KnockoutError
from components.core.metrics import Words, register_metric
from components.data import readers
from reports.errors import ReportError
from reports.table.table import load
from reports.words import metrics as worded
from reports.words.metrics import metric_of
from search_spaces import presets
from search_spaces.presets import register_preset
from study.plan.plan import make_plan
from study.plan.silent import refuse_silent_arms
from study.spec import code
from study.spec.machine import Lane
from study.store.table import write_table
from study.study_file.study import Study, load_study
from study.train.cell import run_cell

LANE = Lane("cpu", 1)
PARTS = '''
import numpy as np
import pandas as pd
from torch.nn import functional as F

from components.core.dataset import Dataset
from components.core.metrics import Words, register_metric
from components.core.registry import register
from components.core.settings import setting
from components.data.readers import Reader, register_reader
from components.optimizer import Adam
from search_spaces.presets import register_preset


@register("optimizer", "adam_focal")
class Focal(Adam):
    """Fits all weights with Adam to the focal loss of logits ``[pairs]``."""

    class Settings(Adam.Settings):
        """Settings of the focal loss."""

        focus: float = setting(2.0, "exponent", ge=0.0, le=5.0, search=(0.5, 4.0))

    def loss(self, logits, labels):
        wrong = (labels - logits.sigmoid()).abs()
        entropy = F.binary_cross_entropy_with_logits(logits, labels, reduction="none")
        return (wrong**self.settings.focus * entropy).mean()


@register_metric("hits10", Words("hits at 10", "Share of edges among the ten best pairs.", 0.0, 1.0, margin=0.05))
def hits10(scores, labels, pairs):
    return float(labels[np.argsort(-scores, kind="stable")[:10]].mean())


def read(path, network_file, tfs_file):
    with np.load(path) as file:
        return Dataset("packed", tuple(map(str, file["genes"])), file["expression"], file["tfs"], file["edges"])


register_reader(Reader("packed arrays", lambda path: path.suffix == ".npz", read))
register_preset("lab", "the lab's own", {"gnn": "none", "optimizer": "adam_focal"}, like="knockout-small")
'''


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Restore the registries after a test."""
    registry.levels("optimizer")
    tables = [metrics.METRICS, metrics.OWN, worded.METRICS, presets.PRESETS, readers.READERS, plugins._LOADED]
    before = [dict(table) for table in (*tables, registry._LEVELS["optimizer"])]
    yield
    for table, was in zip((*tables, registry._LEVELS["optimizer"]), before, strict=True):
        table.clear()
        table.update(was)
    plugins.sys.modules.pop("own_parts", None)
    code.clear_cache()


@pytest.fixture
def load_parts(study_file: Callable[..., Path], tmp_path: Path) -> Callable[..., Study]:
    (tmp_path / "own_parts.py").write_text(PARTS)

    def make(**changes: Any) -> Study:
        given = {"plugins": ["own_parts.py"], "controls": ["degree"], "repeats": 1, "metric": "hits10"}
        return load_study(study_file(**{**given, **changes}))

    return make


def test_a_loss_is_a_level_that_acts_with_a_setting_of_its_own(load_parts):
    arms = [{"optimizer": {"adam_focal": {"focus": focus}}} for focus in (0.5, 2.0)]
    study = load_parts(design={"kind": "explicit", "arms": arms})
    refuse_silent_arms(study.arms, study.budget)
    assert study.arms[1].name == "optimizer=adam_focal(focus=0.5)"
    cells = make_plan(study).cells
    losses = [run_cell(cell, LANE).record.curves["joint_loss"] for cell in cells if cell.arm.trains]
    assert len({tuple(curve) for curve in losses}) == 3


def test_a_metric_is_in_records_identity_table_and_reports(load_parts, tmp_path):
    plain = make_plan(load_parts(plugins=[], metric="auroc")).cells
    assert all("metrics" not in cell.identity for cell in plain)
    study = load_parts()
    planned = make_plan(study)
    assert list(planned.cells[0].identity["metrics"]) == ["hits10"]
    records = {cell.digest: run_cell(cell, LANE).record for cell in planned.cells}
    assert all(0 <= record.scores["test"]["hits10"] <= 1 for record in records.values())
    (tmp_path / "out").mkdir()
    path = write_table(planned.record.rows, records, tmp_path / "out")
    assert "hits10" not in worded.METRICS  # reports import no plug-in: the table has the words
    table = load(path)
    assert "hits10" in set(table.frame["metric"])
    words = metric_of("hits10")
    assert (words.label, words.bounds, words.margin) == ("hits at 10", (0.0, 1.0), 0.05)


def test_the_code_of_a_metric_is_part_of_the_identity(load_parts, monkeypatch):
    load_parts()
    read = code.read_source

    def digest_with(text: str) -> str:
        code.clear_cache()
        monkeypatch.setattr(code, "read_source", lambda path: text.encode() if path.stem == "own_parts" else read(path))
        return code.own_metrics()["hits10"]

    assert digest_with(PARTS) == digest_with(PARTS + "\n# a comment\n")
    assert digest_with(PARTS) != digest_with(PARTS.replace("[:10]", "[:9]"))


def test_a_metric_out_of_its_bounds_fails_its_cell(load_parts):
    cell = make_plan(load_parts()).cells[0]
    metrics.METRICS["hits10"] = lambda *_: 1.5
    record = run_cell(cell, LANE).record
    assert record.status.value == "error" and "metric 'hits10' is 1.5" in record.reason


@pytest.mark.parametrize(
    ("name", "words", "reason"),
    [
        ("Hits", Words("hits", "Means something."), "small letters"),
        ("seconds", Words("hits", "Means something."), "no cost"),
        ("hits", Words("", "Means something."), "needs a label"),
        ("auroc", Words("mine", "Means something."), "is taken"),
    ],
)
def test_a_metric_that_cannot_be_one_is_refused(name, words, reason):
    with pytest.raises(KnockoutError, match=reason):
        register_metric(name, words)(lambda scores, labels, pairs: 0.0)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ({"brier": {"label": "mine", "meaning": "Mine.", "lowest": None, "highest": None}}, "rename it"),
        ({"hits": {"label": "mine", "colour": "red", "lowest": None, "highest": None}}, "damaged"),
    ],
)
def test_a_table_cannot_set_any_property_of_metrics(tmp_path, words, reason):
    frame = pd.DataFrame({"arm": ["a", "b"], "dataset": "d", "repeat": 0, "metric": "hits", "value": [0.1, 0.2]})
    frame.attrs["metrics"] = words
    frame.to_parquet(tmp_path / "cells.parquet")
    with pytest.raises(ReportError, match=reason):
        load(tmp_path / "cells.parquet")


def test_a_preset_is_a_reference_and_a_baseline(load_parts):
    study = load_parts(preset="lab", reference={}, baselines=["lab"], design={"factors": {"gnn": ["gcn"]}})
    assert study.reference.choices["optimizer"].level == "adam_focal"
    with pytest.raises(KnockoutError, match="'lab' is taken"):
        register_preset("lab", "another", {})
    with pytest.raises(KnockoutError, match="unknown level of gnn 'gct'"):
        register_preset("other", "another", {"gnn": "gct"})


class TestReader:
    def pack(self, folder: Path, **changes: Any) -> Path:
        rng = np.random.default_rng(0)
        edges = np.array([[tf, target] for tf in range(8) for target in range(8 + tf, 40, 3)])
        arrays = {
            "genes": np.array([f"G{k}" for k in range(64)]),
            "expression": np.log1p(rng.gamma(1.0, 2.0, (64, 30))).astype(np.float32),
            "tfs": np.arange(8),
            "edges": edges,
        }
        np.savez(folder / "set.npz", **(arrays | changes))
        return folder / "set.npz"

    def test_reads_what_is_its_own(self, load_parts, tmp_path):
        self.pack(tmp_path)
        study = load_parts(datasets=[{"path": "set.npz", "network": "lab"}])
        cell = make_plan(study).cells[0]
        assert (cell.labels.dataset, cell.labels.block, cell.labels.network) == ("packed", "packed", "lab")
        assert run_cell(cell, LANE).record.ok

    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"expression": np.ones((64, 30))}, "expression is"),
            ({"tfs": np.arange(8)[::-1]}, "tfs are sorted"),
            ({"edges": np.array([[0, 64]])}, "edges are"),
            ({"edges": np.array([[9, 1]])}, "starts at a TF"),
            ({"edges": np.array([[0, 9], [0, 9]])}, "stands twice"),
        ],
    )
    def test_what_it_returns_is_checked(self, load_parts, tmp_path, changes, reason):
        self.pack(tmp_path, **changes)
        with pytest.raises(KnockoutError, match=reason) as refused:
            make_plan(load_parts(datasets=[{"path": "set.npz"}]))
        assert "packed arrays" in refused.value.where
