"""What ran: versions of the libraries that can change a number, and the git commit."""

from __future__ import annotations

import platform
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("knockout", "torch", "torch-geometric", "numpy", "scipy", "scikit-learn", "pandas")


@cache
def versions() -> dict[str, str]:
    """Return package versions, Python, platform, and knockout's git commit where it runs from a checkout."""
    packages = {"python": platform.python_version(), "platform": f"{platform.system()} {platform.machine()}"}
    for name in PACKAGES:
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            packages[name] = "not installed"
    return packages | {"git_commit": _git_commit()}


def _git_commit() -> str:
    folder = Path(__file__).parents[2]
    if not (folder / ".git").exists():
        return ""
    command = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=40"]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=5, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""
