"""What a report states: findings, or why it will not state them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import pandas as pd

from reports.findings.contributions.contributions import Contributions
from reports.findings.factorial import Factorial
from reports.options import Registration
from reports.statistics.pairs.decision import Decision, Verdict
from reports.statistics.pairs.differences import Effect
from reports.statistics.pairs.power import Power
from reports.statistics.pairs.ranks import Friedman
from reports.statistics.pairs.signed import Signed
from reports.table.blocks import Dropped

Rival = Literal["better", "worse", "practically equal", "not worse"]  # of an arm against another
Part = Literal["may go", "earns its keep", "costs"]  # of the part that an arm leaves out or exchanges
Word = Rival | Part | Literal["the data cannot tell", "the design cannot tell", "too few cells finished", "refused"]


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
class Sensitivity:
    """What other tests say of a comparison, Holm-corrected within its family; no verdict rests on them."""

    signed: Signed
    p_holm: float
    p_t_holm: float | None


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

    The interval of ``effect`` is simultaneous: all those of a family hold together. ``blocks`` are the differences
    of the blocks that both arms finished. ``failures`` counts the blocks with a failed cell, which the second pass of
    ``decision`` scores as losses as large as the largest difference of the question.
    """

    metric: str
    family: str
    arm: str
    against: str
    effect: Effect | None
    decision: Decision
    blocks: tuple[tuple[str, float], ...] = ()
    sensitivity: Sensitivity | None = None
    failures: int = 0
    dropped: tuple[Dropped, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """Whether a difference is established, and which way it points."""
        return self.decision.verdict

    @property
    def p(self) -> float | None:
        """The adjusted p that the verdict rests on; None where nothing was tested."""
        # the larger of both passes: a verdict rests on the two, so no star or sentence says less
        return None if self.decision.p is None else max(self.decision.p, self.decision.p_failures or 0.0)

    @property
    def worst(self) -> tuple[str, float] | None:
        """The block on which the arm loses most against the other, and by how much."""
        return min(self.blocks, key=lambda one: one[1]) if self.blocks else None

    @property
    def side(self) -> Literal["above", "below", ""]:
        """On which side of zero the whole interval lies."""
        if self.effect is None or not self.effect.low * self.effect.high > 0:
            return ""
        return "above" if self.effect.low > 0 else "below"


@dataclass(frozen=True)
class Conclusion:
    """What a study says of one comparison in the end: a word, and what every word would take.

    ``why`` says what kept the comparison from being decided, or is empty; ``note`` what the word leaves out.
    """

    finding: Finding
    word: Word
    margin: float | None
    power: Power | None
    why: str = ""
    note: str = ""


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

    ``ratio`` is what shared edges add to the variance (see :class:`~reports.statistics.pairs.signed.Exams`); where
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
    feature_gains: tuple[Paired, ...] = ()
    units: str = ""
    averages: pd.DataFrame = field(default_factory=pd.DataFrame)
    provenance: dict[str, tuple[str, ...]] = field(default_factory=dict)
    levels: pd.DataFrame = field(default_factory=pd.DataFrame)
    conclusions: tuple[Conclusion, ...] = ()
    factorials: tuple[Factorial, ...] = ()
    contributions: Contributions = field(default_factory=Contributions)
    look: Look | None = None
    registration: Registration | None = None
    deviations: tuple[str, ...] = ()
