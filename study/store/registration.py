"""The question of a study, registered in OUT before its scores are seen, with a digest over what it says."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from components.core.errors import KnockoutError
from study.spec.files import write_first
from study.spec.folder import OutFolder
from study.spec.machine import versions
from study.spec.records import PlanRecord, Record
from study.store.ledger import Ledger
from study.store.owner import differences

_HEAD = "# What this study asks, registered before its scores are seen. `knockout report` checks it: do not edit.\n"


class RegistrationRecord(Record):
    """A registered question."""

    digest: str = ""  # SHA-256 over everything else, as canonical JSON
    # when it was registered (UTC), by which version, and how many of its cells had ended by then
    date: str
    knockout: str
    ended: int
    # the study, and where its arms come from
    study: str
    kind: str
    # primary metric, smallest difference that matters, level, and numbers of blocks at which verdicts are read early
    metric: str
    margin: float | None
    alpha: float
    looks: list[int]
    # the reference arm, and the role and digest of every arm by name
    reference: str
    arms: dict[str, dict[str, str]]
    # independent units; block, data digest and exam of every data set by name; numbers of the repeats
    blocks: list[str]
    datasets: dict[str, dict[str, str]]
    repeats: list[int]
    training: dict[str, Any]  # training budget of the reference

    @property
    def computed(self) -> str:
        """The digest of what the record says now."""
        content = self.model_dump(exclude={"digest"})
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    @property
    def question(self) -> dict[str, Any]:
        """What is asked, whenever and by whichever version."""
        return self.model_dump(exclude={"digest", "date", "knockout", "ended"})


def question_of(plan: PlanRecord, out: Path, *, margin: float | None, alpha: float) -> RegistrationRecord:
    """Return the question that a plan asks, with today's date, a digest and the number of cells that ended in ``out``.

    ``margin`` and ``alpha`` hold where the study file names none.
    """
    rows = plan.rows
    reference = next((row for row in rows if row.role == "reference"), rows[0])
    record = RegistrationRecord(
        date=datetime.now(UTC).date().isoformat(),
        knockout=versions()["knockout"],
        ended=len(Ledger(out).read_all(row.cell for row in rows)),
        study=reference.study,
        kind=str(plan.kind),
        metric=plan.metric,
        margin=plan.margin if plan.margin is not None else margin,
        alpha=plan.alpha if plan.alpha is not None else alpha,
        looks=list(plan.looks),
        reference=reference.arm,
        arms={row.arm: {"role": row.role, "digest": row.arm_digest} for row in rows},
        blocks=list(dict.fromkeys(row.block for row in rows)),
        datasets={row.dataset: {"block": row.block, "data": row.data_digest, "split": row.split} for row in rows},
        repeats=sorted({row.repeat for row in rows}),
        training=reference.training,
    )
    return record.model_copy(update={"digest": record.computed})


def write_registration(record: RegistrationRecord, out: Path) -> RegistrationRecord:
    """Write a question into ``out``, once; return what is registered there.

    Raises
    ------
    KnockoutError
        If another question is registered there already, naming what differs, or the file there was edited.
    """
    path = OutFolder(out).registration
    text = _HEAD + yaml.safe_dump(record.model_dump(), sort_keys=False, allow_unicode=True)
    if write_first(path, lambda temporary: temporary.write_text(text, encoding="utf-8")):
        return record
    before = read_registration(out)
    assert before is not None
    if before.computed != before.digest:
        raise KnockoutError(
            f"it was edited after {before.date}: its digest does not fit what it says. Put back the file that was "
            "registered, or name another folder with --out.",
            where=str(path),
        )
    if lines := list(differences(before.question, record.question, "")):
        raise KnockoutError(
            f"another question was registered here on {before.date} (registered -> now): {'; '.join(lines)}. Put the "
            "study file back, run it as it is (the report lists what deviates), or name another folder with --out.",
            where=str(path),
        )
    return before


def read_registration(out: Path) -> RegistrationRecord | None:
    """Return what was registered in a folder, None if nothing was; whoever reads it compares both digests.

    Raises
    ------
    KnockoutError
        If the file is there and cannot be read.
    """
    path = OutFolder(out).registration
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        return RegistrationRecord.model_validate(content)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, yaml.YAMLError, ValidationError) as error:
        message = "this registration cannot be read, so nobody can tell what was asked beforehand"
        raise KnockoutError(f"{message} ({_first_line(error)}). Put back the file.", where=str(path)) from None


def _first_line(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the whole file"
        return f"{place}: {first['msg'].lower().partition(' or instance')[0]}"
    return str(error).splitlines()[0]
