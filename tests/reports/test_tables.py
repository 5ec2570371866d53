"""A table that cannot be analysed is refused with a message: what was given, what exists, where."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from conftest import study_frame

from reports.errors import ReportError
from reports.options import ReportOptions
from reports.table.table import Table, load

WIDE = "method,cell,auroc\na,x,0.7\na,y,0.8\nb,x,0.6\nb,y,0.5\n"


@pytest.fixture
def csv(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        path = tmp_path / "mine.csv"
        path.write_text(text)
        return path

    return write


def test_a_wide_table_becomes_canonical(csv: Callable[[str], Path]) -> None:
    table = load(csv(WIDE), ReportOptions(arm="method", block="cell", metric="auroc", reference="a"))
    assert table.reference == "a" and table.metric == "auroc"
    assert table.frame.groupby("arm")["value"].mean().to_dict() == pytest.approx({"a": 0.75, "b": 0.55})
    assert table.frame.set_index("arm")["role"].to_dict() == {"a": "reference", "b": "arm"}


def test_several_columns_name_a_block(csv: Callable[[str], Path]) -> None:
    path = csv("net,cell,method,auroc\nS,x,a,0.7\nS,y,a,0.8\nN,x,a,0.6\n")
    assert set(load(path, ReportOptions(block=("net", "cell"), metric="auroc")).frame["block"]) == {
        "S / x",
        "S / y",
        "N / x",
    }


def test_a_level_called_none_is_a_name(csv: Callable[[str], Path]) -> None:
    table = load(csv(WIDE.replace("a,", "none,")), ReportOptions(block="cell"))
    assert set(table.frame["arm"]) == {"none", "b"}


def test_the_study_layout_needs_no_words(study: Callable[..., Table]) -> None:
    table = study()
    assert (table.reference, table.metric) == ("full", "auroc")
    assert set(table.frame["block"]) == {f"cell{i}" for i in range(7)}
    assert table.frame.loc[table.frame["metric"] == "auroc", "value"].max() < 0.95  # validation rows are higher


@pytest.mark.parametrize(
    ("how", "message"),
    [
        (
            {"arm": "metod"},
            r"unknown arm column 'metod'. Did you mean 'method'\? Columns that could be meant: method, cell\.",
        ),
        ({"arm": "method", "block": "cel"}, "unknown block column 'cel'. Did you mean 'cell'"),
        ({"block": "cell", "metric": "aurok"}, "unknown metric column 'aurok'. Did you mean 'auroc'"),
        ({"block": "cell", "reference": "A"}, "unknown reference arm 'A'. Did you mean 'a'"),
    ],
)
def test_unknown_names(csv: Callable[[str], Path], how: dict[str, str], message: str) -> None:
    with pytest.raises(ReportError, match=message):
        load(csv(WIDE), ReportOptions(**how))


def test_unknown_metric_of_a_study(tmp_path: Path) -> None:
    study_frame(blocks=1).to_parquet(tmp_path / "cells.parquet")
    with pytest.raises(ReportError, match=r"unknown metric 'auprk'. Did you mean 'auprc'"):
        load(tmp_path / "cells.parquet", ReportOptions(metric="auprk"))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("b,x,0.6", "b,x,high", r"mine.csv, row 4: auroc is 'high', not a finite number"),
        ("b,x,0.6", "b,x,", r"mine.csv, row 4: auroc is empty"),
        ("b,x,0.6", "b,x,inf", r"row 4: auroc is .*not a finite number"),
        ("b,x,0.6", ",x,0.6", r"mine.csv, row 4: column 'method' is empty"),
        ("b,x,0.6", "b,,0.6", r"mine.csv, row 4: column 'cell' is empty"),
        ("b,y,0.5", "b,x,0.5", r"row 5: 2 rows measure the same thing: arm 'b' on 'x'.*\(rows 4, 5\)"),
    ],
)
def test_wrong_rows_are_named(csv: Callable[[str], Path], old: str, new: str, message: str) -> None:
    with pytest.raises(ReportError, match=message):
        load(csv(WIDE.replace(old, new)), ReportOptions(arm="method", block="cell", metric="auroc"))


def test_a_table_without_metric(csv: Callable[[str], Path]) -> None:
    with pytest.raises(ReportError, match="no column is a known metric"):
        load(csv(WIDE.replace("auroc", "score")), ReportOptions(block="cell"))


def test_a_failed_row_may_be_empty(csv: Callable[[str], Path]) -> None:
    text = "method,cell,auroc,status\na,x,0.7,ok\nb,x,,oom\n"
    frame = load(csv(text), ReportOptions(block="cell")).frame
    assert frame.loc[frame["arm"] == "b", "value"].isna().all()


def test_a_score_beside_a_failure_is_ignored(csv: Callable[[str], Path]) -> None:
    text = "method,cell,auroc,status\na,x,0.7,ok\nb,x,0.99,diverged\n"
    frame = load(csv(text), ReportOptions(block="cell")).frame
    assert frame.loc[frame["arm"] == "b", "value"].isna().all()


def test_a_cell_that_died_without_metric_failed_on_all(tmp_path: Path) -> None:
    frame = study_frame(blocks=1, repeats=1)
    dead = frame["arm"].eq("pcc")
    one = frame[dead].drop_duplicates("cell").assign(metric=None, value=float("nan"), status="killed")
    pd.concat([frame[~dead], one]).to_parquet(tmp_path / "cells.parquet")
    read = load(tmp_path / "cells.parquet").frame
    assert sorted(read.loc[(read["arm"] == "pcc") & (read["network"] == "STRING"), "metric"]) == [
        "auprc",
        "auprc_ratio",
        "auroc",
    ]


def test_one_name_for_two_models(study: Callable[..., Table]) -> None:
    def swap(frame: pd.DataFrame) -> pd.DataFrame:
        other = frame["arm"].eq("pcc") & frame["block"].eq("cell0")
        return frame.assign(arm_digest=frame["arm_digest"].where(~other, "another"))

    with pytest.raises(ReportError, match="arm 'pcc' stands for 2 different models"):
        study(swap)


def test_two_references(study: Callable[..., Table]) -> None:
    with pytest.raises(ReportError, match="2 arms have the role 'reference'"):
        study(lambda frame: frame.assign(role=frame["role"].replace("baseline", "reference")))


def test_no_file(tmp_path: Path) -> None:
    (tmp_path / "cells.parquet").touch()
    with pytest.raises(ReportError, match=r"cell.parquet: no such file or folder. Did you mean 'cells.parquet'"):
        load(tmp_path / "cell.parquet")


def test_not_a_table(tmp_path: Path) -> None:
    (tmp_path / "cells.parquet").write_text("not parquet")
    with pytest.raises(ReportError, match="not a readable table"):
        load(tmp_path / "cells.parquet")


def test_a_table_that_does_not_name_its_units_is_asked_for_them(csv: Callable[[str], Path]) -> None:
    with pytest.raises(
        ReportError, match=r"no column 'block' or 'cell' or 'cell_type' or 'dataset'; say which .* with --block"
    ):
        load(csv(WIDE.replace("cell", "tissue")))


def test_benchmark_columns_need_no_words_cell_types_are_the_units(csv: Callable[[str], Path]) -> None:
    rows = [
        f"{network},{cell},TFs+500,{gnn},0.{7 + (gnn == 'gat')}{i}"
        for i, cell in enumerate("xyz")
        for network in "SN"
        for gnn in ("none", "gat")
    ]
    frame = load(csv("\n".join(["network,cell,genes,gnn,auroc", *rows]) + "\n")).frame
    assert set(frame["arm"]) == {"none", "gat"}
    assert set(frame["block"]) == {"x", "y", "z"}
    assert set(frame["dataset"]) == {f"{network} / {cell}" for network in "SN" for cell in "xyz"}


def test_the_cell_type_of_a_study_is_its_block_not_what_was_trained(study: Callable[..., Table]) -> None:
    named = load(study().source, ReportOptions(block=("network", "cell")))
    assert set(named.frame["block"]) == {f"{n} / cell{i}" for n in ("STRING", "Specific") for i in range(7)}


class TestOptions:
    """An option that is empty or names a column twice is refused."""

    TEXT = "method,cell,dataset,auroc\na,x,d1,0.7\na,y,d2,0.8\nb,x,d1,0.6\nb,y,d2,0.5\n"

    @pytest.mark.parametrize("option", ["arm", "block", "dataset", "metric"])
    @pytest.mark.parametrize("given", ["", " "])
    def test_an_empty_name(self, csv: Callable[[str], Path], option: str, given: str) -> None:
        with pytest.raises(ReportError, match=f"--{option} holds an empty name"):
            load(csv(self.TEXT), ReportOptions(**{option: given}))

    @pytest.mark.parametrize("given", [(), ("cell", ""), "cell,"])
    def test_an_empty_name_among_others(self, csv: Callable[[str], Path], given: object) -> None:
        for option in ("arm", "block", "dataset"):
            with pytest.raises(ReportError, match=f"--{option} holds an empty name"):
                load(csv(self.TEXT), ReportOptions(**{option: given}))

    def test_one_column_named_twice(self, csv: Callable[[str], Path]) -> None:
        for option in ("arm", "block", "dataset"):
            with pytest.raises(ReportError, match=f"--{option} names column 'cell' twice"):
                load(csv(self.TEXT), ReportOptions(**{option: ("cell", "Cell")}))

    def test_a_unit_does_not_lie_inside_itself(self, csv: Callable[[str], Path]) -> None:
        for dataset in ("dataset", ("Dataset",)):
            with pytest.raises(
                ReportError, match="'dataset' is named as the unit, with --block, and as what lies inside"
            ):
                load(csv(self.TEXT), ReportOptions(block="dataset", dataset=dataset))
        assert (
            load(csv(self.TEXT), ReportOptions(block="cell", dataset=("cell", "dataset"))).frame["block"].nunique() == 2
        )
        assert load(csv(self.TEXT), ReportOptions(dataset="dataset")).units == "cell, each over dataset"

    def test_messages_name_options_alone(self, csv: Callable[[str], Path]) -> None:
        for how in ({"block": "cell", "metric": None}, {}):
            with pytest.raises(ReportError) as caught:
                load(
                    csv(WIDE.replace("auroc", "score").replace("cell", "tissue" if not how else "cell")),
                    ReportOptions(**how),
                )
            assert "--" in str(caught.value) and "=)" not in str(caught.value)


class TestRepeated:
    """Rows that measure one thing twice: the advice names repeats first, independent units last."""

    TEXT = "method,cell,fold,auroc\na,x,1,0.7\na,x,2,0.8\nb,x,1,0.6\n"

    def message_of(self, path: Path) -> str:
        with pytest.raises(ReportError) as caught:
            load(path)
        return str(caught.value)

    def test_the_order_of_advice(self, csv: Callable[[str], Path]) -> None:
        message = self.message_of(csv(self.TEXT))
        places = [message.index(words) for words in ("'repeat'", "'seed'", "'run'", "--dataset", "--arm", "--block")]
        assert places == sorted(places)
        assert "(rows 2, 3)" in message and "Rows 2 and 3 differ in column 'fold'." in message

    def test_scores_and_costs_do_not_distinguish_rows(self, csv: Callable[[str], Path]) -> None:
        message = self.message_of(csv("method,cell,seconds,AUC,auprc\na,x,1,0.7,0.1\na,x,2,0.8,0.2\n"))
        assert "Only scores and records of the run tell rows 2 and 3 apart." in message and "'repeat'" in message

    def test_several_columns(self, csv: Callable[[str], Path]) -> None:
        assert "differ in columns 'fold', 'lr'." in self.message_of(
            csv("method,fold,lr,cell,auroc\na,1,2,x,.7\na,2,3,x,.8\n")
        )

    def test_a_duplicated_row(self, csv: Callable[[str], Path]) -> None:
        message = self.message_of(csv("method,cell,note,auroc\na,x,,0.7\na,x,,0.7\n"))
        assert "Rows 2 and 3 are the same; delete one." in message and "--block" not in message

    def test_of_a_long_table(self, csv: Callable[[str], Path]) -> None:
        message = self.message_of(csv("method,cell,fold,metric,value\na,x,1,auroc,0.7\na,x,2,auroc,0.8\n"))
        assert "Rows 2 and 3 differ in column 'fold'." in message


def own_table(folder: Path, metric: str) -> Path:
    """Write a table with one metric of its own between 0 and 1, and return its path."""
    rows = [f"{arm},d{i},{0.7 + i / 100}" for arm in "ab" for i in range(3)]
    path = folder / "own.csv"
    path.write_text("\n".join([f"arm,dataset,{metric}", *rows]), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "metric", ["loss", "val_loss", "RMSE", "cross-entropy", "error_rate", "SHD", "hamming_distance"]
)
def test_a_loss_is_refused_under_any_usual_name(tmp_path: Path, metric: str) -> None:
    with pytest.raises(ReportError, match=f"a lower value is better.*'minus_{metric}'"):
        load(own_table(tmp_path, metric), ReportOptions(metric=metric))


@pytest.mark.parametrize("metric", ["minus_loss", "neg_mean_squared_error", "1 - error", "lossless"])
def test_what_is_better_when_it_is_higher_is_read(tmp_path: Path, metric: str) -> None:
    assert load(own_table(tmp_path, metric), ReportOptions(metric=metric)).metric == metric


@pytest.mark.parametrize("margin", [0.5, 5.0, float("inf")])
def test_a_margin_that_holds_everything_is_refused(tmp_path: Path, margin: float) -> None:
    with pytest.raises(ReportError, match="any two arms would be equal"):
        load(own_table(tmp_path, "auroc"), ReportOptions(margin=margin))
