"""The part of a study file that asks for a search: what is drawn, how often, and what is judged."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from components.core.errors import KnockoutError, UnknownNameError
from components.core.metrics import COSTS, METRICS

SAMPLERS = ("tpe", "gp", "random", "grid", "nsga2")
PRUNERS = ("wilcoxon", "hyperband", "median", "none")


class Budgeted(BaseModel):
    """How a search is run, and when it ends."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

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


def check_search(spec: Budgeted, metric: str, *, where: str) -> None:
    """Refuse a search that cannot be run, naming the key.

    Raises
    ------
    KnockoutError
        For an unknown sampler, pruner or objective, a search without an end, or parts that do not go together.
    """
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
