"""Any program as an arm: it is handed an exam as files, and hands back scores."""

from __future__ import annotations

import difflib
import hashlib
import os
import shlex
import shutil
import string
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from components.core.dataset import Ints
from components.core.errors import KnockoutError, suggestion
from components.core.metrics import Scores
from components.core.registry import register
from components.core.settings import AnyPath, content_digest, setting
from components.learning import Context, View
from components.learning.exam_files import write_exam
from components.scorer.base import ExpressionLearner
from components.scorer.files.scores import read_scores
from components.scorer.own.program import Place, run_program
from components.tables.files import sibling_suggestion

FILES = ("train", "validation", "pairs", "pool", "expression", "tfs", "genes", "scores", "folder")
NUMBERS = ("seed", "device", "threads", "dataset", "network", "cell", "repeat", "fold")
SOURCE = frozenset((".py", ".r", ".jl", ".sh", ".pl", ".m", ".c", ".cpp", ".cu", ".rs"))
SHELL = frozenset(("|", "||", "&", "&&", ";", ">", ">>", "<", "2>&1"))
LEFT_OUT = frozenset(("site-packages", "__pycache__", "node_modules", "build", "dist"))
MOST_FILES = 2000  # of source, from which on a folder is no program's alone


@register("scorer", "command")
class Command(ExpressionLearner):
    """Runs a program of one's own on the files of an exam, and reads the scores ``[pairs]`` that it writes.

    The files are in GENELink's layout: ``{train}`` and ``{validation}`` with labels, ``{pairs}`` without, ``{pool}``,
    ``{expression}``, ``{tfs}``, ``{genes}``; scores go to ``{scores}``. No label of the test is in any of them.

    Source: knockout; the layout is that of GENELink's repository.
    """

    budgeted = False
    by_default = False
    probed = False
    settings: Settings

    class Settings(ExpressionLearner.Settings):
        """Settings of a program; any other name is a setting of the program's own, and stands in braces in ``run``."""

        model_config = ConfigDict(extra="allow")
        __pydantic_extra__: dict[str, str | int | float | bool] = Field(init=False)

        run: str = setting(
            "", "program and arguments; {train}, {pairs}, {scores}, {seed} ... stand for files and values"
        )
        folder: AnyPath = setting(".", "working folder; default: that of the study file")
        code: tuple[str, ...] = setting((), "files and folders of its code; default: source files beside what is named")
        env: str = setting("", "environment that it runs in: folder of a venv or conda prefix, or a conda name")
        container: str = setting("", "image that it runs in, with this folder and that of the files, without network")
        runtime: Literal["docker", "podman", "apptainer", "singularity"] = setting("docker", "what runs the image")

        @model_validator(mode="before")
        @classmethod
        def _starts_beside_the_study_file(cls, raw: dict[str, Any]) -> dict[str, Any]:
            return {"folder": "."} | raw

        @model_validator(mode="after")
        def _names_are_used(self) -> Self:
            if not self.run and not self.own:
                return self  # 'command' alone is refused where it would run
            known = [*FILES, *NUMBERS, *self.own]
            for name in self.braces:
                if name not in known:
                    hint = suggestion(name, known)
                    raise ValueError(f"{{{name}}} stands for nothing.{hint} Known: {', '.join(known)}")
            if "scores" not in self.braces:
                raise ValueError("the command says nowhere where scores go: hand it {scores}")
            if unused := [name for name in self.own if name not in self.braces]:
                near = difflib.get_close_matches(unused[0], type(self).model_fields, 1, 0.7)
                meant = f"; or did you mean {near[0]!r}" if near else ""
                raise ValueError(
                    f"the command does not read {unused[0]}: write {{{unused[0]}}} where its value goes{meant}"
                )
            if shell := [word for word in self.words if word in SHELL]:
                raise ValueError(f"no shell reads the command, so {shell[0]} is an argument: write sh -c '...'")
            if clash := [name for name in self.own if name in (*FILES, *NUMBERS)]:
                raise ValueError(f"{clash[0]} is set by knockout; give the setting another name")
            return self

        @property
        def own(self) -> dict[str, Any]:
            """Settings of the program's own."""
            return dict(self.__pydantic_extra__ or {})

        @property
        def braces(self) -> tuple[str, ...]:
            """Names in braces, in order."""
            try:
                return tuple(name for _, name, _, _ in string.Formatter().parse(self.run) if name is not None)
            except ValueError as error:
                raise ValueError(f"{error} in the command; write {{{{ for a brace") from None

        def inherited(self, raw: Mapping[str, Any]) -> dict[str, Any]:
            """Return what a user set here; another program takes over nothing."""
            return {} if "run" in raw else super().inherited(raw)

        @property
        def words(self) -> list[str]:
            """Program and arguments, names in braces as they are."""
            try:
                return shlex.split(self.run)
            except ValueError as error:
                raise ValueError(f"{error} in the command: {self.run}") from None

        @property
        def place(self) -> Path:
            """Working folder."""
            return Path(self.folder)

        def runs_in(self, device: str = "cpu", threads: int = 1) -> Place:
            """Return where and how the program runs on a lane."""
            return Place(self.place, self.env, self.container, self.runtime, device, threads)

        def identity(self) -> dict[str, Any]:
            """Return the settings, with a digest of the program's code in place of its paths."""
            values = super().identity()
            del values["folder"], values["env"], values["runtime"], values["code"]
            sha = hashlib.sha256()
            for name, path in self.sources().items():
                sha.update(f"{name}\0{content_digest(path)}\0".encode())
            return values | {"program": sha.hexdigest()[:20]}

        def sources(self) -> dict[str, Path]:
            """Return the files whose content counts as the program's code, by name below the working folder.

            Those of ``code``; without it, every file that the command names, and for one of source all source files in
            its folder and below.

            Raises
            ------
            KnockoutError
                If ``code`` names what is not there, or there are too many files to be one program.
            """
            files: dict[str, Path] = {}
            for path in map(self.place.joinpath, self.code or self._named()):
                if not path.exists():
                    raise KnockoutError(f"there is no {path}.", where="code")
                alone = path.is_file() and (bool(self.code) or path.suffix.lower() not in SOURCE)
                files |= {path.name: path} if alone else _below(path if path.is_dir() else path.parent)
            if len(files) > MOST_FILES:
                raise KnockoutError(
                    f"{len(files)} source files lie beside the program; name its own: code: [train.py, model]."
                )
            return files

        def _named(self) -> list[str]:
            """Return the files that the command names: in the working folder, or of source, or a module after -m."""
            words = [word for word in self.words if "{" not in word]
            named, here = [], self.place.resolve()
            for before, word in zip(["", *words], words, strict=False):
                path = self.place / word
                if path.is_file() and (path.suffix.lower() in SOURCE or path.resolve().is_relative_to(here)):
                    named.append(word)
                module = word.replace(".", "/")
                if before == "-m":
                    named += [name for name in (f"{module}.py", module) if (self.place / name).exists()]
            return named

    def check(self, view: View) -> None:
        """Refuse a command that is not there, and a working folder or an environment that is not."""
        settings, place = self.settings, self.settings.runs_in()
        if not settings.run:
            raise KnockoutError("which command? run: python train.py --pairs {pairs} --out {scores}", where="run")
        if not place.folder.is_dir():
            raise KnockoutError(f"there is no folder {place.folder} to run the command in.", where="folder")
        env = place.folder / place.env
        if "/" in place.env and not env.is_dir():
            raise KnockoutError(f"there is no environment {env}.", where="env")
        starter = place.words(settings.words, place.folder)[0]
        on = os.pathsep.join([place.environment().get("PATH", ""), str(place.folder)])  # it may be named from there
        if "{" not in starter and not shutil.which(starter, path=on):
            raise KnockoutError(f"there is no program {starter!r} on PATH to start the command with.", where="run")
        if settings.container:  # an image has files of its own
            return
        for word in settings.words:
            path = place.folder / word
            if path.suffix.lower() in SOURCE and "{" not in word and not path.exists():
                raise KnockoutError(f"there is no {path}.{sibling_suggestion(path)}", where="run")

    def fit(self, view: View, context: Context) -> None:
        """Keep what the program will be handed: it trains and scores in one go."""
        self.view, self.context = view, context

    def score(self, pairs: Ints) -> Scores:
        """Run the program and return the scores ``[pairs]`` that it wrote.

        Raises
        ------
        MemoryError, ProgramError
            If it fails.
        KnockoutError
            If its scores cannot be read.
        """
        context, view, settings = self.context, self.view, self.settings
        scores = context.scratch / "scores.csv"
        paths = write_exam(view, pairs, context.scratch) | {"scores": scores, "folder": context.scratch}
        device = "cuda:0" if context.device.startswith("cuda") else context.device  # the only one that it sees
        names = {"dataset": view.dataset, "network": view.network, "cell": view.block}
        lane = {"seed": context.seed, "device": device, "threads": context.threads}
        values = {**paths, **names, **lane, "repeat": view.repeat, "fold": view.fold, **settings.own}
        written = {name: str(v).lower() if isinstance(v, bool) else str(v) for name, v in values.items()}
        command = [word.format_map(written) for word in settings.words]
        place = settings.runs_in(context.device, context.threads)
        context.memory_mb = run_program(command, place, context.scratch, context.output or context.scratch / "output")
        return read_scores(scores, view.genes, pairs)


def _below(folder: Path) -> dict[str, Path]:
    """Return the source files in a folder and below, by their path from there; of no hidden or installed package."""
    files = {}
    for at, folders, names in os.walk(folder):
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".") and name not in LEFT_OUT and not Path(at, name, "pyvenv.cfg").exists()
        )
        for path in (Path(at, name) for name in sorted(names)):
            if path.suffix.lower() in SOURCE:
                files[str(path.relative_to(folder))] = path
        if len(files) > MOST_FILES:
            break
    return files
