"""What an action shows while it goes on."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

from study.run.listener import Listener


class Screen:
    """Shows nothing of what an action does; a terminal overrides this."""

    def busy(self, text: str) -> AbstractContextManager[Callable[[str], None]]:
        """Return a context in which ``text`` is being done; its value takes a text that says more exactly what."""
        return nullcontext(lambda text: None)

    def progress(self) -> AbstractContextManager[Listener]:
        """Return a context whose value follows a running study."""
        return nullcontext(Listener())

    def say(self, text: str) -> None:
        """Show one line."""
