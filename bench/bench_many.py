"""What grows with the number of cells: the plan, the report, and the answer to --help, which must not."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage

from cases import many_cells, record_all
from pandas import read_parquet

from reports.build import write
from reports.findings.analysis import analyse
from reports.options import ReportOptions
from reports.stored.cells import Curves
from reports.table.table import load
from study.plan.plan import make_plan
from study.spec.folder import OutFolder
from study.store.table import write_table


def bench_plan(once, tell, tmp_path: Path):
    """Lay out 10,000 cells and find which the ledger has, all of them."""
    study = many_cells(tmp_path, datasets=8, repeats=125)
    plan = make_plan(study)
    ledger = record_all(plan, tmp_path / "out")

    def measure() -> tuple[float, float, float]:
        started, of_cpu = time.perf_counter(), time.process_time()
        again = make_plan(study)
        assert len({cell.digest for cell in again.cells}) == 10_000  # a digest is worked out when it is first read
        planned = time.perf_counter()
        assert not again.missing(ledger)
        return planned - started, time.perf_counter() - planned, time.process_time() - of_cpu

    laid_out, read, of_cpu = once(measure)
    total = laid_out + read
    what = f"planning 10,000 cells ({laid_out:.1f} s), reading 10,000 records ({read:.1f} s); {of_cpu:.1f} s of CPU"
    tell(what, f"{total:.2f} s", "< 2 s", total < 2)


def bench_report(once, tell, tmp_path: Path):
    """From the ledger to the page: 1,000 cells, two parts and five metrics each, make a table of 10,000 rows."""
    plan = make_plan(many_cells(tmp_path, datasets=10, repeats=10))
    ledger = record_all(plan, tmp_path / "out")

    def measure() -> tuple[float, float, int]:
        rows = [cell.row for cell in plan.cells]
        started, of_cpu = time.perf_counter(), time.process_time()
        folder = OutFolder(tmp_path / "out")
        table = write_table(rows, ledger.read_all(row.cell for row in rows), folder.root)
        loaded = load(table, ReportOptions(metric="auroc"))
        write(analyse(loaded), folder.report, curves=Curves.beside(folder.table, folder.ledger))
        return time.perf_counter() - started, time.process_time() - of_cpu, len(read_parquet(table))

    seconds, of_cpu, rows = once(measure)
    tell(
        f"report of {rows:,} rows, from ledger to page; {of_cpu:.1f} s of CPU",
        f"{seconds:.1f} s",
        "< 4 s",
        seconds < 4,
    )


def bench_help(benchmark, tell):
    """The command that a person types first."""
    command = shutil.which("knockout", path=f"{Path(sys.executable).parent}{os.pathsep}{os.defpath}")
    assert command

    def ask() -> None:
        subprocess.run([command, "--help"], check=True, stdout=subprocess.DEVNULL)

    benchmark.pedantic(ask, rounds=7, iterations=1, warmup_rounds=1)
    seconds, before = benchmark.stats.stats.median, getrusage(RUSAGE_CHILDREN)
    ask()
    after = getrusage(RUSAGE_CHILDREN)
    of_cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    tell(f"knockout --help, median of 7; {of_cpu:.2f} s of CPU", f"{seconds:.2f} s", "< 0.5 s", seconds < 0.5)
