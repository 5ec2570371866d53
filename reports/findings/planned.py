"""What a study set out to do against what it did: whether all blocks are in, and what was registered beforehand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd

from reports.errors import listed
from reports.findings.results import Look, Refusal
from reports.options import Registration, ReportOptions
from reports.statistics.pairs.decision import margin_of
from reports.statistics.spending import look_levels
from reports.table.table import Table
from reports.words.numbers import are, count

_LISTED = 6


@dataclass(frozen=True)
class Progress:
    """Blocks that are in, blocks that were planned, and those that await cells, with how that is known."""

    finished: int
    planned: int
    waiting: tuple[str, ...]
    known: bool  # from a plan, not guessed from the table


def progress(table: Table) -> Progress:
    """Return which blocks await cells that were not run; a cell that failed is not awaited.

    Of a table without a plan, those are the blocks that half of its arms, and at least two, never ran.
    """
    frame = table.frame
    if table.planned is not None:
        ended = set(frame[["arm", "dataset", "repeat"]].itertuples(index=False, name=None))
        cells = sorted(table.planned.cells)
        blocks = dict.fromkeys(block for _, block, _, _ in cells)
        awaited = {block for arm, block, dataset, repeat in cells if (arm, dataset, repeat) not in ended}
        return Progress(len(blocks) - len(awaited), len(blocks), tuple(b for b in blocks if b in awaited), known=True)
    ran = pd.crosstab(frame["block"], frame["arm"]) > 0
    unrun = (~ran).sum(axis=1)
    waiting = unrun[unrun >= max(2, ran.shape[1] / 2)].index
    return Progress(len(ran) - len(waiting), len(ran), tuple(map(str, waiting)), known=False)


def look_at(seen: Progress, looks: tuple[int, ...], alpha: float) -> Look | None:
    """Return at which level verdicts may be given; None where all is in and no look was planned.

    ``looks`` are the numbers of blocks at which verdicts were to be read early, as registered; they share ``alpha``.
    """
    early = [blocks for blocks in looks if blocks < seen.planned]
    if not seen.waiting and not early:
        return None
    due = [*early, seen.planned]
    level = None
    if seen.finished in due:
        level = look_levels([blocks / seen.planned for blocks in due], alpha)[due.index(seen.finished)]
    return Look(seen.finished, seen.planned, tuple(early), level)


def interim(seen: Progress, look: Look | None) -> list[Refusal]:
    """Refuse every verdict of a study of which blocks are awaited and no look is planned now."""
    if look is None or look.alpha is not None:
        return []
    where = listed(list(seen.waiting), 6)
    if not seen.known:
        message = f"{seen.finished} of {count(seen.planned, 'block')} {are(seen.finished)} in. Half of the arms or "
        message += f"more were never run on {where}. Run them; or, if they failed, say so in a column 'status' (oom, "
        message += "error); or leave these blocks out of the table."
        return [Refusal("interim", "all verdicts", message)]
    message = f"{seen.finished} of {count(seen.planned, 'planned block')} {are(seen.finished)} in. "
    message += f"On {where} cells are awaited. "
    message += "Who looks before all is in finds more than there is, so no verdict is given. Run the rest"
    cure = ", or plan looks beforehand (looks in the study file; knockout plan --register says what each can show)."
    message += f" (looks were planned at {listed([*map(str, look.looks)])} blocks)." if look.looks else cure
    return [Refusal("interim", "all verdicts", message)]


def deviations(table: Table, options: ReportOptions) -> tuple[str, ...]:
    """Return in what a report differs from the question that was registered, one sentence each; none if none was."""
    planned = table.planned
    if planned is None or planned.registration is None or not planned.registration.content:
        return ()
    content = planned.registration.content
    return (
        *_settings(content, table, options),
        *_arms(content, table, {arm for arm, _, _, _ in planned.cells}),
        *_data(content, table),
    )


def registration_refusals(registration: Registration | None, listed_deviations: tuple[str, ...]) -> list[Refusal]:
    """Warn of a registration that cannot be trusted, or that came late, and of what deviates from it."""
    if registration is None:
        return []
    out = []
    if registration.broken:
        out.append(Refusal("registration", "the registered question", registration.broken, "warning"))
    if registration.ended:
        message = f"{count(registration.ended, 'cell')} of the study had ended before its question was registered, so "
        message += "it may have been asked with their scores in view."
        out.append(Refusal("registration", "the registered question", message, "warning"))
    return out + [Refusal("deviation", "the registered question", line, "warning") for line in listed_deviations]


def _settings(content: Any, table: Table, options: ReportOptions) -> Iterator[str]:
    now = {"primary metric": table.metric, "margin": margin_of(table.metric, options.margin), "level": options.alpha}
    now["reference arm"] = table.reference
    for (what, value), key in zip(now.items(), ("metric", "margin", "alpha", "reference"), strict=True):
        if value != content[key]:
            yield f"The {what} is {value}; registered was {content[key]}."
    if options.block is not None and options.block != "block":
        yield f"The independent unit is the column {options.block}; registered were blocks of the study."


def _arms(content: Any, table: Table, planned: set[str]) -> Iterator[str]:
    frame, registered = table.frame, content["arms"]
    roles = frame.drop_duplicates("arm").set_index("arm")["role"]
    # the arms that a search found could not be named beforehand
    added = [arm for arm in roles.index if arm not in registered and (content["kind"], roles[arm]) != ("search", "arm")]
    if added:
        yield f"{count(len(added), 'arm')} added after registration: {listed(sorted(added), _LISTED)}."
    if removed := sorted(set(registered) - planned):
        yield f"{count(len(removed), 'registered arm')} removed: {listed(removed, _LISTED)}."
    if content["kind"] == "tune" or "arm_digest" not in frame:
        return  # tuning is to change their settings
    digests = frame.drop_duplicates("arm").set_index("arm")["arm_digest"]
    if other := sorted(a for a in digests.index if a in registered and digests[a] != registered[a]["digest"]):
        yield f"Other settings than registered: {listed(other, _LISTED)}."


def _data(content: Any, table: Table) -> Iterator[str]:
    frame, registered = table.frame, content["datasets"]
    of_sets = frame.drop_duplicates("dataset").set_index("dataset")
    if added := sorted(set(of_sets.index) - set(registered)):
        yield f"{count(len(added), 'data set')} added after registration: {listed(added, _LISTED)}."
    known = [name for name in of_sets.index if name in registered]
    for column, key, what in (
        ("block", "block", "Other blocks"),
        ("data_digest", "data", "Other data"),
        ("split", "split", "Another exam"),
    ):
        other = [name for name in known if column in of_sets and of_sets.loc[name, column] != registered[name][key]]
        if other and not (column == "block" and table.units not in ("", "block")):
            yield f"{what} than registered on {listed(sorted(other), _LISTED)}."
    if more := sorted(set(frame["repeat"].unique()) - set(content["repeats"])):
        yield f"{count(len(more), 'repeat')} added after registration: {listed([*map(str, more)], _LISTED)}."
    mine = frame[frame["arm"] == content["reference"]]
    if "protocol" in mine and len(mine) and _other_budget(mine["protocol"].iloc[0], content["training"]):
        yield "Another training budget than registered."


def _other_budget(protocol: Any, training: Any) -> bool:
    try:
        return bool(json.loads(protocol) != json.loads(json.dumps(training)))
    except (TypeError, ValueError):
        return True
