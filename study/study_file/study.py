"""The study file: what is compared, on which data, how often, and how it is judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.core import registry
from components.core.budget import Budget
from components.core.errors import KnockoutError, UnknownNameError
from components.core.metrics import METRICS, UP_TO_ONE
from components.core.settings import content_digest, parse_settings, paths_from
from components.plugins import load_plugins
from search_spaces.arm import Arm, Choice
from search_spaces.baselines import baselines
from search_spaces.controls import controls, default_controls
from search_spaces.designs import Arms, distinct, expand
from search_spaces.presets import preset
from search_spaces.short_form import spell_out
from search_spaces.studies import named_study
from study.spec.code import source_digests
from study.spec.machine import Lane, parse_lanes
from study.study_file.keys import DatasetSpec, SearchSpec, StudyFile, TuneSpec, check_search, parse
from study.study_file.overrides import Override, override, place
from study.study_file.patterns import at_scale, choose, entry
from study.study_file.yaml_file import YamlFile, read_yaml

if TYPE_CHECKING:  # a design is read without waiting for optuna
    from search_spaces.space.space import Space


@dataclass(frozen=True)
class Study:
    """A validated study."""

    name: str
    # data sets and, position by position, the exam each sets
    datasets: tuple[DatasetSpec, ...]
    splits: tuple[Choice, ...]
    arms: tuple[Arm, ...]  # reference arm first, then the design's, then controls
    aliases: Mapping[str, str]  # design points that are another arm, to that arm's name
    repeats: int
    metric: str
    budget: Budget
    lanes: tuple[Lane, ...]
    root: Path  # folder that relative paths start from
    # the search that the file asks for, and what it varies; None for a design
    search: SearchSpec | None = None
    space: Space | None = None
    tune: TuneSpec | None = None  # the search that every arm of the design gets before it is compared, if any
    # lanes as they were written; ``auto`` is fitted to memory when it is known what will be run
    lanes_asked: str = "auto"
    # index of the first repeat: what was searched or tuned is compared on repeats that the search has not seen
    first_repeat: int = 0
    # settings that the design varies as it varies factors, ``factor.level.setting``
    crossed_settings: tuple[str, ...] = ()
    # differences that do not matter to this study, on metrics from 0 to 1, and the level of its tests; None: what
    # reports take for that
    margin: float | None = None
    alpha: float | None = None
    looks: tuple[int, ...] = ()  # numbers of blocks at which its verdicts are read before all are in
    # names of the arms whose cells of the first repeat save what the model makes of test pairs
    embeddings: tuple[str, ...] = ()
    tells_silent_arms: bool = False  # whether arms that behave alike on the probe are told and run, and not refused
    # what the file says, key by key, but for its name and lanes
    content: Mapping[str, Any] = field(default_factory=dict)
    overrides: tuple[str, ...] = ()  # what was said beside the file, one line per key

    @property
    def reference(self) -> Arm:
        """The arm that others are compared with."""
        return self.arms[0]

    @property
    def fresh_repeat(self) -> int:
        """The first repeat that is not among its own: from there a confirmation asks."""
        return self.first_repeat + self.repeats

    def code_files(self) -> dict[str, str]:
        """Return a digest of each file of code that the arms run, their programs' included, by name."""
        levels = {("split", split.level) for split in self.splits}.union(*(arm.acting() for arm in self.arms))
        files = source_digests(tuple(levels))
        for arm in self.arms:
            settings: Any = arm.choices["scorer"].settings
            if hasattr(settings, "sources"):
                files |= {name: content_digest(path) for name, path in settings.sources().items()}
        return files

    def budget_of(self, arm: Arm) -> Budget:
        """Return the training budget of an arm: the study's, unless the arm is a system that brings its own."""
        return arm.budget or self.budget


def load_study(
    source: str | Path | YamlFile,
    *,
    data: Path | None = None,
    lanes: str | None = None,
    scale: str | None = None,
    only: Sequence[str] = (),
    overrides: Sequence[str] = (),
) -> Study:
    """Read and validate a study; nothing is run or written.

    Parameters
    ----------
    source
        YAML file, or what was read from one, or the name of a ready-made study (``scunigp-table3``).
    data
        Folder that data set paths are relative to; the study file's own folder if not given.
    scale
        Which of ``{cpu: ..., paper: ...}`` is meant wherever the file offers both; ``cpu`` if not given.
    only
        Patterns: data sets whose path or name fits none of them are left out.
    overrides
        Keys to set, add or drop at that scale, see :func:`study.study_file.overrides.override`.

    Raises
    ------
    KnockoutError
        For anything wrong in the file, with file, line and key path, or in an override.
    """
    named = not isinstance(source, YamlFile) and _is_name(source)
    if named and data is None:
        named_study(str(source))  # a misspelt name comes first
        raise KnockoutError(
            f"{str(source)!r} is a ready-made study: say where the data are, a folder of <network>/<cell>/TFs+<n>. "
            "`knockout data fetch beeline` brings the published ones.",
            where="--data",
        )
    file = source if isinstance(source, YamlFile) else read_yaml(named_study(str(source)) if named else Path(source))
    done: tuple[Override, ...] = ()
    try:
        values, done = override(at_scale(file.values, scale), overrides)
        raw = parse(values)
        load_plugins(raw.plugins, file.path.parent)
        entries = [entry(raw, item, i) for i, item in enumerate(raw.datasets)]
        root = data or file.path.parent
        exams = choose(entries, root, only, may_miss=named)
        parse_lanes(lanes or raw.lanes, where="--lanes" if lanes else "lanes")
        with paths_from(file.path.parent):
            study = _study(raw, exams, root, lanes or raw.lanes)
    except KnockoutError as error:
        if str(file.path) in error.where or error.where.startswith("--") or error.where in overrides:
            raise
        raise type(error)(error.message, where=place(error, done) or file.where(error.where)) from None
    return replace(study, overrides=tuple(one.line for one in done))


def _is_name(source: str | Path) -> bool:
    """Tell the name of a ready-made study from a path."""
    path = Path(source)
    return not path.suffix and path.name == str(source) and not path.exists()


def _study(raw: StudyFile, exams: Sequence[tuple[DatasetSpec, Choice]], root: Path, lanes: str) -> Study:
    if raw.metric not in METRICS:
        raise UnknownNameError.of("metric", raw.metric, METRICS, where="metric")
    if raw.margin is not None and raw.metric in UP_TO_ONE and raw.margin >= 0.5:
        message = f"{raw.margin:g} is half of what {raw.metric} can be, or more: any two arms would be equal."
        raise KnockoutError(message, where="margin")
    chosen = preset(raw.preset, where="preset")
    changes = spell_out(raw.reference, "reference")
    named = str(changes.pop("name", "")) or (raw.preset if not changes else "full model")
    for factor in changes:
        if registry.factor(factor, where=f"reference.{factor}").exam:
            raise KnockoutError(
                "the exam is no part of an arm; write it at the top level.", where=f"reference.{factor}"
            )
    reference = chosen.arm(named, changes)
    design = raw.design
    if raw.search and "design" in raw.model_fields_set:
        raise KnockoutError("a study compares the arms of a design or searches for the best; drop one.", where="search")
    expanded = Arms((reference,), {})
    if "design" in raw.model_fields_set:
        expanded = expand(reference, design.kind, design.factors, design.arms)
    names = default_controls(reference) if raw.controls is True else raw.controls or []
    budget = parse_settings(Budget, chosen.budget.model_dump() | raw.training, owner="training", where="training")
    known = baselines(reference, budget, raw.training, raw.baselines)
    arms = distinct([*expanded.arms, *known, *controls(reference, names, expanded.arms)], where="controls")
    if raw.search:
        check_search(raw.search, raw.metric, where="search")
    crossed = tuple(name for name in design.factors if "." in name)
    tune = _tune(design.tune, arms.arms, raw.metric, crossed) if design.tune else None
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
        alpha=raw.alpha,
        looks=_looks(raw.looks or []),
        budget=budget,
        lanes=parse_lanes(lanes),
        lanes_asked=lanes,
        root=root,
        search=raw.search,
        space=_space(reference, raw.search) if raw.search else None,
        tune=tune,
        crossed_settings=crossed,
        first_repeat=raw.first_repeat + (tune.repeats if tune else 0),
        tells_silent_arms=raw.silent_arms == "tell",
        content=raw.model_dump(mode="json", exclude={"name", "lanes"}),
        embeddings=_embedded(raw.embeddings, arms.arms, {**expanded.aliases, **arms.aliases}),
    )


def _looks(looks: Sequence[int]) -> tuple[int, ...]:
    """Return the numbers of blocks at which verdicts are read early, in order."""
    if any(blocks < 1 for blocks in looks) or len(set(looks)) < len(looks):
        message = f"looks are numbers of blocks, each once: [4, 6]; got {list(looks)}."
        raise KnockoutError(message, where="looks")
    return tuple(sorted(looks))


def _embedded(names: Sequence[str] | None, arms: Sequence[Arm], aliases: Mapping[str, str]) -> tuple[str, ...]:
    """Return the arms named to save what they make of pairs: the reference where none is, if it encodes any."""
    known = [arm.name for arm in arms]
    can = [arm.name for arm in arms if arm.trains and "pair_encoder" not in arm.silenced]
    if names is None:
        return tuple(name for name in known[:1] if name in can)
    for position, name in enumerate(names):
        at, arm = f"embeddings[{position}]", aliases.get(name, name)
        if arm not in known:
            raise UnknownNameError.of("arm", name, [*known, *aliases], where=at)
        if arm not in can:
            raise KnockoutError(f"arm {name!r} encodes no pairs. Arms that do: {', '.join(can) or 'none'}.", where=at)
    return tuple(dict.fromkeys(aliases.get(name, name) for name in names))


def _space(reference: Arm, search: SearchSpec) -> Space:
    from search_spaces.space.space import parse_space

    vary = None if search.vary is None else spell_out(search.vary, "search.vary")
    return parse_space(reference, vary, search.fixed)


def _tune(tune: TuneSpec, arms: Sequence[Arm], metric: str, crossed: Sequence[str]) -> TuneSpec:
    """Return how arms are tuned, ranges spelt out and what the design crosses held; refuse a range of no arm."""
    check_search(tune, metric, where="design.tune")
    tune = tune.model_copy(update={"fixed": [*tune.fixed, *crossed]})
    if not tune.vary:
        return tune
    from search_spaces.space.space import refuse_idle_ranges

    vary = spell_out(tune.vary, "design.tune.vary")
    refuse_idle_ranges(arms, vary, tune.fixed, where="design.tune")
    return tune.model_copy(update={"vary": vary})
