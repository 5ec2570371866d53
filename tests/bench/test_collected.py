"""Every file of the bench can be imported: no other check reads them, and one that cannot ends `make bench`."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_every_row_is_collected():
    root = Path(__file__).parents[2]
    command = [sys.executable, "-m", "pytest", "-c", "bench/pytest.ini", "--collect-only", "-q", "bench"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
