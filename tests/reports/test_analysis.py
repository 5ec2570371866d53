"""What a study may claim: pairing, independent blocks, failures that stay visible, refusals that fire."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import ARMS, analyse
from hypothesis import given, settings
from hypothesis import strategies as st

from reports.findings.results import Analysis, Finding
from reports.options import ReportOptions
from reports.page.sentences.summary import summary
from reports.table.blocks import block_means
from reports.table.table import Table, load

Study = Callable[..., Table]


def finding(analysis: Analysis, arm: str, metric: str = "auroc") -> Finding:
    return next(f for f in analysis.findings if f.arm == arm and f.metric == metric)


def rules(analysis: Analysis, weight: str = "refused") -> set[str]:
    return {r.rule for r in analysis.refusals if r.weight == weight}


def test_a_real_loss_is_found_and_its_family_named(study: Study) -> None:
    without_gnn = finding(analyse(study()), "gnn=none")
    assert without_gnn.verdict == "lower"
    assert without_gnn.effect is not None and without_gnn.effect.mean == pytest.approx(-0.06, abs=0.01)
    assert without_gnn.effect.n == 7
    assert without_gnn.family == "AUROC; knocked-out arms and baselines against full; 3 comparisons"


def test_repeats_do_not_become_blocks(study: Study) -> None:
    few, many = analyse(study(repeats=2)), analyse(study(repeats=8))
    sizes = [finding(a, "gnn=none").effect for a in (few, many)]
    assert [s.n for s in sizes if s] == [7, 7]


def test_pairing_is_by_repeat_not_by_row(study: Study) -> None:
    """Repeats share luck: paired by index the interval is far narrower than the spread of scores."""

    def lucky(frame: pd.DataFrame) -> pd.DataFrame:
        return frame[frame["metric"] == "auroc"].assign(value=frame["value"] - 0.1 * frame["repeat"])

    (pair,) = [
        p
        for p in analyse(study(lucky, blocks=1, repeats=5, noise=0.001)).paired
        if (p.metric, p.arm, p.dataset) == ("auroc", "gnn=none", "STRING-cell0")
    ]
    assert pair.repeats == 5
    assert pair.high - pair.low < 0.02


@pytest.mark.slow
def test_row_order_changes_no_number(study: Study) -> None:
    table = study(blocks=6, repeats=2)
    one = analyse(table)

    @settings(max_examples=3, deadline=None)
    @given(seed=st.integers(0, 10_000))
    def shuffled_is_the_same(seed: int) -> None:
        other = analyse(study(lambda frame: frame.sample(frac=1, random_state=seed), blocks=6, repeats=2))
        assert [repr(f) for f in one.findings] == [repr(f) for f in other.findings]
        assert [g.test for g in one.globals] == [g.test for g in other.globals]
        assert one.gains == other.gains and one.paired == other.paired
        pd.testing.assert_frame_equal(one.scores, other.scores)

    shuffled_is_the_same()


def test_an_arm_that_fails_its_worst_cells_does_not_win(study: Study) -> None:
    """'lucky' beats the reference on every block it finishes, and crashes on two blocks of eight."""
    arms = {**ARMS, "lucky": ("arm", 0.85)}
    whole = analyse(study(blocks=8, arms=arms, noise=0.001))
    assert finding(whole, "lucky").verdict == "higher"
    dies = {("lucky", "cell0"), ("lucky", "cell1")}
    analysis = analyse(study(blocks=8, arms=arms, failed=dies, noise=0.001))
    lucky = finding(analysis, "lucky")
    assert lucky.verdict != "higher"
    assert lucky.effect is not None and lucky.effect.n == 6 and lucky.failures == 2
    assert lucky.decision.p_failures is not None and lucky.decision.p_failures > 0.05
    assert {d.block for d in lucky.dropped} == {"cell0", "cell1"}
    assert "failures" in rules(analysis, "warning")
    (c,) = [c for c in analysis.conclusions if c.finding.arm == "lucky"]
    assert c.word == "the data cannot tell" and "failed cells are not equal to finished ones" in c.why


def test_a_crash_is_not_level_with_the_only_arm_that_finished(study: Study) -> None:
    """Of two arms the lowest of a block where one crashed is the other: the crash must not count as its score."""
    arms = {"full": ("reference", 0.8), "gnn=none": ("arm", 0.82)}
    dies = {("gnn=none", "cell0"), ("gnn=none", "cell1")}
    without_gnn = finding(analyse(study(blocks=8, arms=arms, failed=dies, noise=0.001)), "gnn=none")
    assert without_gnn.decision.p is not None and without_gnn.decision.p < 0.05 < (
        without_gnn.decision.p_failures or 0.0
    )
    assert without_gnn.verdict == "not established"


def test_a_failed_repeat_leaves_no_mean_behind(study: Study) -> None:
    def crash(frame: pd.DataFrame) -> pd.DataFrame:
        hit = frame["arm"].eq("gnn=none") & frame["repeat"].eq(0) & frame["dataset"].eq("STRING-cell0")
        return frame.assign(status=frame["status"].where(~hit, "diverged"))

    analysis = analyse(study(crash))
    row = analysis.scores.query("arm == 'gnn=none' and dataset == 'STRING-cell0' and metric == 'auroc'").iloc[0]
    assert np.isnan(row["mean"]) and row["failed"] == 1 and row["finished"] == 2
    assert finding(analysis, "gnn=none").effect.n == 6  # type: ignore[union-attr]


def test_a_cell_never_run_is_missing_not_failed(study: Study) -> None:
    table = study(lambda frame: frame[~(frame["arm"].eq("gnn=none") & frame["block"].eq("cell2"))])
    without_gnn = finding(analyse(table), "gnn=none")
    assert without_gnn.failures == 0
    assert [(d.block, d.why) for d in without_gnn.dropped] == [("cell2", "missing")]


def test_networks_weigh_the_same_inside_a_block(study: Study) -> None:
    """A network with more rows must not pull the block's mean."""
    table = study(blocks=6)
    means = block_means(table.frame, "auroc")
    by_hand = (
        table.frame[table.frame["metric"] == "auroc"]
        .groupby(["block", "dataset", "arm"])["value"]
        .mean()
        .groupby(["block", "arm"])
        .mean()
    )
    assert means.loc["cell0", "full"] == pytest.approx(by_hand["cell0", "full"])


@pytest.mark.parametrize(
    ("blocks", "refused", "tests"),
    [
        (1, {"blocks", "global test"}, set()),
        (4, {"blocks", "global test"}, set()),
        (5, {"blocks"}, {"global"}),
        (6, set(), {"global", "pairs"}),
        (7, set(), {"global", "pairs"}),
    ],
)
def test_refusals_follow_the_number_of_blocks(study: Study, blocks: int, refused: set[str], tests: set[str]) -> None:
    analysis = analyse(study(blocks=blocks))
    assert rules(analysis) == refused
    assert bool(analysis.globals) == ("global" in tests)
    decided = [f for f in analysis.findings if f.verdict in ("higher", "lower", "not established")]
    assert bool(decided) == ("pairs" in tests) and all(f.metric == "auroc" for f in decided)


def test_two_arms_have_no_test_of_ranks(study: Study) -> None:
    arms = {name: ARMS[name] for name in ("full", "gnn=none")}
    analysis = analyse(study(arms=arms))
    assert "global test" not in rules(analysis) and not analysis.globals


@pytest.mark.parametrize("column", ["data_digest", "split_digest", "code_digest"])
def test_mixed_digests_stop_every_test(study: Study, column: str) -> None:
    def stale(frame: pd.DataFrame) -> pd.DataFrame:
        hit = frame["arm"].eq("gnn=none") & frame["dataset"].eq("STRING-cell0") & frame["repeat"].eq(1)
        return frame.assign(**{column: frame[column].where(~hit, "older")})

    analysis = analyse(study(stale))
    assert [r.subject for r in analysis.refusals if r.rule == "mixed digests"] == ["STRING-cell0"]
    assert all(f.p is None for f in analysis.findings) and not analysis.globals
    assert {c.word for c in analysis.conclusions} == {"refused"}
    assert "STRING-cell0" not in {g.dataset for g in analysis.gains}
    assert "No arm is compared" in summary(analysis)[0]


def test_search_trials_are_not_replicates(study: Study) -> None:
    analysis = analyse(study(lambda frame: frame.assign(trial=frame["repeat"])))
    assert "search trials" in rules(analysis)
    assert all(f.p is None for f in analysis.findings)


def test_unequal_budgets_are_warned_about(study: Study) -> None:
    def tuned(frame: pd.DataFrame) -> pd.DataFrame:
        return frame.assign(protocol=np.where(frame["arm"] == "full", "long", "short"))

    assert "budget" in rules(analyse(study(tuned)), "warning")
    assert "budget" not in rules(analyse(study()), "warning")


@pytest.mark.parametrize(
    ("budget", "warned"),
    [
        ('{"epochs": 40, "keep": "best"}', True),
        ('{"epochs": 40}', True),
        ('{"epochs": 41, "keep": "best"}', False),
        ('{"epochs": 40, "keep": "last"}', False),
        ('{"keep": "best"}', False),
        ("as published", False),
        ("40", False),
    ],
)
def test_an_arm_whose_budget_ended_while_it_rose_is_named(study: Study, budget: str, warned: bool) -> None:
    def trained(frame: pd.DataFrame) -> pd.DataFrame:
        rises = (frame["arm"] == "gnn=none") & (frame["repeat"] != 1)
        return frame.assign(protocol=budget, best_epoch=np.where(rises, 40, 7))

    told = [r for r in analyse(study(trained)).refusals if r.rule == "training cut short"]
    assert [r.subject for r in told] == ["gnn=none"] * warned and all(r.weight == "warning" for r in told)
    assert not [r for r in analyse(study()).refusals if r.rule == "training cut short"]


def test_raw_auprc_is_decided_by_blocks_won(study: Study) -> None:
    analysis = analyse(replace(study(), metric="auprc"))
    without_gnn = finding(analysis, "gnn=none", "auprc")
    assert without_gnn.p is not None and without_gnn.p <= 3 * 2 / 2**7 and without_gnn.verdict == "lower"
    assert without_gnn.effect is not None and np.isnan(without_gnn.effect.mean)
    assert without_gnn.sensitivity is not None and "sign test" in without_gnn.sensitivity.signed.method
    assert "scale" in rules(analysis, "warning")


def test_what_is_asked_beside_the_primary_metric_is_described(study: Study) -> None:
    analysis = analyse(study())
    assert {f.verdict for f in analysis.findings if f.metric != "auroc"} == {"described"}
    assert {f.verdict for f in analysis.findings if analysis.roles[f.arm] == "control"} == {"described"}
    assert {c.finding.metric for c in analysis.conclusions} == {"auroc"}


def test_an_arm_that_never_finished_is_not_tested_and_named(study: Study) -> None:
    arms = {**ARMS, "broken": ("arm", 0.7)}
    analysis = analyse(study(arms=arms, failed={("broken", f"cell{i}") for i in range(7)}))
    assert finding(analysis, "gnn=none").verdict == "lower"
    assert finding(analysis, "broken").p is None and "incomplete" in rules(analysis)


def test_the_strongest_control_is_chosen_per_data_set_and_metric(study: Study) -> None:
    def turn(frame: pd.DataFrame) -> pd.DataFrame:
        up = frame["arm"].eq("noise") & frame["dataset"].eq("STRING-cell1") & frame["metric"].eq("auprc")
        return frame.assign(value=frame["value"] + 0.4 * up)

    gains = {(g.dataset, g.metric): g for g in analyse(study(turn, blocks=2)).gains}
    assert gains["STRING-cell1", "auprc"].against == "noise"
    assert gains["STRING-cell1", "auprc"].mean < -0.2
    assert gains["STRING-cell1", "auroc"].against == "degree"
    assert gains["STRING-cell1", "auroc"].repeats == 3


def test_alpha_outside_its_range() -> None:
    with pytest.raises(ValueError, match="alpha"):
        ReportOptions(alpha=1.0)


def test_without_reference_all_pairs_are_one_family(study: Study) -> None:
    table = study()
    frame = table.frame.assign(role=table.frame["role"].replace("reference", "arm"))
    analysis = analyse(replace(table, reference=None, frame=frame))
    assert len([f for f in analysis.findings if f.metric == "auroc"]) == 15
    assert analysis.gains == ()
    assert "no reference" in rules(analysis, "warning")


def rows_where(frame: pd.DataFrame, *conditions: str) -> pd.Series:
    """Return the mask of the rows that meet every condition."""
    return pd.Series(np.logical_and.reduce([frame.eval(c) for c in conditions]), index=frame.index)


def test_a_crash_beside_a_repeat_that_was_not_run_is_a_crash(study: Study) -> None:
    """'lucky' died in the first repeat of four blocks and was not run again there: it must not win by that."""
    arms = {**ARMS, "lucky": ("arm", 0.85)}

    def broken(frame: pd.DataFrame) -> pd.DataFrame:
        hard = rows_where(frame, "arm == 'lucky'", "block in ['cell0', 'cell1', 'cell2', 'cell3']")
        died = hard & (frame["repeat"] == 0)
        frame = frame.assign(status=frame["status"].where(~died, "oom"))
        return frame[~(hard & (frame["repeat"] > 0))]

    lucky = finding(analyse(study(broken, arms=arms, blocks=10, noise=0.001)), "lucky")
    assert lucky.failures == 4 and {d.why for d in lucky.dropped} == {"failed"}
    assert lucky.decision.p is not None and lucky.decision.p < 0.05 and lucky.verdict == "not established"


def test_ranks_and_mean_that_disagree_give_no_verdict(study: Study) -> None:
    """One block outweighs thirteen: most blocks say higher, the mean says lower."""

    def torn(frame: pd.DataFrame) -> pd.DataFrame:
        mine = frame["arm"] == "gnn=none"
        full = frame[frame["arm"] == "full"].set_index(["dataset", "repeat", "part", "metric"])["value"]
        same = full.reindex(pd.MultiIndex.from_frame(frame[["dataset", "repeat", "part", "metric"]])).to_numpy()
        shift = np.where(frame["block"] == "cell0", -0.3, 0.001 + frame["block"].str[4:].astype(int) * 0.001)
        return frame.assign(value=np.where(mine, same + shift, frame["value"]))[frame["metric"] == "auroc"]

    a = analyse(study(torn, blocks=14))
    without_gnn = finding(a, "gnn=none")
    assert without_gnn.effect is not None and without_gnn.effect.mean < 0 < without_gnn.effect.rank_biserial
    assert (
        without_gnn.sensitivity is not None
        and without_gnn.sensitivity.p_holm < 0.05
        and without_gnn.verdict == "not established"
    )
    assert without_gnn.worst == ("cell0", -0.3)
    (word,) = [c.word for c in a.conclusions if c.finding.arm == "gnn=none"]
    assert word == "the data cannot tell"


def test_an_arm_without_a_metric_is_not_tested(study: Study) -> None:
    def partly(frame: pd.DataFrame) -> pd.DataFrame:
        return frame[~rows_where(frame, "arm == 'fusion=early'", "metric == 'auprc_ratio'")]

    a = analyse(replace(study(partly), metric="auprc_ratio"))
    absent = finding(a, "fusion=early", "auprc_ratio")
    assert absent.effect is None and absent.verdict == "not tested"
    assert finding(a, "gnn=none", "auprc_ratio").verdict == "lower"


def test_what_can_be_reached_is_counted_on_complete_blocks(study: Study) -> None:
    dead = {(arm, f"cell{i}") for arm in ("gnn=none", "fusion=early", "pcc") for i in range(2)}
    assert "attainability" not in rules(analyse(study(blocks=7)))
    messages = [r.message for r in analyse(study(blocks=7, failed=dead)).refusals if r.rule == "attainability"]
    assert messages and "No two arms share more than 5 complete blocks" in messages[0] and "0.062" in messages[0]
    words = {c.word for c in analyse(study(blocks=7, failed=dead)).conclusions}
    assert words == {"too few cells finished"}


def test_raw_auprc_counts_ratios_inside_a_block(study: Study) -> None:
    """An arm that gains on the dense network and loses as much of itself on the sparse one is not ahead."""

    def dense(frame: pd.DataFrame) -> pd.DataFrame:
        frame = frame[frame["metric"] == "auprc"]
        base = np.where(frame["network"] == "STRING", 0.8, 0.08)
        ratio = np.where(frame["network"] == "STRING", 1.05, 0.9)
        luck = 1 + 0.001 * frame["block"].str[4:].astype(int)
        return frame.assign(value=np.where(frame["arm"] == "gnn=none", base * ratio * luck, base * luck))

    without_gnn = finding(analyse(replace(study(dense), metric="auprc")), "gnn=none", "auprc")
    assert without_gnn.effect is not None and without_gnn.effect.superior == 0.0 and np.isnan(without_gnn.effect.mean)
    assert without_gnn.verdict == "lower"


def test_a_part_that_does_not_reach_the_model_is_noticed(study: Study) -> None:
    def unplugged(frame: pd.DataFrame) -> pd.DataFrame:
        full = frame[frame["arm"] == "full"].set_index(["dataset", "repeat", "part", "metric"])["value"]
        same = full.reindex(pd.MultiIndex.from_frame(frame[["dataset", "repeat", "part", "metric"]])).to_numpy()
        return frame.assign(value=np.where(frame["arm"] == "gnn=none", same, frame["value"]))

    a = analyse(study(unplugged))
    assert {r.subject for r in a.refusals if r.rule == "identical scores"} >= {"AUROC: gnn=none – full"}
    assert "identical scores" not in rules(analyse(study()), "warning")


def test_an_unknown_metric_is_read_as_higher_is_better_with_a_warning(study: Study) -> None:
    a = analyse(study(lambda f: f.assign(metric=f["metric"].replace("auprc_ratio", "my_score"))))
    (refusal,) = [r for r in a.refusals if r.rule == "direction"]
    assert refusal.subject == "my_score" and refusal.weight == "warning"
    assert "direction" not in rules(analyse(study()), "warning")


def turned(frame: pd.DataFrame) -> pd.DataFrame:
    """Make the arm without a graph better in AUROC and worse in everything else."""
    better = rows_where(frame, "arm == 'gnn=none'", "metric == 'auroc'")
    return frame.assign(value=frame["value"] + 0.12 * better)


def test_metrics_that_disagree_are_named_in_the_summary(study: Study) -> None:
    a = analyse(study(turned))
    (refusal,) = [r for r in a.refusals if r.rule == "metrics disagree"]
    assert refusal.subject == "gnn=none – full" and refusal.weight == "warning"
    assert "Higher on AUROC and lower on AUPRC ratio" in refusal.message
    assert summary(a)[2] == "gnn=none is better on AUROC, worse on AUPRC ratio."
    assert "worse on" not in " ".join(summary(analyse(study())))


def test_a_crash_on_an_exam_without_any_other_score_is_counted(study: Study) -> None:
    """The only metric is undefined for the reference where 'gnn=none' crashed: the crash must stay visible."""

    def torn(frame: pd.DataFrame) -> pd.DataFrame:
        frame = frame[(frame["metric"] == "auroc") & frame["arm"].isin(["full", "gnn=none"])]
        hit = frame["block"].isin(["cell0", "cell1"])
        died = hit & (frame["arm"] == "gnn=none")
        return frame.assign(value=frame["value"].where(~hit), status=frame["status"].where(~died, "oom"))

    a = analyse(study(torn, blocks=8))
    assert len(a.blocks) == 8
    assert a.completeness.query("arm == 'gnn=none'")["failed"].sum() > 0
    assert finding(a, "gnn=none").failures == 2


def test_a_mean_of_rounding_error_alone_gives_no_verdict(study: Study) -> None:
    """Eleven small gains and one loss that undoes them: the mean is zero up to floating-point rounding."""

    def level(frame: pd.DataFrame) -> pd.DataFrame:
        frame = frame[frame["metric"] == "auroc"]
        keys = ["dataset", "repeat", "part", "metric"]
        full = frame[frame["arm"] == "full"].set_index(keys)["value"]
        same = full.reindex(pd.MultiIndex.from_frame(frame[keys])).to_numpy()
        number = frame["block"].str[4:].astype(int)
        shift = np.where(number == 0, -0.001 * sum(range(1, 14)), 0.001 * number)
        return frame.assign(value=np.where(frame["arm"] == "gnn=none", same + shift, frame["value"]))

    without_gnn = finding(analyse(study(level, blocks=14)), "gnn=none")
    assert without_gnn.effect is not None and abs(without_gnn.effect.mean) < 1e-9
    assert without_gnn.p == 1.0 and without_gnn.verdict == "not established"


def test_cells_that_were_not_run_are_warned_about(study: Study) -> None:
    a = analyse(study(lambda f: f[~rows_where(f, "arm == 'gnn=none'", "block == 'cell2'")]))
    (refusal,) = [r for r in a.refusals if r.rule == "missing" and r.subject == "AUROC: gnn=none – full"]
    assert "6 of 7 blocks are complete for both arms; cells are missing on cell2." in refusal.message


def test_cells_of_two_versions_are_warned_about(study: Study) -> None:
    def upgraded(frame: pd.DataFrame) -> pd.DataFrame:
        later = (frame["arm"] == "gnn=none") | ((frame["arm"] == "full") & (frame["repeat"] == 2))
        return frame.assign(versions=frame["versions"].mask(later, '{"torch": "2.16.0", "knockout": "0.1.0"}'))

    (warned,) = [r for r in analyse(study(upgraded, blocks=7)).refusals if r.rule == "versions"]
    assert (warned.subject, warned.weight) == ("torch", "warning")
    later = "2.16.0 (56 cells, all of gnn=none)"
    earlier = "2.15.0 (196 cells, all of degree, fusion=early, noise and pcc)"
    assert f"{earlier}; {later}" in warned.message
    assert "versions" not in rules(analyse(study()))


def made_up(blocks: int = 7, repeats: int = 3) -> pd.DataFrame:
    """A table of three rivals, wide, with the worth of each and a little noise."""
    rng = np.random.default_rng(0)
    rows = [
        {"arm": arm, "dataset": f"d{block}", "repeat": repeat, "auroc": 0.8 - place / 50 + rng.normal(0, 0.01)}
        for place, arm in enumerate(("full", "A", "B"))
        for block in range(blocks)
        for repeat in range(repeats)
    ]
    return pd.DataFrame(rows)


def of_table(frame: pd.DataFrame, folder: Path) -> Analysis:
    frame.to_csv(folder / "t.csv", index=False)
    return analyse(load(folder / "t.csv", ReportOptions(reference="full")))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda t: t[~((t["arm"] == "A") & (t["repeat"] > 0))],
            "On d0, A ran 0; B and full ran 0, 1, 2 (7 data sets in",
        ),
        (
            lambda t: t.assign(repeat=t["repeat"] + 100 * (t["arm"] == "A")),
            "B and full ran 0, 1, 2; A ran 100, 101, 102",
        ),
    ],
)
def test_arms_that_ran_other_repeats_are_named_and_sized_on_common_ones_alone(
    tmp_path: Path, change: Callable[[pd.DataFrame], pd.DataFrame], message: str
) -> None:
    easy = made_up().assign(auroc=lambda t: t["auroc"] - 0.2 * (t["repeat"] > 0))  # A has the easy repeat alone
    a = of_table(change(easy), tmp_path)
    (warned,) = [r for r in a.refusals if r.rule == "unequal repeats"]
    assert message in warned.message
    size, whole = finding(a, "A", "auroc").effect, of_table(easy, tmp_path)
    fair = finding(whole, "A", "auroc").effect
    # full's mean over its harder repeats would make A look .13 better
    assert fair is not None and (size is None or abs(size.mean - fair.mean) < 0.05)
    assert (size is None) == ("100" in message) and finding(a, "B", "auroc").effect is not None
    assert a.scores.loc[a.scores["arm"] == "A", "mean"].isna().all()
    assert not [r for r in of_table(made_up(), tmp_path).refusals if r.rule == "unequal repeats"]


def test_ties_that_leave_no_test_are_warned_about(tmp_path: Path) -> None:
    equal = made_up().assign(auroc=lambda t: 0.8 + 0.1 * ((t["arm"] == "A") & t["dataset"].isin(["d0", "d1"])))
    refusals = {r.rule: r for r in of_table(equal, tmp_path).refusals if r.subject.startswith("AUROC: ")}
    assert "Equal scores on 5 of 7 blocks: the test rests on 2" in refusals["ties"].message
    assert refusals["ties"].subject == "AUROC: A – full" and refusals["identical scores"].subject == "AUROC: B – full"


def test_a_difference_that_never_varies_is_no_measurement(tmp_path: Path) -> None:
    constant = made_up().assign(auroc=lambda t: 0.8 - 0.02 * (t["arm"] == "A") + t["dataset"].str[1:].astype(int) / 50)
    subjects = [r.subject for r in of_table(constant, tmp_path).refusals if r.rule == "constant difference"]
    assert subjects == ["AUROC: A – full"]
