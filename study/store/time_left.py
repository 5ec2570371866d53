"""How long a study or a search will still take, from what its finished cells took."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from study.spec.cell import Cell
    from study.spec.records import CellRecord

Key: TypeAlias = tuple[str, str]  # arm digest, data set


def key_of(cell: Cell) -> Key:
    """Return what cells of the same cost share."""
    return cell.arm.digest, cell.labels.dataset


@dataclass
class Costs:
    """Seconds that finished cells took.

    A cell is taken to cost the mean of the finished cells of its arm on its data set; where there are none, the mean
    over its arm, or over its data set, or over all.
    """

    seconds: dict[Key, list[float]] = field(default_factory=lambda: defaultdict(list))  # by arm and data set

    @classmethod
    def of(cls, keys: Mapping[str, Key], records: Mapping[str, CellRecord]) -> Costs:
        """Gather the costs of recorded cells, given by digest, whose key is known.

        A failure counts only for an arm that has no scores on a data set.
        """
        costs = cls()
        for cell, record in sorted(records.items(), key=lambda item: not item[1].ok):  # those with scores first
            if cell in keys:
                costs.add_ended(keys[cell], record)
        return costs

    def add_ended(self, key: Key, record: CellRecord) -> None:
        """Add a cell that has ended; a failure counts only where no cell of its key has scores."""
        if record.ok or (key not in self.seconds and record.seconds > 0):
            self.seconds[key].append(record.seconds)

    def expected(self, keys: Iterable[Key]) -> dict[Key, float]:
        """Return the expected seconds of a cell of each key."""
        means = {key: fmean(values) for key, values in self.seconds.items()}
        overall = fmean(means.values())
        of_arms, of_datasets = (_means(means, place) for place in (0, 1))
        return {
            key: means.get(key, of_arms.get(key[0], of_datasets.get(key[1], overall)))  # the closest that is known
            for key in set(keys)
        }


def seconds_left(
    missing: Iterable[Key] | Counter[Key], costs: Costs, lanes: int, running: Sequence[tuple[Key, float]] = ()
) -> float | None:
    """Estimate the seconds until the missing cells of a study are done; None if nothing is finished.

    Parameters
    ----------
    missing
        Key of each cell without a record, those in flight included.
    running
        Key and seconds so far of each cell in flight.
    """
    waiting = Counter(missing)
    if not waiting:
        return 0.0
    if not costs.seconds:
        return None
    expected = costs.expected([*waiting, *(key for key, _ in running)])
    total = sum(n * expected[key] for key, n in waiting.items())
    total -= sum(min(elapsed, expected[key]) for key, elapsed in running)
    not_begun = waiting - Counter(key for key, _ in running)
    longest = max([expected[key] for key in not_begun] + [expected[key] - elapsed for key, elapsed in running])
    return max(total / max(lanes, 1), longest, 0.0)  # the last cell is not shared out


def seconds_left_of_search(seconds: Sequence[float], allowed: int | None) -> float | None:
    """Estimate the seconds that a search will still take on one lane, from what each trial took that it proposed.

    None before one has ended, or where time and not a number of ``allowed`` trials ends the search.
    """
    if allowed is None or not seconds:
        return None
    return fmean(seconds) * max(allowed - len(seconds), 0)


def budget_is_spent(trials: int | None, hours: float | None, *, proposed: int, seconds: float) -> bool:
    """Return whether a search that may propose so many trials, or take so many hours, may propose no more."""
    if trials is not None:
        return proposed >= trials
    return hours is not None and seconds >= 3600 * hours


def _means(seconds: Mapping[Key, float], place: int) -> dict[str, float]:
    """Return the mean over keys with the same arm (place 0) or data set (place 1)."""
    groups: dict[str, list[float]] = defaultdict(list)
    for key, value in seconds.items():
        groups[key[place]].append(value)
    return {name: fmean(values) for name, values in groups.items()}
