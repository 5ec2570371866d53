"""Tables as people have them: the unit, the direction and the scale of a score are recognised or refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import Read, analyse, refused, study_frame

from reports.table.table import Table, load

WIDE = "method,cell,auroc\na,x,0.7\na,y,0.8\nb,x,0.6\nb,y,0.5\n"
LONG = "method,cell,metric,value,status\na,x,auroc,0.7,ok\nb,x,auroc,0.6,ok\na,x,epr,2.5,ok\nb,x,epr,1.5,ok\n"


class TestUnit:
    """Data sets of one cell type are not independent, however they are named."""

    HEAD = "dataset,cell,network,method,auroc\n"
    ROWS = "".join(
        f"{cell}-{network},{cell},{network},{method},0.7\n"
        for cell in ("hESC", "hHEP", "mDC")
        for network in ("STRING", "Specific")
        for method in "ab"
    )

    def test_the_cell_type_is_the_unit_where_data_sets_lie_in_one(self, read: Read) -> None:
        table = read(self.HEAD + self.ROWS)
        assert set(table.frame["block"]) == {"hESC", "hHEP", "mDC"}
        assert "hESC-STRING" in set(table.frame["dataset"]) and table.frame["dataset"].nunique() == 6
        assert table.units == "cell, each over dataset"

    @pytest.mark.parametrize("head", ["cell_type", "Cell type", "CellType"])
    def test_a_cell_type_may_be_called_so(self, read: Read, head: str) -> None:
        assert set(read((self.HEAD + self.ROWS).replace("cell", head, 1)).frame["block"]) == {"hESC", "hHEP", "mDC"}

    def test_a_cell_type_equal_to_the_data_set_changes_nothing(self, read: Read) -> None:
        assert set(read("dataset,cell,method,auroc\nd1,x,a,0.7\nd2,y,a,0.6\n").frame["block"]) == {"x", "y"}

    def test_cells_within_a_data_set_are_not_its_unit(self, read: Read) -> None:
        text = "dataset,cell,repeat,method,auroc\nd1,c1,0,a,0.7\nd1,c2,1,a,0.6\nd2,c3,0,a,0.7\nd2,c4,1,a,0.6\n"
        assert set(read(text).frame["block"]) == {"d1", "d2"}

    def test_what_was_asked_for_stands(self, read: Read) -> None:
        assert read(self.HEAD + self.ROWS, block="dataset").frame["block"].nunique() == 6
        assert read(self.HEAD + self.ROWS, block=("network", "cell")).frame["block"].nunique() == 6

    def test_a_study_keeps_its_blocks(self, study: Callable[..., Table]) -> None:
        assert set(study().frame["block"]) == {f"cell{i}" for i in range(7)}


class TestDirection:
    """Every sentence takes higher as better."""

    @pytest.mark.parametrize("name", ["brier", "Brier score"])
    def test_a_known_metric_of_which_less_is_better_is_refused(self, read: Read, name: str) -> None:
        with refused(r"mine.csv, row 2: .*'brier'.*lower.*negative.*minus_"):
            read(WIDE.replace("auroc", name), metric=name)

    def test_it_is_not_read_unasked(self, read: Read) -> None:
        assert set(read("arm,block,auroc,brier\na,x,0.9,0.1\nb,x,0.6,0.2\n").frame["metric"]) == {"auroc"}

    def test_of_an_unknown_metric_higher_is_taken_as_better(self, read: Read) -> None:
        table = read(WIDE.replace("auroc", "my_score"), metric="my_score")
        assert table.metric == "my_score"
        assert [r.subject for r in analyse(table).refusals if r.rule == "direction"] == ["my_score"]

    def test_rows_of_a_long_table_too(self, read: Read) -> None:
        with refused(r"row 4: .*'brier'"):
            read(LONG.replace("epr", "brier"))


class TestScale:
    """A score off its scale makes every margin and every share of an AUROC wrong."""

    @pytest.mark.parametrize("metric", ["auroc", "auprc", "within_tf_auroc"])
    def test_percent_is_refused(self, read: Read, metric: str) -> None:
        with refused(rf"mine.csv, row 4: {metric} is 60.0.*between 0 and 1.*in percent\? divide by 100"):
            read(WIDE.replace("auroc", metric).replace("b,x,0.6", "b,x,60"))

    @pytest.mark.parametrize("metric", ["auprc_ratio", "epr", "auroc"])
    def test_negative_scores_are_refused(self, read: Read, metric: str) -> None:
        with refused(rf"row 4: {metric} is -0.6"):
            read(WIDE.replace("auroc", metric).replace("b,x,0.6", "b,x,-0.6"))

    def test_rounding_is_forgiven(self, read: Read) -> None:
        text = WIDE.replace("b,x,0.6", "b,x,1.0000000001").replace("b,y,0.5", "b,y,-1e-12")
        values = read(text).frame["value"]
        assert (values.min(), values.max()) == (0.0, 1.0)

    def test_ratios_and_own_metrics_have_no_top(self, read: Read) -> None:
        assert read(WIDE.replace("auroc", "epr").replace("0.6", "60")).frame["value"].max() == 60.0
        assert read(WIDE.replace("auroc", "gain").replace("0.6", "-60"), metric="gain").frame["value"].min() == -60.0

    def test_long_tables_too(self, read: Read) -> None:
        with refused("row 3: auroc is 60.0"):
            read(LONG.replace("auroc,0.6", "AUROC,60").replace("auroc,0.7", "AUROC,0.7"))

    @pytest.mark.parametrize(
        ("value", "message"),
        [("60%", "row 4: auroc is '60%'.*percent sign"), ('"0,6"', "row 4: auroc is '0,6'.*decimal point")],
    )
    def test_how_to_write_a_number(self, read: Read, value: str, message: str) -> None:
        with refused(message):
            read(WIDE.replace("b,x,0.6", f"b,x,{value}"))


class TestNames:
    """The rules of a metric hold however its name is written."""

    @pytest.mark.parametrize(
        ("written", "canonical"),
        [
            *[(name, "auroc") for name in ("AUROC", "AUC", "AUC-ROC", "ROC AUC", "roc_auc")],
            *[(name, "auprc") for name in ("AUPRC", "AUPR", "PR AUC", "AUC-PR", "AP", "Average Precision")],
            *[("AUPRC ratio", "auprc_ratio"), ("EPR", "epr"), ("within-TF AUROC", "within_tf_auroc")],
        ],
    )
    def test_metrics_are_recognised_by_any_name_in_both_layouts(self, read: Read, written: str, canonical: str) -> None:
        for how in ({}, {"metric": written}, {"metric": canonical}):
            wide = read(WIDE.replace("auroc", written), **how)
            long = read(LONG.replace("auroc", written).replace("epr", "other"), **how)
            assert wide.metric == canonical and set(wide.frame["metric"]) == {canonical}
            assert set(long.frame["metric"]) == {canonical, "other"} and (not how or long.metric == canonical)

    def test_two_columns_of_one_metric(self, read: Read) -> None:
        text = "method,cell,AUC,AUROC\na,x,0.7,0.9\n"
        for how in ({}, {"metric": "AUROC"}):
            with refused("'AUC' and 'AUROC'.*auroc"):
                read(text, **how)

    def test_two_names_of_one_metric_in_a_long_table(self, read: Read) -> None:
        with refused("'auroc' and 'AUC'"):
            read(LONG.replace("b,x,auroc", "b,x,AUC"))

    def test_two_columns_of_one_name(self, read: Read) -> None:
        with refused("2 columns are called 'auroc'"):
            read("method,cell,auroc,auroc\na,x,0.7,0.9\n")

    def test_columns_are_recognised_in_any_case(self, read: Read) -> None:
        text = "Method,Dataset,Repeat,Status,Reason,AUROC\na,x,0,ok,,0.7\na,x,1,OOM,big,\n"
        frame = read(text).frame
        assert list(frame["repeat"]) == [0, 1] and list(frame["status"]) == ["ok", "oom"]
        assert set(read("Arm,Cell,Metric,Value\na,x,AUROC,0.7\n").frame["metric"]) == {"auroc"}
        assert set(read("Cell,GNN,auroc\nx,none,0.7\nx,gat,0.8\n").frame["arm"]) == {"none", "gat"}

    def test_given_columns_in_any_case(self, read: Read) -> None:
        table = read(WIDE.replace("cell", "Tissue").replace("auroc", "Score"), block="tissue", metric="score")
        assert table.metric == "Score" and set(table.frame["block"]) == {"x", "y"}

    def test_no_choice_between_two_that_differ_in_case(self, read: Read) -> None:
        with refused("'method' and 'Method'"):
            read("method,Method,cell,auroc\na,b,x,0.7\n")
        with refused("'Tissue' and 'TISSUE'"):
            read("method,Tissue,TISSUE,auroc\na,b,x,0.7\n", block="tissue")
        with refused("unknown metric 'F 1'"):
            read(LONG.replace("auroc", "f1").replace("epr", "f-1"), metric="F 1")

    def test_a_model_is_an_arm_unless_one_factor_varies_it(self, read: Read) -> None:
        assert set(read(WIDE.replace("method", "model")).frame["arm"]) == {"a", "b"}
        assert set(read("Model,cell,auroc\na,x,0.7\n").frame["arm"]) == {"a"}
        text = "model,gnn,cell,auroc\nm,none,x,0.7\nm,gat,x,0.7\n"
        assert set(read(text).frame["arm"]) == {"none", "gat"}

    @pytest.mark.parametrize("head", ["seed", "run", "Seed"])
    def test_seeds_and_runs_are_repeats(self, read: Read, head: str) -> None:
        text = f"method,cell,{head},auroc\na,x,4,0.7\na,x,5,0.8\nb,x,4,0.6\nb,x,5,0.5\n"
        assert sorted(set(read(text).frame["repeat"])) == [4, 5]

    def test_a_repeat_is_a_whole_number(self, read: Read) -> None:
        with refused("row 3: repeat '0.5' is not a whole number"):
            read("method,cell,repeat,auroc\na,x,0,0.7\na,x,0.5,0.8\n")

    def test_repeats_go_before_seeds(self, read: Read) -> None:
        text = "method,cell,seed,repeat,auroc\na,x,4,0,0.7\na,x,5,1,0.8\n"
        assert list(read(text).frame["repeat"]) == [0, 1]

    def test_a_number_of_the_row_is_no_repeat(self, read: Read) -> None:
        text = "method,cell,run,auroc\na,x,1,0.7\na,y,2,0.8\nb,x,3,0.6\nb,y,4,0.5\n"
        assert set(read(text).frame["repeat"]) == {0}
        assert set(read(text.replace(",1,", ",calm-sun,")).frame["repeat"]) == {0}


class TestStatus:
    """The status of a cell is ``ok`` or the name of a failure."""

    TEXT = "method,cell,auroc,status\na,x,0.7,OK\nb,x,,Timeout\n"

    def test_any_case(self, read: Read) -> None:
        assert list(read(self.TEXT).frame["status"]) == ["ok", "timeout"]

    def test_an_empty_one_is_ok(self, read: Read) -> None:
        assert list(read(self.TEXT.replace("OK", " ")).frame["status"]) == ["ok", "timeout"]

    @pytest.mark.parametrize(("word", "meant"), [("Finished", "ok"), ("success", "ok"), ("FAILED", "error")])
    def test_words_of_other_programs_are_recognised(self, read: Read, word: str, meant: str) -> None:
        score = ",0.7," if meant == "ok" else ",,"
        assert list(read(self.TEXT.replace("Timeout", word).replace(",,", score)).frame["status"]) == ["ok", meant]

    @pytest.mark.parametrize("word", ["undefined", "pending", "1"])
    def test_others_are_refused(self, read: Read, word: str) -> None:
        with refused(
            rf"mine.csv, row 3: unknown status '{word}'.* Known: damaged, diverged, error, killed, ok, oom, timeout"
        ):
            read(self.TEXT.replace("Timeout", word))


class TestUndefined:
    """A metric that no arm has is undefined; where one arm has it, a missing score of another is a failure."""

    @staticmethod
    def exams(
        gone: Callable[[pd.DataFrame], pd.Series], metric: str = "auprc"
    ) -> Callable[[pd.DataFrame], pd.DataFrame]:
        def change(frame: pd.DataFrame) -> pd.DataFrame:
            return frame.assign(value=frame["value"].mask(frame["metric"].eq(metric) & gone(frame)))

        return change

    def test_an_exam_without_the_metric_is_left_out_for_all(self, study: Callable[..., Table]) -> None:
        table = study(self.exams(lambda frame: frame["dataset"].eq("STRING-cell0")))
        assert set(table.frame["status"]) == {"ok"}
        there = table.frame[table.frame["dataset"] == "STRING-cell0"]
        assert set(there["metric"]) == {"auroc", "auprc_ratio"}
        assert table.undefined == (("auprc", "STRING-cell0", 3),)

    def test_of_one_repeat_only(self, study: Callable[..., Table]) -> None:
        table = study(self.exams(lambda frame: frame["dataset"].eq("STRING-cell0") & frame["repeat"].eq(1)))
        assert table.undefined == (("auprc", "STRING-cell0", 1),)
        rows = table.frame.query("metric == 'auprc' and dataset == 'STRING-cell0'")
        assert sorted(set(rows["repeat"])) == [0, 2]

    def test_a_metric_that_another_arm_has_counts_for_all(self, study: Callable[..., Table]) -> None:
        table = study(self.exams(lambda frame: frame["dataset"].eq("STRING-cell0") & frame["arm"].ne("pcc")))
        there = table.frame.query("metric == 'auprc' and dataset == 'STRING-cell0'")
        assert set(there.loc[there["arm"] != "pcc", "status"]) == {"undefined"}
        assert len(there) == 18 and table.undefined == ()

    def test_a_failure_of_all_is_a_failure(self, study: Callable[..., Table]) -> None:
        everyone = {(arm, "cell0") for arm in ("full", "gnn=none", "fusion=early", "pcc", "degree", "noise")}
        table = study(failed=everyone)
        assert (table.frame["status"] == "oom").sum() == 6 * 2 * 3 * 3 and table.undefined == ()

    def test_a_metric_that_is_nowhere_defined_is_gone(self, study: Callable[..., Table]) -> None:
        assert set(study(self.exams(lambda frame: frame["repeat"].ge(0))).frame["metric"]) == {"auroc", "auprc_ratio"}

    def test_the_primary_must_be_defined_somewhere(self, study: Callable[..., Table]) -> None:
        with refused("auroc is undefined on every exam.*--metric"):
            study(self.exams(lambda frame: frame["repeat"].ge(0), "auroc"))

    def test_an_arm_does_not_vanish(self, tmp_path: Path) -> None:
        frame = study_frame(blocks=2)
        lost = frame["arm"].eq("pcc")
        frame = frame[~lost | frame["metric"].eq("epr")]
        extra = study_frame(blocks=2).query("arm == 'pcc' and metric == 'auprc'").assign(metric="epr", value=np.nan)
        pd.concat([frame, extra]).to_parquet(tmp_path / "cells.parquet")
        with refused("arm 'pcc' has no metric"):
            load(tmp_path / "cells.parquet")

    def test_a_foreign_table_may_mark_it(self, read: Read) -> None:
        assert read(LONG.replace("epr,2.5", "epr,").replace("epr,1.5", "epr,NaN")).undefined == (("epr", "x", 1),)
        wide = "method,cell,auroc,epr,status\na,x,0.7,,ok\nb,x,0.6,,ok\n"
        assert read(wide).undefined == (("epr", "x", 1),)
        with refused(r"mine.csv, row 3: epr of arm 'b' on 'x' is empty though its status is 'ok'"):
            read(wide.replace("0.7,,", "0.7,2.5,"))
        with refused("row 2: value is empty"):
            read("method,cell,metric,value\na,x,auroc,\nb,x,auroc,0.5\n")
