"""The commands on bundles: pack a study for a reviewer, and check what a reviewer was given."""

from __future__ import annotations

from pathlib import Path

from components.core.errors import command
from reports.words.numbers import count
from study.actions.bundle.check import check as check_bundle
from study.actions.bundle.pack import bundle as pack
from study.cli.display import Terminal, show_table

EXIT_DISAGREES = 1


def bundle(out: Path, to: Path) -> None:
    """Pack the study of an output folder, and print what to publish beside it."""
    screen = Terminal()
    packed = pack(out, to, screen)
    screen.say(f"bundle:  {packed.path.resolve()} ({count(len(packed.members), 'file')}; no data, no predictions)")
    screen.say(f"SHA-256: {packed.digest}")
    screen.say(f"next:    {command('knockout', 'check', packed.path)}")


def check(path: Path) -> int:
    """Check a bundle, print what agrees and what does not, and return the exit code."""
    screen = Terminal()
    checked = check_bundle(path, screen)
    rows = [[finding.what, "agrees" if finding.agrees else "DIFFERS", finding.said] for finding in checked.findings]
    show_table(screen.console, f"{checked.study}: {path.name}", ["what", "", "seen"], rows)
    screen.say(f"SHA-256: {checked.digest}")
    wrong = sum(not finding.agrees for finding in checked.findings)
    if wrong:
        screen.say(f"{count(wrong, 'thing')} of {len(rows)} differ: do not trust this bundle.")
        return EXIT_DISAGREES
    screen.say("The bundle agrees with itself. That it is the one that was published, its SHA-256 says.")
    return 0
