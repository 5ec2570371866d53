"""A folder belongs to one study, and names what was edited in that study's file."""

from pathlib import Path
from typing import Any

import pytest

from components.core.errors import KnockoutError
from study.spec.folder import OutFolder
from study.store.owner import edits_of, refuse_other_study, write_owner

FILE: dict[str, Any] = {"repeats": 3, "search": {"trials": 4, "vary": {"gnn": ["gat", "gcn"]}}, "split": "per_tf"}


def test_a_folder_belongs_to_the_study_that_ran_there_first(tmp_path: Path):
    refuse_other_study("b", tmp_path, share_cells=False)  # without an owner yet
    write_owner("a", FILE, {}, tmp_path)
    refuse_other_study("a", tmp_path, share_cells=False)
    with pytest.raises(KnockoutError, match=r"belongs to the study 'a', and this is 'b'.*--out.*--share-cells"):
        refuse_other_study("b", tmp_path, share_cells=False)


def test_a_study_states_once_that_it_shares_cells(tmp_path: Path):
    write_owner("a", FILE, {}, tmp_path)
    refuse_other_study("b", tmp_path, share_cells=True)
    write_owner("b", FILE, {}, tmp_path)
    for name in ("a", "b"):
        refuse_other_study(name, tmp_path, share_cells=False)
    with pytest.raises(KnockoutError, match="belongs to the study 'a'"):
        refuse_other_study("c", tmp_path, share_cells=False)


def test_an_edited_study_names_each_key_that_changed(tmp_path: Path):
    assert edits_of("a", FILE, tmp_path) == [], "never run"
    write_owner("a", FILE, {}, tmp_path)
    assert edits_of("a", dict(FILE), tmp_path) == []
    now = {"repeats": 2, "search": {"trials": 4, "vary": {"gnn": ["gat", "none"]}}, "split": {"hard": {"ratio": 5.0}}}
    assert edits_of("a", now, tmp_path) == [
        "repeats: 3 -> 2",
        "search.vary.gnn: - gcn, + none",
        'split: per_tf -> {"hard": {"ratio": 5.0}}',
    ]
    assert edits_of("a", {**FILE, "design": {"tune": {"trials": 2}}, "repeats": None}, tmp_path) == [
        "repeats: 3 -> not given",
        'design: not given -> {"tune": {"trials": 2}}',
    ]


def test_a_damaged_record_of_owners_stops_nothing(tmp_path: Path):
    OutFolder(tmp_path).owners.write_text("{")
    refuse_other_study("b", tmp_path, share_cells=False)
    write_owner("b", FILE, {}, tmp_path)
    assert edits_of("b", {**FILE, "repeats": 4}, tmp_path) == ["repeats: 3 -> 4"]
