"""Which study an output folder belongs to, and what was edited in its file since it was last run there."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from components.core.errors import KnockoutError
from study.spec.files import write_text
from study.spec.folder import OutFolder
from study.spec.records import OwnersRecord, read_if_sound

LONGEST = 80  # characters of a value that a message shows


def refuse_other_study(name: str, out: Path, *, share_cells: bool) -> None:
    """Refuse a folder that belongs to another study, and name that, unless this study says that it shares cells."""
    owners = list(_record(out).studies)
    if not owners or name in owners or share_cells:
        return
    raise KnockoutError(
        f"the folder belongs to the study {owners[0]!r}, and this is {name!r}. Give this one a folder of its own with "
        "--out, or --share-cells to take the finished cells here; its table and report then take the other's place.",
        where=str(out),
    )


def edits_of(name: str, content: Mapping[str, Any], out: Path) -> list[str]:
    """Return what a study's file says now that it did not say when it was last run in ``out``, one line per key."""
    before = _record(out).studies.get(name)
    return [] if before is None else list(differences(before, dict(content), ""))


def code_edits(name: str, code: Mapping[str, str], out: Path) -> list[str]:
    """Return the files whose code decides a study's cells and is another than when it was last run in ``out``."""
    before = _record(out).code.get(name, {})
    return sorted(file for file in before.keys() & code.keys() if before[file] != code[file])


def write_owner(name: str, content: Mapping[str, Any], code: Mapping[str, str], out: Path) -> None:
    """Write down that a study runs in ``out``, what its file says, and a digest of each file of code that it runs."""
    record = _record(out)
    owners, codes = {**record.studies, name: dict(content)}, {**record.code, name: dict(code)}
    write_text(OutFolder(out).owners, OwnersRecord(studies=owners, code=codes).text())


def _record(out: Path) -> OwnersRecord:
    return read_if_sound(OutFolder(out).owners, OwnersRecord) or OwnersRecord()


def differences(before: Any, now: Any, at: str) -> Iterator[str]:
    """Yield one line per key below ``at`` in which two contents differ: ``repeats: 3 -> 5``."""
    if before == now:
        return
    if isinstance(before, dict) and isinstance(now, dict):
        for key in dict.fromkeys([*before, *now]):
            yield from differences(before.get(key), now.get(key), f"{at}.{key}" if at else key)
    elif isinstance(before, list) and isinstance(now, list) and (changes := _changed_items(before, now)):
        yield f"{at}: {_cut(', '.join(changes))}"
    else:
        yield f"{at}: {_cut(_text(before))} -> {_cut(_text(now))}"


def _changed_items(before: list[Any], now: list[Any]) -> list[str]:
    return [f"- {_text(x)}" for x in before if x not in now] + [f"+ {_text(x)}" for x in now if x not in before]


def _text(value: Any) -> str:
    return "not given" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."
