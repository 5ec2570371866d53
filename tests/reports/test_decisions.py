"""The verdicts of a page keep their error rate, and have power at the field's usual size of seven blocks.

Whole studies are simulated, ``[blocks, arms]``, the first arm the reference, whose noise all differences share. A word
is false if any comparison of the study gets it without being so: at most .06 of studies, at any size and shape.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from conftest import analyse

from reports.findings.conclusions import word
from reports.options import ReportOptions
from reports.statistics.pairs.decision import decide
from reports.table.table import Table
from reports.words.metrics import MARGIN

TOLERATED, LEVEL = 0.06, 0.05
SHAPES = ("normal", "uneven", "heavy")
FAST = {(7, 8, "normal"), (10, 4, "uneven")}
CASES = [
    pytest.param(n, arms, shape, marks=() if (n, arms, shape) in FAST else pytest.mark.slow)
    for n, arms in ((5, 8), (7, 2), (7, 8), (10, 2), (10, 4), (10, 8), (22, 2), (22, 8))
    for shape in SHAPES
]
Differences = np.ndarray


def noise(rng: np.random.Generator, blocks: int, arms: int, shape: str) -> Differences:
    """Draw differences to the reference without any effect, ``[blocks, arms - 1]``."""
    drawn = rng.standard_t(2.2, size=(blocks, arms)) if shape == "heavy" else rng.normal(size=(blocks, arms))
    if shape == "uneven":
        drawn *= np.linspace(0.5, 3.0, arms)
    return np.asarray(drawn[:, 1:] - drawn[:, :1])


def words(d: Differences, *, of_part: bool, margin: float | None = MARGIN) -> list[str]:
    decided = decide(d, d, margins=[margin] * d.shape[1])
    return [word(one, n=len(d), alpha=LEVEL, of_part=of_part) for one in decided]


def holds(rate: float, studies: int) -> None:
    """Hold a rate against .06 plus two Monte-Carlo standard errors of a rate of .05."""
    assert rate <= TOLERATED + 2 * np.sqrt(LEVEL * (1 - LEVEL) / studies), f"{rate:.3f} over {studies} studies"


def studies_of(blocks: int) -> int:
    return 150 if blocks > 16 else 400


@pytest.mark.parametrize(("blocks", "arms", "shape"), CASES)
@pytest.mark.parametrize("partial", [False, True])
def test_better_and_worse_are_rarely_false(blocks: int, arms: int, shape: str, partial: bool) -> None:
    """Also where half of the arms do differ: the others must not be carried along."""
    rng, studies = np.random.default_rng(blocks * 100 + arms), studies_of(blocks)
    effect = np.where(np.arange(arms - 1) % 2 == 1, 4.0, 0.0) if partial else np.zeros(arms - 1)
    false = {"better": 0, "worse": 0}
    for _ in range(studies):
        verdicts = words(noise(rng, blocks, arms, shape) + effect, of_part=False, margin=None)
        null = [w for w, e in zip(verdicts, effect, strict=True) if e == 0.0]
        for name in false:
            false[name] += name in null
    for wrong in false.values():
        holds(wrong / studies, studies)


@pytest.mark.parametrize(("blocks", "arms", "shape"), CASES)
@pytest.mark.parametrize("spread", [0.2, 0.01])
def test_may_go_and_equal_are_rarely_false_at_the_margin_s_edge(
    blocks: int, arms: int, shape: str, spread: float
) -> None:
    rng, studies = np.random.default_rng(blocks * 100 + arms), studies_of(blocks) // 2
    false = {"may go": 0, "practically equal": 0}
    for _ in range(studies):
        d = -MARGIN + spread * noise(rng, blocks, arms, shape)
        false["may go"] += "may go" in words(d, of_part=True)
        false["practically equal"] += "practically equal" in words(d, of_part=False)
    for wrong in false.values():
        holds(wrong / studies, studies)


def test_seven_blocks_and_eight_arms_can_decide() -> None:
    """Holm over exact Wilcoxon tests has no power at all here: its floor is .11."""
    rng, detected = np.random.default_rng(0), []
    effect = np.where(np.arange(7) % 2 == 0, 1.2 * np.sqrt(2), 0.0)  # sd of the paired differences
    for _ in range(300):
        verdicts = words(noise(rng, 7, 8, "normal") + effect, of_part=False)
        detected += [w == "better" for w, e in zip(verdicts, effect, strict=True) if e]
    assert np.mean(detected) >= 0.35


def test_equal_arms_at_seven_blocks_are_called_equal() -> None:
    """Seven comparisons, all of arms that hardly differ: it was 'cannot tell' for each of them."""
    d = 0.0005 * noise(np.random.default_rng(1), 7, 8, "normal")
    assert words(d, of_part=False) == ["practically equal"] * 7
    assert words(d, of_part=True) == ["may go"] * 7


def test_a_loss_that_is_the_same_everywhere_is_decided_for_nine_arms() -> None:
    d = -0.2 + 0.01 * noise(np.random.default_rng(2), 7, 10, "normal")
    decided = decide(d, d, margins=[None] * d.shape[1])
    assert [one.verdict for one in decided] == ["lower"] * 9 and {one.p for one in decided} == {2 / 2**7}


@pytest.mark.parametrize("seed", range(3))
def test_the_words_of_a_page_are_these(study: Callable[..., Table], seed: int) -> None:
    arms = {"full": ("reference", 0.8), **{f"a{i}": ("arm", 0.8 - 0.008 * i) for i in range(5)}}
    table = study(lambda f: f.drop(columns="gnn"), arms=arms, blocks=8, repeats=1, noise=0.01, seed=seed)
    analysis = analyse(table)
    frame = table.frame[table.frame["metric"] == "auroc"]
    means = frame.groupby(["block", "dataset", "arm"])["value"].mean().groupby(["block", "arm"]).mean().unstack()
    order = [c.finding.arm for c in analysis.conclusions]
    d = means[order].sub(means["full"], axis=0).round(6).to_numpy()
    assert [c.word for c in analysis.conclusions] == words(d, of_part=False)


@pytest.mark.parametrize(("level", "word"), [(0.9, "better"), (0.7, "worse")])
def test_a_model_of_one_s_own_is_no_part_of_the_reference(study: Callable[..., Table], level: float, word: str) -> None:
    """'Earns its keep' beside a model that is worse, or 'costs' beside a better one, would praise the wrong one."""
    arms = {"full": ("reference", 0.8), "mine": ("arm", level), "gnn=none": ("arm", level)}

    def other_model(frame):  # type: ignore[no-untyped-def]
        return frame.assign(scorer=frame["arm"].map({"mine": "mine"}).fillna("assembled"))

    words_by_arm = {c.finding.arm: c.word for c in analyse(study(other_model, arms=arms, blocks=8)).conclusions}
    assert words_by_arm == {"mine": word, "gnn=none": {"better": "costs", "worse": "earns its keep"}[word]}


def test_a_stated_margin_counts_on_a_ratio_and_on_a_tiny_metric(study: Callable[..., Table]) -> None:
    arms = {"full": ("reference", 0.8), "same": ("arm", 0.8)}
    table = study(lambda f: f.drop(columns="gnn"), arms=arms, blocks=12, noise=0.002)
    ratio = replace(table, metric="auprc_ratio")
    assert [c.word for c in analyse(ratio).conclusions] == ["the data cannot tell"]
    assert "no margin is stated" in analyse(ratio).conclusions[0].why
    stated = analyse(ratio, ReportOptions(margin=0.05)).conclusions
    assert [c.word for c in stated] == ["practically equal"]


def test_a_metric_of_tiny_scale_is_decided_in_units_of_its_own(study: Callable[..., Table]) -> None:
    arms = {"full": ("reference", 0.8), "lower": ("arm", 0.7)}

    def tiny(frame):  # type: ignore[no-untyped-def]
        return frame[frame["metric"] == "auroc"].assign(metric="minus_mse", value=lambda f: -1e-7 / f["value"])

    analysis = analyse(study(tiny, arms=arms, blocks=8))
    assert analysis.metric == "minus_mse [1e-07]"
    (conclusion,) = analysis.conclusions
    assert conclusion.finding.verdict == "lower" and conclusion.finding.effect is not None
    assert conclusion.finding.effect.mean == pytest.approx(-1 / 0.7 + 1 / 0.8, abs=0.05)
