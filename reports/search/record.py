"""A search as its folder holds it, what may be concluded from it, and what it, and tuning, cannot show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import integrate, special

from reports.findings.results import Refusal
from reports.words.metrics import label
from reports.words.numbers import amount, joined, number

STATES = ("complete", "pruned", "failed")
FEWEST = 10  # complete trials below which an importance would be noise
_LABELS = {"seconds": "training time (s)", "parameters": "parameters", "peak_memory_mb": "peak memory (MB)"}
_UNEQUAL = "unequal tuning"


@dataclass(frozen=True)
class Objective:
    """What the trials of a search are judged by."""

    name: str
    direction: str

    @property
    def sign(self) -> int:
        """1 where more is better (metrics), -1 where less is (costs)."""
        return 1 if self.direction == "maximize" else -1


@dataclass(frozen=True)
class Search:
    """A search as its folder holds it.

    ``trials`` has one row per finished trial: ``number``, ``state``, ``warm``, ``arm``, ``arm_digest``, ``cells``,
    ``seconds``, an ``objective:<name>`` per objective, and a ``param:<name>`` per parameter as text. ``confirmed`` is
    None while the test is sealed; it gains ``gap``, the search score minus the confirmed validation score.
    ``path`` has one row per arm from the reference to the best one: ``step, changed, validation, test, cells, tried``.
    """

    study: str
    metric: str
    sampler: str
    pruner: str
    objectives: tuple[Objective, ...]
    asked: int | None
    hours: float | None
    exhausted: bool
    parallel: int
    seed: int
    repeats: int
    datasets: tuple[str, ...]
    reference: str
    reference_digest: str
    storage: str
    space: pd.DataFrame
    front: tuple[int, ...]
    importances: pd.DataFrame
    trials: pd.DataFrame
    confirmed: pd.DataFrame | None
    path: pd.DataFrame | None = None

    @property
    def first(self) -> Objective:
        """The objective by which the best trial is the best."""
        return self.objectives[0]

    @property
    def scores(self) -> pd.Series:
        """The first objective of every trial; empty for failed ones, over fewer cells for pruned ones."""
        return self.trials[f"objective:{self.first.name}"]

    def count(self, state: str) -> int:
        """Return how many trials ended in ``state``, warm ones included."""
        return int((self.trials["state"] == state).sum())

    @property
    def warm(self) -> int:
        """How many trials the ledger held before the search began."""
        return int(self.trials["warm"].sum())

    @property
    def of_reference(self) -> pd.Series | None:
        """The trial of the reference arm; None while it has not ended."""
        column, name = ("arm_digest", self.reference_digest) if self.reference_digest else ("arm", self.reference)
        rows = self.trials[self.trials[column] == name]
        return None if rows.empty else rows.iloc[0]

    @property
    def openings(self) -> int:
        """How often the test was opened."""
        return 0 if self.confirmed is None or self.confirmed.empty else int(self.confirmed["openings"].max())


def best_trials(search: Search, n: int = 1) -> pd.DataFrame:
    """Return the best complete trials of a search by its first objective, the earliest first among equals."""
    complete = search.trials[search.trials["state"] == "complete"]
    order = (-search.first.sign * search.scores[complete.index]).sort_values(kind="stable").index
    return complete.loc[order[:n]]


def best_so_far(search: Search) -> pd.DataFrame:
    """Return every trial of a search with the best score of a complete trial up to then."""
    trials, sign = search.trials, search.first.sign
    best = sign * (sign * search.scores.where(trials["state"] == "complete")).cummax().ffill()
    columns = trials[["number", "arm", "state", "warm"]]
    return columns.assign(score=search.scores, best_so_far=best).reset_index(drop=True)


def expected_best(scores: Sequence[float], *, sign: int = 1) -> list[float]:
    """Return the expected best score of 1, 2, ... N trials drawn with replacement from N that have ended.

    Closed form; Dodge et al. 2019.

    Parameters
    ----------
    scores
        Scores of the trials; NaN of one that was pruned or failed, which cost a trial and counts as the worst.
    sign
        1 where more is better, -1 where less is.
    """
    values = pd.Series(list(scores), dtype=float)
    known = sign * values.dropna()
    if known.empty:
        return []
    ordered = (sign * values).fillna(known.min()).sort_values().to_numpy()
    share = np.arange(len(ordered) + 1) / len(ordered)
    return [float(sign * (ordered * np.diff(share**n)).sum()) for n in range(1, len(ordered) + 1)]


def expected_curve(search: Search) -> pd.DataFrame:
    """Return ``trials, expected``: the expected best of a search at every smaller budget; warm trials left out."""
    own = search.trials[~search.trials["warm"]]
    scores = search.scores[own.index].where(own["state"] == "complete")
    expected = expected_best(scores.tolist(), sign=search.first.sign)
    return pd.DataFrame({"trials": range(1, len(expected) + 1), "expected": expected})


def tuned_curves(tuning: pd.DataFrame) -> pd.DataFrame:
    """Return ``arm, trials, expected``: the expected best of every tuned arm at every smaller budget."""
    rows = [
        (row["arm"], n, value)
        for row in tuning.to_dict("records")
        for n, value in enumerate(expected_best(row["trial_scores"]), start=1)
    ]
    return pd.DataFrame(rows, columns=["arm", "trials", "expected"])


def changes(search: Search, trial: pd.Series) -> list[str] | None:
    """List the parameters in which a trial differs from the reference arm, those that act in it alone.

    All that act where the reference lies outside of the space; None for an arm that itself lies outside.
    """
    plain = search.of_reference
    if plain is not None and plain["number"] == trial["number"]:
        return []
    columns = [c for c in search.trials.columns if c.startswith("param:")]
    if trial[columns].isna().all():
        return None
    out = []
    for column in columns:
        value, before = trial[column], None if plain is None else plain[column]
        if pd.notna(value) and (pd.isna(before) or value != before):
            out.append(f"{column.removeprefix('param:')}={_short(value)}")
    return out


def expected_maximum(n: int) -> float:
    """Return by how many standard deviations the best of ``n`` equally good, noisy trials outdoes their truth."""
    if n < 2:
        return 0.0
    value, _ = integrate.quad(lambda x: 1 - special.ndtr(x) ** n - special.ndtr(-x) ** n, 0, 12)
    return float(value)


def _short(value: str) -> str:
    """Cut the digits of a long number; what is no longer than this may be a name, as the level '1.10' is."""
    try:
        return f"{float(value):.4g}" if len(value) > 6 else value
    except ValueError:
        return value


def objective_label(objective: Objective) -> str:
    """Say what an objective of a search is: a validation metric or a cost."""
    return _LABELS.get(objective.name, f"validation {label(objective.name)}")


def importance_numbers(search: Search) -> pd.DataFrame:
    """Return the importances a search can carry: none where too few trials are complete."""
    table = search.importances
    if search.count("complete") < FEWEST:
        return table.iloc[:0]
    return table[table["trials"] >= FEWEST].sort_values("importance", ascending=False, kind="stable", ignore_index=True)


def score_text(objective: Objective, value: float) -> str:
    """Write what a trial of a search came to in one objective."""
    return number(value) if objective.sign > 0 else amount(value)


def trial_name(row: pd.Series) -> str:
    """Name a trial of a search, with its arm where that has a name of its own."""
    own = f"trial {row['number']}"
    return own if row["arm"] == own else f"{own}, {row['arm']}"


def search_refusals(search: Search) -> tuple[Refusal, ...]:
    """Name what a search cannot say, and what must be read with care."""
    out = []
    complete = search.count("complete")
    if importance_numbers(search).empty:
        message = f"Needs at least {FEWEST} complete trials; here {complete}."
        if complete >= FEWEST:
            message = "The search recorded none: its scores do not vary, or it was stopped before its end."
        out.append(Refusal("importances", "importance of parameters", message))
    if search.openings > 1:
        message = f"The test was opened {search.openings} times. Whoever chose again after the first time had seen it, "
        message += "so the test scores flatter as search scores do; only other data could be a test again."
        out.append(Refusal("test opened", "test scores of the confirmed arms", message, "warning"))
    plain = search.of_reference
    if len(search.trials) and (plain is None or plain["state"] != "complete"):
        state = (
            "has not ended" if plain is None else f"was {plain['state']}" if plain["state"] == "pruned" else "failed"
        )
        message = f"Its trial {state}, so the best trial is not held against it on the same cells."
        out.append(Refusal("reference", f"the reference arm {search.reference}", message, "warning"))
    return tuple(out)


def tuning_refusals(tuning: pd.DataFrame) -> tuple[Refusal, ...]:
    """Warn where an arm may have won by the search it got."""
    out = []
    tuned = tuning[was_tuned(tuning)]
    for column, what in (("trials", "numbers of trials"), ("budget", "budgets")):
        if len(tuned[column].unique()) > 1:
            message = f"Arms were tuned with unequal {what}: {_by_value(tuned, column)}. More trials are more draws at "
            message += "a good score, so an arm may win by its search; give every arm the same."
            out.append(Refusal(_UNEQUAL, f"{what} of the tuned arms", message, "warning"))
    reference = tuned["role"].eq("reference").any()
    left = tuning[~was_tuned(tuning) & tuning["role"].ne("control")]["arm"].tolist()
    if reference and left:
        message = f"The reference was tuned and {joined(left)} {'was' if len(left) == 1 else 'were'} not: part of what "
        message += "the reference gains over such an arm may be its tuning."
        out.append(Refusal(_UNEQUAL, "arms that were not tuned", message, "warning"))
    return tuple(out)


def was_tuned(tuning: pd.DataFrame) -> pd.Series:
    """Return for every arm whether it had a budget of its own."""
    # a budget in hours has no number of trials; an arm without settings has the budget 0
    return tuning["budget"].ne(0).fillna(True).astype(bool)


def _by_value(tuned: pd.DataFrame, column: str) -> str:
    groups = tuned.groupby(column, sort=True, dropna=False)["arm"].agg(list)
    return "; ".join(f"{'hours' if value is pd.NA else value} ({joined(arms)})" for value, arms in groups.items())
