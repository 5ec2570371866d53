import csv
from pathlib import Path

import pytest

from components.core.errors import KnockoutError
from components.data.readers import find, read, summary
from components.data.simulator import write_beeline

EXPRESSION, TARGETS, TFS = "BL--ExpressionData.csv", "Target.csv", "TF.csv"
LABELS, NETWORK = "Label.csv", "BL--network.csv"
BEELINE = Path(__file__).parents[3] / "shared" / "data" / "beeline"
MANIFEST = BEELINE.parent / "MANIFEST.csv"


def published() -> list[dict[str, str]]:
    if not MANIFEST.exists():
        return []
    with MANIFEST.open(newline="") as file:
        return [row for row in csv.DictReader(file) if (BEELINE.parent / row["folder"] / TFS).exists()]


def test_a_written_folder_reads_back_exactly(folder, small, same):
    same(read(folder), small)


def test_names_that_look_like_missing_values_dates_or_numbers_stay_names(folder):
    assert read(folder).genes == ("SOX2", "NA", "NAN", "SEPT7", "1810037I17RIK", "GATA4", "TRUE", "1E5")


@pytest.mark.parametrize("absent", [LABELS, NETWORK])
def test_one_of_the_two_edge_files_is_enough(folder, small, same, absent):
    (folder / absent).unlink()
    same(read(folder), small)


def test_extra_score_column_bom_crlf_and_blank_last_line_are_harmless(folder, small, same):
    lines = (folder / NETWORK).read_text().splitlines()
    scored = [lines[0] + ",Score", *(f"{line},17" for line in lines[1:]), ""]
    (folder / NETWORK).write_bytes(b"\xef\xbb\xbf" + "\r\n".join(scored).encode() + b"\r\n")
    same(read(folder), small)


def test_a_tf_without_targets_is_kept_as_a_tf(folder, change):
    change(folder / TFS, "2,GATA4,5\n", "2,GATA4,5\n3,TRUE,6\n")
    assert read(folder).tfs.tolist() == [0, 3, 5, 6]


@pytest.mark.parametrize(
    ("place", "name", "block", "network"),
    [
        ("STRING/mDC/TFs+500", "STRING/mDC/TFs+500", "mDC", "STRING"),
        ("STRING Dataset/mDC/TFs+0", "STRING/mDC/TFs+0", "mDC", "STRING"),
        ("my/own data", "own data", "own data", ""),
    ],
)
def test_names_come_from_the_place_of_the_folder(small, tmp_path, place, name, block, network):
    write_beeline(small, tmp_path / place)
    dataset = read(tmp_path / place)
    assert (dataset.name, dataset.block, dataset.network) == (name, block, network)


def test_given_names_win_over_the_place(folder):
    dataset = read(folder, name="a", network="c")
    assert (dataset.name, dataset.block, dataset.network) == ("a", "a", "c")
    assert read(folder, name="a", block="b").block == "b"


def test_find_follows_links_and_none_in_a_circle(small, tmp_path):
    write_beeline(small, tmp_path / "store" / "a")
    root = tmp_path / "linked"
    root.mkdir()
    (root / "one").symlink_to(tmp_path / "store" / "a")
    (root / "all").symlink_to(tmp_path / "store")
    (tmp_path / "store" / "back").symlink_to(tmp_path / "store")
    assert find(root) == [root / "all" / "a", root / "one"]


def test_find_lists_every_data_set_below_a_folder(small, tmp_path):
    places = [tmp_path / "b" / "TFs+0", tmp_path / "a"]
    for place in places:
        write_beeline(small, place)
    assert find(tmp_path) == sorted(places)
    assert find(tmp_path / "a") == [tmp_path / "a"]
    with pytest.raises(KnockoutError, match="no such folder"):
        find(tmp_path / "c")


def test_summary_counts_a_small_network(small):
    assert summary(small) == pytest.approx(
        {
            "genes": 8,
            "cells": 4,
            "tfs": 3,
            "tfs_with_target": 3,
            "targets": 5,
            "positives": 5,
            "density_percent": 100 * 5 / (3 * 7),
            "zeros_percent": 100 * float((small.expression == 0).mean()),
            "reciprocal_percent": 0.0,
        }
    )


def test_summary_counts_both_directions_of_a_reciprocal_pair(folder, change):
    change(folder / LABELS, "1,0,1", "1,0,5")
    change(folder / NETWORK, "SOX2,NA\n", "SOX2,GATA4\n")
    assert summary(read(folder))["reciprocal_percent"] == pytest.approx(40.0)


@pytest.mark.skipif(not published(), reason="the published data are not beside this checkout (shared/data)")
@pytest.mark.parametrize(
    "row",
    [row if k == 0 else pytest.param(row, marks=pytest.mark.slow) for k, row in enumerate(published())],
    ids=lambda row: row["folder"],
)
def test_published_folders_match_their_table(row):
    dataset = read(BEELINE.parent / row["folder"])
    network, cell, selection = Path(row["folder"]).parts[1:]
    assert (dataset.name, dataset.block) == (f"{network}/{cell}/{selection}", cell)
    statistics = summary(dataset)
    counts = {
        "genes": "genes",
        "cells": "cells",
        "tfs": "tf_listed",
        "tfs_with_target": "tf_with_targets",
        "targets": "targets",
        "positives": "positives",
    }
    for ours, theirs in counts.items():
        assert statistics[ours] == int(row[theirs]), ours
    assert statistics["density_percent"] == pytest.approx(float(row["density_pct"]), abs=0.0006)
    assert statistics["zeros_percent"] == pytest.approx(float(row["zeros_pct"]), abs=0.06)


def test_every_published_folder_is_found():
    if not published():
        pytest.skip("the published data are not beside this checkout (shared/data)")
    assert {str(path.relative_to(BEELINE.parent)) for path in find(BEELINE)} == {r["folder"] for r in published()}
