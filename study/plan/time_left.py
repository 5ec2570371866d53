"""How long a study will still take, from what its finished cells took."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from statistics import fmean
from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:  # nothing here waits for torch
    from study.train.cell import Cell

__all__ = ["Ended", "Key", "costs_of", "key_of", "seconds_left"]

Key: TypeAlias = tuple[str, str]  # arm digest, data set
MEAN = ""  # under this name stands what nothing is known of
LEAST_S = 1e-3  # below what a clock tells apart; costs are divided by each other
SWEEPS, STEADY = 100, 1e-4  # the fit ends after so many sweeps, or when none of its factors changes by more


class Ended(Protocol):
    """A cell's result, as far as its cost goes."""

    @property
    def status(self) -> str:
        """How it ended."""

    @property
    def seconds(self) -> float:
        """What it took."""


def seconds_left(
    missing: Sequence[Key],
    finished: Sequence[tuple[str, str, float]],
    lanes: int,
    running: Sequence[tuple[str, str, float]] = (),
) -> float | None:
    """Estimate the seconds until the missing cells of a study are done.

    A cell costs the mean of the finished cells of its arm on its data set. Where there is none, it costs the product of
    how dear the arm and how dear the data set have been, as far as either is known.

    Parameters
    ----------
    missing
        Arm digest and data set of each cell without a record, those in flight included.
    finished
        Arm digest, data set and seconds of finished cells.
    lanes
        How many cells run at a time.
    running
        Arm digest, data set and seconds so far of each cell in flight.

    Returns
    -------
    float or None
        None if nothing is finished.
    """
    if not missing:
        return 0.0
    if not finished:
        return None
    cost = _cost(finished)
    left = sum(n * cost(key) for key, n in Counter(missing).items())
    left -= sum(min(elapsed, cost((arm, dataset))) for arm, dataset, elapsed in running)
    waiting = Counter(missing) - Counter((arm, dataset) for arm, dataset, _ in running)
    longest = max(
        [cost(key) for key in waiting] + [cost((arm, dataset)) - elapsed for arm, dataset, elapsed in running]
    )
    return max(left / max(lanes, 1), longest, 0.0)  # the last cell is not shared out


def costs_of(keys: Mapping[str, Key], results: Mapping[str, Ended]) -> list[tuple[str, str, float]]:
    """Return arm digest, data set and seconds of each result whose key is known, by digest of the cell.

    An arm that has failed wherever it ended on a data set is taken to cost what its failures took.
    """
    ok = {keys[cell] for cell, result in results.items() if cell in keys and result.status == "ok"}
    return [
        (*keys[cell], result.seconds)
        for cell, result in results.items()
        if cell in keys and (result.status == "ok" or (keys[cell] not in ok and result.seconds > 0))
    ]


def key_of(cell: Cell) -> Key:
    """Return what cells of the same cost share: the arm, and the data set as the study file names it."""
    return cell.arm.digest, cell.dataset.label


def _cost(finished: Iterable[tuple[str, str, float]]) -> Callable[[Key], float]:
    """Return what a cell of an arm on a data set costs."""
    seconds: dict[Key, list[float]] = defaultdict(list)
    for arm, dataset, took in finished:
        seconds[arm, dataset].append(max(took, LEAST_S))
    known = {key: fmean(values) for key, values in seconds.items()}

    @cache
    def dearness() -> tuple[dict[str, float], dict[str, float]]:
        return _dearness(known)

    def cost(key: Key) -> float:
        if key in known:
            return known[key]
        arms, datasets = dearness()
        arm, dataset = key
        return arms.get(arm, arms[MEAN]) * datasets.get(dataset, datasets[MEAN])

    return cost


def _dearness(known: Mapping[Key, float]) -> tuple[dict[str, float], dict[str, float]]:
    """Split costs into a factor of the arm and one of the data set, whose products keep both's sums of costs.

    Iterative proportional fitting: dear cells weigh more than cheap ones, as they do in the time left.
    """
    arms = {arm: 1.0 for arm, _ in known}
    datasets = {dataset: 1.0 for _, dataset in known}
    for _ in range(SWEEPS):
        arms, before = _share(known, 0, datasets), datasets
        datasets = _share(known, 1, arms)
        if all(abs(datasets[name] / before[name] - 1) < STEADY for name in datasets):
            break
    return {MEAN: fmean(arms.values()), **arms}, {MEAN: fmean(datasets.values()), **datasets}


def _share(known: Mapping[Key, float], side: int, others: Mapping[str, float]) -> dict[str, float]:
    costs: dict[str, float] = defaultdict(float)
    weights: dict[str, float] = defaultdict(float)
    for key, seconds in known.items():
        costs[key[side]] += seconds
        weights[key[side]] += others[key[1 - side]]
    return {name: costs[name] / weights[name] for name in costs}
