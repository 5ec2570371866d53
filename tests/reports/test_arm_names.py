"""What names the arms of a table: one column, several, factors that are crossed, or no column at all."""

from __future__ import annotations

import io
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import Read, analyse, refused, study_frame

from reports.errors import ReportError
from reports.options import ReportOptions
from reports.table.table import load

WIDE = "dataset,baseline,full,late_fusion\nset0,0.76,0.85,0.84\nset1,0.75,0.83,NA\n"


def crossed() -> str:
    """Two factors, two repeats, two networks, six cell types; early fusion is worth 0.02 beside gat alone."""
    rng = np.random.default_rng(1)
    rows = [
        f"{network},cell{c},{gnn},{fusion},{repeat},"
        f"{0.7 + 0.02 * (gnn == 'gat' and fusion == 'early') + 0.03 * (gnn == 'gat') + rng.normal(0, 0.003):.6f}"
        for network, c, gnn, fusion, repeat in product("SN", range(6), ("none", "gat"), ("late", "early"), range(2))
    ]
    return "\n".join(["network,cell,gnn,fusion,repeat,auroc", *rows]) + "\n"


class TestSeveralColumns:
    ARMS = frozenset(f"gnn={gnn}, fusion={fusion}" for gnn in ("none", "gat") for fusion in ("late", "early"))

    def test_crossed_factors_name_the_arms_and_stay_factors(self, read: Read) -> None:
        table = read(crossed())
        assert set(table.frame["arm"]) == self.ARMS and set(table.frame["block"]) == {f"cell{i}" for i in range(6)}
        analysis = analyse(table)
        assert list(analysis.levels.columns) == ["gnn", "fusion"]
        effects = next(f for f in analysis.factorials if f.metric == "auroc").effects
        assert set(effects["effect"]) >= {"gnn", "fusion", "gnn × fusion"}

    def test_only_factors_that_vary(self, read: Read) -> None:
        text = "scorer,gnn,fusion,cell,auroc\nmlp,none,late,x,0.7\nmlp,gat,early,x,0.8\n"
        assert set(read(text).frame["arm"]) == {"gnn=none, fusion=late", "gnn=gat, fusion=early"}

    def test_a_factor_that_varies_within_an_arm_is_no_level_of_it(self, read: Read) -> None:
        text = (
            "method,gnn,fusion,cell,auroc\na,none,late,x,0.7\na,none,early,y,0.7\nb,gat,late,x,0.8\nb,gat,late,y,0.8\n"
        )
        frame = read(text).frame
        assert "gnn" in frame and "fusion" not in frame

    def test_an_arm_column_goes_first(self, read: Read) -> None:
        text = "method,gnn,fusion,cell,auroc\na,none,late,x,0.7\nb,gat,early,x,0.8\n"
        assert set(read(text).frame["arm"]) == {"a", "b"}

    @pytest.mark.parametrize("given", ["depth,Variant", "depth, variant", ("depth", "variant")])
    def test_any_columns_may_be_named(self, read: Read, given: Any) -> None:
        text = "variant,depth,cell,auroc\na,2,x,0.7\na,3,x,0.8\nb,2,x,0.6\n"
        assert set(read(text, arm=given).frame["arm"]) == {
            "depth=2, variant=a",
            "depth=3, variant=a",
            "depth=2, variant=b",
        }

    def test_a_column_may_have_a_comma_in_its_name(self, read: Read) -> None:
        assert set(read("a,b\tcell\tauroc\nm\tx\t0.7\nn\tx\t0.6\n", arm="a,b").frame["arm"]) == {"m", "n"}

    def test_one_of_several_that_is_not_there(self, read: Read) -> None:
        with refused("unknown arm column 'fusoin'. Did you mean 'fusion'"):
            read(crossed(), arm="gnn,fusoin")

    def test_a_hole_in_a_factor_is_named(self, read: Read) -> None:
        with refused("row 3: column 'fusion' is empty"):
            read("gnn,fusion,cell,auroc\nnone,late,x,0.7\ngat,,x,0.8\ngat,early,x,0.8\n")

    def test_on_the_command_line(
        self, knockout: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        Path("mine.csv").write_text(crossed().replace("gnn,fusion", "left,right"))
        completed = knockout("report", "mine.csv", "--arm", "left,right", "--reference", "left=gat, right=late")
        assert completed.code == 0, completed.err
        scores = pd.read_csv(tmp_path / "report-mine" / "tables" / "scores_auroc.csv")
        assert {arm.replace("left", "gnn").replace("right", "fusion") for arm in scores["arm"]} == self.ARMS


class TestSideBySide:
    """One column per arm, as spreadsheets have it, is recognised, and the line that corrects it is shown."""

    def test_arms_side_by_side(self, read: Read) -> None:
        with refused(
            r"no column names the arm; .*baseline, full and late_fusion .*"
            r"df\.melt\('dataset', var_name='arm', value_name='auroc'\)"
        ):
            read(WIDE)

    def test_the_line_names_columns_as_they_are_written(self, read: Read) -> None:
        with refused(r"df\.melt\(\['Dataset', 'Seed'\], var_name='arm'"):
            read(WIDE.replace("dataset", "Dataset,Seed").replace("set0", "set0,0").replace("set1", "set1,0"))

    def test_a_saved_index_is_no_arm(self, read: Read) -> None:
        with refused(r"columns baseline, full and late_fusion .*df\.melt\(\['Unnamed: 0', 'dataset'\]"):
            read(",dataset" + WIDE.removeprefix("dataset").replace("set0", "0,set0").replace("set1", "1,set1"))

    def test_the_line_corrects_the_table(self, tmp_path: Path) -> None:
        df = pd.read_csv(io.StringIO(WIDE.replace("NA", "0.8")))
        df.melt("dataset", var_name="arm", value_name="auroc").to_csv(tmp_path / "long.csv", index=False)
        assert set(load(tmp_path / "long.csv").frame["arm"]) == {"baseline", "full", "late_fusion"}

    def test_data_sets_side_by_side(self, read: Read) -> None:
        with refused(r"no column names the data set; .*df\.melt\('arm', var_name='dataset', value_name='auroc'\)"):
            read("arm,set0,set1,set2\nfull,0.8,0.7,0.7\nbase,0.7,0.6,0.5\n")

    def test_scores_beside_other_numbers_are_not_arms(self, read: Read) -> None:
        for text in (
            "dataset,depth,width,auroc\nx,1,2,0.7\n",
            "dataset,variant,depth,width\nx,a,1,2\n",
            "dataset,depth\nx,1\n",
        ):
            with refused("no column 'arm' or 'method' or 'model'; say which one names the arm with --arm"):
                read(text)


class TestOneArmTwice:
    """'full' and 'FULL' may be meant as one arm and are tested as two: a warning says so."""

    TEXT = "method,cell,auroc\nfull,x,0.7\nb,x,0.6\nFULL,y,0.8\nb,y,0.5\n"

    @pytest.mark.parametrize("other", ["FULL", "Full"])
    def test_capitals_make_two_arms_and_a_warning(self, read: Read, other: str) -> None:
        table = read(self.TEXT.replace("FULL", other))
        assert set(table.frame["arm"]) == {"full", other, "b"}
        assert [r.subject for r in analyse(table).refusals if r.rule == "names alike"] == [f"{other} and full"]

    @pytest.mark.parametrize("other", ["full ", " full", "full\N{NO-BREAK SPACE}"])
    def test_spaces_around_make_one_arm(self, read: Read, other: str) -> None:
        assert set(read(self.TEXT.replace("FULL", other)).frame["arm"]) == {"full", "b"}

    def test_unicode_forms_make_one_arm(self, read: Read) -> None:
        composed, decomposed = "s\u00fc\u00df", "su\u0308\u00df"
        table = read(self.TEXT.replace("full", composed).replace("FULL", decomposed), reference=decomposed)
        assert set(table.frame["arm"]) == {composed, "b"} and table.reference == composed

    def test_nor_a_block(self, read: Read) -> None:
        with refused(r"row 4: blocks 'x' \(row 2\) and 'X' \(row 4\) differ"):
            read("method,cell,auroc\na,x,0.7\nb,x,0.6\na,X,0.8\nb,X,0.5\n")

    def test_a_study_names_its_arms_itself(self, tmp_path: Path) -> None:
        frame = study_frame(blocks=1)
        frame = frame.assign(arm=frame["arm"].replace("pcc", "FULL"))
        frame.to_parquet(tmp_path / "cells.parquet")
        assert {"full", "FULL"} <= set(load(tmp_path / "cells.parquet").frame["arm"])


class TestUnknownColumn:
    def test_nonsense_gets_no_hint_and_no_numbers(self, tmp_path: Path) -> None:
        study_frame(blocks=1).to_parquet(tmp_path / "cells.parquet")
        with pytest.raises(ReportError) as caught:
            load(tmp_path / "cells.parquet", ReportOptions(arm="nonsense"))
        message = str(caught.value)
        assert "unknown arm column 'nonsense'. Columns that could be meant: arm, " in message
        assert "Did you mean" not in message and "seconds" not in message and "digest" not in message

    def test_long_lists_are_cut_and_counted(self, read: Read) -> None:
        head, row = (",".join(f"{name}{i:02}" for i in range(30)) for name in ("column", "word"))
        with refused(r"column00, .*column11 and 18 more\.$"):
            read(f"{head},auroc\n{row},0.7\n", arm="zzz")
        with refused(r"column11 and 18 more\.$"):
            read(f"{head},auroc\n{row},0.7\n")
        with refused(r"Did you mean 'column29'\? .* column11 and 18 more\.$"):
            read(f"{head},auroc\n{row},0.7\n", arm="colunm29")

    def test_a_table_of_numbers_offers_them(self, read: Read) -> None:
        with refused("Columns that could be meant: depth, width"):
            read("depth,width,auroc\n1,2,0.7\n", arm="zzz", block="depth")


class TestNamesAreText:
    """Only scores, repeats and costs are numbers: no name is changed into another."""

    NAMES = ("1.8", "1.10", "1.1", "0256", "001", "1", "1e3", "True", "None", "NA", "nan", "inf", "2024-01-02")

    @pytest.mark.parametrize("column", ["arm", "dataset", "cell"])
    def test_names_of_arms_and_units(self, read: Read, column: str) -> None:
        heads = ["arm", "dataset", "cell"]
        rows = [",".join(name if head == column else "x" for head in heads) + ",0.7" for name in self.NAMES]
        text = "\n".join([",".join([*heads, "auroc"]), *rows]) + "\n"
        frame = read(text, block="cell", dataset="dataset").frame
        if column == "dataset":
            assert {name.removesuffix(" / x") for name in frame["dataset"]} == set(self.NAMES)
        else:
            assert set(frame["block" if column == "cell" else "arm"]) == set(self.NAMES)

    def test_levels_of_factors(self, read: Read) -> None:
        table = read("gnn,fusion,cell,auroc\n1.10,001,x,0.7\n1.1,1,x,0.6\n")
        assert set(table.frame["arm"]) == {"gnn=1.10, fusion=001", "gnn=1.1, fusion=1"}
        assert set(table.frame["gnn"]) == {"1.10", "1.1"}

    def test_a_decimal_comma_is_one_in_scores_only(self, read: Read) -> None:
        frame = read("arm;cell;auroc;seconds\n1,10;0,5;0,7;1,5\n1,1;0,5;0,6;2\n").frame
        assert set(frame["arm"]) == {"1,10", "1,1"} and set(frame["block"]) == {"0,5"}
        assert list(frame["value"]) == [0.6, 0.7] and list(frame["seconds"]) == [2.0, 1.5]

    @pytest.mark.parametrize("arms", [("1.8", "1.9", "1.10"), ("0256", "0512", "1e3"), ("True", "False", "yes")])
    def test_from_the_command_line_to_every_file(
        self, knockout: Callable[..., Any], tmp_path: Path, arms: tuple[str, ...]
    ) -> None:
        rows = [
            f"{arm},{block:03},{0.7 + place / 100 + block / 50}" for place, arm in enumerate(arms) for block in range(6)
        ]
        (tmp_path / "t.csv").write_text("\n".join(["arm,dataset,auroc", *rows]) + "\n")
        completed = knockout("report", tmp_path / "t.csv", "--reference", arms[0], "--out", tmp_path / "r")
        assert completed.code == 0, completed.err
        scores = pd.read_csv(tmp_path / "r" / "tables" / "scores_auroc.csv", dtype=str)
        assert set(scores["arm"]) == set(arms) and set(scores["dataset"]) == {f"{block:03}" for block in range(6)}
        assert f"Against {arms[0]}, " in completed.out and all(f"\n {arm} " in completed.out for arm in arms[1:])
        for file in ("report.html", "tables/scores_auroc.tex"):
            text = (tmp_path / "r" / file).read_text()
            assert all(arm in text for arm in arms), file

    def test_a_control_character_is_refused(self, read: Read) -> None:
        with refused(r"row 3: arm 'b\\x1b\[31m' holds a character that no page can show"):
            read("arm,cell,auroc\na,x,0.7\nb\x1b[31m,x,0.6\n")

    def test_an_empty_name_is_refused_however_it_is_written(self, read: Read) -> None:
        for empty in ("", " ", '" "', "\N{NO-BREAK SPACE}"):
            with refused("row 3: column 'arm' is empty"):
                read(f"arm,cell,auroc\na,x,0.7\n{empty},x,0.6\n")
