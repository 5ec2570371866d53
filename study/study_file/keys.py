"""The keys of a study file: their types, defaults and meanings, and what is said of one that is wrong."""

from __future__ import annotations

from collections.abc import Container
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from components.core import registry
from components.core.budget import Budget
from components.core.errors import KnockoutError, UnknownNameError, complaint
from components.core.metrics import COSTS, METRICS
from study.spec.datasets import DatasetSpec

SAMPLERS = ("tpe", "gp", "random", "grid", "nsga2")
PRUNERS = ("wilcoxon", "hyperband", "median", "none")
# pydantic names the member of a union that it tried
ALTERNATIVES = ("str", "DatasetSpec", "DesignSpec", "SearchSpec", "TuneSpec", "bool", "list[str]")


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Budgeted(_Strict):
    """How a search is run, and when it ends."""

    trials: int | None = Field(None, description="trials that are proposed, pruned and failed ones included", ge=1)
    hours: float | None = Field(None, description="wall-clock hours, of all calls together", gt=0)
    sampler: str = Field("tpe", description=", ".join(SAMPLERS))
    pruner: str = Field("wilcoxon", description=", ".join(PRUNERS))
    parallel: int = Field(4, description="trials in flight; proposals depend on it, not on lanes", ge=1, le=1000)
    seed: int = Field(0, description="seed of the sampler", ge=0)
    grid_points: int = Field(3, description="values of each number in sampler grid", ge=2, le=100)
    fixed: list[str] = Field(default_factory=list, description="factors and settings that stay at the reference's")


class SearchSpec(Budgeted):
    """A search for the best arm."""

    objectives: list[str] = Field(default_factory=list, description="metrics and costs; default: the study's metric")
    vary: dict[str, object] | None = Field(None, description="factor to levels; default: all that is registered")
    confirm: int = Field(5, description="fresh repeats on which `knockout confirm` opens the test", ge=1, le=1000)


class TuneSpec(Budgeted):
    """A search of equal size for every arm of a design, before arms are compared."""

    repeats: int = Field(2, description="repeats on which arms are tuned; they are compared on others", ge=1, le=1000)
    vary: dict[str, object] | None = Field(None, description="ranges of settings: {command: {lr: [1e-4, 1e-2, log]}}")


class DesignSpec(_Strict):
    """Which arms are trained beside the reference."""

    kind: str = Field("one_factor_at_a_time", description="how the levels are combined")
    factors: dict[str, Any] = Field(default_factory=dict, description="factor to list of levels")
    arms: list[dict[str, Any]] = Field(default_factory=list, description="arms of an explicit design")
    tune: TuneSpec | None = Field(None, description="a search of equal size for every arm, before it is compared")


class StudyFile(_Strict):
    """What a study file says, before names are looked up and patterns are expanded."""

    name: str = Field(description="name of the study, the experiment in MLflow", min_length=1, max_length=120)
    datasets: list[str | DatasetSpec] = Field(min_length=1)
    plugins: list[str] = Field(default_factory=list, description="Python files or packages that add levels")
    preset: str = "knockout-small"
    reference: dict[str, Any] = Field(default_factory=dict)
    design: DesignSpec = DesignSpec()
    search: SearchSpec | None = None
    controls: bool | list[str] = True
    baselines: list[Any] = Field(default_factory=list)
    split: Any = registry.FACTORS["split"].absent
    repeats: int = Field(3, ge=1, le=1000)
    first_repeat: int = Field(
        0, description="number of the first repeat, after those that were looked at", ge=0, le=10000
    )
    metric: str = "auroc"
    margin: float | None = Field(None, gt=0.0, allow_inf_nan=False)
    alpha: float | None = Field(None, ge=0.0001, le=0.5)
    looks: list[int] | None = None
    training: dict[str, Any] = Field(default_factory=dict)
    embeddings: list[str] | None = None
    silent_arms: Literal["refuse", "tell"] = "refuse"
    lanes: str = "auto"


def parse(raw: dict[str, Any]) -> StudyFile:
    """Validate a study file against its keys.

    Raises
    ------
    KnockoutError
        For the first thing that is wrong, with its key path.
    """
    try:
        return StudyFile.model_validate(raw)
    except ValidationError as error:
        # a misspelt key comes before the key that is missing because of it
        for problem in sorted(error.errors(), key=lambda problem: problem["type"] == "missing"):
            loc = [part for part in problem["loc"] if part not in ALTERNATIVES]
            key_path = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in loc).lstrip(".")
            if problem["type"] == "extra_forbidden":
                if len(loc) == 1 and (section := section_of(str(loc[0]))):
                    cure = f"unknown key {loc[0]!r}: it stands below {section}. Write {section}: {{{loc[0]}: ...}}."
                    raise KnockoutError(cure, where=key_path) from None
                raise UnknownNameError.of("key", loc[-1], _known_keys(loc[:-1]), where=key_path) from None
            if problem["type"] == "missing":
                raise KnockoutError(f"the key {loc[-1]!r} is missing.", where=key_path) from None
            if not {"str", "bool"} & set(problem["loc"]):
                keys = _known_keys(loc) if problem["type"].startswith("model") else ()
                last = loc[-1] if loc and isinstance(loc[-1], str) else ""
                raise KnockoutError(complaint(problem, last, keys), where=key_path) from None
        raise KnockoutError(complaint(error.errors()[0])) from None


def section_of(key: str) -> str:
    """Return the section of a study file that has a key; empty if none has."""
    sections: dict[str, Container[str]] = {
        "training": Budget.model_fields,
        "design": DesignSpec.model_fields,
        "search": SearchSpec.model_fields,
        "reference": registry.FACTORS,
    }
    return next((section for section, keys in sections.items() if key in keys), "")


def _known_keys(loc: list[Any]) -> list[str]:
    nested: dict[str, type[BaseModel]] = {"datasets": DatasetSpec, "design": DesignSpec, "search": SearchSpec}
    return list((TuneSpec if "tune" in loc[1:] else nested[loc[0]] if loc else StudyFile).model_fields)


def check_search(spec: Budgeted, metric: str, *, where: str) -> None:
    """Refuse a search that cannot be run, naming the key."""
    if spec.sampler not in SAMPLERS:
        raise UnknownNameError.of("sampler", spec.sampler, SAMPLERS, where=f"{where}.sampler")
    if spec.pruner not in PRUNERS:
        raise UnknownNameError.of("pruner", spec.pruner, PRUNERS, where=f"{where}.pruner")
    if isinstance(spec, TuneSpec) and (spec.trials is None or spec.hours is not None):
        raise KnockoutError("arms are tuned with equal budgets: give 'trials', and no 'hours'.", where=where)
    if (spec.trials is None) == (spec.hours is None) and spec.sampler != "grid":
        raise KnockoutError("a search ends after 'trials' or after 'hours'; give one of them.", where=where)
    objectives = objectives_of(spec, metric)
    for position, name in enumerate(objectives):
        if name not in METRICS and name not in COSTS:
            at = f"{where}.objectives[{position}]"
            raise UnknownNameError.of("objective", name, [*METRICS, *COSTS], where=at)
    if len(set(objectives)) < len(objectives):
        raise KnockoutError(f"an objective stands twice in {', '.join(objectives)}.", where=f"{where}.objectives")
    several = len(objectives) > 1
    if several and "pruner" in spec.model_fields_set and spec.pruner != "none":
        raise KnockoutError(
            "trials with several objectives cannot be pruned: there is no one score to compare. Write pruner: none.",
            where=f"{where}.pruner",
        )
    if spec.sampler == "nsga2" and not several:
        raise KnockoutError("nsga2 is for several objectives; name two, or take tpe.", where=f"{where}.sampler")


def objectives_of(spec: Budgeted, metric: str) -> tuple[str, ...]:
    """Return what trials are judged by, the study's metric by default."""
    return tuple(spec.objectives) if isinstance(spec, SearchSpec) and spec.objectives else (metric,)
