"""Entries of a study's data sets, each with its exam."""

from __future__ import annotations

from components.core.errors import KnockoutError
from components.core.settings import parse_settings
from components.data.simulator import SimulatorSettings
from search_spaces.arm import Choice, parse_choice
from study.study_file.keys import DatasetSpec, StudyFile


def entry(raw: StudyFile, item: str | DatasetSpec, position: int) -> tuple[DatasetSpec, Choice]:
    """Return an entry of a study's data sets with its exam.

    Raises
    ------
    KnockoutError
        If it is no data set, or its exam is not one for it, with the key path.
    """
    at = f"datasets[{position}]"
    spec = _dataset(item, at)
    if spec.train_on is not None:
        return spec, _transfer_exam(raw, spec, at)
    if spec.split is None:
        return spec, parse_choice("split", raw.split, where="split")
    return spec, parse_choice("split", spec.split, where=f"{at}.split")


def _transfer_exam(raw: StudyFile, spec: DatasetSpec, at: str) -> Choice:
    """Return the exam of an entry that trains on other data sets: the study's is about one data set."""
    choice = parse_choice("split", "transfer" if spec.split is None else spec.split, where=f"{at}.split")
    if choice.level != "transfer":
        raise KnockoutError(
            f"{choice.level!r} cuts one data set; an entry with train_on is examined by 'transfer'.",
            where=f"{at}.split",
        )
    return choice


def _dataset(item: str | DatasetSpec, at: str) -> DatasetSpec:
    if item == "simulated":
        return DatasetSpec(simulate={})
    spec = DatasetSpec(path=item) if isinstance(item, str) else item
    if (spec.path is None) == (spec.simulate is None):
        raise KnockoutError("a data set is either a 'path' or 'simulate'.", where=at)
    if spec.orthologs and spec.train_on is None:
        raise KnockoutError("orthologs match genes with those of train_on; name that, too.", where=f"{at}.orthologs")
    if spec.simulate is not None:
        if spec.train_on is not None:
            raise KnockoutError("a simulated data set shares no genes with another.", where=f"{at}.train_on")
        parse_settings(SimulatorSettings, spec.simulate, owner="simulate", where=f"{at}.simulate")
        if spec.network_file or spec.tfs_file:
            raise KnockoutError("a simulated data set brings its own network and TFs; give no file.", where=at)
    return spec
