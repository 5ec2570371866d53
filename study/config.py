"""The study file: what is compared, on which data, how often, and how it is judged."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from components import registry
from components.budget import Budget
from components.errors import KnockoutError, UnknownNameError
from components.metrics import METRICS
from components.settings import parse_settings
from components.simulator import SimulatorSettings
from search_spaces.arm import Arm, Choice, parse_choice
from search_spaces.baselines import baselines
from search_spaces.designs import CONTROLS, Arms, controls, distinct, expand
from search_spaces.presets import preset
from search_spaces.studies import named_study
from study.choosing import at_scale, choose
from study.lanes import Lane, parse_lanes
from study.search_config import SearchSpec, TuneSpec, check_search
from study.yamlfile import YamlFile

if TYPE_CHECKING:  # a design is read without waiting for optuna
    from search_spaces.space import Space

__all__ = ["DatasetSpec", "Study", "load_study"]

ALTERNATIVES = (
    "str",
    "DatasetSpec",
    "DesignSpec",
    "SearchSpec",
    "TuneSpec",
    "bool",
    "list[str]",
)  # pydantic names the member of a union that it tried


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class DatasetSpec(_Strict):
    """Where one data set of a study comes from, and the exam it sets.

    Either ``path`` (a folder in BEELINE layout, or an ``.h5ad`` file with ``network_file``; ``STRING/*/TFs+500`` stands
    for every such folder) or ``simulate`` (settings of the simulator, ``{}`` for its defaults) with ``seed``.
    """

    path: str | None = Field(None, description="folder, pattern or .h5ad file, from --data or the study file on")
    simulate: dict[str, Any] | None = Field(None, description="settings of the simulator")
    seed: int = Field(0, description="seed of the simulated network and cells", ge=0)
    name: str = Field("", description="name in tables")
    block: str = Field("", description="independent unit for statistics; default: the cell type")
    network: str = Field("", description="where the edges come from; default: read from the path")
    network_file: str | None = Field(None, description="CSV of regulator and target, beside an .h5ad")
    tfs_file: str | None = Field(None, description="list of regulators, beside an .h5ad")
    train_on: str | list[str] | None = Field(None, description="data sets to train on; this one is the test (transfer)")
    orthologs: str | None = Field(None, description="CSV: symbol in train_on, symbol here; default: the same symbol")
    split: Any = Field(None, description="exam protocol; default: the study's")

    @property
    def label(self) -> str:
        """Name for progress and logs: as the study file says it."""
        return self.name or self.path or "simulated"


class DesignSpec(_Strict):
    """Which arms are trained beside the reference."""

    kind: str = Field("one_factor_at_a_time", description="how the levels are combined")
    factors: dict[str, Any] = Field(default_factory=dict, description="factor to list of levels")
    arms: list[dict[str, Any]] = Field(default_factory=list, description="arms of an explicit design")
    tune: TuneSpec | None = Field(None, description="a search of equal size for every arm, before it is compared")


class _StudyFile(_Strict):
    name: str = Field(description="name of the study, the experiment in MLflow", min_length=1, max_length=120)
    datasets: list[str | DatasetSpec] = Field(min_length=1)
    preset: str = "knockout-small"
    reference: dict[str, Any] = Field(default_factory=dict)
    design: DesignSpec = DesignSpec()
    search: SearchSpec | None = None
    controls: bool | list[str] = True
    baselines: list[Any] = Field(default_factory=list)
    split: Any = "per_tf"
    repeats: int = Field(3, ge=1, le=1000)
    metric: str = "auroc"
    margin: float | None = Field(None, gt=0.0, lt=0.5)
    training: dict[str, Any] = Field(default_factory=dict)
    embeddings: list[str] | None = None
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
    search, space
        The search that the file asks for, and what it varies; None for a design.
    tune
        The search that every arm of the design gets before it is compared, if any.
    lanes_asked
        Lanes as they were written; ``auto`` is fitted to memory when it is known what will be run.
    first_repeat
        Index of the first repeat: what was searched or tuned is compared on repeats that the search has not seen.
    margin
        Differences below it do not matter to this study, on metrics from 0 to 1; None: what reports take for that.
    embeddings
        Names of the arms whose cells of the first repeat save what the model makes of test pairs.
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
    search: SearchSpec | None = None
    space: Space | None = None
    tune: TuneSpec | None = None
    lanes_asked: str = "auto"
    first_repeat: int = 0
    margin: float | None = None
    embeddings: tuple[str, ...] = ()

    @property
    def reference(self) -> Arm:
        """The arm that others are compared with."""
        return self.arms[0]

    def budget_of(self, arm: Arm) -> Budget:
        """Return the training budget of an arm: the study's, unless the arm is a system that brings its own."""
        return arm.budget or self.budget


def load_study(
    source: str | Path,
    *,
    data: Path | None = None,
    lanes: str | None = None,
    scale: str | None = None,
    only: Sequence[str] = (),
) -> Study:
    """Read and validate a study; nothing is run or written.

    Parameters
    ----------
    source
        YAML file, or the name of a ready-made study (``scunigp-table3``).
    data
        Folder that data set paths are relative to; the study file's own folder if not given.
    lanes
        Overrides the file's lanes.
    scale
        Which of ``{cpu: ..., paper: ...}`` is meant wherever the file offers both; ``cpu`` if not given.
    only
        Patterns: data sets whose path or name fits none of them are left out.

    Raises
    ------
    KnockoutError
        For anything wrong in the file, with file, line and key path.
    """
    named = _is_name(source)
    if named and data is None:
        named_study(str(source))  # a misspelt name comes first
        raise KnockoutError(
            f"{str(source)!r} is a ready-made study: say where the data are, a folder of <network>/<cell>/TFs+<n>. "
            "`knockout data fetch beeline` brings the published ones.",
            where="--data",
        )
    file = YamlFile(named_study(str(source)) if named else Path(source))
    try:
        raw = _parse(_StudyFile, at_scale(file.values, scale), "")
        entries = [_entry(raw, given, i) for i, given in enumerate(raw.datasets)]
        root = data or file.path.parent
        exams = choose(entries, root, only, may_miss=named)
        parse_lanes(lanes or raw.lanes, where="--lanes" if lanes else "lanes")
        return _study(raw, exams, root, lanes or raw.lanes)
    except KnockoutError as error:
        if str(file.path) in error.where or error.where.startswith("--"):
            raise
        raise type(error)(error.message, where=file.where(error.where)) from None


def _is_name(source: str | Path) -> bool:
    """Tell the name of a ready-made study from a path."""
    path = Path(source)
    return not path.suffix and path.name == str(source) and not path.exists()


def _study(raw: _StudyFile, exams: Sequence[tuple[DatasetSpec, Choice]], root: Path, lanes: str) -> Study:
    if raw.metric not in METRICS:
        raise UnknownNameError.of("metric", raw.metric, METRICS, where="metric")
    chosen = preset(raw.preset, where="preset")
    for factor in raw.reference:
        if registry.factor(factor, where=f"reference.{factor}").exam:
            raise KnockoutError(
                "the exam is no part of an arm; write it at the top level.", where=f"reference.{factor}"
            )
    reference = chosen.arm(raw.preset if not raw.reference else "full model", raw.reference)
    design = raw.design
    if raw.search and "design" in raw.model_fields_set:
        raise KnockoutError("a study compares the arms of a design or searches for the best; drop one.", where="search")
    expanded = Arms((reference,), {})
    if "design" in raw.model_fields_set:
        expanded = expand(reference, design.kind, design.factors, design.arms)
    names = list(CONTROLS) if raw.controls is True else raw.controls or []
    budget = parse_settings(Budget, chosen.budget.model_dump() | raw.training, owner="training", where="training")
    known = baselines(reference, budget, raw.training, raw.baselines)
    arms = distinct([*expanded.arms, *known, *controls(reference, names)], where="controls")
    if raw.search:
        check_search(raw.search, raw.metric, where="search")
    if design.tune:
        check_search(design.tune, raw.metric, where="design.tune")
    if len(arms.arms) < 2 and not raw.search:
        raise KnockoutError("nothing to compare: give a design, or leave the controls on.", where="design")
    return Study(
        name=raw.name,
        datasets=tuple(spec for spec, _ in exams),
        splits=tuple(split for _, split in exams),
        arms=arms.arms,
        aliases={**expanded.aliases, **arms.aliases},
        repeats=raw.repeats,
        metric=raw.metric,
        margin=raw.margin,
        budget=budget,
        lanes=parse_lanes(lanes),
        lanes_asked=lanes,
        root=root,
        search=raw.search,
        space=_space(reference, raw.search) if raw.search else None,
        tune=design.tune,
        first_repeat=design.tune.repeats if design.tune else 0,
        embeddings=_embedded(raw.embeddings, arms.arms, {**expanded.aliases, **arms.aliases}),
    )


def _embedded(given: Sequence[str] | None, arms: Sequence[Arm], aliases: Mapping[str, str]) -> tuple[str, ...]:
    """Return the arms named to save what they make of pairs: the reference where none is, if it encodes any."""
    known = [arm.name for arm in arms]
    can = [arm.name for arm in arms if arm.trains and "pair_encoder" not in arm.silenced]
    if given is None:
        return tuple(name for name in known[:1] if name in can)
    for position, name in enumerate(given):
        at, arm = f"embeddings[{position}]", aliases.get(name, name)
        if arm not in known:
            raise UnknownNameError.of("arm", name, [*known, *aliases], where=at)
        if arm not in can:
            raise KnockoutError(f"arm {name!r} encodes no pairs. Arms that do: {', '.join(can) or 'none'}.", where=at)
    return tuple(dict.fromkeys(aliases.get(name, name) for name in given))


def _space(reference: Arm, search: SearchSpec) -> Space:
    from search_spaces.space import parse_space

    return parse_space(reference, search.vary, search.fixed)


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
    nested: dict[str, type[BaseModel]] = {"datasets": DatasetSpec, "design": DesignSpec, "search": SearchSpec}
    named = "tune" in loc[1:]
    return list((TuneSpec if named else nested[loc[0]] if loc else cls).model_fields)


def _entry(raw: _StudyFile, given: str | DatasetSpec, position: int) -> tuple[DatasetSpec, Choice]:
    at = f"datasets[{position}]"
    spec = _dataset(given, at)
    if spec.train_on is not None:
        return spec, _transfer_exam(raw, spec, at)
    if spec.split is None:
        return spec, parse_choice("split", raw.split, where="split")
    return spec, parse_choice("split", spec.split, where=f"{at}.split")


def _transfer_exam(raw: _StudyFile, spec: DatasetSpec, at: str) -> Choice:
    """Return the exam of an entry that trains on other data sets: the study's is about one data set."""
    choice = parse_choice("split", "transfer" if spec.split is None else spec.split, where=f"{at}.split")
    if choice.level != "transfer":
        raise KnockoutError(
            f"{choice.level!r} cuts one data set; an entry with train_on is examined by 'transfer'.",
            where=f"{at}.split",
        )
    return choice


def _dataset(given: str | DatasetSpec, at: str) -> DatasetSpec:
    if given == "simulated":
        return DatasetSpec(simulate={})
    spec = DatasetSpec(path=given) if isinstance(given, str) else given
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
