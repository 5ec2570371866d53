"""What degrees alone would earn, and whether the arm that is best pooled is best within TFs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from conftest import ARMS, study_frame
from hypothesis import given
from hypothesis import strategies as st

from reports.analysis import analyse
from reports.build import build
from reports.findings.audit import Audit, audit, audit_context, audit_refusals
from reports.tables import Table, load

Study = Callable[..., Table]


def with_within(frame: pd.DataFrame, best: str) -> pd.DataFrame:
    """Add the within-TF metric: the pooled one, save that ``best`` is lifted above every other arm."""
    rows = frame[frame["metric"] == "auroc"].assign(metric="within_tf_auroc")
    rows["value"] = rows["value"] - 0.2 + 0.3 * (rows["arm"] == best)
    return pd.concat([frame, rows], ignore_index=True)


def test_share_and_gain_are_those_of_the_means(study: Study) -> None:
    a = analyse(study(blocks=2, repeats=2))
    found = audit(a).degree
    means = a.scores[a.scores["metric"] == "auroc"].set_index(["arm", "dataset"])["mean"]
    assert len(found) == 5 * 4 and "degree" not in set(found["arm"])
    for row in found.to_dict("records"):
        arm, degree = means[row["arm"], row["dataset"]], means["degree", row["dataset"]]
        assert row["gain"] == pytest.approx(arm - degree)
        if arm > 0.5:
            assert row["share"] == pytest.approx((degree - 0.5) / (arm - 0.5))
        else:
            assert pd.isna(row["share"])


def test_an_arm_that_guesses_has_no_share(study: Study) -> None:
    guess = {**ARMS, "guess": ("arm", 0.3)}
    a = analyse(study(blocks=2, arms=guess))
    found = audit(a)
    assert found.degree.loc[found.degree["arm"] == "guess", "share"].isna().all()
    row = next(r for r in audit_context(found, a)["degree"]["rows"] if r["name"] == "guess")
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
    found = audit(analyse(table))
    assert "pcc" not in set(found.ranks["arm"]) and found.left_out == ("pcc",)


def test_without_a_degree_control_or_within_tf_metric_it_says_so(study: Study, tmp_path: Path) -> None:
    table = study(blocks=2, arms={arm: how for arm, how in ARMS.items() if arm != "degree"})
    text = build(table, tmp_path / "out").read_text(encoding="utf-8")
    assert "this table has no degree control" in text and "within-TF AUROC is not in this table" in text
    assert not (tmp_path / "out" / "tables" / "degree_audit.csv").exists()


def test_an_arm_called_degree_that_is_no_control_is_not_the_measure(study: Study) -> None:
    assert audit(analyse(study(blocks=2, arms={**ARMS, "degree": ("baseline", 0.7)}))).degree.empty


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
