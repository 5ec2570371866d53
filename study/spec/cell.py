"""A cell: arm x data set x repeat, the smallest thing that is trained and paid for, and what identifies it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from components.core.budget import Budget
from components.core.metrics import OWN
from components.plugins import LoadedPlugins
from search_spaces.arm import Arm, Choice, json_digest, parse_choice
from search_spaces.designs import value_in
from study.spec.code import code_digest, own_metrics
from study.spec.datasets import DatasetSpec
from study.spec.records import CellRow


@dataclass(frozen=True)
class Labels:
    """How tables name a cell's study and data set, and which data these are."""

    study: str  # name of the study
    # names of the data set, of where its edges come from, and of its independent unit for statistics
    dataset: str
    network: str
    block: str
    data_digest: str  # digest of the data set's values
    settings: tuple[str, ...] = ()  # settings that the design varies as it varies factors, ``factor.level.setting``


@dataclass(frozen=True)
class Cell:
    """One arm on one data set in one repeat, ready to be sent to a worker."""

    arm: Arm
    # where its data come from, and the folder that paths start from
    dataset: DatasetSpec
    split: Choice
    repeat: int  # paired index: the same split, negatives and initial weights for every arm
    budget: Budget
    root: Path
    labels: Labels  # how tables name it
    # whether it saves what its model makes of test pairs, which changes none of its numbers
    saves_embeddings: bool = False

    def __getstate__(self) -> tuple[LoadedPlugins, dict[str, Any]]:
        """Return the plug-ins that hold its levels, which are loaded first, then a copy.

        A thread of the pool pickles a cell while the driver may fill its cached properties.
        """
        return LoadedPlugins(), self.__dict__.copy()

    def __setstate__(self, state: tuple[object, dict[str, Any]]) -> None:
        """Take the values over."""
        self.__dict__.update(state[1])

    @property
    def label(self) -> str:
        """Name for progress and logs."""
        return f"{self.arm.name} / {self.dataset.label} / repeat {self.repeat}"

    @cached_property
    def identity(self) -> dict[str, Any]:
        """Everything that can change the cell's numbers, and nothing else (no names, no paths), as plain values."""
        return self.identity_with(self.labels.data_digest)

    def identity_with(self, data_digest: str) -> dict[str, Any]:
        """Return the identity that the cell would have on other data."""
        return {
            "arm": self.arm.canonical,
            "data": data_digest,
            "split": self.split.canonical,
            "repeat": self.repeat,
            "budget": self.budget.model_dump(mode="json") if self.arm.budgeted else None,
            "code": self.code_digest,
            **({"metrics": own_metrics()} if OWN else {}),
        }

    @cached_property
    def digest(self) -> str:
        """Digest of the identity: the cell's name in the ledger."""
        return json_digest(self.identity, 20)

    @property
    def code_digest(self) -> str:
        """Digest of the code that decides the outcome: of the arm's levels, the exam, and what every cell runs."""
        return code_digest((*self.arm.acting(), ("split", self.split.level)))

    @cached_property
    def row(self) -> CellRow:
        """The cell as tables, MLflow and reports name it."""
        return CellRow(
            study=self.labels.study,
            arm=self.arm.name,
            arm_digest=self.arm.digest,
            role=self.arm.role,
            levels=self.arm.levels() | {name: value_in(self.arm, name) for name in self.labels.settings},
            settings=self.arm.canonical,
            dataset=self.labels.dataset,
            network=self.labels.network,
            block=self.labels.block,
            split=self.split.label(parse_choice("split", self.split.level)),
            repeat=self.repeat,
            data_digest=self.labels.data_digest,
            code_digest=self.code_digest,
            training=self.budget.model_dump(mode="json"),
            cell=self.digest,
        )
