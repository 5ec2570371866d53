"""Measures what grows with genes, cells, edges and arms, and prints the tables of docs/scale.md.

    .venv/bin/python bench/scale.py

Each size is made, read, audited and trained for some steps in a process of its own, so that its peak memory is its
own. Seconds are CPU seconds on one thread: what else runs on the machine does not count.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import yaml

SIZES = (  # genes, cells, edges
    (1000, 1000, 10_000),
    (1000, 20_000, 10_000),
    (5000, 1000, 10_000),
    (5000, 1000, 100_000),
    (5000, 5000, 100_000),
    (5000, 20_000, 100_000),
)
ARMS = (10, 100, 1000)
STEPS = 3
SHARING = 16  # batches that share a reading of the graph


def main() -> None:
    """Print both tables, or one size as JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--size", type=int, nargs=3, metavar=("GENES", "CELLS", "EDGES"), help="this one alone")
    size = parser.parse_args().size
    if size:
        print(json.dumps(measure(*size)))
        return
    print("| genes | cells | edges | file | read | split + audit | peak to plan | step | epoch ", end="")
    print("| step, shared | peak to train |")
    print("| ---: " * 11 + "|")
    for genes, cells, edges in SIZES:
        command = [sys.executable, __file__, "--size", *map(str, (genes, cells, edges))]
        m = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        print(
            f"| {genes:,} | {cells:,} | {edges:,} | {m['file']:.0f} MB | {m['read']:.1f} s | {m['audit']:.1f} s "
            f"| {m['peak_plan']:.2f} GiB | {m['step']:.2f} s | {m['epoch'] / 60:.1f} min | {m['shared']:.2f} s "
            f"| {m['peak_train']:.2f} GiB |",
            flush=True,
        )
    print("\n| arms | cells | plan | plan.json | checked for silence |")
    print("| ---: " * 5 + "|")
    for arms in ARMS:
        print(arms_line(arms), flush=True)


def measure(genes: int, cells: int, edges: int) -> dict[str, float]:
    """Read, audit and train a few steps of the reference arm on a data set of this size."""
    import torch

    from components.core.streams import Streams
    from components.data import readers
    from components.model import GRNModel, Parts
    from components.split.audit import audit
    from search_spaces.arm import parse_choice
    from search_spaces.presets import preset
    from study.train.checkpoint import Checkpoint
    from study.train.exams import make_split
    from study.train.fit import joint_stage
    from study.train.stages.trainer import Trainer

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="knockout-scale-") as folder:
        given = {"genes": genes, "cells": cells, "edges": edges}
        command = [sys.executable, str(Path(__file__).with_name("make_large.py")), folder]
        subprocess.run([*command, *(f"--{k}={v}" for k, v in given.items())], check=True, stdout=subprocess.DEVNULL)
        file = Path(folder, "large.h5ad")
        started = time.process_time()
        dataset = readers.read(file, network_file=Path(folder, "network.csv"), tfs_file=Path(folder, "tfs.csv"))
        digest = dataset.digest
        read = time.process_time()
        split = make_split(dataset, parse_choice("split", "per_tf"), 0)
        audit(split, Streams(digest, 0))
        audited, peak_plan, size = time.process_time(), _peak(), file.stat().st_size / 1e6
    chosen = preset("knockout-small")
    arm = chosen.arm("reference")
    parts = Parts({name: (choice.level, choice.settings) for name, choice in arm.choices.items()})
    streams = Streams(digest, 0)
    model = GRNModel(parts, torch.from_numpy(dataset.expression), streams).train()
    sampler = parts.build("negatives", split.training, dataset.expression)
    trainer = Trainer(model, split, sampler, streams, chosen.budget, Checkpoint(), None)
    stage = joint_stage(trainer, parts.build("optimizer"))
    passes, _ = trainer.begin(stage.name)
    batches = passes.batches(stage.batch_size)

    def seconds(sharing: int) -> float:
        """Return the CPU seconds of a batch where so many share a reading of the graph."""
        began = time.process_time()
        for loss in trainer.losses(stage, passes, batches[:sharing]):
            stage.fitter.step(loss)
        return (time.process_time() - began) / sharing

    step = float(np.median([seconds(1) for _ in range(STEPS)]))
    return {
        "file": size,
        "read": read - started,
        "audit": audited - read,
        "peak_plan": peak_plan,
        "step": step,
        "epoch": len(batches) * step,
        "shared": min(seconds(SHARING) for _ in range(2)),
        "peak_train": _peak(),
    }


def arms_line(arms: int) -> str:
    """Plan a study of this many arms on three repeats of a small data set."""
    from study.plan.plan import make_plan
    from study.plan.silent import refuse_silent_arms
    from study.spec.folder import OutFolder
    from study.store.plan_file import write_plan
    from study.study_file.study import load_study

    rates = np.geomspace(1e-4, 1e-2, arms - 2)
    content: dict[str, Any] = {
        "name": "arms",
        "datasets": [{"simulate": {"genes": 64, "tfs": 8, "cells": 40}}],
        "preset": "knockout-small",
        "design": {
            "kind": "one_factor_at_a_time",
            "factors": {"optimizer": [{"adam": {"learning_rate": float(rate)}} for rate in rates]},
        },
        "controls": ["degree"],
        "repeats": 3,
        "lanes": "cpu:1",
    }
    with tempfile.TemporaryDirectory(prefix="knockout-scale-") as folder:
        file = Path(folder, "arms.yaml")
        file.write_text(yaml.safe_dump(content))
        started = time.process_time()
        plan = make_plan(load_study(file))
        planned = time.process_time()
        write_plan(plan.record, Path(folder))
        size = OutFolder(Path(folder)).plan.stat().st_size / 1e6
    began = time.process_time()
    refuse_silent_arms(plan.study.arms, plan.study.budget)
    planning, probing = planned - started, time.process_time() - began
    return f"| {len(plan.study.arms)} | {len(plan.cells):,} | {planning:.1f} s | {size:.1f} MB | {probing:.0f} s |"


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


if __name__ == "__main__":
    main()
