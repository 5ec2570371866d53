"""What lies in an output folder as JSON: one schema per kind of record, each with the version of its form."""

from __future__ import annotations

import re
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from components.core.errors import KnockoutError

R = TypeVar("R", bound="Record")


class Status(StrEnum):
    """How a cell ended."""

    OK = "ok"
    DIVERGED = "diverged"  # a loss or a score became NaN or infinite
    TIMEOUT = "timeout"  # it took longer than --timeout allows
    OOM = "oom"  # out of memory, with the device to itself
    KILLED = "killed"  # its worker process died, with no other cell beside it
    ERROR = "error"  # an exception
    DAMAGED = "damaged"  # its record cannot be read


class TrialState(StrEnum):
    """How far a trial of a search is."""

    RUNNING = "running"
    COMPLETE = "complete"
    PRUNED = "pruned"
    FAILED = "failed"


class PlanKind(StrEnum):
    """Where the arms of a plan come from."""

    DESIGN = "design"
    SEARCH = "search"
    TUNED = "tune"


class Record(BaseModel):
    """Base of every record."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, ser_json_inf_nan="constants")
    form: ClassVar[int] = 1  # raise it when a field changes its meaning

    version: int = 1

    def text(self) -> str:
        """Return the record as JSON."""
        return self.model_dump_json()


class DamagedRecordError(KnockoutError):
    """A record that is there and cannot be used; the message says why."""


class CellRecord(Record):
    """What became of a cell.

    Where the exam has folds, scores are those of all folds' pairs pooled, curves of fold k > 1 are named
    ``fold_k/...``, ``best_epoch`` is the mean over folds, rounded, and ``parameters`` those of one model.
    """

    cell: str  # digest of the cell, the name of its file
    # how it ended; why, if not ``ok``
    status: Status = Field(Status.OK, strict=False)  # JSON has no enumeration
    reason: str = ""
    # part (validation, test) to metric to value, None where undefined; loss and validation score per epoch
    scores: dict[str, dict[str, float | None]] = {}
    curves: dict[str, list[float]] = {}
    best_epoch: int = 0
    parameters: int = 0
    seconds: float = 0.0  # what it would have cost alone and in one go, whoever computed its parts
    shared_s: float = 0.0  # seconds of it that another arm spent, on the graph stage that both share
    peak_memory_mb: float = 0.0  # in 2^20 bytes
    device: str = "cpu"
    # digests of data and exam; how much the tests of two repeats overlap; where validation and test differ
    data_digest: str = ""
    split_digest: str = ""
    test_share: float | None = None
    exam_differs: str = ""
    # what the cell's digest is the digest of; versions of the libraries that can change a number
    identity: dict[str, Any] = {}
    versions: dict[str, str] = {}

    @property
    def ok(self) -> bool:
        """Whether the cell has scores."""
        return self.status is Status.OK


class CellRow(Record):
    """A planned cell as tables, MLflow and reports name it: plain values only, so that no study file is needed."""

    study: str
    arm: str
    arm_digest: str
    role: str
    levels: dict[str, str]
    settings: dict[str, Any]
    dataset: str
    network: str
    block: str
    split: str
    repeat: int
    data_digest: str
    code_digest: str
    training: dict[str, Any]
    cell: str


class PlanRecord(Record):
    """The study last run in a folder: what its cells are, and what it asks."""

    # primary metric; differences that do not matter, and level of the tests (None: what reports take)
    metric: str
    margin: float | None = None
    alpha: float | None = None
    looks: list[int] = []  # numbers of blocks at which verdicts are read before all are in
    registered: str = ""  # digest of the question that was registered here when cells were first run; empty if none was
    kind: PlanKind = Field(PlanKind.DESIGN, strict=False)  # where its arms come from
    rows: list[CellRow] = Field(min_length=1)


class OwnersRecord(Record):
    """The studies that run in a folder, the one it belongs to first, each with what its file says."""

    studies: dict[str, dict[str, Any]] = {}
    code: dict[str, dict[str, str]] = {}  # a digest by file


class TrialRecord(Record):
    """A finished trial: its arm, its end, its cells as MLflow names them. Its scores are in the ledger."""

    number: int
    state: TrialState = Field(strict=False)
    warm: bool
    steps: int
    reason: str
    attrs: dict[str, Any]
    cells: list[str]
    choices: dict[str, Any]
    rows: list[CellRow] = []


class SearchRecord(Record):
    """What was searched and how, for reports and for ``knockout status``."""

    study: str
    metric: str
    sampler: str
    pruner: str
    objectives: list[dict[str, str]]
    trials: int | None
    hours: float | None
    exhausted: bool
    parallel: int
    seed: int
    repeats: int
    datasets: list[str]
    reference: str
    reference_digest: str
    space: list[dict[str, str]]
    pareto: list[int]
    storage: str
    importances: list[dict[str, Any]]


class ClockRecord(Record):
    """Seconds that a search has taken."""

    seconds: float


class Opening(BaseModel, frozen=True, extra="forbid"):
    """One opening of the test: for which arms (digests), and on which day."""

    arms: list[str]
    when: str


class OpeningsRecord(Record):
    """Every opening of a search's test."""

    openings: list[Opening] = []


class ClaimRecord(Record):
    """A cell that a driver trains, or trained when it died."""

    cell: str
    label: str
    driver: str
    host: str
    pid: int


class DriverRecord(Record):
    """A process that runs, or ran, a study in an output folder."""

    # name of its file; where it runs
    id: str
    host: str
    pid: int
    # boot and process namespace of ``pid``, and when the process began, in seconds after boot: numbers come again
    machine: str
    created: float
    # when it registered, by its own clock; what it works on, in words; how many cells that is at a time
    started: float
    lanes: str
    workers: int


def read_record(path: Path, kind: type[R], **name: Any) -> R | None:
    """Return a record, None if there is no such file; ``name`` has the fields that the file's name gives away.

    Raises
    ------
    DamagedRecordError
        If the file is there and cannot be used: empty, cut, of wrong types, of another cell than its name, or of a
        later version.
    """
    try:
        text = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise DamagedRecordError(f"it cannot be read: {error.strerror or error}", where=str(path)) from None
    return parse_record(text, kind, path, **name)


def read_if_sound(path: Path, kind: type[R]) -> R | None:
    """Return a record that is written anew by whoever runs the study; None where it is not there or cannot be used."""
    with suppress(DamagedRecordError):
        return read_record(path, kind)
    return None


def parse_record(text: bytes, kind: type[R], path: Path, **name: Any) -> R:
    """Parse the text of a record; see :func:`read_record`."""
    if not text.strip():
        raise DamagedRecordError("it is empty", where=str(path))
    later = re.match(rb'\s*\{\s*"version"\s*:\s*(\d+)', text)
    if later and int(later[1]) > kind.form:
        message = f"it is of version {int(later[1])}, later than this knockout reads ({kind.form}); upgrade knockout"
        raise DamagedRecordError(message, where=str(path))
    try:
        record = kind.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        reason = f"{key}: {first['msg'].lower()}" if key else "it is no JSON, or was cut"
        raise DamagedRecordError(reason, where=str(path)) from None
    for field, value in name.items():
        if (other := getattr(record, field)) != value:
            raise DamagedRecordError(f"it is the record of another {field}: {other!r}", where=str(path))
    return record
