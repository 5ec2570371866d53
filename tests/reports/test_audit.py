"""What degrees alone would earn, and whether the arm that is best pooled is best within TFs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import ARMS, analyse, build, study_frame
from hypothesis import given
from hypothesis import strategies as st

from reports.findings.controls.audit import Audit, audit, audit_refusals
from reports.options import ReportOptions
from reports.page.sections.controls import audit_context
from reports.table.table import Table, load

Study = Callable[..., Table]


def with_within(frame: pd.DataFrame, best: str) -> pd.DataFrame:
    """Add the within-TF metric: the pooled one, save that ``best`` is lifted above every other arm."""
    rows = frame[frame["metric"] == "auroc"].assign(metric="within_tf_auroc")
    rows["value"] = rows["value"] - 0.2 + 0.3 * (rows["arm"] == best)
    return pd.concat([frame, rows], ignore_index=True)


def test_share_and_gain_are_those_of_the_means(study: Study) -> None:
    a = analyse(study(blocks=2, repeats=2))
    shares = audit(a).degree
    means = a.scores[a.scores["metric"] == "auroc"].set_index(["arm", "dataset"])["mean"]
    assert len(shares) == 5 * 4 and "degree" not in set(shares["arm"])
    for row in shares.to_dict("records"):
        arm, degree = means[row["arm"], row["dataset"]], means["degree", row["dataset"]]
        assert row["gain"] == pytest.approx(arm - degree)
        if arm > 0.5:
            assert row["share"] == pytest.approx((degree - 0.5) / (arm - 0.5))
        else:
            assert pd.isna(row["share"])


def test_an_arm_that_guesses_has_no_share(study: Study) -> None:
    guess = {**ARMS, "guess": ("arm", 0.3)}
    a = analyse(study(blocks=2, arms=guess))
    degree_audit = audit(a)
    assert degree_audit.degree.loc[degree_audit.degree["arm"] == "guess", "share"].isna().all()
    row = next(r for r in audit_context(degree_audit, a)["degree"]["rows"] if r["name"] == "guess")
    assert {cell["text"] for cell in row["cells"]} == {"guesses"}


def test_another_best_arm_within_tfs_is_a_warning_on_the_page(study: Study, tmp_path: Path) -> None:
    table = study(lambda frame: with_within(frame, "pcc"), blocks=2)
    (warning,) = audit_refusals(audit(analyse(table)))
    assert warning.weight == "warning" and warning.rule == "pooled and within-TF ranks disagree"
    assert "AUROC full is best" in warning.message and "within-TF AUROC pcc" in warning.message
    page = build(table, tmp_path / "out")
    assert warning.message in page.read_text(encoding="utf-8")
    assert warning.rule in set(pd.read_csv(page.parent / "tables" / "refusals.csv")["rule"])
    ranks = pd.read_csv(page.parent / "tables" / "ranks_within_tf.csv").set_index("arm")
    assert ranks.loc["full", "pooled_rank"] == 1.0 and ranks.loc["pcc", "within_tf_rank"] == 1.0
    assert (page.parent / "tables" / "degree_audit.csv").is_file()


def test_the_same_best_arm_is_no_warning(study: Study) -> None:
    assert audit_refusals(audit(analyse(study(lambda frame: with_within(frame, "full"), blocks=2)))) == ()


def test_an_arm_with_a_failed_cell_is_not_ranked_and_named(study: Study) -> None:
    table = study(lambda frame: with_within(frame, "full"), blocks=2, failed={("pcc", "cell1")})
    degree_audit = audit(analyse(table))
    assert "pcc" not in set(degree_audit.ranks["arm"]) and degree_audit.left_out == ("pcc",)


def test_a_missing_degree_control_or_within_tf_metric_is_stated(study: Study, tmp_path: Path) -> None:
    table = study(blocks=2, arms={arm: how for arm, how in ARMS.items() if arm != "degree"})
    text = build(table, tmp_path / "out").read_text(encoding="utf-8")
    assert "this table has no degree control" in text and "within-TF AUROC is not in this table" in text
    assert not (tmp_path / "out" / "tables" / "degree_audit.csv").exists()


def test_an_arm_called_degree_that_is_no_control_is_not_the_measure(study: Study) -> None:
    assert audit(analyse(study(blocks=2, arms={**ARMS, "degree": ("baseline", 0.7)}))).degree.empty


def sentence_of(tmp_path: Path, full: list[float | None], degree: list[float | None]) -> str:
    """Return the sentence of an audit of two arms, one value per data set; None failed."""
    rows = [
        {"arm": arm, "role": role, "dataset": f"d{i}", "auroc": value, "status": "ok" if value else "oom"}
        for arm, role, values in (("full", "reference", full), ("degree", "control", degree))
        for i, value in enumerate(values)
    ]
    pd.DataFrame(rows).to_csv(tmp_path / "t.csv", index=False)
    a = analyse(load(tmp_path / "t.csv"))
    return str(audit_context(audit(a), a)["sentence"])


def test_the_sentence_holds_means_against_each_other(tmp_path: Path) -> None:
    """A mean of ratios would be 0.1 / 0.3 beside 0.1 / 0.001: 5017 %."""
    sentence = sentence_of(tmp_path, [0.8, 0.501, 0.599], [0.6, 0.6, 0.6])
    assert sentence == (
        "Degrees alone reach AUROC 0.600, full 0.633, on average over 3 data sets: "
        "degrees earn 75 % of what full has above guessing (0.5)."
    )


def test_the_sentence_counts_data_sets_on_which_the_arm_guesses(tmp_path: Path) -> None:
    sentence = sentence_of(tmp_path, [0.9, 0.4], [0.6, 0.6])
    assert "67 % of what full has above guessing" in sentence  # 0.1 / 0.15
    assert sentence.endswith("; on d1 it does not exceed guessing, which is counted in.")


def test_the_sentence_has_no_share_of_nothing(tmp_path: Path) -> None:
    assert sentence_of(tmp_path, [0.52, 0.48], [0.6, 0.6]).endswith("; full does not exceed guessing (0.5).")
    assert sentence_of(tmp_path, [0.7, 0.7], [0.5, 0.48]).endswith("; degrees alone do not exceed guessing (0.5).")


def test_the_sentence_names_its_data_sets_and_those_left_out(tmp_path: Path) -> None:
    sentence = sentence_of(tmp_path, [0.7, None, 0.8], [None, 0.6, 0.6])
    assert "full 0.800, on d2: degrees earn 33 % of" in sentence
    assert sentence.endswith("; d0 and d1 left out for failed or missing cells.")
    assert "on average over 2 of 3 data sets" in sentence_of(tmp_path, [0.7, None, 0.8], [0.6, 0.6, 0.6])
    assert sentence_of(tmp_path, [0.7, None], [None, 0.6]).startswith("Not shown")


@given(st.permutations(["a", "b", "c"]), st.permutations(["a", "b", "c"]))
def test_a_warning_stands_exactly_where_the_first_differs(pooled: list[str], within: list[str]) -> None:
    ranks = pd.DataFrame({"arm": ["a", "b", "c"]})
    ranks["pooled_rank"] = [pooled.index(arm) + 1.0 for arm in ranks["arm"]]
    ranks["within_tf_rank"] = [within.index(arm) + 1.0 for arm in ranks["arm"]]
    assert bool(audit_refusals(Audit(pd.DataFrame(), ranks, "auroc", 7, ()))) == (pooled[0] != within[0])


def test_studies_side_by_side_keep_their_degree_control(tmp_path: Path) -> None:
    frame = study_frame(blocks=2)
    frame.assign(arm="demo: " + frame["arm"]).to_parquet(tmp_path / "cells.parquet")
    assert not audit(analyse(load(tmp_path / "cells.parquet"))).degree.empty


def test_ranks_on_raw_auprc_weigh_networks_as_the_findings_do(study: Callable[..., Table], tmp_path: Path) -> None:
    """Ahead by a tenth on the sparse network, behind by a fiftieth on the dense one: ahead, by findings and audit."""

    def dense(frame: pd.DataFrame) -> pd.DataFrame:
        frame = frame[frame["arm"].isin(["full", "gnn=none"])]
        frame = frame[frame["metric"].isin(["auroc", "auprc"])].replace({"metric": {"auroc": "within_tf_auroc"}})
        string = frame["network"] == "STRING"
        base = np.where(string, 0.8, 0.08) * np.where(frame["arm"] == "full", 1, np.where(string, 0.98, 1.1))
        return frame.assign(value=np.where(frame["metric"] == "auprc", base, frame["value"]))

    study(dense)
    a = analyse(load(tmp_path / "cells.parquet", ReportOptions(metric="auprc")))
    assert next(f for f in a.findings if f.arm == "gnn=none" and f.metric == "auprc").effect.superior == 1.0
    ranks = audit(a).ranks.set_index("arm")
    assert ranks.loc["gnn=none", "pooled_rank"] == 1.0 and np.isnan(ranks.loc["full", "pooled_mean"])
