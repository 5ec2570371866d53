"""What an output folder says it was asked: the plan last run there, trials of searches, the commands that ran them."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from components.core.errors import KnockoutError, redact
from study.spec.files import write_text
from study.spec.folder import OutFolder
from study.spec.records import CellRow, DamagedRecordError, PlanRecord, TrialRecord, read_if_sound, read_record
from study.store.registration import read_registration


def write_plan(record: PlanRecord, out: Path) -> None:
    """Write the plan beside the ledger, so that status and report need no study file.

    It remembers the question that was registered when cells were first run: a registration that is removed or replaced
    later leaves a trace.
    """
    before, after = read_if_sound(OutFolder(out).plan, PlanRecord), None
    with suppress(KnockoutError):
        after = read_registration(out)
    registered = (before.registered if before else "") or (after.digest if after else "")
    write_text(OutFolder(out).plan, record.model_copy(update={"registered": registered}).text())


def read_plan(out: Path) -> PlanRecord:
    """Return the plan last run in an output folder.

    Raises
    ------
    KnockoutError
        If the folder holds no study, or its plan is damaged.
    """
    path = OutFolder(out).plan
    if out.is_file():
        raise KnockoutError("this is a file; give the output folder of a study.", where=str(out))
    try:
        record = read_record(path, PlanRecord)
    except DamagedRecordError as error:
        message = f"the plan cannot be read: {error.message}. Run the study again to have it rewritten."
        raise KnockoutError(message, where=str(path)) from None
    if record is None:
        raise KnockoutError(
            f"no study was run here: there is no {path.name}. Give the folder that --out named.", where=str(out)
        )
    return record


def read_trial_rows(out: Path) -> list[CellRow]:
    """Return the cells of every finished trial of a search or a tuned ablation; none where neither was run."""
    folder = OutFolder(out)
    files = [*folder.search.trials.glob("*.json"), *folder.tuning.glob("*/trials/*.json")]
    records = [read_if_sound(file, TrialRecord) for file in sorted(files)]  # one that is damaged is proposed anew
    return [row for record in records if record is not None for row in record.rows]


def read_commands(out: Path) -> tuple[str, ...]:
    """Return the commands that ran cells of a study into a folder, in the order in which each was first typed."""
    path = OutFolder(out).commands
    return tuple(map(redact, path.read_text(encoding="utf-8").splitlines())) if path.is_file() else ()


def add_command(out: Path, command: str) -> tuple[str, ...]:
    """Add a command to those of a folder, unless it was typed before; return them all."""
    commands = read_commands(out)
    line = redact(" ".join(command.split()))
    if not line or line in commands:
        return commands
    write_text(OutFolder(out).commands, "\n".join([*commands, line]) + "\n")
    return (*commands, line)
