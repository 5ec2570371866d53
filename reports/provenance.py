"""How a report was made: the commands that were typed, the libraries that compute its statistics, the git commit."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from importlib.metadata import version

_LIBRARIES = ("knockout", "numpy", "pandas", "scipy", "statsmodels", "scikit-posthocs", "scikit-learn", "matplotlib")


@dataclass(frozen=True)
class Provenance:
    """How a report came to be, as its last section tells it.

    Attributes
    ----------
    commands
        What was typed to make the study and the report, in that order.
    git_commit
        Of the checkout that the report is made in, if it is one.
    """

    commands: tuple[str, ...] = ()
    git_commit: str = ""

    @property
    def versions(self) -> list[str]:
        """What computes the statistics, with versions."""
        names = [f"Python {platform.python_version()}", *(f"{name} {version(name)}" for name in _LIBRARIES)]
        return [*names, f"git commit {self.git_commit}"] if self.git_commit else names
