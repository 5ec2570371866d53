"""Features of genes from a file as gene features: embeddings of a foundation model or of text, annotations, gene sets.

Two other places were weighed. A factor of its own would put a column of 'none' into every table and digest for what
most studies never use. A second level for 'both' would repeat every setting. One level with ``beside`` asks all three
questions: expression alone (another level), features alone, and both.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
import torch
from pydantic import AfterValidator
from torch import Tensor, nn

from components.bucketing.base import Bucketing
from components.bucketing.gene_matrix import GeneMatrix, gene_matrix, known_names
from components.core import registry
from components.core.errors import KnockoutError, UnknownNameError
from components.core.registry import register
from components.core.settings import InputFiles, content_digest, setting
from components.core.settings import Settings as BaseSettings
from components.tables.files import file_for, files_of, is_pattern

NOTHING = "nothing"


def _level_of(choice: str | dict[str, Any]) -> tuple[Any, Any]:
    level, settings = next(iter(choice.items())) if isinstance(choice, dict) and len(choice) == 1 else (choice, None)
    return level, settings or {}


def _beside(choice: str | dict[str, Any]) -> str | dict[str, Any]:
    """Return what was given if it is a level that can stand beside features."""
    if choice == NOTHING:
        return choice
    level, settings = _level_of(choice)
    levels: dict[str, Any] = registry.levels("bucketing")
    free = [name for name, cls in levels.items() if not (cls.unsupervised or cls.named)]
    if not isinstance(level, str) or level not in free:
        raise ValueError(UnknownNameError.of("bucketing beside features", level, [NOTHING, *free]).message)
    try:
        registry.parse("bucketing", level, settings)
    except KnockoutError as error:
        raise ValueError(error.message) from None
    return choice


@register("bucketing", "features")
class Features(Bucketing):
    """Gives each gene what a file says of it: ``[genes, columns]``, beside features of its expression if asked for.

    Columns are standardised over the genes of the data set that the file has. More columns than such genes are rotated
    to principal components, which loses nothing, and scaled to unit variance over the whole matrix. No weights.

    Source: knockout; as GenePT, scGPT, Geneformer or gene sets are used.
    """

    tied_to = ""
    named = True
    by_default: ClassVar[bool] = False

    class Settings(Bucketing.Settings):
        """Settings of gene features."""

        file: InputFiles = setting(
            "", "features, one row per gene: .parquet, .csv, .tsv, .npz, .npy or .gmt; {cell}, {dataset} as in edges"
        )
        names: InputFiles = setting("", "gene names, one a line, in the order of the rows of an .npy or .npz")
        beside: Annotated[str | dict[str, Any], AfterValidator(_beside)] = setting(
            NOTHING, "bucketing whose features of expression come first: none, {uniform: {levels: 5}} ...; or nothing"
        )
        rows: Literal["own", "permuted", "random"] = setting(
            "own",
            "what a gene is given: its own row, another gene's, or random numbers of the same scale; for controls",
        )
        standardise: Literal["column", "matrix"] = setting(
            "column",
            "scale each column to unit variance, or centre columns and scale the whole matrix (gene sets)",
        )
        components: int = setting(0, "principal components to keep; 0: all columns", ge=0, le=100_000)
        missing: Literal["mean", "indicator", "draw", "refuse"] = setting(
            "mean",
            "a gene without a row: the mean, the mean and a column that says so, another gene's row, or an error",
        )
        least: float = setting(0.5, "share of a data set's genes that the file must have", ge=0.0, le=1.0)

        def part(self) -> tuple[str, BaseSettings] | None:
            """Return the bucketing that stands beside the features, with its settings."""
            if self.beside == NOTHING:
                return None
            level, settings = _level_of(self.beside)
            return level, registry.parse("bucketing", level, settings)

        @classmethod
        def completed(cls, raw: dict[str, Any], level: str, settings: BaseSettings) -> dict[str, Any]:
            """Return what a user wrote; a bucketing named alone has the settings that the reference gives it."""
            for name, beside in filter(None, [(level, settings), settings.part()]):
                if raw.get("beside") == name and name in registry.levels("bucketing"):
                    raw = raw | {"beside": {name: beside.inherited({})}} if beside.inherited({}) else raw
            return raw

        def identity(self) -> dict[str, Any]:
            """Return the settings with files by their content; ``least`` decides no outcome."""
            part = self.part()
            beside = NOTHING if part is None else {part[0]: part[1].identity()}
            values = {name: value for name, value in super().identity().items() if name != "least"}
            for name in self._patterns:
                pattern = getattr(self, name)
                values[name] = [content_digest(path) for path in files_of(pattern)] or [pattern]
            return values | {"beside": beside}

        def on(self, names: Mapping[str, str]) -> Self:
            """Return the settings with the file of a data set."""
            own = {name: str(file_for(getattr(self, name), names, "file of features")) for name in self._patterns}
            return self.model_copy(update=own)

        def example(self) -> Self:
            """Return the settings with the first file that there is."""
            first = {name: str(files[0]) for name in self._patterns if (files := files_of(getattr(self, name)))}
            return self.model_copy(update=first)

        @property
        def _patterns(self) -> list[str]:
            return [name for name in ("file", "names") if is_pattern(getattr(self, name))]

    def __init__(
        self, settings: Settings, expression: Tensor, genes: tuple[str, ...], rng: np.random.Generator
    ) -> None:
        super().__init__()
        matrix = self._matrix(settings, genes).filled(settings.rows, settings.missing, rng)
        self.features = nn.Buffer(torch.from_numpy(matrix).to(expression), persistent=False)
        self.expression: Bucketing | None = None
        if (part := settings.part()) is not None:
            cls: Any = registry.level("bucketing", part[0])
            self.expression = cls(part[1], expression)
        self.width = self.features.shape[1] + (self.expression.width if self.expression else 0)

    @classmethod
    def tie(cls, settings: Any) -> str:
        """Return what the bucketing beside the features depends on."""
        part = settings.part()
        if part is None:
            return ""
        beside: Any = registry.level("bucketing", part[0])
        return str(beside.tie(part[1]))

    @classmethod
    def check(cls, settings: Any, genes: tuple[str, ...]) -> tuple[str, ...]:
        """Return how the file fits a data set; raise :class:`KnockoutError` where it does not."""
        matrix = cls._matrix(settings, genes)
        shown = matrix.lacking and settings.missing in ("mean", "indicator")
        hint = "; the model can tell which have none, and so can the controls of features" if shown else ""
        return (f"{matrix.path.name}: {', '.join(matrix.notes)}{hint}",)

    @classmethod
    def known_genes(cls, settings: Any) -> tuple[str, ...]:
        """Return the names of the genes that the file has."""
        return known_names(_file(settings), settings.names)

    def show(self, expression: Tensor) -> None:
        """Let what stands beside the features see other cells; features are of genes and stay."""
        if self.expression is not None:
            self.expression.show(expression)

    def forward(self) -> Tensor:
        """Return features ``[genes, width]``, those of expression first."""
        return self.features if self.expression is None else torch.cat([self.expression(), self.features], dim=1)

    @staticmethod
    def _matrix(settings: Any, genes: tuple[str, ...]) -> GeneMatrix:
        matrix = gene_matrix(_file(settings), settings.names, genes, settings.standardise, settings.components)
        least = 1.0 if settings.missing == "refuse" else settings.least
        matrix.refuse_below(least)
        return matrix


def _file(settings: Any) -> str:
    if not settings.file:
        raise KnockoutError("which features? Give their file: {bucketing: {features: {file: embeddings.parquet}}}.")
    return str(settings.file)
