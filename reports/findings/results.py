"""What a report states: findings, or why it will not state them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import pandas as pd

from reports.findings.factorial import Factorial
from reports.options import Registration
from reports.statistics.pairs.differences import Effect
from reports.statistics.pairs.equivalence import Equivalence, Word
from reports.statistics.pairs.power import Power
from reports.statistics.pairs.ranks import Friedman
from reports.statistics.pairs.signed import Signed
from reports.table.blocks import Dropped
from reports.words.metrics import DECIMALS

Verdict = Literal["higher", "lower", "not established", "not tested"]


@dataclass(frozen=True)
class Refusal:
    """A claim the design cannot carry, and what it would take.

    ``weight`` is ``refused`` where a number was withheld, ``warning`` where it is shown but must be read with
    care.
    """

    rule: str
    subject: str
    message: str
    weight: Literal["refused", "warning"] = "refused"


@dataclass(frozen=True)
class Look:
    """A look at a study of which ``finished`` of ``planned`` blocks are in.

    ``looks`` are the numbers of blocks at which verdicts were to be read early; ``alpha`` is the level of this look,
    None where no verdict may be given.
    """

    finished: int
    planned: int
    looks: tuple[int, ...]
    alpha: float | None

    @property
    def interim(self) -> bool:
        """Whether planned blocks await cells."""
        return self.finished < self.planned


@dataclass(frozen=True)
class Finding:
    """What knocking one part out of a GRN model did, over independent blocks: ``arm`` minus ``against``.

    ``test``, ``p_holm`` and the sensitivities are None where a refusal forbids them; ``p_holm_failures`` is
    the adjusted p of the second pass, in which failed cells are the worst of their block. ``p_unrounded``
    ranks the raw floats, whose last bits break ties at random: it is what most papers print.
    """

    metric: str
    family: str
    arm: str
    against: str
    effect: Effect | None
    test: Signed | None
    p_holm: float | None
    p_holm_failures: float | None
    failures: int
    p_paired_t: float | None
    p_pratt: float | None
    p_unrounded: float | None
    verdict: Verdict
    dropped: tuple[Dropped, ...] = ()

    @property
    def p_weaker(self) -> float | None:
        """The larger adjusted p of both passes: a verdict rests on the two, so no star or sentence says less."""
        known = [p for p in (self.p_holm, self.p_holm_failures) if p is not None]
        return max(known) if self.p_holm is not None else None

    @property
    def torn(self) -> bool:
        """Whether ranks and mean point in opposite directions: a few blocks outweigh all the others."""
        size = self.effect
        return size is not None and size.rank_biserial != 0 and size.rank_biserial * round(size.mean, DECIMALS) <= 0


@dataclass(frozen=True)
class Conclusion:
    """What a study says of one comparison in the end: a word, what equality rests on, and what it would take.

    ``p_equal`` is the p of the two one-sided tests after Holm over the family of ``finding``; ``why`` says what
    kept equality from being tested, or is empty.
    """

    finding: Finding
    word: Word
    equivalence: Equivalence | None
    p_equal: float | None
    power: Power | None
    why: str = ""


@dataclass(frozen=True)
class GlobalTest:
    """Whether any arm of the study differs on one metric; ``second`` scores failed cells as worst.

    ``ranks`` are the mean ranks that ``test`` speaks of, ``second_ranks`` those of ``second``.
    """

    metric: str
    test: Friedman
    ranks: pd.Series
    second: Friedman | None
    nemenyi: pd.DataFrame | None
    conover: pd.DataFrame | None
    second_ranks: pd.Series | None = None
    dropped: tuple[Dropped, ...] = ()


@dataclass(frozen=True)
class Paired:
    """Arm minus ``against`` on ONE data set, paired over repeats: not evidence across data sets.

    ``ratio`` is what shared edges add to the variance (see :class:`~reports.statistics.pairs.resampled.Exams`); where
    it is None, ``uncorrected`` says why and the interval is the plain one. ``test`` and ``p_holm`` (over the arms on
    that data set and metric) are None where nothing was tested; ``note`` says why there is no number at all.
    """

    metric: str
    dataset: str
    block: str
    arm: str
    against: str
    repeats: int
    mean: float
    low: float
    high: float
    superior: float
    note: str = ""
    ratio: float | None = None
    uncorrected: str = ""
    test: Signed | None = None
    p_holm: float | None = None


@dataclass(frozen=True)
class Analysis:
    """Everything a report of one study says, computed once and worded elsewhere.

    ``scores`` has one row per arm x data set x metric (mean, sd, cells ok / failed / missing), ``averages`` one per
    arm x network x metric;
    ``points`` is what the distribution plots show; ``levels`` holds the factors that vary, ``[arm, factor]``.
    """

    source: str
    reference: str | None
    metric: str
    metrics: tuple[str, ...]
    alpha: float
    arms: tuple[str, ...]
    roles: dict[str, str]
    blocks: tuple[str, ...]
    datasets: tuple[str, ...]
    repeats: int
    scores: pd.DataFrame
    points: pd.DataFrame
    gains: tuple[Paired, ...]
    paired: tuple[Paired, ...]
    findings: tuple[Finding, ...]
    globals: tuple[GlobalTest, ...]
    refusals: tuple[Refusal, ...]
    completeness: pd.DataFrame
    costs: pd.DataFrame
    units: str = ""
    averages: pd.DataFrame = field(default_factory=pd.DataFrame)
    provenance: dict[str, tuple[str, ...]] = field(default_factory=dict)
    levels: pd.DataFrame = field(default_factory=pd.DataFrame)
    conclusions: tuple[Conclusion, ...] = ()
    factorials: tuple[Factorial, ...] = ()
    look: Look | None = None
    registration: Registration | None = None
    deviations: tuple[str, ...] = ()
