"""The files whose code decides the outcome of a study's cells: where one changes, the cells that use it run again."""

from __future__ import annotations

from typing import Any

from components.core.settings import content_digest
from study.spec.code import source_digests
from study.study_file.study import Study


def code_files(study: Study) -> dict[str, str]:
    """Return a digest of each file of code that the study's arms run, their programs' included, by name."""
    exams = {("split", split.level) for split in study.splits}
    files: dict[str, str] = {}
    for arm in study.arms:
        for exam in exams:
            files |= source_digests((*arm.acting(), exam))
        settings: Any = arm.choices["scorer"].settings
        if hasattr(settings, "sources"):
            files |= {name: content_digest(path) for name, path in settings.sources().items()}
    return files
