import json
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from components.core.errors import KnockoutError
from study.spec.machine import Lane
from study.store import claims
from study.store.claims import Claims, read_claims
from study.store.drivers import TIMEOUT_S, read_drivers

FORK = multiprocessing.get_context("fork")


@pytest.fixture
def process() -> Iterator[Callable[..., Any]]:
    """Start a function in a process of its own, which is killed at the end."""
    started = []

    def start(target: Callable[..., None], *arguments: Any) -> Any:
        started.append(FORK.Process(target=target, args=arguments))
        started[-1].start()
        return started[-1]

    yield start
    for one in started:
        one.kill()
        one.join()


def hold(out: Path, *cells: str) -> None:
    with Claims(out) as mine:
        for cell in cells:
            mine.take(cell, f"arm / {cell}")
        (out / "held").touch()
        time.sleep(60)


def wait_for(path: Path) -> None:
    end = time.monotonic() + 20
    while not path.exists():
        assert time.monotonic() < end, f"waited for {path} in vain"
        time.sleep(0.01)


def kill(process: Any) -> None:
    os.kill(process.pid, signal.SIGKILL)
    process.join()


def names(out: Path) -> list[str]:
    """Files of claims and drivers, however a driver is named."""
    paths = sorted((out / "claims").rglob("*.json"))
    return ["driver" if path.parent.name == "drivers" else path.stem for path in paths]


def pretend(out: Path, **changes: Any) -> Path:
    """Change the only driver of a folder, by default to one of another machine."""
    (file,) = (out / "claims" / "drivers").glob("*.json")
    file.write_text(json.dumps({**json.loads(file.read_text()), "machine": "elsewhere", **changes}))
    return file


def grow_old(file: Path, seconds: float) -> None:
    then = file.stat().st_mtime - seconds
    os.utime(file, (then, then))


def test_a_cell_is_one_drivers_until_it_lets_go(tmp_path: Path):
    with Claims(tmp_path) as one, Claims(tmp_path) as two:
        assert one.take("a") and one.take("a")
        assert not two.take("a") and two.take("b")
        two.release("a")
        assert not two.take("a"), "only its owner lets go of a claim"
        assert {claim.cell: claim.record.driver for claim in read_claims(tmp_path)} == {
            "a": one.driver,
            "b": two.driver,
        }
        one.release("a")
        one.release("a")
        assert two.take("a")
    assert names(tmp_path) == []


def test_leaving_gives_up_what_is_still_claimed_and_coming_back_is_a_new_driver(tmp_path: Path):
    mine = Claims(tmp_path)
    with pytest.raises(ZeroDivisionError), mine:
        assert mine.take("a")
        raise ZeroDivisionError
    assert names(tmp_path) == []
    with mine, Claims(tmp_path) as other:
        assert other.take("a") and not mine.take("a")


def test_others_see_who_has_a_cell_for_how_long_and_on_what(tmp_path: Path):
    with Claims(tmp_path) as mine:
        mine.take("a", "reference / net / repeat 0")
        grow_old(tmp_path / "claims" / "a.json", 90)
        mine.work_on([Lane("cpu", 1), Lane("cpu", 1)])
        before = {path: path.read_bytes() for path in (tmp_path / "claims").rglob("*.json")}
        (claim,), (driver,) = read_claims(tmp_path), read_drivers(tmp_path)
        assert (claim.cell, claim.label, claim.record.pid, claim.alive) == (
            "a",
            "reference / net / repeat 0",
            os.getpid(),
            True,
        )
        assert 89 < claim.age < 100 and claim.owner == f"process {os.getpid()} on {driver.record.host}"
        assert (driver.record.workers, driver.record.lanes, driver.alive) == (2, "2 x cpu (1 thread)", True)
        assert {path: path.read_bytes() for path in (tmp_path / "claims").rglob("*.json")} == before


def test_reading_the_claims_of_a_folder_without_any_writes_nothing(tmp_path: Path):
    assert read_claims(tmp_path) == [] and read_drivers(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_a_killed_driver_blocks_no_other(tmp_path: Path, process: Callable[..., Any]):
    killed = process(hold, tmp_path, "a", "b")
    wait_for(tmp_path / "held")
    with Claims(tmp_path) as mine:
        assert not mine.take("a")
        kill(killed)
        assert [claim.alive for claim in read_claims(tmp_path)] == [False, False]
        assert mine.take("a")
        assert {claim.cell: claim.alive for claim in read_claims(tmp_path)} == {"a": True, "b": False}
    with Claims(tmp_path):
        assert names(tmp_path) == ["driver"], "the next driver clears away what dead ones left"


def lock_for_good(out: Path) -> None:
    with Claims(out) as mine, mine._locked():
        (out / "held").touch()
        time.sleep(60)


def test_a_driver_killed_in_the_middle_of_a_claim_blocks_no_other(tmp_path: Path, process: Callable[..., Any]):
    killed = process(lock_for_good, tmp_path)
    wait_for(tmp_path / "held")
    kill(killed)
    with Claims(tmp_path) as mine:
        assert mine.take("a")


def test_a_zombie_process_is_dead(tmp_path: Path, process: Callable[..., Any]):
    killed = process(hold, tmp_path, "a")
    wait_for(tmp_path / "held")
    os.kill(killed.pid, signal.SIGKILL)
    while psutil.Process(killed.pid).status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)
    assert [claim.alive for claim in read_claims(tmp_path)] == [False]


def test_a_process_that_got_a_dead_drivers_number_is_not_taken_for_it(tmp_path: Path):
    with Claims(tmp_path) as mine:
        mine.take("a")
        (driver,) = read_drivers(tmp_path)
        assert driver.alive
        file = pretend(tmp_path, machine=driver.record.machine, created=driver.record.created - 3600)
        assert not read_drivers(tmp_path)[0].alive
        file.rename(file.with_name("other.json"))


def test_a_driver_on_another_machine_is_believed_until_it_has_been_silent_too_long(tmp_path: Path):
    with Claims(tmp_path) as far:
        far.take("a")
        file = pretend(tmp_path, pid=2**22 + 1)
        with Claims(tmp_path) as mine:
            grow_old(file, TIMEOUT_S - 5)
            assert not mine.take("a")
            grow_old(file, 10)
            assert mine.take("a")
        far.release("a")


def test_silence_is_judged_by_the_file_systems_clock_and_not_by_this_machines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    with Claims(tmp_path) as far:
        far.take("a")
        pretend(tmp_path)
        with Claims(tmp_path) as mine:
            monkeypatch.setattr(claims.time, "time", lambda: 4e9)
            assert not mine.take("a")


def test_a_driver_that_slept_itself_takes_no_others_silence_for_death(tmp_path: Path):
    with Claims(tmp_path) as far:
        far.take("a")
        file = pretend(tmp_path)
        with Claims(tmp_path) as mine:
            grow_old(file, 10 * TIMEOUT_S)
            grow_old(mine._file, 10 * TIMEOUT_S)
            assert not mine.take("a")


def test_a_living_driver_beats_and_comes_back_when_it_was_taken_for_dead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(claims, "BEAT_S", 0.02)
    with Claims(tmp_path) as mine:
        mine._file.unlink()
        wait_for(mine._file)
        grow_old(mine._file, 60)
        old = mine._file.stat().st_mtime
        end = time.monotonic() + 10
        while mine._file.stat().st_mtime - old < 50:
            assert time.monotonic() < end
            time.sleep(0.01)
    assert names(tmp_path) == []


@pytest.mark.parametrize("content", ["", "{", "[]", "null", "{}", '{"driver": 1}', '{"driver": "nobody"}', b"\xff\xfe"])
def test_damaged_files_are_stale(tmp_path: Path, content: str | bytes):
    damage = content if isinstance(content, bytes) else content.encode()
    with Claims(tmp_path) as far:
        far.take("a"), far.take("b")
        with Claims(tmp_path) as mine:
            (tmp_path / "claims" / "a.json").write_bytes(damage)
            assert mine.take("a")
            far._file.write_bytes(damage)
            assert mine.take("b")
            drivers = {claim.cell: claim.record.driver for claim in read_claims(tmp_path)}
            assert drivers == {"a": mine.driver, "b": mine.driver}


def grab(out: Path, own: str, cells: int, both: Any) -> None:
    with Claims(out) as mine:
        both.wait(20)
        claimed = [cell for i in range(cells) if mine.take(cell := f"cell-{i}")]
        (out / f"{own}.json").write_text(json.dumps(claimed))
        both.wait(20)  # a claim is given up when its driver leaves


def race(out: Path, process: Callable[..., Any], cells: int, killed: Any = None) -> list[str]:
    both = FORK.Barrier(3)
    racing = [process(grab, out, own, cells, both) for own in "ab"]
    if killed is not None:
        kill(killed)
    both.wait(20)
    both.wait(20)
    for one in racing:
        one.join()
        assert one.exitcode == 0
    return sorted(cell for own in "ab" for cell in json.loads((out / f"{own}.json").read_text()))


def test_two_processes_that_race_share_the_cells_without_overlap(tmp_path: Path, process: Callable[..., Any]):
    assert race(tmp_path, process, 200) == sorted(f"cell-{i}" for i in range(200))


def test_two_processes_that_race_for_a_dead_drivers_cells_never_both_get_one(
    tmp_path: Path, process: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(Claims, "_sweep", lambda self: None)  # the dead driver's claims stay for the race
    killed = process(hold, tmp_path, *(f"cell-{i}" for i in range(50)))
    wait_for(tmp_path / "held")
    assert race(tmp_path, process, 50, killed) == sorted(f"cell-{i}" for i in range(50))


def test_a_folder_that_takes_no_claims_is_named(tmp_path: Path):
    (tmp_path / "claims").write_text("a file where the folder should be")
    with pytest.raises(KnockoutError, match="cannot be claimed") as refused, Claims(tmp_path):
        pass
    assert refused.value.where == str(tmp_path / "claims")


def test_a_lock_that_is_never_let_go_is_named(
    tmp_path: Path, process: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
):
    process(lock_for_good, tmp_path)
    wait_for(tmp_path / "held")
    monkeypatch.setattr(claims, "TIMEOUT_S", 0.1)
    with pytest.raises(KnockoutError, match="has held this lock") as refused, Claims(tmp_path):
        pass
    assert refused.value.where == str(tmp_path / "claims" / ".lock")
