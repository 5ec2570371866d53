"""A study as a user names it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from components.core.metrics import own_words
from reports.words.metrics import learn
from reports.words.numbers import joined
from study.actions.screen import Screen
from study.store.owner import code_edits, edits_of
from study.study_file.study import Study, load_study
from study.study_file.yaml_file import YamlFile


@dataclass(frozen=True)
class Source:
    """A study by file, name or content, and what :func:`load_study` takes beside it."""

    study: str | Path | YamlFile
    data: Path | None = None
    scale: str | None = None
    only: tuple[str, ...] = ()
    lanes: str | None = None
    overrides: tuple[str, ...] = ()

    def load(self) -> Study:
        """Read and validate the study; what is printed and registered knows the words of its plug-ins' metrics."""
        study = load_study(
            self.study, data=self.data, lanes=self.lanes, scale=self.scale, only=self.only, overrides=self.overrides
        )
        learn(own_words(), study.name)
        return study


def show_changes(study: Study, out: Path, screen: Screen) -> None:
    """Show what was set beside the study file, and what it says that it did not say when it was last run in ``out``."""
    for line in study.overrides:
        screen.say(line)
    for line in edits_of(study.name, study.content, out):
        screen.say(f"edited since the last run: {line}")
    if files := code_edits(study.name, study.code_files(), out):
        screen.say(f"code changed since the last run, so cells that use it run again: {joined(files)}")
