"""A question is registered once, with a digest that shows whether the file was edited."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from components.core.errors import KnockoutError
from study.spec.folder import OutFolder
from study.spec.records import CellRow, PlanRecord
from study.store.registration import RegistrationRecord, question_of, read_registration, write_registration


def plan(**changes: Any) -> PlanRecord:
    rows = [
        CellRow(
            study="tiny",
            arm=arm,
            arm_digest=f"d-{arm}",
            role=role,
            levels={},
            settings={},
            dataset=dataset,
            network="",
            block=f"b-{dataset}",
            split="pairs",
            repeat=repeat,
            data_digest=f"data-{dataset}",
            code_digest="code",
            training={"epochs": 2},
            cell=f"{arm}{dataset}{repeat}",
        )
        for arm, role in (("full", "reference"), ("gnn=none", "arm"))
        for dataset in ("n1", "n2")
        for repeat in range(2)
    ]
    return PlanRecord(**{"metric": "auroc", "rows": rows, **changes})


def question(out: Path, **changes: Any) -> RegistrationRecord:
    return question_of(plan(**changes), out, margin=0.01, alpha=0.05)


def test_what_is_registered_is_read_back(tmp_path: Path):
    assert read_registration(tmp_path) is None
    written = write_registration(question(tmp_path, looks=[1]), tmp_path)
    read = read_registration(tmp_path)
    assert read == written and read is not None and read.computed == read.digest
    assert (read.blocks, read.repeats, read.looks, read.margin) == (["b-n1", "b-n2"], [0, 1], [1], 0.01)
    assert read.arms["gnn=none"] == {"role": "arm", "digest": "d-gnn=none"}


def test_the_same_question_is_registered_once(tmp_path: Path):
    first = write_registration(question(tmp_path), tmp_path)
    before = OutFolder(tmp_path).registration.read_bytes()
    later = question(tmp_path).model_copy(update={"date": "2999-01-01", "knockout": "9.9"})
    assert write_registration(later, tmp_path) == first
    assert OutFolder(tmp_path).registration.read_bytes() == before


def test_another_question_is_refused_and_what_differs_is_named(tmp_path: Path):
    write_registration(question(tmp_path), tmp_path)
    before = OutFolder(tmp_path).registration.read_bytes()
    with pytest.raises(KnockoutError, match=r"metric: auroc -> auprc; margin: 0\.01 -> 0\.02.*--out"):
        write_registration(question(tmp_path, metric="auprc", margin=0.02), tmp_path)
    assert OutFolder(tmp_path).registration.read_bytes() == before


@pytest.mark.parametrize("key", ["margin", "date", "ended", "arms", "looks"])
def test_every_edit_changes_the_digest(tmp_path: Path, key: str):
    write_registration(question(tmp_path), tmp_path)
    file = OutFolder(tmp_path).registration
    other: dict[str, Any] = {"margin": 0.2, "date": "2020-01-01", "ended": 1, "arms": {}, "looks": [1]}
    file.write_text(yaml.safe_dump({**yaml.safe_load(file.read_text()), key: other[key]}))
    edited = read_registration(tmp_path)
    assert edited is not None and edited.computed != edited.digest
    with pytest.raises(KnockoutError, match="was edited"):
        write_registration(question(tmp_path), tmp_path)


@pytest.mark.parametrize("text", ["{", "", "- 1", "study: 3"])
def test_a_registration_that_cannot_be_read_is_reported(tmp_path: Path, text: str):
    OutFolder(tmp_path).registration.write_text(text)
    with pytest.raises(KnockoutError, match=r"registration\.yaml: this registration cannot be read"):
        read_registration(tmp_path)
