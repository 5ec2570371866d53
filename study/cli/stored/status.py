"""Shows how far a study is, once or as long as it goes on; from its files alone, so from any terminal."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from reports.words.numbers import count
from study.cli.display import LOADING, Terminal, duration, make_console, make_table
from study.plan.progress import Progress, ProgressReader


def show(out: Path) -> None:
    """Print how far a study is, who runs it, and why cells failed."""
    screen = Terminal()
    with screen.busy(LOADING):
        now = ProgressReader(out).read()
    for part in _parts(now):
        screen.console.print(part, soft_wrap=isinstance(part, Text))


def watch(out: Path, every: float) -> None:
    """Show how far a study is until it is complete or the user has seen enough (Ctrl-C).

    On a terminal the picture is drawn anew every so many seconds; elsewhere a line is printed when something changed.
    """
    console, folder = make_console(), ProgressReader(out)
    with suppress(KeyboardInterrupt):  # the study itself goes on
        (_redraw if console.is_terminal else _tell)(console, folder, every)


def _redraw(console: Console, folder: ProgressReader, every: float) -> None:
    with Live(console=console, auto_refresh=False) as live:
        while True:
            now = folder.read()
            live.update(Group(*_parts(now)), refresh=True)
            if now.complete:
                live.vertical_overflow = "visible"  # the last picture stays, and may be longer than the screen
                return
            time.sleep(every)


def _tell(console: Console, folder: ProgressReader, every: float) -> None:
    printed: object = None
    failed: set[str] = set()
    while True:
        now = folder.read()
        news = (_title(now), _of_search(now), {claim.cell for claim in now.running}, {d.record.id for d in now.drivers})
        if news != printed:
            printed = news
            of_search = f"; {_of_search(now)}" if now.rows and _of_search(now) else ""
            line = f"{time.strftime('%H:%M:%S')} {_title(now)}{of_search}; {len(now.running)} running; {_left(now)}"
            console.print(line, soft_wrap=True)
        for cell, line in _failures(now):
            if cell not in failed:
                console.print(line, soft_wrap=True)
                failed.add(cell)
        if now.complete:
            return
        time.sleep(every)


def _parts(now: Progress) -> Iterator[RenderableType]:
    """Yield what is shown, the news first: a terminal cuts off what does not fit."""
    yield Text(_title(now), style="bold")
    if now.rows and now.search is not None:
        yield Text(_of_search(now))
    yield Text(_left(now))
    for driver in now.drivers:
        since = duration(max(0.0, time.time() - driver.record.started))
        on = f" on {driver.record.lanes}" if driver.record.lanes else ""
        yield Text(f"driver: process {driver.record.pid} on {driver.record.host} for {since}{on}")
    for claim in now.running:
        yield Text(f"running: {claim.label}: {claim.owner} for {duration(claim.age)}")
    for claim in now.stale:
        yield Text(
            f"stale: {claim.label}: claimed by {claim.owner} {duration(claim.age)} ago, which is gone; "
            "the next run takes it over"
        )
    if now.rows:
        yield Text()
        yield _table(now)
    if now.tuning is not None:
        yield Text()
        table = now.tuning.astype(object).where(now.tuning.notna(), "")
        table = table.map(lambda value: f"{value:.4g}" if isinstance(value, float) else value)
        yield make_table([str(name) for name in table.columns], table.to_numpy().tolist())
    if now.rows or now.tuning is not None:
        yield Text()
    yield from (Text(line) for line in now.damaged)
    yield from (Text(line) for _, line in _failures(now))


def _title(now: Progress) -> str:
    if now.rows:
        statuses = Counter(str(record.status) for record in now.ended.values())
        ends = ", ".join(f"{n} {status}" for status, n in statuses.most_common()) or "none"
        return f"{now.rows[0].study}: {len(now.ended)} of {count(len(now.rows), 'cell')} ({ends})"
    if now.search is not None:
        return _of_search(now)
    return f"tuning: {count(now.tuned, 'trial')} ended"


def _of_search(now: Progress) -> str:
    search = now.search
    if search is None:
        return ""
    ended, allowed = search.states.total(), search.allowed
    total = count(ended, "trial") if allowed is None else f"{ended} of {count(allowed, 'trial')}"
    states = ", ".join(f"{n} {state}" for state, n in search.states.most_common()) or "none"
    warm = f", {search.warm} more found finished" if search.warm else ""
    best = f"; best: {search.best}" if search.best else ""
    return f"search: {total} ({states}{warm}){best}"


def _left(now: Progress) -> str:
    if now.complete:
        return "complete"
    seconds = now.seconds_left
    if not now.drivers:
        cost = f"; about {duration(seconds)} are left on one lane" if seconds else ""
        return f"nobody runs it now{cost}"
    return "time left: not known yet" if seconds is None else f"about {duration(seconds)} left"


def _table(now: Progress) -> RenderableType:
    planned = Counter((row.arm, row.dataset) for row in now.rows)
    done = Counter((row.arm, row.dataset) for row in now.rows if row.cell in now.ended)
    arms = dict.fromkeys(arm for arm, _ in planned)
    datasets = dict.fromkeys(dataset for _, dataset in planned)
    lines = [[arm, *(f"{done[arm, d]}/{planned[arm, d]}" for d in datasets)] for arm in arms]
    return make_table(["arm", *datasets], lines)


def _failures(now: Progress) -> Iterator[tuple[str, str]]:
    """Yield each failed cell, and why it failed."""
    for row in now.rows:
        end = now.ended.get(row.cell)
        if end is not None and not end.ok:
            yield row.cell, f"{end.status}: {row.arm} / {row.dataset} / repeat {row.repeat}: {end.reason}"
