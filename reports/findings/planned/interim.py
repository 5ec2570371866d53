"""Whether all planned blocks are in, and what may be said before they are."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from reports.errors import listed
from reports.findings.results import Look, Refusal
from reports.options import Planned
from reports.statistics.spending import look_levels
from reports.table.table import Table
from reports.words.numbers import are, count


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
    if table.planned is not None:
        return _by_plan(table.frame, table.planned)
    ran = pd.crosstab(table.frame["block"], table.frame["arm"]) > 0
    unrun = (~ran).sum(axis=1)
    waiting = unrun[unrun >= max(2, ran.shape[1] / 2)].index
    return Progress(len(ran) - len(waiting), len(ran), tuple(map(str, waiting)), known=False)


def look_at(seen: Progress, looks: tuple[int, ...], alpha: float) -> Look | None:
    """Return at which level verdicts may be given; None where all is in and no look was planned.

    Parameters
    ----------
    seen
        How far the study is.
    looks
        Numbers of blocks at which verdicts were to be read early, as registered.
    alpha
        Level that all looks share.
    """
    early = [blocks for blocks in looks if blocks < seen.planned]
    if not seen.waiting and not early:
        return None
    due = [*early, seen.planned]
    if seen.finished not in due:
        return Look(seen.finished, seen.planned, tuple(early), None)
    levels = look_levels([blocks / seen.planned for blocks in due], alpha)
    return Look(seen.finished, seen.planned, tuple(early), levels[due.index(seen.finished)])


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
    if look.looks:
        message += f" (looks were planned at {listed([*map(str, look.looks)])} blocks)."
    else:
        message += (
            ", or plan looks beforehand (looks in the study file; knockout plan --register says what each can show)."
        )
    return [Refusal("interim", "all verdicts", message)]


def _by_plan(frame: pd.DataFrame, planned: Planned) -> Progress:
    ended = set(frame[["arm", "dataset", "repeat"]].itertuples(index=False, name=None))
    blocks = dict.fromkeys(block for _, block, _, _ in sorted(planned.cells))
    waiting = {block for arm, block, dataset, repeat in planned.cells if (arm, dataset, repeat) not in ended}
    return Progress(len(blocks) - len(waiting), len(blocks), tuple(b for b in blocks if b in waiting), known=True)
