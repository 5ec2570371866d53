"""The paragraph for a methods section states what was computed, and the LaTeX tables mark what was established."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd
from conftest import ARMS, analyse, build
from hypothesis import given
from hypothesis import strategies as st

from reports.page.sentences.methods import as_latex, methods
from reports.page.tables import exports
from reports.table.table import Table

Study = Callable[..., Table]


def test_it_states_design_unit_tests_correction_and_versions(study: Study) -> None:
    text = methods(analyse(study()))
    assert "full was compared with 2 arms, 1 baseline and 2 controls on 14 data sets with 3 repeats" in text
    assert "The independent unit was the block (N = 7); repeats within data sets and data sets within blocks" in text
    assert "Friedman test (p by permutation)" in text
    assert "On AUROC, 3 comparisons were tested two-sided at the level 0.05 by step-down max-T" in text
    assert "other metrics are described by intervals" in text and "simultaneous 95 % intervals (max-T)" in text
    assert "As sensitivity, Wilcoxon and paired t tests with Holm's correction are given" in text
    assert "a margin of 0.01 by one-sided t tests" in text
    assert "knockout 0.1.0 and torch 2.15.0" in text and "SciPy " in text


def test_it_names_no_test_that_was_refused(study: Study) -> None:
    text = methods(analyse(study(blocks=3)))
    assert "No pairwise test was made: that takes at least 6 blocks." in text
    assert not re.search("Friedman|Nemenyi|Wilcoxon|two-sided", text)


def test_one_block_is_stated(study: Study) -> None:
    assert "there was one independent block, hence no test across data sets" in methods(analyse(study(blocks=1)))


def one_metric(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[frame["metric"] == "auroc"]


def test_unequal_repeats_are_a_range(study: Study) -> None:
    text = methods(analyse(study(lambda f: f[(f["repeat"] == 0) | (f["block"] == "cell0")], repeats=5)))
    assert "on 14 data sets with 1 to 5 repeats per data set" in text


def test_one_arm_was_scored_and_compared_with_nothing(study: Study) -> None:
    for blocks in (1, 7):
        text = methods(analyse(study(blocks=blocks, arms={"full": ("reference", 0.8)})))
        assert text.startswith("full was scored on ")
        assert "Differences" not in text and "pairwise" not in text and "paired" not in text


def test_one_repeat_of_one_block_has_no_interval(study: Study) -> None:
    text = methods(analyse(study(blocks=1, repeats=1)))
    assert "interval" not in text and "There was one independent block" in text


def test_arms_that_differ_nowhere_are_no_method(study: Study) -> None:
    def same(frame: pd.DataFrame) -> pd.DataFrame:
        rows = one_metric(frame).copy()
        rows["value"] = rows.groupby(["dataset", "repeat", "part"])["value"].transform("first")
        return rows

    text = methods(analyse(study(same)))
    assert "no block differs" not in text and "signed-rank" in text


def test_one_tied_pair_does_not_hide_the_tests_of_others(study: Study) -> None:
    def twin(frame: pd.DataFrame) -> pd.DataFrame:
        rows = one_metric(frame)
        copy = rows[rows["arm"] == "full"].assign(arm="same", role="arm", arm_digest="d-same")
        return pd.concat([rows, copy])

    paragraph = methods(analyse(study(twin)))
    assert "As sensitivity, Wilcoxon and paired t tests" in paragraph and "no block differs" not in paragraph


def test_a_single_comparison_needs_no_correction(study: Study) -> None:
    text = methods(analyse(study(arms={"full": ("reference", 0.8), "x": ("arm", 0.7)})))
    assert "On AUROC, 1 comparison was tested two-sided" in text


def test_an_arm_without_a_metric_still_counts_in_its_family(study: Study) -> None:
    lacking = study(
        lambda f: f[f["role"].isin(["reference", "arm"]) & ((f["arm"] != "x") | (f["metric"] == "auroc"))],
        arms={**ARMS, "x": ("arm", 0.7)},
    )
    assert "3 comparisons were tested" in methods(analyse(lacking))


def test_raw_auprc_is_stated_to_have_no_mean(study: Study) -> None:
    text = methods(analyse(study(lambda f: f[f["metric"] == "auprc"])))
    assert "In AUPRC, which has another scale on every network, blocks won were counted" in text
    assert "Differences are paired means" not in text


def test_too_few_complete_blocks_are_the_reason_given(study: Study) -> None:
    crashed = {(arm, f"cell{i}") for i in range(2) for arm in ARMS if arm != "full"}
    assert "No pairwise test was made: no two arms share 6 complete blocks." in methods(analyse(study(failed=crashed)))


def test_blocks_taken_as_independent_are_not_called_independent(study: Study) -> None:
    def joined(frame: pd.DataFrame) -> pd.DataFrame:
        return frame.assign(block=frame["network"] + " / " + frame["block"])

    text = methods(analyse(study(joined, blocks=4)))
    assert "The units of analysis were 8 blocks taken as independent" in text and "independent unit" not in text


def test_failures_and_their_second_pass_are_stated_only_where_there_are_any(study: Study) -> None:
    assert "second pass" not in methods(analyse(study()))
    assert "second pass" in methods(analyse(study(failed={("fusion=early", "cell3")})))


def test_it_is_written_beside_the_tables_as_text_and_as_latex(study: Study, tmp_path: Path) -> None:
    folder = build(study(blocks=2, arms={**ARMS, "full": ("reference", 0.8)}), tmp_path / "out").parent / "tables"
    plain = (folder / "methods" / "methods.txt").read_text(encoding="utf-8")
    assert "95 % intervals" in plain
    assert (folder / "methods" / "methods.tex").read_text(encoding="utf-8") == as_latex(plain)


@given(st.text(alphabet="ab\\&%$#_{}~^ ±–"))
def test_no_character_stays_a_command_in_latex(text: str) -> None:
    latex = as_latex(text)
    for command in (r"\textbackslash{}", r"\textasciitilde{}", r"\textasciicircum{}", r"$\pm$"):
        latex = latex.replace(command, "")
    assert not re.search(r"(?<!\\)[&%$#_{}~^]", latex)
    assert "\\" not in re.sub(r"\\[&%$#_{}]", "", latex)


def test_score_tables_mark_the_arms_that_are_established_to_differ(study: Study) -> None:
    a = analyse(study(blocks=9))
    tex = next(e.tex for e in exports(a) if e.name == "scores_auroc")
    marked = set(re.findall(r"([\w=]+)\$\^\{\*+\}\$ &", tex)) | set(re.findall(r"& ([\w=]+)\$\^\{\*+\}\$", tex))
    assert marked == {f.arm for f in a.findings if f.metric == "auroc" and f.verdict in ("higher", "lower")} != set()
    assert "over blocks, max-T: $^{*" in tex


def test_score_tables_without_a_finding_have_no_marks(study: Study) -> None:
    assert all("$^{*" not in e.tex for e in exports(analyse(study(blocks=3))))
