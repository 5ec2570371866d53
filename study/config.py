"""The study file: what is compared, on which data, how often, and how it is judged."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from components import registry
from components.budget import Budget
from components.errors import KnockoutError, UnknownNameError
from components.metrics import METRICS
from components.settings import parse_settings
from components.simulator import SimulatorSettings
from search_spaces.arm import Arm, Choice, parse_choice
from search_spaces.designs import CONTROLS, Arms, controls, distinct, expand
from search_spaces.presets import preset
from study.lanes import Lane, parse_lanes
from study.yamlfile import YamlFile

__all__ = ["DatasetSpec", "Study", "load_study"]

ALTERNATIVES = ("str", "DatasetSpec", "bool", "list[str]")  # pydantic names the member of a union that it tried


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class DatasetSpec(_Strict):
    """Where one data set of a study comes from, and the exam it sets.

    Either ``path`` (a folder in BEELINE layout, or an ``.h5ad`` file with ``network_file``) or ``simulate`` (settings
    of the simulator, ``{}`` for its defaults) with ``seed``.
    """

    path: str | None = Field(None, description="folder or .h5ad file, relative to --data or to the study file")
    simulate: dict[str, Any] | None = Field(None, description="settings of the simulator")
    seed: int = Field(0, description="seed of the simulated network and cells", ge=0)
    name: str = Field("", description="name in tables")
    block: str = Field("", description="independent unit for statistics; default: the cell type")
    network: str = Field("", description="where the edges come from; default: read from the path")
    network_file: str | None = Field(None, description="CSV of regulator and target, beside an .h5ad")
    tfs_file: str | None = Field(None, description="list of regulators, beside an .h5ad")
    split: Any = Field(None, description="exam protocol; default: the study's")


class DesignSpec(_Strict):
    """Which arms are trained beside the reference."""

    kind: str = Field("one_factor_at_a_time", description="how the levels are combined")
    factors: dict[str, Any] = Field(default_factory=dict, description="factor to list of levels")
    arms: list[dict[str, Any]] = Field(default_factory=list, description="arms of an explicit design")


class _StudyFile(_Strict):
    name: str = Field(description="name of the study, the experiment in MLflow", min_length=1, max_length=120)
    datasets: list[str | DatasetSpec] = Field(min_length=1)
    preset: str = "knockout-small"
    reference: dict[str, Any] = Field(default_factory=dict)
    design: DesignSpec = DesignSpec()
    controls: bool | list[str] = True
    split: Any = "per_tf"
    repeats: int = Field(3, ge=1, le=1000)
    metric: str = "auroc"
    training: dict[str, Any] = Field(default_factory=dict)
    lanes: str = "auto"


@dataclass(frozen=True)
class Study:
    """A validated study.

    Attributes
    ----------
    name
        Experiment name.
    datasets, splits
        Data sets and, position by position, the exam each sets.
    arms
        Reference arm first, then the design's, then controls.
    aliases
        Design points that are another arm, to that arm's name.
    repeats, metric, budget, lanes
        As in the file.
    root
        Folder that relative paths start from.
    """

    name: str
    datasets: tuple[DatasetSpec, ...]
    splits: tuple[Choice, ...]
    arms: tuple[Arm, ...]
    aliases: Mapping[str, str]
    repeats: int
    metric: str
    budget: Budget
    lanes: tuple[Lane, ...]
    root: Path

    @property
    def reference(self) -> Arm:
        """The arm that others are compared with."""
        return self.arms[0]


def load_study(path: Path, *, data: Path | None = None, lanes: str | None = None) -> Study:
    """Read and validate a study file; nothing is run or written.

    Parameters
    ----------
    path
        YAML file.
    data
        Folder that data set paths are relative to; the study file's own folder if not given.
    lanes
        Overrides the file's lanes.

    Raises
    ------
    KnockoutError
        For anything wrong in the file, with file, line and key path.
    """
    source = YamlFile(path)
    try:
        return _validated(source, data or path.parent, lanes)
    except KnockoutError as error:
        if str(source.path) in error.where or error.where.startswith("--"):
            raise
        raise type(error)(error.message, where=source.where(error.where)) from None


def _validated(source: YamlFile, root: Path, lanes: str | None) -> Study:
    raw = _parse(_StudyFile, source.values, "")
    if raw.metric not in METRICS:
        raise UnknownNameError.of("metric", raw.metric, METRICS, where="metric")
    datasets = tuple(_dataset(d, f"datasets[{i}]") for i, d in enumerate(raw.datasets))
    chosen = preset(raw.preset, where="preset")
    for factor in raw.reference:
        if registry.factor(factor, where=f"reference.{factor}").exam:
            raise KnockoutError(
                "the exam is no part of an arm; write it at the top level.", where=f"reference.{factor}"
            )
    reference = chosen.arm(raw.preset if not raw.reference else "full model", raw.reference)
    design = raw.design
    given = source.values.get("design") or {}
    expanded = expand(reference, design.kind, design.factors, design.arms) if given else Arms((reference,), {})
    names = list(CONTROLS) if raw.controls is True else raw.controls or []
    arms = distinct([*expanded.arms, *controls(reference, names)], where="controls")
    if len(arms.arms) < 2:
        raise KnockoutError("nothing to compare: give a design, or leave the controls on.", where="design")
    budget = chosen.budget.model_dump() | raw.training
    return Study(
        name=raw.name,
        datasets=datasets,
        splits=tuple(_split(d.split if d.split is not None else raw.split, d, i) for i, d in enumerate(datasets)),
        arms=arms.arms,
        aliases={**expanded.aliases, **arms.aliases},
        repeats=raw.repeats,
        metric=raw.metric,
        budget=parse_settings(Budget, budget, owner="training", where="training"),
        lanes=parse_lanes(lanes or raw.lanes, where="--lanes" if lanes else "lanes"),
        root=root,
    )


def _parse(cls: type[Any], given: Any, at: str) -> Any:
    try:
        return cls.model_validate(given)
    except ValidationError as error:
        # a misspelt key comes before the key that is missing because of it
        for problem in sorted(error.errors(), key=lambda problem: problem["type"] == "missing"):
            loc = [part for part in problem["loc"] if part not in ALTERNATIVES]
            key_path = at + "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in loc)
            key_path = key_path.lstrip(".")
            if problem["type"] == "extra_forbidden":
                known = _known_keys(cls, loc[:-1])
                raise UnknownNameError.of("key", loc[-1], known, where=key_path) from None
            if problem["type"] == "missing":
                raise KnockoutError(f"the key {loc[-1]!r} is missing.", where=key_path) from None
            if not {"str", "bool"} & set(problem["loc"]):
                message = re.sub(" or instance of .*", "", problem["msg"].lower()).replace("dictionary", "mapping")
                raise KnockoutError(f"{message}, got {problem['input']!r}.", where=key_path) from None
        raise KnockoutError(str(error.errors()[0]["msg"]), where=at) from None


def _known_keys(cls: type[BaseModel], loc: list[Any]) -> list[str]:
    nested: dict[str, type[BaseModel]] = {"datasets": DatasetSpec, "design": DesignSpec}
    return list((nested[loc[0]] if loc else cls).model_fields)


def _dataset(given: str | DatasetSpec, at: str) -> DatasetSpec:
    if given == "simulated":
        return DatasetSpec(simulate={})
    spec = DatasetSpec(path=given) if isinstance(given, str) else given
    if (spec.path is None) == (spec.simulate is None):
        raise KnockoutError("a data set is either a 'path' or 'simulate'.", where=at)
    if spec.simulate is not None:
        parse_settings(SimulatorSettings, spec.simulate, owner="simulate", where=f"{at}.simulate")
        if spec.network_file or spec.tfs_file:
            raise KnockoutError("a simulated data set brings its own network and TFs; give no file.", where=at)
    return spec


def _split(given: Any, spec: DatasetSpec, position: int) -> Choice:
    where = f"datasets[{position}].split" if spec.split is not None else "split"
    return parse_choice("split", given, where=where)
