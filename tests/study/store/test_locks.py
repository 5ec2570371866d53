"""Locks that are never released, and their owners."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from components.core.errors import KnockoutError
from study.store.locks import hold


@contextmanager
def held(file: Path, by: str = "process 12 on elsewhere") -> Iterator[None]:
    """Hold a lock as a suspended process does."""
    file.write_text(by)
    with file.open("r+") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


@pytest.mark.parametrize(
    ("by", "message"), [("process 12 on elsewhere", "process 12 on elsewhere has"), ("", "another")]
)
def test_a_lock_that_is_not_released_names_its_owner(tmp_path: Path, by: str, message: str):
    with (
        held(tmp_path / ".lock", by),
        pytest.raises(KnockoutError, match=f"{message}.*for 0 s; is it suspended") as caught,
        hold(tmp_path / ".lock", wait_s=0.1),
    ):
        pytest.fail("two hold one lock")
    assert caught.value.where == str(tmp_path / ".lock")


def test_a_holder_writes_its_name_and_releases_the_lock(tmp_path: Path):
    for _ in range(2):
        with hold(tmp_path / ".lock", wait_s=0.1):
            assert f"process {os.getpid()} on " in (tmp_path / ".lock").read_text()
