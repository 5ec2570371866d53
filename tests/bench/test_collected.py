"""Every file of the bench can be imported: no other check reads them, and an error of one ends `make bench`."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_every_row_is_collected():
    root = Path(__file__).parents[2]
    command = [sys.executable, "-m", "pytest", "-c", "bench/pytest.ini", "--collect-only", "-q", "bench"]
    completed = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert completed.returncode == 0, completed.stdout[-2000:]
